"""Device, precision and random seed of training."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from functools import cache

import torch

from skcnn.settings import use_one_thread_after_fork
from skcnn.training.distributed.ranks import is_distributed, local_rank
from skcnn.training.turns import turns
from skcnn.training.worker_devices import default_cuda_device


def resolve_device(device):
    """Return the device to train on.

    Parameters
    ----------
    device : str or torch.device
        "auto" is a CUDA device if there is one, else Apple's "mps" if there is one, else the CPU.
        Each worker process of a parallel computation uses one of several CUDA devices. If several
        processes train one network, each uses the device of its number LOCAL_RANK.

    Returns
    -------
    device : torch.device
        An available device.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    if device == "auto":
        return torch.device(_best_device())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about deprecated names of devices
            chosen = torch.device(device)
        if chosen.type == "meta":
            raise ValueError("it stores no values")
        torch.empty(0, device=chosen)
    except Exception as error:  # the type depends on the device
        reason = str(error).splitlines()[0].split(". ")[0][:80]
        raise ValueError(
            f'device={str(device)[:40]!r} is not available ({reason}): device="auto" uses an '
            f"available device, and the devices here are {', '.join(map(repr, device_names()))}"
        ) from error
    return torch.device("cpu") if chosen.type == "cpu" else chosen


def device_names():
    """Return the names of the devices of this machine.

    Returns
    -------
    names : list of str
        "cpu", and the GPUs that PyTorch finds.
    """
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    names += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    return names + (["mps"] if torch.backends.mps.is_available() else [])


def available_device(device):
    """Return the device to predict on: the requested one, or the CPU if it is not available.

    Parameters
    ----------
    device : str or torch.device
        Parameter `device` of an estimator.

    Returns
    -------
    device : torch.device
        An available device.
    """
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def autocast(device, precision, module=None):
    """Return the autocast context of training steps.

    Parameters
    ----------
    device : torch.device
        Device of the network.
    precision : {"auto", "float32", "bfloat16"}
        "auto" is bfloat16 if the device supports it natively, else float32.
    module : torch.nn.Module, default=None
        Module that is trained. On the CPU, "auto" is float32 if the module has depthwise
        convolutions, because their gradients take longer in bfloat16.

    Returns
    -------
    context : context manager
        Context in which weights, loss and statistics remain float32. It can be used more than once.
    """
    if precision == "auto":
        is_slow = device.type == "cpu" and module is not None and _has_depthwise(module)
        precision = "bfloat16" if has_bfloat16(device) and not is_slow else "float32"
    if precision == "float32":
        return nullcontext()
    # With its cache, autocast would reuse outdated weights inside an autocast context of a caller.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


@contextmanager
def seeded(seed, device):
    """Seed the random numbers of torch, and restore their state at the end.

    Parameters
    ----------
    seed : int
        Seed.
    device : torch.device
        Device whose random numbers are seeded in addition to those of the CPU.

    Yields
    ------
    None
    """
    use_one_thread_after_fork()
    own = [device] if device.type in ("cuda", "mps") else []
    own_type = device.type if own else "cpu"
    with turns.turn(), torch.random.fork_rng(own, device_type=own_type):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield


@cache
def has_bfloat16(device):
    """Return whether a device multiplies bfloat16 natively; emulation is slower than float32.

    Parameters
    ----------
    device : torch.device
        Device.

    Returns
    -------
    has_bfloat16 : bool
        False if PyTorch does not report the capability.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    return False


def _has_depthwise(module):
    convolutions = (part for part in module.modules() if isinstance(part, torch.nn.Conv2d))
    return any(conv.groups == conv.in_channels > 1 for conv in convolutions)


def _best_device():
    if torch.cuda.is_available():
        if is_distributed():
            return f"cuda:{local_rank() % torch.cuda.device_count()}"
        return default_cuda_device()
    return "mps" if torch.backends.mps.is_available() else "cpu"
