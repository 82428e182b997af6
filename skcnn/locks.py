"""Locks that a forked process does not share with its parent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any


class ProcessLock:
    """Reentrant lock between the threads of a process, with a condition that they can wait for.

    If another thread holds an ordinary lock when a process forks, the child can never acquire it,
    because that thread is not copied. With this class, a child uses a new lock of its own.

    Examples
    --------
    >>> from skcnn.locks import ProcessLock
    >>> lock = ProcessLock()
    >>> with lock.held():
    ...     print("no other thread is here")
    no other thread is here
    """

    def __init__(self) -> None:
        self._locks: dict[int, Any] = {os.getpid(): Condition()}

    @contextmanager
    def held(self) -> Iterator[Condition]:
        """Hold the lock in the context.

        Yields
        ------
        lock : threading.Condition
            Lock of this process.
        """
        process = os.getpid()
        lock = self._locks.get(process) or self._locks.setdefault(process, Condition())
        with lock:
            yield lock

    def __reduce__(self) -> tuple:
        return ProcessLock, ()
