"""LazyImages: a collection of images that reads a batch only when it is asked for."""

from __future__ import annotations

from math import prod

import numpy as np

from skcnn._lazy_arguments import (
    as_index,
    as_indices,
    check_batch,
    check_epoch,
    check_keys,
    check_n_jobs,
    check_operations,
    check_part_size,
    check_slice,
    check_source,
)
from skcnn.settings import fixed_settings
from skcnn.threads import read_ahead
from skcnn.values import check_pixel_values, native, native_dtype, refuse_masked

_READ = 2_000_000  # number of values that a thread reads at a time in np.asarray(view)


class LazyImages:
    """An immutable view of images: a source and the operations applied to each batch of it.

    Nothing is read until images are asked for, by an integer index, by iteration or by
    ``np.asarray``. Any other index returns another view. The result of a random operation for an
    image is a function of the seed of the operation, of `epoch` and of the key of the image. It
    does not depend on the batch, the thread or the process that reads the image, nor on how often
    it is read.

    Parameters
    ----------
    source : array of shape (n_images, ...) or object
        An array, or an object with `shape` (unknown axes None), `dtype` and
        ``__getitem__(rows)`` that returns an array of shape (n_rows, ...) or a list of images of
        different sizes. Several threads may read at the same time.
    operations : sequence of skcnn.operations.Operation, default=()
        Applied in turn to each batch, as ``operation(batch, keys, epoch)``.
    rows : int array of shape (n_images,), default=None
        Rows of the source that the view shows; None shows all.
    keys : int array of shape (n_images,), default=None
        Key of each image for random operations; None uses `rows`. Images that are shown several
        times get variants of their own where their keys differ.
    epoch : int, default=0
        Realization of the random operations.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads that read ahead when images are read part by part, as in training. "auto"
        means all CPU cores, or one thread in a worker process of a parallel computation such as
        ``GridSearchCV(n_jobs=2)``. None means 1 unless in a `joblib.parallel_config` context, and
        -1 means all CPU cores. Values do not depend on it.

    Attributes
    ----------
    shape : tuple
        ``(n_images, ...)``; None for an axis whose length differs from image to image.
    dtype : numpy.dtype
        Dtype of the images.
    ndim : int
        Number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ImageAugmenter
    >>> images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    >>> view = ImageAugmenter(horizontal_flip=True, random_state=0).fit_transform(images)
    >>> view.shape, view.dtype
    ((3, 4, 4), dtype('uint8'))
    >>> bool((np.asarray(view.clean()) == images).all())
    True
    >>> view[1:].shape
    (2, 4, 4)
    """

    __slots__ = ("_epoch", "_keys", "_n_jobs", "_operations", "_rows", "_source")

    def __init__(self, source, operations=(), *, rows=None, keys=None, epoch=0, n_jobs="auto"):
        check_source(source)
        self._source = source
        self._operations = check_operations(operations)
        n_images = source.shape[0]
        self._rows = _read_only(np.arange(n_images) if rows is None else as_indices(rows, n_images))
        same = keys is None or np.array_equal(check_keys(keys, len(self._rows)), self._rows)
        self._keys = None if same else _read_only(keys)  # kept only where needed: small pickles
        self._epoch = check_epoch(epoch)
        self._n_jobs = check_n_jobs(n_jobs)

    source = property(lambda self: self._source, doc="Source of the images.")
    operations = property(lambda self: self._operations, doc="Operations applied to each batch.")
    rows = property(lambda self: self._rows, doc="Rows of the source that are shown.")
    epoch = property(lambda self: self._epoch, doc="Realization of the random operations.")
    n_jobs = property(lambda self: self._n_jobs, doc="Number of threads that read ahead.")

    @property
    def keys(self):
        """Keys of the images for random operations."""
        return self._rows if self._keys is None else self._keys

    def _output(self):
        shape, dtype = tuple(self._source.shape[1:]), native_dtype(self._source.dtype)
        for operation in self._operations:
            shape, dtype = operation.output(shape, dtype)
        return tuple(shape), native_dtype(dtype)

    @property
    def shape(self):
        """``(n_images, ...)``; None for an axis whose length differs from image to image."""
        return (len(self), *self._output()[0])

    @property
    def dtype(self):
        """Dtype of the images."""
        return self._output()[1]

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    @property
    def is_random(self):
        """Whether any operation is random."""
        return any(operation.random for operation in self._operations)

    def __len__(self):
        return len(self._rows)

    def __repr__(self):
        return f"LazyImages(shape={self.shape}, dtype={self.dtype}, operations={self._operations})"

    def __iter__(self):
        for row in range(len(self)):
            yield self[row]

    def __getitem__(self, key):
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError(
                    f"LazyImages is indexed along its images only, got {key!r}: "
                    "read the values with np.asarray first"
                )
            key = key[0]
        if isinstance(key, slice):
            return self._select(check_slice(key))
        if np.ndim(key) == 0:
            return self._select(as_index(key, len(self))).read()[0]
        return self._select(as_indices(key, len(self)))

    def _select(self, key):
        keys = None if self._keys is None else self._keys[key]
        return self._replace(rows=self._rows[key], keys=keys)

    def resample(self, indices):
        """Select images, some of them several times.

        Parameters
        ----------
        indices : int array of shape (n_selected,)
            Indices of the images.

        Returns
        -------
        view : LazyImages
            View of the images, as indexing returns it, but with keys that differ from each other:
            random operations give repeated images variants of their own. The first image with a
            key keeps it.
        """
        indices = as_indices(indices, len(self))
        return self._replace(rows=self._rows[indices], keys=self._distinct_keys(indices))

    def _distinct_keys(self, indices):
        """Return keys of images in which every repetition of a key is replaced."""
        if not len(indices):
            return self.keys[indices]
        keys = self.keys.astype(np.int64, copy=False)
        step = int(keys.max()) - int(keys.min()) + 1
        # Wraps around if there are keys of almost 64 bits.
        return keys[indices] + _count_before(keys[indices]) * np.int64(step % 2**62)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("reading LazyImages always makes a copy: use copy=None or copy=True")
        shape = self.shape
        if None in shape or not len(self):
            images = _stack(self.read(), shape, self.dtype)
            return images if dtype is None else images.astype(dtype, copy=False)
        images = np.empty(shape, dtype=self.dtype if dtype is None else dtype)
        start = 0
        for part in self.read_parts(max(1, _READ // max(1, prod(shape[1:])))):
            images[start : start + len(part)] = part
            start += len(part)
        return images

    def read(self):
        """Read all images at once.

        Returns
        -------
        images : array of shape (n_images, ...) or list of arrays
            Images; a list where they differ in size.

        Raises
        ------
        ValueError
            If a pixel is NaN, infinite or too large for float32.
        """
        with fixed_settings():
            images = self._read()
        check_pixel_values(images, self._rows, "the source")
        return images

    def _read(self):
        n_sizing = self._n_sizing_operations()
        sizing, others = self._operations[:n_sizing], self._operations[n_sizing:]
        if not sizing or not len(self):
            return self._apply(others, self._read_source())
        # Photos may be large, so each is brought to the common size before the next is read.
        parts = (self[row : row + 1] for row in range(len(self)))
        images = [part._apply(sizing, part._read_source()) for part in parts]
        return self._apply(others, np.concatenate(images))

    def _read_source(self):
        """Read the images of the source, in the byte order of the machine."""
        images = self._source[self._rows]
        refuse_masked(images, "the source of LazyImages")
        images = check_batch(images, self._source, len(self))
        return list(map(native, images)) if isinstance(images, list) else native(images)

    def read_parts(self, n_images):
        """Read images part by part, while threads read the next parts.

        Parameters
        ----------
        n_images : int
            Number of images in a part.

        Returns
        -------
        parts : iterator of arrays of shape (n_images, ...) or of lists of arrays
            Parts, as `read` returns them; the last one may be smaller.
        """
        return self._read_parts(min(check_part_size(n_images), max(1, len(self))))

    def _read_parts(self, n_images):
        parts = [self[start : start + n_images] for start in range(0, len(self), n_images)]
        yield from read_ahead(LazyImages.read, parts, self._n_jobs)

    def _apply(self, operations, batch):
        for operation in operations:
            if getattr(operation, "needs_finite", False):
                check_pixel_values(batch, self._rows, "the source")
            batch = operation(batch, self.keys, self._epoch)
        return batch

    def _n_sizing_operations(self):
        """Count the operations up to the one that brings images of different sizes to one."""
        shape, dtype = self._source.shape[1:], self._source.dtype
        for number, operation in enumerate(self._operations, start=1):
            unsized = None in shape
            shape, dtype = operation.output(shape, dtype)
            if unsized and None not in shape:
                return number
        return 0

    def then(self, operation):
        """Append an operation.

        Parameters
        ----------
        operation : skcnn.operations.Operation
            Operation to apply after the others.

        Returns
        -------
        view : LazyImages
            View with the operation.
        """
        return self._replace(operations=(*self._operations, *check_operations([operation])))

    def clean(self):
        """Remove the random operations.

        Returns
        -------
        view : LazyImages
            View without random operations.
        """
        return self._replace(operations=tuple(op for op in self._operations if not op.random))

    def at_epoch(self, epoch):
        """Set the realization of the random operations.

        Parameters
        ----------
        epoch : int
            Realization; a new view has 0.

        Returns
        -------
        view : LazyImages
            View of the variants of this epoch.
        """
        return self._replace(epoch=check_epoch(epoch))

    def _replace(self, *, operations=None, rows=None, keys=None, epoch=None):
        view = object.__new__(LazyImages)  # the parts are validated already
        view._source = self._source
        view._operations = self._operations if operations is None else operations
        view._rows = self._rows if rows is None else _read_only(rows)
        keys = self._keys if rows is None else keys
        same = keys is None or np.array_equal(keys, view._rows)
        view._keys = None if same else _read_only(keys)
        view._epoch = self._epoch if epoch is None else epoch
        view._n_jobs = self._n_jobs
        return view

    def __reduce__(self):
        whole = np.array_equal(self._rows, np.arange(self._source.shape[0]))
        rows = None if whole else self._rows
        options = (self._operations, rows, self._keys, self._epoch, self._n_jobs)
        return _restore, (self._source, *options)


def _restore(source, operations, rows, keys, epoch, n_jobs):
    """Return the view whose parts were pickled."""
    return LazyImages(source, operations, rows=rows, keys=keys, epoch=epoch, n_jobs=n_jobs)


def _read_only(numbers):
    """Return a read-only array, a copy unless it is one already."""
    numbers = np.asarray(numbers)
    if numbers.flags.writeable:
        numbers = numbers.copy()
        numbers.flags.writeable = False
    return numbers


def _count_before(values):
    """Return for each value how often it occurs before in the array."""
    order = np.argsort(values, kind="stable")
    positions = np.arange(len(values))
    is_first = np.append(True, np.diff(values[order]) != 0)[: len(values)]
    counts = np.empty(len(values), dtype=np.int64)
    counts[order] = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    return counts


def _stack(batch, shape, dtype):
    """Return images as one array, or raise an error that asks for an ImageResizer."""
    if len(batch) == 0:
        return np.empty(tuple(axis or 0 for axis in shape), dtype=dtype)
    sizes = {np.shape(image) for image in batch}
    if len(sizes) > 1:
        smallest, largest = min(sizes), max(sizes)
        raise ValueError(
            f"the images have {len(sizes)} different shapes, from {smallest} to {largest}, and an "
            "array needs one shape: put an ImageResizer before this step"
        )
    return np.asarray(batch)
