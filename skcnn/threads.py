"""Threads that read images: how many there are, and reading ahead of a consumer."""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend


def in_parallel_worker() -> bool:
    """Return whether this thread computes a task of a parallel computation.

    Returns
    -------
    in_worker : bool
        True in the worker processes and threads of joblib and of dask.
    """
    backend, _ = get_active_backend()
    return bool(backend.nesting_level) or _dask_worker() is not None


def cores_of_worker_process() -> int | None:
    """Return the number of CPU cores of this process if it computes tasks of another process.

    Returns
    -------
    n_cores : int or None
        Number of threads of a worker of dask, and 1 in a worker process of joblib. None in all
        other processes, also in their worker threads.
    """
    worker = _dask_worker()
    if worker is not None:
        return worker.state.nthreads
    is_child = multiprocessing.parent_process() is not None
    return 1 if is_child and in_parallel_worker() else None


def _dask_worker() -> Any:
    """Return the worker of dask that this thread belongs to, or None."""
    distributed = sys.modules.get("distributed")  # imported in every worker
    try:
        return distributed.get_worker() if distributed is not None else None
    except (AttributeError, ValueError):  # not imported completely, or not in a task
        return None


def count_threads(n_jobs: int | str | None) -> int:
    """Return the number of threads that `n_jobs` stands for.

    Parameters
    ----------
    n_jobs : int, "auto" or None
        "auto" means all CPU cores, or one in a worker of a parallel computation. Integers and
        None have the meaning of scikit-learn's glossary: None is 1 unless in a
        `joblib.parallel_config` context, and -1 is all CPU cores.

    Returns
    -------
    n_threads : int
        Number of threads.
    """
    if n_jobs == "auto":
        return 1 if in_parallel_worker() else cpu_count()
    return effective_n_jobs(n_jobs)


def read_ahead(
    read: Callable[[Any], Any], tasks: Sequence[Any], n_jobs: int | str | None = "auto"
) -> Iterator[Any]:
    """Yield the results of tasks in order, while threads work on the next ones.

    Threads and not processes, because decoding, resizing and copying release the GIL, and threads
    start at once and share memory. Every thread ends after one task, so that an iteration that is
    abandoned leaves no threads behind, even if the generator is never closed.

    Parameters
    ----------
    read : callable
        Called as ``read(task)``, by several threads at a time.
    tasks : sequence
        Arguments of the calls.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads, and maximum number of results that wait for the consumer.

    Yields
    ------
    result : object
        Result of ``read(task)`` for each task. An exception is raised when its task is due.
    """
    if len(tasks) < 2:  # no next task
        yield from map(read, tasks)
        return
    waiting = iter(tasks)
    ahead = deque(_start(read, task) for task in islice(waiting, count_threads(n_jobs)))
    try:
        while ahead:
            ahead[0][0].shutdown()
            ahead.extend(_start(read, task) for task in islice(waiting, 1))
            yield ahead.popleft()[1].result()
    finally:
        for thread, _ in ahead:
            thread.shutdown()


def _start(read, task) -> tuple[ThreadPoolExecutor, Future]:
    """Start a thread that ends after one task; `shutdown` of the executor joins it."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="skcnn-reading")
    result = thread.submit(read, task)
    thread.shutdown(wait=False)
    return thread, result
