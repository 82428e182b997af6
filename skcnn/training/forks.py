"""Delay forks while other threads compute, because a child cannot acquire PyTorch's locks."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from functools import cache
from threading import get_ident

from skcnn.locks import ProcessLock

_SECONDS = 30  # a fork does not wait longer


@contextmanager
def computing():
    """Make other threads wait for the end of the context before they fork.

    While PyTorch computes, it holds locks of its random number generators, its caches and modules
    that it imports late. A process that is forked at that moment would wait for them forever.

    Yields
    ------
    None
    """
    _register()
    _forks.begin()
    try:
        yield
    finally:
        _forks.end()


class _Forks:
    """Record of the threads that compute, and of the thread that forks."""

    def __init__(self):
        self._lock = ProcessLock()
        self._computing = Counter()  # contexts of each thread
        self._forking = None

    def begin(self):
        here = get_ident()
        with self._lock.held() as lock:
            if here not in self._computing:
                lock.wait_for(lambda: self._forking in (None, here))
            self._computing[here] += 1

    def end(self):
        here = get_ident()
        with self._lock.held() as lock:
            self._computing[here] -= 1
            if self._computing[here] <= 0:
                del self._computing[here]
            if self._forking is not None:
                lock.notify_all()

    def before(self):
        here = get_ident()
        with self._lock.held() as lock:
            lock.wait_for(lambda: self._forking in (None, here), _SECONDS)
            self._forking = here
            lock.wait_for(lambda: not self._computing.keys() - {here}, _SECONDS)

    def after_in_parent(self):
        with self._lock.held() as lock:
            self._forking = None
            lock.notify_all()

    def after_in_child(self):
        self._forking = None
        here = get_ident()
        self._computing = Counter({k: n for k, n in self._computing.items() if k == here})


_forks = _Forks()


@cache
def _register():
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_forks.before,
            after_in_parent=_forks.after_in_parent,
            after_in_child=_forks.after_in_child,
        )
