"""ImageAugmenter: random variants of the training images, new ones in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.operations import Identity
from skcnn.pixels import pixel_range
from skcnn.preprocessing._base import ImageTransformer
from skcnn.preprocessing.augmentation import Augment, Ranges


class ImageAugmenter(ImageTransformer):
    """Replace training images by random variants, new ones in every epoch.

    ``fit_transform``, which a `Pipeline` calls on training images, returns a lazy view. The
    networks of this package read new variants of every image from it in every epoch. Estimators
    without epochs, such as a decision tree, read one variant of each image. ``transform``, which a
    `Pipeline` calls for ``predict`` and ``score``, returns the images unchanged.

    All operations are off by default. Those that are enabled are combined: flips, rotation, zoom
    and shift, in this order, in a single resampling, then contrast, brightness, noise, erasing and
    corruption, and `function` at the end.

    Parameters
    ----------
    horizontal_flip : bool, default=False
        Whether to exchange left and right in half of the images in one epoch, and in the other half
        in the next epoch [4]_.
    vertical_flip : bool, default=False
        Whether to exchange top and bottom in half of the variants of an image.
    rotation : float, default=0.0
        Maximum angle in degrees, at most 180. Angles are uniform in [-rotation, rotation], about
        the center of the image.
    shift : float or int, default=0.0
        Maximum shift: a float is a fraction of the height and of the width, at most 1; an int is a
        number of pixels. Vertical and horizontal shifts are independent and uniform in
        [-shift, shift]. Shifts by whole pixels alone do not resample.
    zoom : float, default=0.0
        Maximum change of size, below 1. Factors are uniform in [1 - zoom, 1 + zoom], the same for
        height and width.
    brightness : float, default=0.0
        Maximum change of brightness, as a fraction of the pixel range, at most 1. The value that is
        added to all pixels of an image is uniform in [-brightness, brightness] times the range.
    contrast : float, default=0.0
        Maximum change of contrast, at most 1. The deviation of each pixel from the mean of its
        image is multiplied by a factor that is uniform in [1 - contrast, 1 + contrast].
    noise : float, default=0.0
        Standard deviation of Gaussian noise, as a fraction of the pixel range, at most 1. The noise
        of every pixel and channel is independent.
    erase : float, default=0.0
        Maximum area that is erased, as a fraction of the image, at most 1. In half of the variants
        a rectangle is filled with random pixel values. Its area is uniform in [0, erase], and its
        ratio of height to width is between 0.3 and 1 / 0.3, as far as it fits into the image. The
        paper [1]_ uses 0.4.
    corruption : str or sequence of str, default=None
        Kind of corruption of `skcnn.robustness.corrupt`, or several kinds, such as
        ``CORRUPTIONS["noise"]``. Each variant has one of the kinds and a severity from 0, which
        changes nothing, to 5. All are equally frequent.
    function : callable, default=None
        Custom operation, called as ``function(images, generators)`` with float32 images of shape
        (n_images, height, width, n_channels) on the scale of the data, and a list of n_images
        `numpy.random.Generator`, one for each image. It returns an array of the same shape, whose
        values are clipped to the pixel range. Batches differ from call to call, so draw the random
        numbers for an image from its own generator. Several threads may call it at the same time.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.
    random_state : int, RandomState instance or None, default=None
        Source of the seed of all variants, which is drawn in `fit`. Pass an int for the same
        variants in every fit.

    Attributes
    ----------
    pixel_range_ : tuple of (float, float)
        Smallest and largest pixel value: those of the dtype for uint8 and uint16, otherwise those
        of the training images. Brightness and noise are fractions of it, and changed pixel values
        are clipped to it.
    seed_ : int
        Seed of all variants.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.

    See Also
    --------
    skcnn.LazyImages : Type of the result of ``fit_transform``.
    skcnn.CNNClassifier : Classifier that reads new variants in every epoch.

    Notes
    -----
    Variants are computed when they are read. A variant depends on ``seed_``, the epoch and the key
    of the image in the view, which is by default its row in the source. It does not depend on the
    batch, the thread, or the order in which images are read. ``numpy.asarray`` of the view reads
    the variants of epoch 0. Estimators without epochs therefore use these variants, and so does a
    frame requested by ``set_output``. The random numbers come from the SplitMix64 generator [2]_.

    The output has the form and the dtype of the input (bool images become float32), and variants
    of integer images are rounded. Resampling is bilinear, and pixels outside of the image have the
    value of the nearest pixel at the edge. Flips and shifts by whole pixels alone do not resample.
    If no operation is enabled, ``fit_transform`` returns its input.

    The view refers to the array in `X` without a copy, so do not change the array while the view
    is used.

    Expanding the training set with distorted images is, according to [3]_, the most important of
    the best practices for convolutional networks.

    References
    ----------
    .. [1] Z. Zhong, L. Zheng, G. Kang, S. Li and Y. Yang, "Random Erasing Data Augmentation",
       AAAI Conference on Artificial Intelligence, 2020. https://arxiv.org/abs/1708.04896
    .. [2] G. L. Steele Jr., D. Lea and C. H. Flood, "Fast Splittable Pseudorandom Number
       Generators", ACM SIGPLAN Notices 49(10), 2014. https://doi.org/10.1145/2714064.2660195
    .. [3] P. Y. Simard, D. Steinkraus and J. C. Platt, "Best Practices for Convolutional Neural
       Networks Applied to Visual Document Analysis", International Conference on Document
       Analysis and Recognition, 2003.
    .. [4] K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.6.
       https://arxiv.org/abs/2404.00498

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ImageAugmenter
    >>> images = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    >>> augmenter = ImageAugmenter(horizontal_flip=True, random_state=2)
    >>> view = augmenter.fit_transform(images)
    >>> for epoch in range(2):
    ...     print(np.asarray(view.at_epoch(epoch))[0].tolist())
    [[2, 1, 0], [5, 4, 3]]
    [[0, 1, 2], [3, 4, 5]]
    >>> augmenter.transform(images)[0].tolist()
    [[0, 1, 2], [3, 4, 5]]

    A custom operation that blackens one row of each image:

    >>> def blacken_row(images, generators):
    ...     for image, generator in zip(images, generators):
    ...         image[generator.integers(len(image))] = 0
    ...     return images
    >>> view = ImageAugmenter(function=blacken_row, random_state=0).fit_transform(images)
    >>> np.asarray(view)[0].tolist()
    [[0, 1, 2], [0, 0, 0]]
    """

    _parameter_constraints: ClassVar[dict] = {
        "horizontal_flip": ["boolean"],
        "vertical_flip": ["boolean"],
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "shift": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 0, None, closed="left"),
        ],
        "zoom": [Interval(Real, 0, 1, closed="left")],
        "brightness": [Interval(Real, 0, 1, closed="both")],
        "contrast": [Interval(Real, 0, 1, closed="both")],
        "noise": [Interval(Real, 0, 1, closed="both")],
        "erase": [Interval(Real, 0, 1, closed="both")],
        "corruption": [str, "array-like", None],
        "function": [callable, None],
        "image_shape": [IMAGE_SHAPE, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rotation: float = 0.0,
        shift: float = 0.0,
        zoom: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        noise: float = 0.0,
        erase: float = 0.0,
        corruption: str | Sequence[str] | None = None,
        function: Callable[[np.ndarray, list[np.random.Generator]], np.ndarray] | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rotation = rotation
        self.shift = shift
        self.zoom = zoom
        self.brightness = brightness
        self.contrast = contrast
        self.noise = noise
        self.erase = erase
        self.corruption = corruption
        self.function = function
        self.image_shape = image_shape
        self.random_state = random_state

    def _fit(self, X: Any) -> LazyImages | np.ndarray:
        self._random_corruption()  # validates the kinds
        images = check_images(self, X, reset=True)
        self.pixel_range_ = pixel_range(images)
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return images

    def _operation(self):
        return Identity()  # transform does not augment

    def _transform(self, X: Any) -> LazyImages | np.ndarray:
        X = inspect_images(X)[1]
        return _reshape_like(check_images(self, X, reset=False), X)

    def _fit_transform(self, X: Any) -> LazyImages | np.ndarray:
        X = inspect_images(X)[1]
        images = self._fit(X)
        ranges = Ranges(**{field.name: getattr(self, field.name) for field in fields(Ranges)})
        corruption = self._random_corruption()
        if not ranges.any and corruption is None and self.function is None:
            return _reshape_like(images, X)
        view = images if isinstance(images, LazyImages) else LazyImages(images)
        # Two augmenters in a pipeline have the same seed_ if their random_state is the same. The
        # second must not repeat the random numbers of the first.
        seed = self.seed_ + sum(operation.random for operation in view.operations)
        view = view.then(Augment(ranges, self.function, self.pixel_range_, seed, corruption))
        return reshape_images(view, X.shape[1:])

    def _random_corruption(self):
        """Return the corruption of variants, None if it is off."""
        if self.corruption is None:
            return None
        # skcnn.robustness imports this package
        from skcnn.robustness.corruptions import RandomCorruption, check_kinds

        return RandomCorruption(check_kinds(self.corruption, "corruption"))


def _reshape_like(images, X):
    """Return validated images in the form of `X`, or `X` itself if it is lazy."""
    return X if isinstance(X, LazyImages) else reshape_images(images, X.shape[1:])
