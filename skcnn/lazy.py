"""LazyImages: a collection of images that reads a batch only when asked."""

from __future__ import annotations

from math import prod

import numpy as np

from skcnn.threads import read_ahead

_READ = 2_000_000  # values that a thread reads at once when the whole view is asked for


class LazyImages:
    """An immutable view of images: a source and the operations done on each batch of it.

    Nothing is read before an image is asked for, by an integer index, by iteration or by
    ``np.asarray``. Indexing with anything else gives another view. Some operations are random:
    what they do to an image depends on their seed, on `epoch` and on the image's row in the
    source, and on nothing else, so neither the batch an image is read in, nor the thread or process
    that reads it, nor the number of reads changes it.

    Parameters
    ----------
    source : array of shape (n_images, ...) or object
        What is read: an array, or an object with `shape` (unknown axes None), `dtype` and
        ``__getitem__(indices)`` that gives an array of shape (n_indices, ...) or a list of images
        of different sizes. Several threads may read at the same time.
    operations : tuple of callables, default=()
        Each is called in turn as ``operation(batch, indices, epoch)``, where `batch` is an array
        or a list of images and `indices` is an int array of shape (n_images_in_batch,), the rows
        of the source; it returns a batch of as many images. Its method ``output(shape, dtype)``
        gives the shape of one image and the dtype that come out, and its attribute `random` says
        whether it is left out of the clean view.
    indices : int array of shape (n_images,), default=None
        The rows of the source that the view shows; None shows all.
    epoch : int, default=0
        The realisation of the random operations.
    n_jobs : int, default=None
        Number of threads that read ahead of whoever asks for one part after the other, as a
        network does that trains. None means one for each CPU core, but one in all in a worker of
        something parallel (`GridSearchCV(n_jobs=2)`); -1 means one for each core everywhere. It
        changes no value.

    Attributes
    ----------
    shape : tuple
        ``(n_images, ...)``; None stands for an axis that differs from image to image.
    dtype : numpy.dtype
        The type of the values that are read.
    ndim : int
        The number of axes.

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

    __slots__ = ("_epoch", "_indices", "_n_jobs", "_operations", "_source")

    def __init__(self, source, operations=(), *, indices=None, epoch=0, n_jobs=None):
        self._source = source
        self._operations = tuple(operations)
        indices = np.arange(source.shape[0]) if indices is None else np.asarray(indices)
        if indices.flags.writeable:
            indices = indices.copy()
            indices.flags.writeable = False
        self._indices = indices
        self._epoch = epoch
        self._n_jobs = n_jobs

    source = property(lambda self: self._source, doc="What is read.")
    operations = property(lambda self: self._operations, doc="What is done to each batch.")
    indices = property(lambda self: self._indices, doc="The rows of the source that are shown.")
    epoch = property(lambda self: self._epoch, doc="The realisation of the random operations.")
    n_jobs = property(lambda self: self._n_jobs, doc="The number of threads that read ahead.")

    def _output(self):
        shape, dtype = tuple(self._source.shape[1:]), np.dtype(self._source.dtype)
        for operation in self._operations:
            shape, dtype = operation.output(shape, dtype)
        return tuple(shape), np.dtype(dtype)

    @property
    def shape(self):
        """``(n_images, ...)``, None where images differ."""
        return (len(self), *self._output()[0])

    @property
    def dtype(self):
        """The type of the values that are read."""
        return self._output()[1]

    @property
    def ndim(self):
        """The number of axes, images included."""
        return len(self.shape)

    @property
    def is_random(self):
        """Whether two epochs show different variants of an image."""
        return any(operation.random for operation in self._operations)

    def __len__(self):
        return len(self._indices)

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
        if not isinstance(key, slice):
            key = np.asarray(key) if np.size(key) else np.zeros(0, dtype=int)
            if key.ndim == 0 and key.dtype != bool:
                return self._replace(indices=self._indices[key.reshape(1)]).read()[0]
            if key.ndim != 1:
                raise IndexError(f"LazyImages takes indices of one axis, got shape {key.shape}")
        return self._replace(indices=self._indices[key])

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyImages holds no array, so reading it always makes a copy")
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
        """Read all images of the view at once.

        Returns
        -------
        images : array of shape (n_images, ...) or list of arrays
            A list where the images differ in size.
        """
        n_sizing = self._n_sizing_operations()
        sizing, others = self._operations[:n_sizing], self._operations[n_sizing:]
        # Photos may be large, so one is held at a time until it has the size of the others.
        rows = self._indices.reshape(-1, 1) if sizing else ()
        images = [self._apply(sizing, row, None) for row in rows]
        return self._apply(others, self._indices, np.concatenate(images) if images else None)

    def read_parts(self, n_images):
        """Read some images at a time, the next ones in threads while the last are worked on.

        Parameters
        ----------
        n_images : int
            How many to read at a time.

        Yields
        ------
        images : array of shape (n_images, ...) or list of arrays
            The images in their order, as `read` gives them; the last part may be smaller.
        """
        parts = [self[start : start + n_images] for start in range(0, len(self), n_images)]
        yield from read_ahead(LazyImages.read, parts, self._n_jobs)

    def _apply(self, operations, rows, batch):
        """Read rows of the source, unless they are given, and operate on them."""
        batch = self._source[rows] if batch is None else batch
        for operation in operations:
            batch = operation(batch, rows, self._epoch)
        return batch

    def _n_sizing_operations(self):
        """Count the operations up to the one that gives images of different sizes one size."""
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
        operation : callable
            As the parameter `operations` says.

        Returns
        -------
        view : LazyImages
            A new view.
        """
        return self._replace(operations=(*self._operations, operation))

    def clean(self):
        """Leave the random operations out.

        Returns
        -------
        view : LazyImages
            A view that shows every image as it is.
        """
        return self._replace(operations=[op for op in self._operations if not op.random])

    def at_epoch(self, epoch):
        """Choose a realisation of the random operations.

        Parameters
        ----------
        epoch : int
            0 is what ``np.asarray`` of a new view gives.

        Returns
        -------
        view : LazyImages
            A view with other variants of the same images.
        """
        return self._replace(epoch=epoch)

    def _replace(self, *, operations=None, indices=None, epoch=None):
        return LazyImages(
            self._source,
            self._operations if operations is None else operations,
            indices=self._indices if indices is None else indices,
            epoch=self._epoch if epoch is None else epoch,
            n_jobs=self._n_jobs,
        )


class Reshape:
    """A lazy operation: give every image of a batch another shape of the same size.

    Parameters
    ----------
    shape : tuple of int
        The shape of one image.
    """

    random = False

    def __init__(self, shape):
        self.shape = tuple(shape)

    def __call__(self, batch, indices, epoch):  # noqa: D102
        return np.asarray(batch).reshape(len(indices), *self.shape)

    def output(self, shape, dtype):
        """Tell what comes out.

        Parameters
        ----------
        shape : tuple
            The shape of one image going in.
        dtype : numpy.dtype
            Its dtype.

        Returns
        -------
        output : tuple of (tuple, numpy.dtype)
            The shape and the dtype of one image coming out.
        """
        return self.shape, dtype

    def __repr__(self):
        return f"Reshape({self.shape})"


def _stack(batch, shape, dtype):
    """Make one array of the images that were read, or say why that cannot be."""
    if len(batch) == 0:
        return np.empty(tuple(axis or 0 for axis in shape), dtype=dtype)
    sizes = {np.shape(image) for image in batch}
    if len(sizes) > 1:
        smallest, largest = min(sizes), max(sizes)
        raise ValueError(
            f"the images are of {len(sizes)} different shapes, from {smallest} to {largest}, and "
            "one array needs one shape: put an ImageResizer before this step"
        )
    return np.asarray(batch)
