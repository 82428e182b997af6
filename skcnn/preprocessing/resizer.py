"""ImageResizer: images of any size to one size."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Tags, gen_even_slices
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import IMAGE_SHAPE, N_JOBS, SIZE
from skcnn.images import check_images, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.preprocessing._base import ImageTransformer, pixel_names
from skcnn.preprocessing._blas import one_blas_thread
from skcnn.preprocessing._cache import CachedImages
from skcnn.preprocessing._ragged import RaggedImages
from skcnn.preprocessing._resize import resize_images, resized_dtype
from skcnn.preprocessing._resize_operation import Resize
from skcnn.threads import count_threads

_READ = 4_000_000  # values of a lazy view of one size that a thread reads at a time
_WORTH_A_THREAD = 2_000_000  # values of an array whose resizing takes longer than starting a thread
_MB = 2**20


class ImageResizer(ImageTransformer):
    """Resize images, whatever their sizes, to one size.

    Resizing is antialiased: where an axis shrinks, images are smoothed by a Gaussian whose standard
    deviation is ``(factor - 1) / 2`` pixels and then interpolated linearly. The result equals that
    of ``skimage.transform.resize(image, size, order=1, anti_aliasing=True, preserve_range=True)``.
    Many images are resized at a time.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width of the result in pixels.
    aspect : {"stretch", "pad", "crop"}, default="stretch"
        Treatment of the ratio of height to width. "stretch" changes it. "pad" keeps it and shows
        the whole image with margins of zeros (black). "crop" keeps it and shows the middle of the
        image, without margins. If the number of added or removed pixels is odd, one more of them
        is on the right or at the bottom.
    lazy : bool, default=False
        False returns an array. Photos are decoded, resized and discarded one by one. Of a view with
        random operations (an `ImageAugmenter` before the resizer) the array holds one realization;
        for new variants in every epoch, put the augmenter after the resizer or use True. True
        returns `LazyImages` that are resized when they are read, and kept in memory up to
        `cache_size`.
    cache_size : float, default=1000
        Maximum memory of the images that a lazy result keeps, in MB (2**20 bytes). The first images
        that are read are kept, the others are decoded and resized in every epoch. 0 keeps none.
        Results do not depend on it. See Notes.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads. "auto" means all CPU cores, or one thread in a worker process of
        a parallel computation such as ``GridSearchCV(n_jobs=2)``. None means 1 unless in a
        `joblib.parallel_config` context, and -1 means all CPU cores. The threads of
        a lazy result read ahead while a network trains.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    n_channels_ : int
        Number of channels of the images seen in fit. Images given later must have as many.
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit. Defined only if they
        had one size.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit. Defined only if they
        had one size.

    Raises
    ------
    ValueError
        If images have different numbers of channels, or hold NaN or infinity.

    See Also
    --------
    ImageReader : Read images from files.

    Notes
    -----
    Images may be an array, flat rows, a list of images of different sizes or `LazyImages`, and may
    have another height and width in `transform` than in `fit`. The result has shape
    ``(n_images, *size)`` for gray images without an axis of channels, otherwise
    ``(n_images, *size, n_channels)``. Its dtype is that of the images for uint8 and uint16
    (rounded), float32 and float64, and float32 for all other dtypes. Images that have the size
    already are returned unchanged.

    The kept images of a lazy result are shared by all its views, for example by the folds of a
    cross-validation, and freed with the last one. Pickles, copies and worker processes start
    without any. The result of `fit_transform` keeps an image when it is first read, that of
    `transform` when it is read for the second time, as a prediction reads every image once. The
    results of an `ImageAugmenter` before the resizer are not kept.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ImageResizer
    >>> images = np.arange(2 * 4 * 8, dtype=np.uint8).reshape(2, 4, 8)
    >>> ImageResizer((2, 2)).fit_transform(images)
    array([[[ 7, 10],
            [21, 24]],
    <BLANKLINE>
           [[39, 42],
            [53, 56]]], dtype=uint8)
    >>> photos = [np.ones((30, 20, 3)), np.ones((25, 40, 3))]
    >>> ImageResizer((16, 16), aspect="pad").fit_transform(photos).shape
    (2, 16, 16, 3)
    """

    _parameter_constraints: ClassVar[dict] = {
        "size": [SIZE],
        "aspect": [StrOptions({"stretch", "pad", "crop"})],
        "lazy": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="left")],
        "n_jobs": N_JOBS,
        "image_shape": [IMAGE_SHAPE, None],
    }

    def __init__(
        self,
        size: tuple[int, int],
        *,
        aspect: str = "stretch",
        lazy: bool = False,
        cache_size: float = 1000,
        n_jobs: int | str | None = "auto",
        image_shape: tuple[int, ...] | None = None,
    ):
        self.size = size
        self.aspect = aspect
        self.lazy = lazy
        self.cache_size = cache_size
        self.n_jobs = n_jobs
        self.image_shape = image_shape

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output features.

        Parameters
        ----------
        input_features : ignored
            Not used, present for API consistency.

        Returns
        -------
        names : object array of shape (height * width * n_channels,)
            Names of the resized pixels, "pixel_{row}_{column}" for gray images and
            "pixel_{row}_{column}_{channel}" for others.
        """
        check_is_fitted(self)
        return pixel_names((*self.size, self.n_channels_))

    def _fit(self, X):
        self._check(X, reset=True)

    def _transform(self, X):
        return self._resize(*self._check(X, reset=False))

    def _fit_transform(self, X):
        return self._resize(*self._check(X, reset=True), read_often=True)

    def _operation(self):
        return Resize(self.size, self.aspect)

    def _check(self, X, *, reset):
        """Validate images of any size, and return them with the shape of one resized image."""
        form, X = inspect_images(X)
        if form == "paths":
            raise ValueError(
                f"ImageResizer takes images, but X holds file paths such as {str(X[0])!r}: put an "
                "ImageReader before it"
            )
        if form == "ragged":
            X = LazyImages(RaggedImages(X))
        if form == "flat" or X.ndim == 2:
            if not reset and not hasattr(self, "image_shape_"):
                raise ValueError(
                    f"X has shape {X.shape}, but ImageResizer was fitted on images of "
                    "different sizes, which do not set the layout of flat rows: pass images"
                )
            images = check_images(self, X, reset=reset)
            gray = self.image_shape_[2] == 1 and len(self.image_shape or ()) < 3
        elif isinstance(X, LazyImages) and None in X.shape:
            images, gray = self._check_unsized(X, reset=reset), X.ndim == 3
        else:
            # transform accepts another height and width, so an unfitted resizer validates the rest
            shape = None if self.image_shape is None else X.shape[1:]
            fresh = ImageResizer(self.size, image_shape=shape)
            images = check_images(self if reset else fresh, X, reset=True)
            gray = X.ndim == 3
        channels = images.shape[3] if images.ndim == 4 else 1
        if reset:
            self.n_channels_ = channels
        elif channels != self.n_channels_:
            raise ValueError(
                f"X holds images with {channels} channel(s), but ImageResizer is expecting "
                f"{self.n_channels_}, as in fit: set the channels with ImageReader(mode=...) or "
                "convert them"
            )
        return images, tuple(self.size) if gray else (*self.size, channels)

    def _check_unsized(self, X, *, reset):
        """Check a view of images of different sizes without reading it."""
        if not len(X):
            raise ValueError("Found 0 images while a minimum of 1 is required by ImageResizer.")
        if reset:  # remove the attributes of an earlier fit on images of one size
            for attribute in ("n_features_in_", "image_shape_", "feature_names_in_"):
                vars(self).pop(attribute, None)
        return X

    def _resize(self, images, image_shape, *, read_often=False):
        lazy = isinstance(images, LazyImages)
        dtype = resized_dtype(images.dtype)
        if self.lazy and not lazy:
            images = LazyImages(images)
        if images.shape[1:3] == tuple(self.size) and images.dtype == dtype and lazy <= self.lazy:
            return reshape_images(images, image_shape)
        if self.lazy:
            return reshape_images(self._resize_when_read(images, read_often), image_shape)
        out = np.empty((len(images), *self.size, *images.shape[3:]), dtype=dtype)
        self._fill(out, images)
        return reshape_images(out, image_shape)

    def _resize_when_read(self, images, read_often):
        view = images.then(self._operation())
        options = {"keys": view.keys, "epoch": view.epoch, "n_jobs": self.n_jobs}
        if view.is_random:  # every epoch shows another image
            return LazyImages(view.source, view.operations, rows=view.rows, **options)
        return LazyImages(CachedImages(view, self.cache_size * _MB, read_often), **options)

    def _fill(self, out, images):
        """Resize images into `out`, in threads: decoding and multiplying release the GIL."""
        lazy = isinstance(images, LazyImages)
        n_threads = count_threads(self.n_jobs)
        if not lazy:
            n_threads = min(n_threads, 1 + images.size // _WORTH_A_THREAD)
        # more parts than threads, as photos differ in size
        n_parts = min(len(images), 8 * n_threads if n_threads > 1 else 1)
        with one_blas_thread():
            tasks = (
                delayed(_fill_rows)(out, images, rows, self.size, self.aspect)
                for rows in gen_even_slices(len(images), n_parts)
            )
            try:
                Parallel(n_jobs=n_threads, require="sharedmem")(tasks)
            except (OSError, ValueError) as error:
                # without the traceback of joblib's threads, which hides the message
                raise error.with_traceback(None) from None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _fill_rows(out, images, rows, size, aspect):
    """Resize a slice of images into the same slice of `out`, a few at a time."""
    if not isinstance(images, LazyImages):
        resize_images(images[rows], size, aspect, out[rows])
        return
    unsized = None in images.shape
    step = 1 if unsized else max(1, _READ // max(1, int(np.prod(images.shape[1:]))))
    for start in range(rows.start, rows.stop, step):
        part = slice(start, min(start + step, rows.stop))
        resize_images(images[part].read(), size, aspect, out[part])
