"""corrupt: images with noise, blur, weather, digital artifacts, occlusion or clutter."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skcnn.robustness._corruptible import IMAGE_PARAMETERS, CorruptibleImages, draw_seed
from skcnn.robustness.corruptions import KINDS, SEVERITIES


@validate_params(
    {
        "kind": [StrOptions(set(KINDS))],
        "severity": [Interval(Integral, SEVERITIES[0], SEVERITIES[-1], closed="both")],
        **IMAGE_PARAMETERS,
    },
    prefer_skip_nested_validation=True,
)
def corrupt(
    X: Any,
    kind: str,
    severity: int = 3,
    *,
    image_shape: tuple[int, ...] | None = None,
    pixel_range: tuple[float, float] | None = None,
    random_state: Any = None,
) -> Any:
    """Corrupt images with noise, blur, weather, digital artifacts, occlusion or clutter.

    The first fifteen kinds are those of ImageNet-C and CIFAR-10-C [1]_. ``CORRUPTIONS`` lists them
    by group:

    - noise: "gaussian_noise", "shot_noise", "impulse_noise"
    - blur: "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"
    - weather: "snow", "frost", "fog", "brightness"
    - digital: "contrast", "elastic_transform", "pixelate", "jpeg_compression"
    - objects: "occlusion" covers the image with squares of random colors; "clutter" pastes round
      pieces of the image itself at random positions, similar to the pieces of other images in [2]_.

    Parameters
    ----------
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form: array, flat rows, images of different sizes, `LazyImages`, or paths of
        files, which are read in color.
    kind : str
        Kind of the corruption.
    severity : int, default=3
        Severity, from 1 to 5.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images. Not needed for other forms of
        images.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value. None takes the range of the dtype for bool, uint8 and
        uint16. For other dtypes it takes (0, 1), (-1, 1) or (0, 255), the first that contains the
        pixels of `X` if they span at least half of it, or else their minimum and maximum.
    random_state : int, RandomState instance or None, default=None
        Source of the seed of the random numbers. Pass an int for the same corruption in every call.

    Returns
    -------
    images : array, list or LazyImages of shape (n_images, ...)
        Corrupted images, of the form and dtype of `X`: an array of the same shape, a list or an
        object array of images of different sizes, or a view for `LazyImages` and paths, which
        corrupts images when they are read. Frames of flat rows become arrays.

    Raises
    ------
    ValueError
        If a parameter is not valid, a pixel is outside of `pixel_range`, or all pixels have the
        same value, so that their range is not known.
    TypeError
        If `X` does not hold images or paths.

    See Also
    --------
    corruption_report : Accuracy of a classifier for all kinds and severities.
    skcnn.ImageAugmenter : Corrupts training images with its parameter `corruption`.

    Notes
    -----
    The random numbers of an image depend on the seed, the kind and its key, which is its position
    in `X`, or, in `LazyImages`, by default its row in the source. They depend neither on the batch
    nor on the severity, so that all severities show the same noise. Integer pixels are rounded.

    The parameters are those of CIFAR-10-C for images whose shorter side has up to 32 pixels, and
    those of ImageNet-C from 224 pixels on. Between, they are interpolated linearly in the logarithm
    of the side. Lengths are fractions of the side. The following differs from the original:

    - Frost is a random texture of ice crystals instead of photographs.
    - The edges of the disk of defocus blur are soft, and directions of motion are not rounded to
      pixels, so that lengths need not be whole numbers of pixels.
    - Pixel values remain numbers of the range of `X`, and are not rounded to 8 bits (except in
      JPEG files, whose quality is that of Pillow).
    - Images with another number of channels than three are corrupted channel by channel in JPEG
      files, and brightness and snow treat their largest and their mean channel as those of color
      images.

    The severities of elastic deformations trade coarse for fine ones, as in the original, so that a
    higher severity may move pixels less.

    References
    ----------
    .. [1] D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
       Corruptions and Perturbations", International Conference on Learning Representations, 2019.
       https://arxiv.org/abs/1903.12261
    .. [2] V. Mnih, N. Heess, A. Graves and K. Kavukcuoglu, "Recurrent Models of Visual Attention",
       Advances in Neural Information Processing Systems 27, 2014, section 4.1.
       https://arxiv.org/abs/1406.6247

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.robustness import corrupt
    >>> X, _ = load_digits(return_X_y=True)
    >>> noisy = corrupt(X, "gaussian_noise", severity=5, pixel_range=(0, 16), random_state=0)
    >>> noisy.shape
    (1797, 64)
    >>> bool(noisy.min() == 0 and noisy.max() == 16)
    True
    """
    seed = draw_seed(random_state)
    images = CorruptibleImages(X, image_shape, pixel_range)
    view = images.corrupted(kind, severity, seed)
    if images.form in ("lazy", "paths"):
        return view
    if images.form != "ragged":
        return np.asarray(view)
    found = [image for part in view.read_parts(1) for image in part]
    if isinstance(X, (list, tuple)):
        return found
    array = np.empty(len(found), dtype=object)
    for row, image in enumerate(found):
        array[row] = image
    return array
