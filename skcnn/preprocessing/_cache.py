"""CachedImages: a source of LazyImages that keeps images in memory up to a limit."""

from __future__ import annotations

import numpy as np

from skcnn.locks import ProcessLock


class CachedImages:
    """A source of `LazyImages` that keeps images of another view in memory.

    The images that are read first are kept. They are never replaced, since every epoch reads all
    images. Threads may read at the same time. A pickle or a copy has an empty cache.

    Parameters
    ----------
    images : LazyImages of shape (n_images, ...)
        Images of one size, without random operations.
    limit : float
        Maximum memory of the kept images, in bytes.
    at_once : bool, default=True
        Whether to keep an image when it is read for the first time. If False, it is kept when it
        is read for the second time, so images that are read only once take no memory.
    """

    def __init__(self, images, limit, at_once=True):
        self.images = images
        self.limit = limit
        self.at_once = at_once
        self.shape, self.dtype = images.shape, images.dtype
        size = max(1, int(np.prod(self.shape[1:])) * self.dtype.itemsize)
        self._capacity = int(min(self.shape[0], limit / size))  # limit may be infinite
        self._n_kept = 0
        self._kept = None  # array of shape (capacity, ...), allocated at the first use
        self._slots = np.full(self.shape[0], -1)  # index of each image in _kept, or -1
        self._due = np.full(self.shape[0], at_once)  # whether to keep an image at its next read
        self._lock = ProcessLock()

    def __getitem__(self, rows):
        rows = np.asarray(rows)
        with self._lock.held():
            slots = self._slots[rows]
        missing = slots < 0
        if not missing.any() and len(rows):
            return self._kept[slots]
        fresh = self.images[rows[missing]].read()
        self._keep(rows[missing], fresh)
        if missing.all():
            return fresh
        batch = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        batch[missing] = fresh
        batch[~missing] = self._kept[slots[~missing]]
        return batch

    def _keep(self, rows, images):
        with self._lock.held():
            for row, image in zip(rows, images, strict=True):
                if self._n_kept == self._capacity:
                    return
                if self._due[row] and self._slots[row] < 0:  # another thread may have kept it
                    if self._kept is None:
                        self._kept = np.empty((self._capacity, *self.shape[1:]), dtype=self.dtype)
                    # The order matters, because a process may fork between any two lines.
                    slot, self._n_kept = self._n_kept, self._n_kept + 1
                    self._kept[slot] = image
                    self._slots[row] = slot
                self._due[row] = True

    def __reduce__(self):
        return type(self), (self.images, self.limit, self.at_once)

    def __repr__(self):
        return f"CachedImages({self.images!r}, limit={self.limit})"
