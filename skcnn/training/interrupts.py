"""Distinguish Ctrl-C from callbacks that stop training with KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager


class StopTraining(Exception):  # noqa: N818 - not an error
    """Raised by a callback to stop training."""


class InterruptMonitor:
    """Record whether SIGINT arrived, to distinguish it from a callback's KeyboardInterrupt.

    skorch's callbacks raise KeyboardInterrupt to stop training, and Python raises it in the main
    thread when SIGINT arrives. The exception does not show its origin. The monitor therefore wraps
    the handler of SIGINT while a net trains in the main thread.
    """

    def __init__(self):
        self.interrupted = False

    @contextmanager
    def watch_sigint(self):
        """Wrap the handler of SIGINT, and restore it at the end.

        Yields
        ------
        monitor : InterruptMonitor
            The monitor itself.
        """
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(handler):
            yield self
            return

        def record(signum, frame):
            self.interrupted = True
            handler(signum, frame)

        signal.signal(signal.SIGINT, record)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, handler)

    @contextmanager
    def convert_keyboard_interrupt(self):
        """Convert KeyboardInterrupt into `StopTraining`, unless SIGINT arrived.

        Yields
        ------
        None
        """
        try:
            yield
        except KeyboardInterrupt:
            if self.interrupted:
                raise
            raise StopTraining from None
