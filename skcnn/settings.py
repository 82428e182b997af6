"""Global settings of PyTorch and NumPy, fixed while this package computes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import Lock, get_ident
from typing import Any

import numpy as np
import torch

# Defaults of NumPy: an underflow to zero is no error.
_FLOATING_POINT = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}

_OFF = "off"
_backends: Any = torch.backends

_IMPORTING_PROCESS = os.getpid()
_forked_processes: set[int] = set()  # those whose number of threads has been set


@contextmanager
def fixed_settings() -> Iterator[None]:
    """Use fixed settings of PyTorch and NumPy in the context, and restore the previous ones.

    Results then depend neither on the default dtype and device of PyTorch nor on reduced precision
    of float32 products and convolutions, which PyTorch uses by default for convolutions on a GPU.
    Tensors that are created are not inference tensors, so that they can be
    trained, and NumPy raises no FloatingPointError. The context can be used as a decorator.

    The default dtype and the precision are settings of the process: they are set when the first of
    several threads enters the context, and restored when the last one leaves it. The other settings
    are those of the current thread. A forked process uses one thread of PyTorch.

    Yields
    ------
    None
    """
    use_one_thread_after_fork()
    inference: Any = nullcontext()
    device: Any = nullcontext()
    if torch.is_inference_mode_enabled():
        inference = torch.inference_mode(False)
    if torch.empty(0).device.type != "cpu":  # faster than get_default_device
        device = torch.device("cpu")
    with np.errstate(**_FLOATING_POINT), inference, device:  # type: ignore[arg-type]
        _process.enter()
        try:
            yield
        finally:
            _process.leave()


def use_one_thread_after_fork() -> None:
    """Set the number of threads to one if this process was forked after the import of this module.

    The threads of OpenMP are not copied to a forked process. If the parent process has used them,
    the child waits for them forever in GNU OpenMP, unless it computes with one thread.
    """
    process = os.getpid()
    if process != _IMPORTING_PROCESS and process not in _forked_processes:
        torch.set_num_threads(1)
        _forked_processes.add(process)


class _ProcessSettings:
    """Settings of the process, which have their defaults while a thread is in the context."""

    def __init__(self):
        self._lock = Lock()
        self._inside = Counter()  # contexts of each thread
        self._changed = []  # pairs of a setter and the former value

    def enter(self):
        _renew_after_fork()
        with self._lock:
            if not self._inside:
                self._fix()
            self._inside[get_ident()] += 1

    def leave(self):
        with self._lock:
            thread = get_ident()
            self._inside[thread] -= 1
            if not self._inside[thread]:
                del self._inside[thread]
            if not self._inside:
                self._restore()

    def renew(self):
        """Forget the threads that do not exist in a forked process."""
        self._lock = Lock()
        self._inside = Counter({k: n for k, n in self._inside.items() if k == get_ident()})
        if not self._inside:
            self._restore()

    def _fix(self):
        for get, set_value, expected in _SETTINGS:
            before = get()
            if before not in expected:
                set_value(expected[0])
                self._changed.append((set_value, before))

    def _restore(self):
        while self._changed:
            set_value, before = self._changed.pop()
            set_value(before)


def _process_settings() -> Iterator[tuple[Callable[[], Any], Callable[[Any], None], tuple]]:
    """Yield the getter, the setter and the accepted values of each setting, the default first."""
    yield torch.get_default_dtype, torch.set_default_dtype, (torch.float32,)
    yield _attribute(_backends.mkldnn, "enabled", (True,))
    if hasattr(getattr(_backends.mkldnn, "matmul", None), "fp32_precision"):  # PyTorch 2.9
        for holder in (_backends.mkldnn.matmul, _backends.mkldnn.conv, _backends.cuda.matmul):
            yield _precision(holder)
        yield _tensor_float_32, _set_tensor_float_32, (_OFF,)
    else:
        yield _attribute(_backends.cudnn, "allow_tf32", (False,))
        get, set_value = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        yield get, set_value, ("highest",)


def _precision(holder):
    """Return a setting that is restored to the inherited precision, "none", if this is the same."""
    get, set_precision, expected = _attribute(holder, "fp32_precision", ("ieee", "none"))

    def set_value(value):
        set_precision("none")
        if get() != value:
            set_precision(value)

    return get, set_value, expected


def _tensor_float_32():
    """Return "off", or the precisions of cuDNN if convolutions use TensorFloat-32, the default."""
    cudnn = _backends.cudnn
    precision = cudnn.conv.fp32_precision
    return (precision, cudnn.rnn.fp32_precision) if precision == "tf32" else _OFF


def _set_tensor_float_32(value):
    """Set the precisions of cuDNN so that `torch.backends.cudnn.allow_tf32` can still be read."""
    cudnn = _backends.cudnn
    if value in (_OFF, ("tf32", "tf32")):
        cudnn.allow_tf32 = value != _OFF
        if (
            value == _OFF and _tensor_float_32() != _OFF
        ):  # inherited from torch.backends.fp32_precision
            cudnn.conv.fp32_precision = "ieee"
    else:
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = value


def _attribute(holder, name, expected):
    return (
        lambda: getattr(holder, name),
        lambda value: setattr(holder, name, value),
        expected,
    )


_SETTINGS = tuple(_process_settings())
_process = _ProcessSettings()


@cache
def _renew_after_fork():
    """Register once that forked processes forget the threads of their parent."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_process.renew)
