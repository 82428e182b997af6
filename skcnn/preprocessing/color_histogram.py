"""ColorHistogramExtractor: histograms of the colors of an image."""

from __future__ import annotations

from math import prod
from numbers import Integral
from typing import ClassVar

import numpy as np
from skimage.color import rgb2hsv, rgb2lab
from sklearn.utils._param_validation import Interval, StrOptions

from skcnn._validation import IMAGE_SHAPE, N_JOBS, PositiveInts
from skcnn.pixels import pixel_range
from skcnn.preprocessing._features import FeatureExtractor

_MAX_FEATURES = 2**20  # 4 MB per image; more bins are a mistake
_CONVERSIONS = {"hsv": rgb2hsv, "lab": rgb2lab}
_RANGES = {  # of each channel; all colors of sRGB lie in them
    "hsv": ((0, 1), (0, 1), (0, 1)),
    "lab": ((0, 100), (-87, 99), (-108, 95)),
}
_CHANNELS = {
    "hsv": ("hue", "saturation", "value"),
    "lab": ("lightness", "a", "b"),
    "rgb": ("red", "green", "blue"),
}


class ColorHistogramExtractor(FeatureExtractor):
    """Describe the colors of an image by a histogram.

    The range of each channel is divided into bins of equal width. A feature is the fraction of the
    pixels of an image that fall into a bin, as float32, wherever in the image they are.

    Parameters
    ----------
    n_bins : int or tuple of int, default=8
        Number of bins of every channel, or a tuple with one number for each.
    color_space : {"hsv", "lab", "rgb"}, default="hsv"
        The channels that are counted. "hsv" (hue, saturation, value) and "lab" (CIELAB under
        illuminant D65) are converted from sRGB and need images of three channels. "rgb" does not
        convert, and accepts any number of channels. Gray images are never converted.
    joint : bool, default=True
        True computes the joint histogram of the channels: the number of bins is the product of the
        `n_bins` of the channels, 512 by default, and the features sum to 1. False computes one
        histogram per channel: the number of bins is the sum of the `n_bins`, 24 by default, and
        the features of each channel sum to 1.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads. "auto" means all CPU cores, or one thread in a worker process of
        a parallel computation such as ``GridSearchCV(n_jobs=2)``. None means 1 unless in a
        `joblib.parallel_config` context, and -1 means all CPU cores. Results do not depend on it.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    pixel_range_ : tuple of (float, float)
        Smallest and largest pixel value, black and white: those of the dtype for uint8 and uint16,
        otherwise those of the training images.
    n_bins_ : tuple of int
        Number of bins of each channel.
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.

    Raises
    ------
    ValueError
        If images have another size than in fit, hold NaN or infinity, or have another number of
        channels than `color_space` or `n_bins` requires.

    See Also
    --------
    HOGExtractor : Describe the shapes in an image by histograms of oriented gradients.
    sklearn.metrics.pairwise.chi2_kernel : Kernel of histograms, for support vector machines.

    Notes
    -----
    The names of the features are those of their bins, "hue_{bin}_saturation_{bin}_value_{bin}" for
    a joint histogram and "hue_{bin}" for a single channel. The other channels are called
    "lightness", "a", "b"; "red", "green", "blue"; "gray"; and "channel_{number}" if there are two
    or more than three. The bin of the last channel changes fastest.

    The bins of "rgb" and gray divide the pixel range, those of "hsv" 0 to 1, and those of "lab" 0
    to 100, -87 to 99 and -108 to 95, which include all colors of sRGB. Values outside of the pixel
    range are counted as its nearest end.

    `LazyImages` are read part by part, in the threads that compute the features. The pixel range is
    that of the images without the random operations of an `ImageAugmenter`. Of a view with random
    operations one realization is read, the same in every call.

    M. J. Swain and D. H. Ballard, "Color indexing", International Journal of Computer Vision 7
    (1991), 11-32.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ColorHistogramExtractor
    >>> images = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    >>> images[0, 0] = [255, 0, 0]  # red above black
    >>> extractor = ColorHistogramExtractor(n_bins=2, color_space="rgb")
    >>> extractor.fit_transform(images)
    array([[0.5, 0. , 0. , 0. , 0.5, 0. , 0. , 0. ]], dtype=float32)
    >>> extractor.get_feature_names_out()[4]
    'red_1_green_0_blue_0'
    >>> ColorHistogramExtractor(n_bins=(3, 2, 2), joint=False).fit_transform(images)
    array([[1. , 0. , 0. , 0.5, 0.5, 0.5, 0.5]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_bins": [Interval(Integral, 1, None, closed="left"), PositiveInts()],
        "color_space": [StrOptions({"hsv", "lab", "rgb"})],
        "joint": ["boolean"],
        "n_jobs": N_JOBS,
        "image_shape": [IMAGE_SHAPE, None],
    }

    def __init__(
        self,
        n_bins: int | tuple[int, ...] = 8,
        *,
        color_space: str = "hsv",
        joint: bool = True,
        n_jobs: int | str | None = "auto",
        image_shape: tuple[int, ...] | None = None,
    ):
        self.n_bins = n_bins
        self.color_space = color_space
        self.joint = joint
        self.n_jobs = n_jobs
        self.image_shape = image_shape

    def _learn(self, images):
        channels = self.image_shape_[2]
        if self.color_space in _CONVERSIONS and channels not in (1, 3):
            raise ValueError(
                f"ColorHistogramExtractor(color_space={self.color_space!r}) takes gray images or "
                f"red, green and blue, but X holds images with {channels} channel(s): use "
                "color_space='rgb', or remove transparency with X[..., :3]"
            )
        self.n_bins_ = self._count_bins(channels)
        low, high = map(float, pixel_range(images))
        if high == low:  # bins need a width
            high = max(low + 1, float(np.nextafter(low, np.inf)))
        self.pixel_range_ = (low, high)

    def _count_bins(self, channels):
        """Return the number of bins of each channel."""
        if isinstance(self.n_bins, Integral):
            n_bins = (int(self.n_bins),) * channels
        else:
            n_bins = tuple(int(n) for n in self.n_bins)
        if len(n_bins) != channels:
            raise ValueError(
                f"n_bins={self.n_bins} has {len(n_bins)} number(s), but X holds images with "
                f"{channels} channel(s): pass one number for all channels, or one for each"
            )
        if self.joint and prod(n_bins) > _MAX_FEATURES:
            raise ValueError(
                f"n_bins={self.n_bins} makes {prod(n_bins)} features of the {channels} channel(s): "
                "use fewer bins, or one histogram per channel with joint=False"
            )
        return n_bins

    def _describe(self, batch):
        channels, ranges = color_channels(batch, self.color_space, self.pixel_range_)
        bins = [
            bin_numbers(*channel) for channel in zip(channels, ranges, self.n_bins_, strict=True)
        ]
        if self.joint:
            return histograms(bins, self.n_bins_)
        alone = zip(bins, self.n_bins_, strict=True)
        return np.concatenate([histograms([part], [n]) for part, n in alone], axis=1)

    def _names(self):
        n_channels = len(self.n_bins_)
        channels = {1: ["gray"], 3: _CHANNELS[self.color_space]}.get(
            n_channels, [f"channel_{number}" for number in range(n_channels)]
        )
        if not self.joint:
            counted = zip(channels, self.n_bins_, strict=True)
            return [f"{channel}_{number}" for channel, n in counted for number in range(n)]
        return [
            "_".join(f"{channel}_{n}" for channel, n in zip(channels, bins, strict=True))
            for bins in np.ndindex(*self.n_bins_)
        ]

    @property
    def _n_features_out(self):
        return prod(self.n_bins_) if self.joint else sum(self.n_bins_)


def color_channels(images, color_space, pixel_range):
    """Convert images to a color space.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Images; those of one channel are not converted.
    color_space : {"hsv", "lab", "rgb"}
        Color space. "rgb" does not convert.
    pixel_range : tuple of (float, float)
        Black and white. Values outside are clipped.

    Returns
    -------
    channels : float64 array of shape (n_channels, n_images, height * width)
        Values of each channel.
    ranges : list of tuple of (float, float)
        Smallest and largest possible value of each channel.
    """
    n_images, height, width, n_channels = images.shape
    # channels first, in which scikit-image converts twice as fast
    channels = np.moveaxis(images, 3, 0).astype(np.float64, order="C")
    channels = channels.reshape(n_channels, n_images, height * width)
    if n_channels == 1 or color_space == "rgb":
        return channels, [pixel_range] * n_channels
    channels -= pixel_range[0]
    channels /= pixel_range[1] - pixel_range[0]
    np.clip(channels, 0, 1, out=channels)
    return _CONVERSIONS[color_space](channels, channel_axis=0), _RANGES[color_space]


def bin_numbers(values, limits, n_bins):
    """Return the bin of each value.

    Parameters
    ----------
    values : float64 array of any shape
        Values.
    limits : tuple of (float, float)
        Range that the bins divide. Values outside are in the first or the last bin.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    numbers : int array of the shape of `values`
        Number of the bin, from 0.
    """
    low, high = limits
    places = values - low
    places *= n_bins  # before the division, so that whole numbers fall on edges exactly
    with np.errstate(over="ignore"):  # infinity is in the last bin
        places /= high - low
    return np.clip(places, 0, n_bins - 1, out=places).astype(np.intp)


def histograms(bins, n_bins):
    """Compute the joint histogram of several channels for every image.

    Parameters
    ----------
    bins : list of int arrays of shape (n_images, n_pixels)
        Bin of each pixel, for every channel.
    n_bins : sequence of int
        Number of bins of each channel.

    Returns
    -------
    histograms : float64 array of shape (n_images, prod(n_bins))
        Fraction of the pixels of an image in each bin.
    """
    n_images, n_pixels = bins[0].shape
    places = np.arange(n_images)[:, np.newaxis]
    for numbers, n in zip(bins, n_bins, strict=True):
        places = places * n + numbers
    counts = np.bincount(places.ravel(), minlength=n_images * prod(n_bins))
    return counts.reshape(n_images, -1) / n_pixels
