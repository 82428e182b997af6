"""Memory that every step frees and asks for again: kept by the process for as long as it trains."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Parameters of glibc's mallopt(3), from its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = 2**31 - 1
# Where glibc's own adjustment ends in a process that has freed large arrays (mallopt(3)).
_USUAL_MMAP, _USUAL_TRIM = 2**25, 2**26

_LOCK = Lock()
_users = 0


@contextmanager
def freed_memory_kept():
    """Keep what is freed within instead of giving it back to the system, and give it back after.

    glibc maps every large array anew and unmaps it when it is freed, so that each step of a
    training faults in all its activations page by page: up to half of the processor's time. The
    setting is the process's; it is made when the first of several threads enters and put back when
    the last one leaves. Nothing is done where the C library is another one, nor where the user has
    set one of its variables ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_`` or
    ``GLIBC_TUNABLES``.

    Yields
    ------
    None
        Nothing.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _enter(library)
    try:
        yield
    finally:
        _leave(library)


def _enter(library):
    global _users
    with _LOCK:
        if _users == 0:
            if not library.mallopt(_MMAP_THRESHOLD, _KEEP):  # before glibc 2.35, at most this:
                library.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
            library.mallopt(_TRIM_THRESHOLD, _KEEP)
        _users += 1


def _leave(library):
    global _users
    with _LOCK:
        _users -= 1
        if _users == 0:
            library.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
            library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
            library.malloc_trim(0)


@cache
def _glibc():
    """Give the C library if it is glibc and the user has not tuned it."""
    variables = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in variables):
        return None
    return ctypes.CDLL(None)
