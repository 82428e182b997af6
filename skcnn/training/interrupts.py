"""Ctrl-C and the end of training that a callback asks for: two uses of KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager


class StopTraining(Exception):  # noqa: N818 - not an error
    """Raised by a callback to end the training."""


class InterruptMonitor:
    """Record whether SIGINT arrived, to distinguish it from a callback's KeyboardInterrupt.

    skorch's callbacks raise KeyboardInterrupt to end a training, and Python raises it when SIGINT
    arrives, in whatever code the main thread executes at that moment. Neither the exception nor its
    traceback says which of them it was. The monitor therefore wraps the handler of SIGINT while a
    net trains in the main thread. In other threads SIGINT never raises.
    """

    def __init__(self):
        self.interrupted = False

    @contextmanager
    def watching(self):
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
    def callbacks_may_stop(self):
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
