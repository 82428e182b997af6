"""Channel means, channel standard deviations and pixel ranges of collections of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from math import prod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.lazy import LazyImages
from skcnn.values import native_dtype

USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_CHUNK = 250_000  # values per step: 2 MB as float64, which stay in the cache of a CPU core
_ROUNDING = 10  # smaller multiples of the machine precision are rounding errors


def channel_statistics(
    images: Any,
    weights: NDArray | None = None,
    rows: NDArray[np.integer] | None = None,
    max_images: int | None = None,
    *,
    float32: bool = False,
    observe: Callable[[NDArray], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the mean and the standard deviation of the pixel values of each channel.

    Means and squared deviations are combined chunk by chunk with the update of Chan, Golub and
    LeVeque (1983), of values relative to a pixel of the first image, so that an offset of the
    values costs no digits.

    Parameters
    ----------
    images : array or LazyImages of shape (n_all_images, height, width, n_channels)
        Images. Random operations of a lazy view are left out.
    weights : float array of shape (n_all_images,), default=None
        Weight of each image; None gives all the same.
    rows : int array of shape (n_images,), default=None
        Images to use; None uses all.
    max_images : int, default=None
        Maximum number of images to use. Of more, this many evenly spaced ones are used.
    float32 : bool, default=False
        Whether to raise an error where float32 cannot represent how the values of a channel vary.
    observe : callable, default=None
        Called with each chunk of images that is read.

    Returns
    -------
    mean : float64 array of shape (n_channels,)
        Means.
    scale : float64 array of shape (n_channels,)
        Standard deviations; 1 for a channel that is constant except for rounding errors.

    Raises
    ------
    ValueError
        If images of a lazy view hold values that are not finite float32 numbers, or if `float32`
        is True and float32 cannot represent how the values of a channel vary.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance",
    The American Statistician 37 (1983).
    """
    if max_images is not None and (len(images) if rows is None else len(rows)) > max_images:
        rows = np.arange(len(images)) if rows is None else rows
        rows = rows[np.linspace(0, len(rows) - 1, max_images).astype(int)]
    if weights is None:
        weights = np.ones(len(images) if rows is None else len(rows))
    elif rows is not None:
        weights = weights[rows]
    origin = None
    total, start = 0.0, 0
    for chunk in _chunks(images, rows):
        if observe is not None:
            observe(chunk)
        if origin is None:
            origin = chunk[0, 0, 0].astype(np.float64)
            mean = squares = np.zeros_like(origin)
        chunk_weights = np.asarray(weights[start : start + len(chunk)], np.float64)
        start += len(chunk)
        chunk_total = chunk_weights.sum()
        if chunk_total == 0:
            continue
        chunk_mean, chunk_squares = _chunk_statistics(chunk, chunk_weights / chunk_total, origin)
        total += chunk_total
        share = chunk_total / total
        step = chunk_mean - mean
        squares = squares + chunk_total * (chunk_squares + step**2 * (1 - share))
        mean = mean + step * share
    return _mean_and_scale(origin, mean, squares / total, float32=float32)


def _chunk_statistics(chunk, weights, origin):
    """Return the weighted mean and variance of each channel, of values relative to `origin`."""
    n_images, height, width, n_channels = chunk.shape
    # Lines of pixels, not pixels, along the last axis: numpy is slow where that axis is short.
    values = chunk.reshape(n_images, height, -1) - np.tile(origin, width)  # float64

    def channel_means(sums):
        return weights @ sums.reshape(n_images, width, n_channels).sum(axis=1) / (height * width)

    mean = channel_means(values.sum(axis=1))
    values -= np.tile(mean, width)
    return mean, channel_means(np.einsum("nhl,nhl->nl", values, values))


def _mean_and_scale(origin, mean, variance, *, float32):
    """Return mean and standard deviation, where `mean` is relative to `origin`."""
    rounding = _ROUNDING * np.finfo(np.float64).eps
    constant = variance <= (rounding * np.maximum(abs(mean), abs(origin + mean))) ** 2
    mean, scale = origin + mean, np.where(constant, 1.0, np.sqrt(variance))
    limits = np.finfo(np.float32)
    lost = ~constant & ((scale < limits.tiny) | (scale < _ROUNDING * limits.eps * abs(mean)))
    if float32 and lost.any():
        channel = lost.argmax()
        raise ValueError(
            f"channel {channel} of X varies by {scale[channel]:.3g} about {mean[channel]:.3g}, "
            "which float32 cannot represent: put an ImageNormalizer() before the network"
        )
    return mean, scale


def pixel_range(images: Any) -> tuple[float, float]:
    """Return the smallest and the largest pixel value.

    Parameters
    ----------
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        Images. Random operations of a lazy view are left out.

    Returns
    -------
    low, high : float
        Limits of the dtype for uint8 and uint16, otherwise minimum and maximum of the images.

    Raises
    ------
    ValueError
        If images of a lazy view hold values that are not finite float32 numbers.
    """
    limits = dtype_range(images.dtype)
    if limits is not None:
        return limits
    extremes = [(chunk.min(), chunk.max()) for chunk in _chunks(images, None)]
    low, high = min(low for low, _ in extremes).item(), max(high for _, high in extremes).item()
    return +low, +high  # numbers, also for bool


class ValueRange:
    """Smallest and largest value of the images of batches.

    Attributes
    ----------
    low, high : float
        Smallest and largest value; infinity and -infinity before the first batch.
    """

    def __init__(self):
        self.low, self.high = math.inf, -math.inf

    def add(self, images: NDArray) -> None:
        """Add the images of a batch.

        Parameters
        ----------
        images : array of shape (n_images, ...)
            Images.
        """
        self.low = min(self.low, float(images.min()))
        self.high = max(self.high, float(images.max()))

    def usual(self) -> tuple[float, float] | None:
        """Return which of the usual ranges of pixel values the values are in.

        Returns
        -------
        limits : tuple of (float, float) or None
            (0, 1), (-1, 1) or (0, 255), if it contains all values and they span at least half of
            it. None if there is no such range.

        Examples
        --------
        >>> import numpy as np
        >>> from skcnn.pixels import ValueRange
        >>> values = ValueRange()
        >>> values.add(np.array([0.0, 0.5]))
        >>> values.usual()
        (0.0, 1.0)
        >>> values.add(np.array([200]))
        >>> values.usual()
        (0.0, 255.0)
        """
        for low, high in USUAL_RANGES:
            spans_half = self.high - self.low >= (high - low) / 2
            if low <= self.low and self.high <= high and spans_half:
                return low, high
        return None

    def limits(self) -> tuple[float, float]:
        """Return the usual range that the values are in, or else their minimum and maximum.

        Returns
        -------
        low, high : float
            Limits.
        """
        return self.usual() or (self.low, self.high)


def dtype_range(dtype: Any) -> tuple[int, int] | None:
    """Return the limits of a dtype that is used for its whole range.

    Parameters
    ----------
    dtype : dtype
        Dtype of images.

    Returns
    -------
    limits : tuple of (int, int) or None
        Smallest and largest value of uint8 and uint16, None for any other dtype.
    """
    if native_dtype(dtype) not in (np.uint8, np.uint16):
        return None
    return 0, int(np.iinfo(dtype).max)


def check_pixel_range(pixel_range: Any) -> tuple[float, float]:
    """Return a range of pixel values that a user passed, or raise an error.

    Parameters
    ----------
    pixel_range : sequence of two numbers
        Smallest and largest pixel value.

    Returns
    -------
    low, high : float
        The two values.

    Raises
    ------
    ValueError
        If they are not two finite numbers, the smaller one first.
    """
    is_pair = len(pixel_range) == 2 and all(isinstance(end, Real) for end in pixel_range)
    if not (is_pair and -math.inf < pixel_range[0] < pixel_range[1] < math.inf):
        raise ValueError(
            f"pixel_range={pixel_range!r} must be the smallest and the largest pixel value, such "
            "as (0, 255)"
        )
    return float(pixel_range[0]), float(pixel_range[1])


def _chunks(images, rows) -> Iterator[NDArray]:
    """Yield images as arrays of about `_CHUNK` values, of a lazy view those of the clean one."""
    step = max(1, _CHUNK // max(1, prod(images.shape[1:])))
    if isinstance(images, LazyImages):
        view = images.clean() if rows is None else images.clean()[rows]
        yield from view.read_parts(step)
        return
    for start in range(0, len(images) if rows is None else len(rows), step):
        part = slice(start, start + step)
        yield images[part] if rows is None else images[rows[part]]
