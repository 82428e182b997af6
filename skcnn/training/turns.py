"""Turns of fits: those in different threads run one after the other.

They share the random number generators of PyTorch.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from skcnn.locks import ProcessLock

_SECONDS = 10  # maximum time that the end of the process waits for a training step


@dataclass(eq=False)
class _Fit:
    """A fit that has begun.

    Its callbacks may start threads and wait for them. The threads in `started` exist since a
    callback that has ended. Those in `others` existed before the current callback, which has not
    started them.
    """

    process: int = field(default_factory=os.getpid)
    thread: threading.Thread = field(default_factory=threading.current_thread)
    started: set = field(default_factory=set)
    others: set = field(default_factory=set)
    is_in_callback: bool = False

    def begin_callback(self):
        self.others = set(threading.enumerate()) - self.started
        self.is_in_callback = True

    def end_callback(self):
        self.started = set(threading.enumerate()) - self.others
        self.is_in_callback = False


class FitTurns:
    """Turns of fits: a fit waits until those of other threads have ended.

    There is one exception: a callback of a fit may start a thread that fits, and wait for it. This
    inner fit begins at once, and the outer fit continues when the inner one has ended.
    """

    def __init__(self):
        self._lock = ProcessLock()
        self._fits = []  # each one begun in a callback of the fit before it
        self._is_ending = False
        self._ended = []  # daemon threads whose fits the end of the process ends

    @contextmanager
    def turn(self):
        """Wait for the turn, and fit in the context."""
        fit = _Fit()
        if fit.thread.daemon:
            _end_at_exit()
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
        """Let inner fits begin in the context, in which callbacks of the current fit are called."""
        with self._lock.held() as lock:
            fit = self._last()
            is_outermost = _is_here(fit) and not fit.is_in_callback
            if is_outermost:
                fit.begin_callback()
                lock.notify_all()
        waits = is_outermost
        try:
            yield
        except KeyboardInterrupt:  # Ctrl-C does not wait for inner fits
            waits = False
            raise
        finally:
            if waits:
                with self._lock.held() as lock:
                    lock.wait_for(lambda: self._last() in (fit, None))  # None in a forked child
                    fit.end_callback()

    def end(self):
        """End the fits in daemon threads, at the end of the process.

        Workers of joblib's backend "threading" are daemon threads, and continue to train when
        Ctrl-C has ended a search. Python stops them at the end of the process. If this happens in
        the C++ code of PyTorch, it aborts the process.
        """
        self._is_ending = True
        with self._lock.held() as lock:
            lock.notify_all()
            lock.wait_for(lambda: self._last() is None, _SECONDS)
        for thread in self._ended:  # they still free the memory of PyTorch
            thread.join(_SECONDS)

    def check_exit(self):
        """End this thread by SystemExit if it is a daemon thread and the process ends."""
        thread = threading.current_thread()
        if self._is_ending and thread.daemon:
            self._ended.append(thread)
            raise SystemExit

    def _may_begin(self):
        self.check_exit()
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


@cache
def _end_at_exit():
    atexit.register(turns.end)
