"""Matrix products that start no threads."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.utils.parallel import _get_threadpool_controller

from skcnn.locks import ProcessLock

_lock = ProcessLock()
# Lists by process. A list has an entry for each thread in the context; the first is the limit.
_inside: defaultdict[int, list] = defaultdict(list)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in the context, as small products take longer with more.

    The limit is that of the process. The first thread that enters sets it and the last one that
    leaves removes it, in whatever order threads enter and leave.
    """
    inside = _inside[os.getpid()]
    with _lock.held():
        limit = None if inside else _get_threadpool_controller().limit(limits=1, user_api="blas")
        inside.append(limit)
    try:
        yield
    finally:
        with _lock.held():
            if len(inside) == 1:
                inside[0].restore_original_limits()
                inside.clear()
            else:
                inside.pop()  # not the first, which restores the limits
