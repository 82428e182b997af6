"""ImageNormalizer: scale pixel values, channel by channel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.learned import fitted_view
from skcnn.operations import Operation
from skcnn.pixel_scale import ScaleMonitor
from skcnn.pixels import channel_statistics, pixel_range
from skcnn.preprocessing._base import ImageTransformer
from skcnn.settings import fixed_settings
from skcnn.values import native_dtype


class ImageNormalizer(ImageTransformer):
    """Scale pixel values to mean 0 and variance 1, or to the range 0 to 1.

    The networks of this package standardize their input themselves. This transformer is for other
    estimators, and for networks that were trained elsewhere and expect values from 0 to 1.

    Parameters
    ----------
    method : {"standardize", "unit"}, default="standardize"
        "standardize" gives each channel a mean of 0 and a variance of 1 over all pixels of the
        training images. "unit" gives values from 0 to 1: uint8 and uint16 are divided by the
        largest value that the dtype can hold, and other dtypes are scaled by the minimum and
        maximum of the training images, the same for all channels, so that colors keep their hue.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    mean_ : float64 array of shape (n_channels,)
        Value that is subtracted: mean of each channel, for "unit" the minimum of the range.
    scale_ : float64 array of shape (n_channels,)
        Value by which the difference is divided: standard deviation of each channel, for "unit" the
        length of the range; 1 where it would be zero.
    pixel_scale_ : tuple of (float, float, bool)
        Scale of the training images: quantiles of 5 % and 95 % of the root mean squares of the
        images, and whether there are at most four different values. `transform` warns about images
        of a very different scale. Defined only for "standardize".
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.

    Raises
    ------
    ValueError
        If images have another size than in fit, or hold NaN or infinity.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Standardize every feature, here every pixel.

    Notes
    -----
    The form of the images is kept. The result is float64 for float64, otherwise float32.
    `LazyImages` stay lazy. Their statistics are computed without the random operations of an
    `ImageAugmenter`.

    Mean and variance are computed chunk by chunk with the update of Chan, Golub and LeVeque,
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
        """Scale normalized values back to the scale of the training images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Normalized images, of the size seen in fit.

        Returns
        -------
        images : array or LazyImages of shape (n_images, ...)
            Floating-point images on the original scale, in the form of `X`.
        """
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        with fixed_settings():
            return fitted._apply(X, Normalize(-fitted.mean_ / fitted.scale_, 1 / fitted.scale_))

    def _fit(self, X):
        images = check_images(self, X, reset=True)
        if self.method == "standardize":
            monitor = ScaleMonitor()
            self.mean_, self.scale_ = channel_statistics(images, observe=monitor.add)
            self.pixel_scale_ = monitor.scale()
        else:
            vars(self).pop("pixel_scale_", None)  # of an earlier fit with another method
            low, high = pixel_range(images)
            n_channels = images.shape[3]
            self.mean_ = np.full(n_channels, low, np.float64)
            self.scale_ = np.full(n_channels, (high - low) or 1, np.float64)

    def _operation(self):
        return Normalize(self.mean_, self.scale_, getattr(self, "pixel_scale_", None))

    def _transform(self, X):
        return self._apply(X, self._operation())

    def _apply(self, X, operation):
        X = inspect_images(X)[1]
        images = check_images(self, X, reset=False)
        if isinstance(X, LazyImages):
            return X.then(operation)
        return reshape_images(operation(images), X.shape[1:])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Normalize(Operation):
    """Subtract a mean from every channel and divide by a scale.

    Parameters
    ----------
    mean, scale : float64 array of shape (n_channels,)
        Mean and scale of each channel.
    pixel_scale : PixelScale, default=None
        Scale of the images of fit. The first images of a very different scale cause a warning.
    """

    needs_finite = True

    def __init__(self, mean, scale, pixel_scale=None):
        self.pixel_scale = pixel_scale
        self.mean = mean
        self.scale = scale

    def __call__(self, batch, keys=None, epoch=0):  # noqa: D102
        batch = np.asarray(batch)
        if self.pixel_scale is not None and len(batch):
            self._warn_of_other_scale(batch)
        _, dtype = self.output(batch.shape, batch.dtype)
        exact = np.result_type(batch.dtype, dtype)  # float64 for integers of 32 bits and more
        pixels = batch.reshape(*batch.shape[:-1], -1, len(self.mean))  # also of flat rows
        result = np.subtract(pixels, self.mean.astype(exact), dtype=exact)
        result /= self.scale.astype(exact)
        return result.astype(dtype, copy=False).reshape(batch.shape)

    def _warn_of_other_scale(self, batch):
        monitor = ScaleMonitor()
        monitor.add(batch)
        if monitor.differs(self.pixel_scale):
            fitted, self.pixel_scale = self.pixel_scale, None  # one warning is enough
            monitor.warn(fitted)

    def output(self, shape, dtype):  # noqa: D102
        return shape, np.dtype(np.float64 if native_dtype(dtype) == np.float64 else np.float32)

    def to_torch(self, shape, dtype):  # noqa: D102
        return _TorchNormalize(self.mean, self.scale)

    def __repr__(self):
        return f"Normalize(mean={self.mean}, scale={self.scale})"


class _TorchNormalize(nn.Module):
    """Normalize channels-first tensors or flat rows."""

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))

    def forward(self, images):
        if images.ndim == 4:
            return (images - self.mean[:, None, None]) / self.scale[:, None, None]
        pixels = images.reshape(len(images), -1, len(self.mean))
        return ((pixels - self.mean) / self.scale).reshape(images.shape)
