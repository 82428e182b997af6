"""Where a network runs, in which precision, and with which random numbers."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import cache
from threading import RLock

import torch

# torch's random numbers are the process's, so fits in several threads take turns.
_RANDOM_NUMBERS = RLock()


def resolve_device(device):
    """Choose the device to train on.

    Parameters
    ----------
    device : str or torch.device
        "auto" is a CUDA device where there is one, else Apple's "mps" where there is one, else the
        processor.

    Returns
    -------
    device : torch.device
        A device that exists.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    if device == "auto":
        return torch.device(_best_device())
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
        if chosen.type == "meta":
            raise RuntimeError("it holds no values")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'device={device!r} cannot be used here ({reason}): device="auto" takes what there is'
        ) from error
    return chosen


def available_device(device):
    """Choose the device to predict on: the one asked for, or the processor where it is missing.

    Parameters
    ----------
    device : str or torch.device
        As the estimator's parameter.

    Returns
    -------
    device : torch.device
        A device that exists.
    """
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def autocast(device, precision):
    """Give the context in which training steps compute.

    Parameters
    ----------
    device : torch.device
        Where the network is.
    precision : {"auto", "float32", "bfloat16"}
        "auto" is bfloat16 where the device computes it natively, else float32.

    Returns
    -------
    context : context manager
        Weights, loss and statistics stay float32 within.
    """
    if precision == "float32" or (precision == "auto" and not has_bfloat16(device)):
        return nullcontext()
    # Without its cache, which outlives a step where another autocast is around this one.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


@contextmanager
def seeded(seed, device):
    """Seed torch's random numbers within, and leave the global ones as they were.

    Parameters
    ----------
    seed : int
        What they start from.
    device : torch.device
        The device whose numbers are seeded along with the processor's.

    Yields
    ------
    None
        Nothing.
    """
    own = [device] if device.type in ("cuda", "mps") else []
    own_type = device.type if own else "cpu"
    with _RANDOM_NUMBERS, torch.random.fork_rng(own, device_type=own_type):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield


@cache
def has_bfloat16(device):
    """Tell whether a device multiplies bfloat16 natively; emulation is slower than float32.

    Parameters
    ----------
    device : torch.device
        The device.

    Returns
    -------
    has_bfloat16 : bool
        False also where PyTorch cannot tell.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    return False


def _best_device():
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
