"""Turns of the fits in the threads of a process, which share the random numbers of PyTorch."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakSet

from skcnn.locks import ProcessLock


@dataclass(eq=False)
class _Fit:
    """A fit that has begun.

    Its callbacks may start threads and wait for them. `others` are the threads that existed before
    the fit, and that it cannot have started.
    """

    process: int = field(default_factory=os.getpid)
    thread: threading.Thread = field(default_factory=threading.current_thread)
    others: WeakSet = field(default_factory=lambda: WeakSet(threading.enumerate()))
    is_in_callback: bool = False


class FitTurns:
    """Turns of fits: a fit waits until those of other threads have ended.

    A fit does not wait for the fit whose callback started its thread, because that callback may
    wait for the thread. The outer fit continues when such inner fits have ended.
    """

    def __init__(self):
        self._lock = ProcessLock()
        self._fits = []  # each one begun in a callback of the fit before it

    @contextmanager
    def turn(self):
        """Wait for the turn, and fit in the context."""
        fit = _Fit()
        with self._lock.held() as lock:
            lock.wait_for(self._may_begin)
            self._fits.append(fit)
        try:
            yield
        finally:
            with self._lock.held() as lock:
                self._fits.remove(fit)
                lock.notify_all()

    @contextmanager
    def callback(self):
        """Call callbacks of the current fit in the context, in which inner fits can begin."""
        with self._lock.held() as lock:
            fit = self._last()
            is_outermost = _is_here(fit) and not fit.is_in_callback
            if is_outermost:
                fit.is_in_callback = True
                lock.notify_all()
        try:
            yield
        finally:
            if is_outermost:
                with self._lock.held() as lock:
                    lock.wait_for(lambda: self._last() in (fit, None))  # None in a forked child
                    fit.is_in_callback = False

    def _may_begin(self):
        last = self._last()
        if last is None or _is_here(last):
            return True
        return last.is_in_callback and threading.current_thread() not in last.others

    def _last(self):
        """Return the fit that began last, unless it belongs to the parent of a forked process."""
        fit = self._fits[-1] if self._fits else None
        return fit if fit is not None and fit.process == os.getpid() else None


def _is_here(fit):
    return fit is not None and fit.thread is threading.current_thread()


turns = FitTurns()
