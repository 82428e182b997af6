"""How many threads a matrix product may start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.utils.parallel import _get_threadpool_controller

_lock = threading.Lock()
_inside: list = []  # one entry for each thread within `one_blas_thread`; the first holds the limit


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep small matrix products from starting threads, which costs more than it saves.

    The limit holds for the process: whoever comes first sets it, and whoever leaves last lifts it,
    so that threads may enter and leave in any order.

    Yields
    ------
    None
        Nothing.
    """
    with _lock:
        limit = None if _inside else _get_threadpool_controller().limit(limits=1, user_api="blas")
        _inside.append(limit)
    try:
        yield
    finally:
        with _lock:
            if len(_inside) == 1:
                _inside[0].restore_original_limits()
                _inside.clear()
            else:
                _inside.pop()  # not the first, which knows what to restore
