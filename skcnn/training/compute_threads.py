"""Number of threads of PyTorch: one for small networks, and for workers that share the cores."""

from __future__ import annotations

import ctypes
import math
import os
from contextlib import contextmanager, nullcontext
from functools import cache

import torch

from skcnn.locks import ProcessLock
from skcnn.networks import NETWORKS
from skcnn.networks.summary import OperationCounter
from skcnn.settings import use_one_thread_after_fork
from skcnn.threads import cores_of_worker_process, in_parallel_worker
from skcnn.training.forks import computing

# Multiply-adds of the forward pass of a batch. Below this number, a second thread saves less than
# 10% of a measured training step, and multiplies its time if another process uses the same cores.
SMALL_WORK = 1_500_000

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # loky, dask and ray set the first in workers
_turn = ProcessLock()  # of the worker thread that computes with several threads

_counts: dict[str, float] = {}  # multiply-adds of networks that were built before in this process


@contextmanager
def compute_threads(work):
    """Compute in the context with the threads of `set_threads`, and in turn with other workers.

    Parameters
    ----------
    work : float
        Multiply-adds of a forward pass of one batch.

    Yields
    ------
    None
    """
    with set_threads(work), turn_of_worker():
        yield


@contextmanager
def set_threads(work):
    """Set the number of PyTorch threads in the context: one if the work is small.

    Otherwise the number of threads that the user has set is used. The number of threads of other
    Python threads does not change. A worker process of a parallel computation uses the number of
    threads that its environment sets, as most backends do. If it sets none, a worker of dask uses
    as many as it has itself, and any other uses one.

    Parameters
    ----------
    work : float
        Multiply-adds of a forward pass of one batch.

    Yields
    ------
    None
    """
    use_one_thread_after_fork()
    before = torch.get_num_threads()
    n_threads = 1 if work < SMALL_WORK else min(before, _most_threads())
    if n_threads == before:
        yield
        return
    restore = _set_threads_of_this_thread(n_threads)
    try:
        yield
    finally:
        restore()


def turn_of_worker():
    """Return a context for which the worker threads of a process wait in turn.

    They wait only if they compute with several threads, which together would be more than the
    cores. What may wait for other workers, such as a callback after an epoch, belongs outside.

    Returns
    -------
    context : context manager
        The context.
    """
    several = torch.get_num_threads() > 1 and in_parallel_worker()
    return _turn.held() if several else nullcontext()


def _most_threads():
    """Return the number of cores of a worker process if its environment does not set it."""
    if any(name in os.environ for name in _VARIABLES):
        return math.inf
    return cores_of_worker_process() or math.inf


def multiply_adds(spec, module):
    """Count the multiply-adds in a forward pass of one image, of a named network only once.

    Parameters
    ----------
    spec : NetworkSpec
        Description of the network.
    module : torch.nn.Module
        Module that was built from the spec.

    Returns
    -------
    multiply_adds : float
        Return value of `count_multiply_adds`.
    """
    image_shape = (spec.height, spec.width, spec.in_channels)
    if not isinstance(spec.name, str) or spec.name not in NETWORKS:
        return count_multiply_adds(module, image_shape)
    key = repr(spec)
    if key not in _counts:
        _counts[key] = count_multiply_adds(module, image_shape)
    return _counts[key]


def count_multiply_adds(module, image_shape):
    """Count the multiply-adds of matrix products and convolutions in a forward pass of one image.

    Parameters
    ----------
    module : torch.nn.Module
        Network, which is not changed.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels.

    Returns
    -------
    multiply_adds : float
        Multiply-adds; infinity if they cannot be counted.
    """
    tensors = [*module.parameters(), *module.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    height, width, n_channels = image_shape
    images = torch.zeros((2, n_channels, height, width), device=device)
    modes = [(part, part.training) for part in module.modules()]
    try:
        with computing(), compute_threads(0), torch.no_grad(), OperationCounter() as counter:
            module.eval()(images)
    except MemoryError:
        raise
    except Exception:  # networks of the user may not run in this mode
        return float("inf")
    finally:
        for part, training in modes:
            part.training = training
    return counter.counts.total() / (2 * len(images))


def _set_threads_of_this_thread(n_threads):
    """Set the number of PyTorch threads of this Python thread, and return a function to undo it."""
    before = torch.get_num_threads()  # also makes the first call of this thread initialize it
    setters = _thread_setters()
    if not setters:
        torch.set_num_threads(n_threads)
        return lambda: torch.set_num_threads(before)
    set_openmp, set_mkl = setters
    set_openmp(n_threads)
    mkl_before = set_mkl(n_threads)

    def restore():
        set_openmp(before)
        set_mkl(mkl_before)

    return restore


@cache
def _thread_setters():
    """Return the functions of OpenMP and MKL that set the number of threads, None if not found.

    `torch.set_num_threads` is not used, because it also sets the initial number of threads of new
    Python threads. A Python thread that starts while another one trains a small network would then
    compute with one thread.
    """
    try:
        library = ctypes.CDLL(torch._C.__file__)
        set_openmp = library.omp_set_num_threads
        # The function returns the previous number; 0 means the number of OpenMP.
        set_mkl = library.MKL_Set_Num_Threads_Local if torch.backends.mkl.is_available() else int
    except (OSError, AttributeError):
        return None
    before = torch.get_num_threads()
    set_openmp(before + 1)
    is_used_by_torch = torch.get_num_threads() == before + 1
    set_openmp(before)
    return (set_openmp, set_mkl) if is_used_by_torch else None
