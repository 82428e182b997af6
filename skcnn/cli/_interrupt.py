"""Ctrl-C during imports."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_DELAY = 0.05  # seconds until an interrupt during an import is raised again


@contextlib.contextmanager
def interrupts_after_imports() -> Iterator[None]:
    """Raise the KeyboardInterrupt of Ctrl-C during an import after the import.

    A module that is being imported can catch the exception, as mpmath does with ``except:``, and
    Ctrl-C would be ignored. A handler that is not Python's own stays.
    """
    has_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not has_default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or call this function again later if a module is being imported."""
    if _is_importing(frame):
        again = threading.Timer(_DELAY, _send)
        again.daemon = True
        again.start()
    else:
        signal.default_int_handler(number, frame)


def _send():
    if hasattr(signal, "pthread_kill"):  # also wakes the main thread if it waits
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
