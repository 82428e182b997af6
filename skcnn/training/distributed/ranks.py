"""The processes that train one network together, and the context in which they do so."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar

from torch import distributed

from skcnn.training.distributed.exchange import Ranks

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
