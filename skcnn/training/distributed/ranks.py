"""Ranks: the processes that train one network together, and what they exchange."""

from __future__ import annotations

import math
import os
import threading
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar

import torch
from torch import distributed

from skcnn.training.interrupts import StopTraining

_TOLERANCE = 1e-4  # relative difference of the norms of weights, for rounding on other CPUs

_current: ContextVar[Ranks | None] = ContextVar("ranks", default=None)
_lock = threading.RLock()
_inherited = None  # process group of the parent of a forked process


def current_ranks():
    """Return the ranks that train together in the context of `joint_training`.

    Returns
    -------
    ranks : Ranks or None
        None if this process trains alone.
    """
    return _current.get()


def in_any_rank(condition):
    """Return whether a condition holds in one of the ranks that train together.

    Parameters
    ----------
    condition : bool
        Whether it holds in this process.

    Returns
    -------
    holds : bool
        `condition` if this process trains alone.
    """
    ranks = _current.get()
    return condition if ranks is None else any(ranks.gather(condition))


def is_distributed():
    """Return whether this process belongs to a process group of PyTorch with other processes.

    Returns
    -------
    is_distributed : bool
        False in a forked process, which cannot use the process group of its parent.
    """
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.group.WORLD is not _inherited
        and distributed.get_world_size() > 1
    )


def local_rank():
    """Return the number of this process among those of the same machine.

    Returns
    -------
    local_rank : int
        Value of the environment variable LOCAL_RANK, which launchers such as torchrun set. 0 if
        there is no process group.
    """
    return int(os.environ.get("LOCAL_RANK", 0)) if is_distributed() else 0


@contextmanager
def joint_training():
    """Train in the context together with the other processes of the process group, if there is one.

    All processes have to enter the context. If one of them leaves it with an exception, the others
    raise one as well. Only rank 0 writes to the standard output.

    Yields
    ------
    ranks : Ranks or None
        None if this process trains alone.

    Raises
    ------
    RuntimeError
        If another process does not enter the context, or another thread is in it.
    """
    if not is_distributed():
        yield None
        return
    if not _lock.acquire(blocking=False):
        raise RuntimeError(
            "a fit in another thread trains with the other processes of the process group: fit one "
            "estimator after the other, with n_jobs=None"
        )
    try:
        ranks = Ranks()
        token = _current.set(ranks)
        try:
            with nullcontext() if ranks.rank == 0 else _silenced():
                yield ranks
        finally:
            _current.reset(token)
            ranks.leave()
    finally:
        _lock.release()


class Ranks:
    """The processes that train one network together, numbered by their rank.

    They communicate in a group of their own. When a process leaves the group, for whatever reason,
    the others cannot wait for it forever. GPUs communicate in the process group of the user.

    Attributes
    ----------
    rank : int
        Number of this process.
    size : int
        Number of processes.
    """

    def __init__(self):
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.timeout = _timeout()
        with self._clear_errors():
            self._group = distributed.new_group(backend="gloo", timeout=self.timeout)

    def leave(self):
        """Leave the group, which raises an error in processes that wait for this one."""
        distributed.destroy_process_group(self._group)
        self._group = None

    # --------------------------------------------------------------------------------------------
    # Communication

    def gather(self, value):
        """Return the values of all ranks.

        Parameters
        ----------
        value : object
            Small object that can be pickled.

        Returns
        -------
        values : list
            Values, in the order of the ranks.
        """
        values = [None] * self.size
        with self._clear_errors():
            distributed.all_gather_object(values, value, group=self._group)
        return values

    def gather_tensors(self, tensor):
        """Return the tensors of all ranks, which have the same shape.

        Parameters
        ----------
        tensor : tensor
            Tensor of this rank.

        Returns
        -------
        tensors : tensor of shape (n_ranks, ...)
            Tensors, in the order of the ranks.
        """
        tensors = [torch.empty_like(tensor) for _ in range(self.size)]
        with self._clear_errors():
            distributed.all_gather(tensors, tensor, group=self._group_on(tensor.device))
        return torch.stack(tensors)

    def add(self, tensor):
        """Replace a contiguous tensor by the sum of the tensors of all ranks.

        Parameters
        ----------
        tensor : tensor
            Tensor of this rank, which is changed in place.

        Returns
        -------
        tensor : tensor
            The same tensor, with the same values in all ranks.
        """
        with self._clear_errors():
            distributed.all_reduce(tensor, group=self._group_on(tensor.device))
        return tensor

    @torch.no_grad()
    def copy_from_first(self, *tensors):
        """Replace tensors by those of rank 0.

        Parameters
        ----------
        *tensors : tensor
            Tensors, which are changed in place.
        """
        for tensor in tensors:
            values = tensor.contiguous()
            with self._clear_errors():
                distributed.broadcast(values, src=0, group=self._group_on(tensor.device))
            tensor.copy_(values)

    def gather_rows(self, compute, n_rows):
        """Compute an array in parts, one in each rank.

        Parameters
        ----------
        compute : callable
            ``compute(part)`` returns the rows of a slice, as an array.
        n_rows : int
            Number of rows.

        Returns
        -------
        rows : array of shape (n_rows, ...)
            All rows, in each rank.
        """
        if n_rows < self.size:
            return compute(slice(0, n_rows))
        own = self.part(n_rows)
        values = torch.from_numpy(compute(own))
        rows = torch.zeros((n_rows, *values.shape[1:]), dtype=values.dtype)
        rows[own] = values
        return self.add(rows).numpy()

    def part(self, n_images):
        """Return the part of a batch that this rank computes.

        Parameters
        ----------
        n_images : int
            Number of images in the batch.

        Returns
        -------
        part : slice
            Consecutive images. A batch with fewer images than ranks is computed by all ranks.
        """
        if n_images < self.size:
            return slice(0, n_images)
        return slice(n_images * self.rank // self.size, n_images * (self.rank + 1) // self.size)

    def copies(self, n_images):
        """Return the number of ranks that compute the same images of a batch.

        Parameters
        ----------
        n_images : int
            Number of images in the batch.

        Returns
        -------
        copies : int
            1, or the number of ranks.
        """
        return self.size if n_images < self.size else 1

    # --------------------------------------------------------------------------------------------
    # Agreement

    def begin_epoch(self, module):
        """Wait for the other ranks at the beginning of an epoch.

        Parameters
        ----------
        module : torch.nn.Module
            Module that is trained.

        Raises
        ------
        StopTraining
            If another rank has stopped the training.
        """
        if "end" in self._compare_states("epoch", module):
            raise StopTraining

    def end_training(self, module):
        """Wait until the other ranks have ended the training.

        Parameters
        ----------
        module : torch.nn.Module
            Module that was trained.
        """
        while "epoch" in self._compare_states("end", module):
            pass

    def _compare_states(self, state, module):
        """Return the states of all ranks, and raise an error if their weights differ."""
        with torch.no_grad():
            norm = sum((p.double().square().sum() for p in module.parameters()), torch.zeros(()))
        states, norms = zip(*self.gather((state, float(norm))), strict=True)
        finite = all(map(math.isfinite, norms))  # otherwise the loss is an error in all ranks
        if finite and not all(math.isclose(n, norms[0], rel_tol=_TOLERANCE) for n in norms):
            raise RuntimeError(
                "the weights of the ranks became different: pass callbacks that change the weights "
                "or the learning rate in each process, and use a network whose weights do not "
                "depend on the images of one process"
            )
        return states

    # --------------------------------------------------------------------------------------------

    def _group_on(self, device):
        """Return the group for tensors on a device. None is the process group of the user."""
        return self._group if device.type == "cpu" else None

    @contextmanager
    def _clear_errors(self):
        """Replace the errors of PyTorch by a sentence."""
        try:
            yield
        except RuntimeError as error:
            limit = "" if self.timeout is None else f" of {self.timeout.total_seconds():g} s"
            raise RuntimeError(
                f"rank {self.rank} of {self.size} stopped training, because another rank failed, "
                f"ended, or did not take part in fit within the time limit{limit}: read the "
                "messages of the other ranks"
            ) from error


def _timeout():
    """Return the time limit of the process group of the user, None if it is not known."""
    backend = getattr(distributed.group.WORLD, "_get_backend", None)
    for device in ("cpu", "cuda"):
        try:
            return backend(torch.device(device)).options._timeout
        except (AttributeError, RuntimeError, TypeError):
            continue
    return None


@contextmanager
def _silenced():
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


def _remember_inherited_group():
    global _inherited
    if distributed.is_available() and distributed.is_initialized():
        _inherited = distributed.group.WORLD


# Registered on import, since a process may be forked before it trains anything.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_inherited_group)
