"""Threads that read images: how many there are, and reading ahead of whoever works on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from threading import Thread
from typing import Any

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend


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
    if n_jobs is not None or configured is not None:
        return effective_n_jobs(n_jobs)
    return 1 if backend.nesting_level else cpu_count()


def read_ahead(
    read: Callable[[Any], Any], tasks: Sequence[Any], n_jobs: int | None = None
) -> Iterator[Any]:
    """Read one thing after the other, with threads that read the next ones meanwhile.

    Threads, not processes: decoding, resizing and copying let go of the GIL, threads start at once
    and share what is kept in memory. Each reads one thing and ends, so an iteration that is left in
    the middle leaves none behind, even if nobody closes it.

    Parameters
    ----------
    read : callable
        Called as ``read(task)``, by several threads at a time.
    tasks : sequence
        What to read.
    n_jobs : int, default=None
        How many things are read at a time, and so how many wait at most to be worked on.

    Yields
    ------
    result : object
        What `read` returned for each task in turn. What it raises is raised in its place.
    """
    if len(tasks) < 2:  # nothing to do meanwhile
        yield from map(read, tasks)
        return
    waiting = iter(tasks)
    ahead = deque(_Reading(read, task) for task in islice(waiting, count_threads(n_jobs)))
    try:
        while ahead:
            ahead[0].join()
            ahead.extend(_Reading(read, task) for task in islice(waiting, 1))
            yield ahead.popleft().result()
    finally:
        for reading in ahead:
            reading.join()


class _Reading(Thread):
    """A thread that reads one thing."""

    def __init__(self, read, task):
        super().__init__(name="skcnn-reading")
        self._read, self._task = read, task
        self._result = self._error = None
        self.start()

    def run(self):
        try:
            self._result = self._read(self._task)
        except BaseException as error:  # whatever it is, it belongs to whoever asked
            self._error = error

    def result(self):
        if self._error is not None:
            raise self._error
        return self._result
