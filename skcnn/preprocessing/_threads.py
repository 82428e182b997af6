"""How many threads work on images, and how many each matrix product may start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import _get_threadpool_controller

_lock = threading.Lock()
_inside: list = []  # one entry for each thread within `one_blas_thread`; the first holds the limit


def count_threads(n_jobs: int | None) -> int:
    """Count the threads that `n_jobs` stands for.

    Parameters
    ----------
    n_jobs : int or None
        None means one for each CPU core, or what `joblib.parallel_config` says; in a worker of
        something parallel, one.

    Returns
    -------
    n_threads : int
        The number of threads.
    """
    backend, configured = get_active_backend()
    if n_jobs is not None or configured not in (None, 1):
        return effective_n_jobs(n_jobs)
    return 1 if backend.nesting_level else cpu_count()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep small matrix products from starting threads, which costs more than it saves.

    The limit holds for the process: whoever comes first sets it, and whoever leaves last lifts it,
    so that threads may enter and leave in any order.

    Yields
    ------
    None
        Nothing.
    """
    with _lock:
        limit = None if _inside else _get_threadpool_controller().limit(limits=1, user_api="blas")
        _inside.append(limit)
    try:
        yield
    finally:
        with _lock:
            if len(_inside) == 1:
                _inside[0].restore_original_limits()
                _inside.clear()
            else:
                _inside.pop()  # not the first, which knows what to restore
