"""Memory allocation during training: freed memory is kept for the next batch."""

from __future__ import annotations

import ctypes
import os
import platform
from collections import Counter
from contextlib import contextmanager
from functools import cache

from skcnn.locks import ProcessLock

# Parameters of glibc's mallopt(3), from its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = 2**31 - 1
# Largest values that glibc sets dynamically (mallopt(3)).
_MAX_DYNAMIC_MMAP, _MAX_DYNAMIC_TRIM = 2**25, 2**26
# The setting is not changed if one of these variables is set.
_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
SWITCH = "SKCNN_KEEP_FREED_MEMORY"  # "0" switches it off

_LOCK = ProcessLock()
_n_contexts: Counter = Counter()  # by process, as a forked child has no threads of its parent


@contextmanager
def freed_memory_kept():
    """Keep freed memory in the process instead of returning it to the operating system.

    glibc maps new memory for every large array and unmaps it when it is freed, so that each
    training step has page faults for all its activations. Within this context freed memory stays
    mapped. At the end, free memory is returned.

    The context replaces glibc's dynamic thresholds by constants. They remain after it, at 32 MB
    (mmap) and 64 MB (trim), the largest values that glibc sets itself. They apply to the whole
    process. They are set when the first of several threads enters, and reset when the last one
    leaves.

    Nothing is changed if the environment variable ``SKCNN_KEEP_FREED_MEMORY`` is 0, if the C
    library is not glibc, or if one of the variables ``MALLOC_MMAP_THRESHOLD_``,
    ``MALLOC_TRIM_THRESHOLD_`` and ``GLIBC_TUNABLES`` is set.

    Yields
    ------
    None
    """
    library = None if os.environ.get(SWITCH) == "0" else _glibc()
    if library is None:
        yield
        return
    process = os.getpid()
    _enter(library, process)
    try:
        yield
    finally:
        _leave(library, process)


def _enter(library, process):
    with _LOCK.held():
        if _n_contexts[process] == 0:
            if not library.mallopt(_MMAP_THRESHOLD, _KEEP):  # glibc before 2.35: at most 32 MB
                library.mallopt(_MMAP_THRESHOLD, _MAX_DYNAMIC_MMAP)
            library.mallopt(_TRIM_THRESHOLD, _KEEP)
        _n_contexts[process] += 1


def _leave(library, process):
    with _LOCK.held():
        _n_contexts[process] -= 1
        if _n_contexts[process] == 0:
            library.mallopt(_MMAP_THRESHOLD, _MAX_DYNAMIC_MMAP)
            library.mallopt(_TRIM_THRESHOLD, _MAX_DYNAMIC_TRIM)
            library.malloc_trim(0)


@cache
def _glibc():
    """Return the C library if it is glibc and the user has not configured its allocation."""
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _VARIABLES):
        return None
    return ctypes.CDLL(None)
