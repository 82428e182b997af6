"""ImageAugmenter: new variants of the training images in every epoch, clean images elsewhere."""

from __future__ import annotations

from collections.abc import Callable
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
    """Show a network random variants of the training images, and of these alone.

    ``fit_transform``, which a `Pipeline` calls on training images, gives a lazy view: whoever
    trains on it epoch by epoch reads new variants of every image in each, and whoever reads it
    once, as a decision tree does, gets one variant an image. ``transform``, which a `Pipeline`
    calls for ``predict`` and ``score``, gives the images as they are.

    All operations are off by default, and combine: flips, rotation, zoom and shift are done in
    this order in a single resampling, then contrast, brightness, noise and erasing, and `function`
    at the end.

    Parameters
    ----------
    horizontal_flip : bool, default=False
        Exchange left and right in half of the images, and in the other half in the next epoch
        [4]_.
    vertical_flip : bool, default=False
        Exchange top and bottom in half of the variants of an image.
    rotation : float, default=0.0
        The largest angle in degrees, at most 180. Angles are uniform in [-rotation, rotation],
        about the center of the image.
    shift : float or int, default=0.0
        The largest shift: a float is a fraction of the height and of the width, at most 1, an int
        a number of pixels. Vertical and horizontal shifts are drawn apart, both uniform in
        [-shift, shift]; shifts by whole pixels alone do not resample.
    zoom : float, default=0.0
        The largest change of size, below 1. Factors are uniform in [1 - zoom, 1 + zoom], the same
        for height and width.
    brightness : float, default=0.0
        The largest change of brightness, as a fraction of the pixel range, at most 1. What is
        added to all pixels of an image is uniform in [-brightness, brightness] times the range.
    contrast : float, default=0.0
        The largest change of contrast, at most 1. The deviation of each pixel from the mean of its
        image is multiplied by a factor uniform in [1 - contrast, 1 + contrast].
    noise : float, default=0.0
        The standard deviation of Gaussian noise, as a fraction of the pixel range, at most 1. The
        noise of every pixel and channel is drawn apart.
    erase : float, default=0.0
        The largest area that is erased, as a fraction of the image, at most 1. In half of the
        variants a rectangle is filled with random pixel values; its area is uniform in [0, erase]
        and its ratio of height to width between 0.3 and 1 / 0.3, or what fits into the image. The
        paper [1]_ uses 0.4.
    function : callable, default=None
        An operation of your own, called as ``function(images, generators)`` with float32 images of
        shape (n_images, height, width, n_channels) on the scale of the data, and a list of
        n_images `numpy.random.Generator`, one for each image. It returns as many images of the
        same shape, which are clipped to the pixel range. Which images come together changes from
        call to call, so draw what happens to an image from its own generator. Several threads may
        call it at the same time.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels) of images that come as flat rows. None reads
        a square number of features as a gray square.
    random_state : int, RandomState instance or None, default=None
        What the seed of all variants is drawn from in `fit`. With an int, two fits give the same
        view.

    Attributes
    ----------
    pixel_range_ : tuple of (float, float)
        The smallest and the largest pixel value: those of the dtype for uint8 and uint16, else
        those of the training images. Brightness and noise are fractions of it, and operations on
        pixel values do not leave it.
    seed_ : int
        The seed of all variants.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in `fit`.
    n_features_in_ : int
        Height times width times number of channels.
    feature_names_in_ : ndarray of shape (n_features,)
        The names of the columns, where `fit` was given a frame of flat rows.

    See Also
    --------
    skcnn.LazyImages : What ``fit_transform`` gives.
    skcnn.CNNClassifier : Reads new variants in every epoch.

    Notes
    -----
    Variants are made when they are read. One is a function of ``seed_``, the epoch and the row of
    the image in the source of the view: the batch, the thread and the order in which images are
    read change nothing, and reading twice gives the same. ``numpy.asarray`` of the view, and so an
    estimator that knows nothing of epochs, gets the variants of epoch 0. ``set_output`` with flat
    rows asks for a frame, which holds these and no others. The random numbers come from the
    SplitMix64 generator [2]_.

    The output has the form and the dtype of the input (bool images become float32), and variants
    of integer images are rounded. Resampling is bilinear; places outside the image show the pixel
    at the nearest edge. Flips and shifts by whole pixels alone do not resample. With nothing
    enabled, ``fit_transform`` gives back the images it got.

    Variants show the array that was given, without a copy: do not change it while they are used.

    To enlarge a training set by distorted images is, for [3]_, the most important of all practices
    in training a convolutional network on images.

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

    An operation of one's own, which blackens one row of each image:

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
        self.function = function
        self.image_shape = image_shape
        self.random_state = random_state

    def _fit(self, X: Any) -> LazyImages | np.ndarray:
        images = check_images(self, X, reset=True)
        self.pixel_range_ = pixel_range(images, type(self).__name__)
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return images

    def _operation(self):
        return Identity()  # that of transform: prediction reads images as they are

    def _transform(self, X: Any) -> LazyImages | np.ndarray:
        X = inspect_images(X)[1]
        return _as_given(check_images(self, X, reset=False), X)

    def _fit_transform(self, X: Any) -> LazyImages | np.ndarray:
        X = inspect_images(X)[1]
        images = self._fit(X)
        ranges = Ranges(**{field.name: getattr(self, field.name) for field in fields(Ranges)})
        if not ranges.any and self.function is None:
            return _as_given(images, X)
        view = images if isinstance(images, LazyImages) else LazyImages(images)
        # A second augmenter in a pipeline must not repeat the draws of the first, whose seed is
        # the same wherever a user gives every step the same random_state.
        seed = self.seed_ + sum(operation.random for operation in view.operations)
        view = view.then(Augment(ranges, self.function, self.pixel_range_, seed))
        return reshape_images(view, X.shape[1:])


def _as_given(images, X):
    """Give checked images the form they had; a lazy view is returned itself."""
    return X if isinstance(X, LazyImages) else reshape_images(images, X.shape[1:])
