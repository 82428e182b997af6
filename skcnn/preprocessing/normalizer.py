"""ImageNormalizer: pixel values to a common scale."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images, in_form, recognise
from skcnn.lazy import LazyImages
from skcnn.preprocessing._base import ImageTransformer

_CHUNK = 4_000_000  # values looked at in one step


class ImageNormalizer(ImageTransformer):
    """Bring pixel values to a common scale.

    The networks of this package standardize their input themselves; this step is for other
    estimators, and for networks that were trained elsewhere and expect values from 0 to 1.

    Parameters
    ----------
    method : {"standardize", "unit"}, default="standardize"
        "standardize" gives each channel a mean of 0 and a variance of 1 over all pixels of the
        training images. "unit" gives values from 0 to 1: uint8 and uint16 are divided by the
        largest value that the dtype can hold, and other dtypes are scaled by the minimum and
        maximum of the training images, one pair for all channels, so that colors keep their hue.
    image_shape : tuple of int, default=None
        How flat rows are laid out: (height, width) or (height, width, n_channels). None reads a
        square number of features as a gray square and up to 64 others as one row of pixels. Other
        forms of images need none.

    Attributes
    ----------
    mean_ : float64 array of shape (n_channels,)
        What is subtracted: the mean of each channel, for "unit" the smallest value of the range.
    scale_ : float64 array of shape (n_channels,)
        What is divided by: the standard deviation of each channel, for "unit" the length of the
        range; 1 where it would be zero.
    n_features_in_ : int
        Height x width x channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in fit.

    Raises
    ------
    ValueError
        If images have another size than in fit, or hold NaN or infinity.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Standardizes each pixel on its own.

    Notes
    -----
    The form of the images is kept. The result is float64 for float64, else float32. `LazyImages`
    stay lazy, and what is learned from them is learned from the images as they are, without the
    random operations of an `ImageAugmenter`.

    Mean and variance are gathered chunk by chunk with the update of Chan, Golub and LeVeque,
    "Algorithms for computing the sample variance", The American Statistician 37 (1983).

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ImageNormalizer
    >>> images = np.array([[[[0, 10], [2, 10]]], [[[4, 30], [6, 30]]]], dtype=np.uint8)
    >>> normalizer = ImageNormalizer().fit(images)
    >>> normalizer.mean_
    array([ 3., 20.])
    >>> normalizer.transform(images)[0]
    array([[[-1.3416407, -1.       ],
            [-0.4472136, -1.       ]]], dtype=float32)
    >>> ImageNormalizer("unit").fit_transform(np.array([[[0, 51, 255]]], dtype=np.uint8))
    array([[[0. , 0.2, 1. ]]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions({"standardize", "unit"})],
        "image_shape": [IMAGE_SHAPE, None],
    }

    def __init__(self, method: str = "standardize", *, image_shape: tuple[int, ...] | None = None):
        self.method = method
        self.image_shape = image_shape

    def inverse_transform(self, X: Any) -> Any:
        """Bring normalized values back to the scale of the training images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Normalized images, of the size seen in fit.

        Returns
        -------
        images : array or LazyImages of shape (n_images, ...)
            Floating-point images of the original scale, in the form of `X`.
        """
        check_is_fitted(self)
        return self._apply(X, -self.mean_ / self.scale_, 1 / self.scale_)

    def _fit(self, X):
        images = check_images(self, X, reset=True)
        if isinstance(images, LazyImages):
            images = images.clean()
        learn = channel_moments if self.method == "standardize" else value_range
        self.mean_, self.scale_ = learn(images)

    def _transform(self, X):
        return self._apply(X, self.mean_, self.scale_)

    def _apply(self, X, mean, scale):
        X = recognise(X)[1]
        images = check_images(self, X, reset=False)
        operation = Normalize(mean, scale)
        if isinstance(images, LazyImages):
            result = images.then(operation)
        else:
            result = operation(images)
        return in_form(result, X.shape[1:])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Normalize:
    """A lazy operation: subtract a number and divide by another, for each channel.

    Parameters
    ----------
    mean, scale : float64 array of shape (n_channels,)
        The numbers.
    """

    random = False

    def __init__(self, mean, scale):
        self.mean = mean
        self.scale = scale

    def __call__(self, batch, indices=None, epoch=0):  # noqa: D102
        batch = np.asarray(batch)
        _, dtype = self.output(batch.shape, batch.dtype)
        exact = np.result_type(batch.dtype, dtype)  # float64 for integers of 32 bits and more
        result = np.subtract(batch, self.mean.astype(exact), dtype=exact)
        result /= self.scale.astype(exact)
        return result.astype(dtype, copy=False)

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
        return shape, np.dtype(np.float64 if dtype == np.float64 else np.float32)

    def __repr__(self):
        return f"Normalize(mean={self.mean}, scale={self.scale})"


def channel_moments(images):
    """Compute the mean and the standard deviation of each channel.

    Parameters
    ----------
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        The images.

    Returns
    -------
    mean : float64 array of shape (n_channels,)
        The means.
    scale : float64 array of shape (n_channels,)
        The standard deviations; 1 for a channel that is constant up to rounding.
    """
    count, mean, squares = 0, 0.0, 0.0
    for chunk in _chunks(images):
        values = chunk.reshape(-1, chunk.shape[-1]).astype(np.float64)
        chunk_mean = values.mean(axis=0)
        step = chunk_mean - mean
        total = count + len(values)
        values -= chunk_mean
        squares = squares + (values**2).sum(axis=0) + step**2 * (count * len(values) / total)
        mean = mean + step * (len(values) / total)
        count = total
    variance = squares / count
    # scikit-learn's bound, as StandardScaler uses it, on the rounding error of the variance
    eps = np.finfo(np.float64).eps
    constant = variance <= count * eps * variance + (count * mean * eps) ** 2
    return mean, np.where(constant, 1.0, np.sqrt(variance))


def value_range(images, name="ImageNormalizer"):
    """Find the range of pixel values: the dtype's for uint8 and uint16, else that of the images.

    Parameters
    ----------
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        The images.
    name : str, default="ImageNormalizer"
        Who asks, for the error if a lazy view turns out to hold NaN or infinity.

    Returns
    -------
    low : float64 array of shape (n_channels,)
        The smallest value, the same for all channels.
    length : float64 array of shape (n_channels,)
        The length of the range, the same for all channels; 1 if there is but one value.
    """
    if images.dtype in (np.uint8, np.uint16):
        low, high = 0.0, float(np.iinfo(images.dtype).max)
    else:
        extremes = [(float(chunk.min()), float(chunk.max())) for chunk in _chunks(images, name)]
        low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    channels = images.shape[-1]
    return np.full(channels, low), np.full(channels, high - low or 1.0)


def _chunks(images, name="ImageNormalizer"):
    """Give one piece of the images after the other, so that few are in memory at a time."""
    step = max(1, _CHUNK // int(np.prod(images.shape[1:])))
    if not isinstance(images, LazyImages):
        yield from (images[start : start + step] for start in range(0, len(images), step))
        return
    for chunk in images.read_parts(step):
        assert_all_finite(chunk, estimator_name=name, input_name="X")
        yield chunk
