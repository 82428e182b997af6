"""Matrix products that start no threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.utils.parallel import _get_threadpool_controller

_lock = threading.Lock()
_inside: list = []  # an entry for each thread in the context; the first holds the limit


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in the context, as small products take longer with more.

    The limit is that of the process. The first thread that enters sets it and the last one that
    leaves removes it, in whatever order threads enter and leave.
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
                _inside.pop()  # not the first, which restores the limits
