"""Statistics of one image from which its issues are found."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

# One row for each image, so that the memory for 100,000 images is a few megabytes.
FACTS = np.dtype(
    [
        ("readable", bool),
        ("height", np.int32),
        ("width", np.int32),
        ("gray", bool),
        ("constant", bool),
        ("spread", np.float32),
        ("dark_end", np.float32),
        ("light_end", np.float32),
        ("entropy", np.float32),
        ("blur", np.float32),
        ("thumbnail", np.uint8, (4, 4, 3)),
    ]
)
_SIDE = 512  # pixels of the longer side of the picture whose histogram is computed
_BLUR_SIDE = 128  # of the picture whose sharpness is measured
_REBLUR = 5  # pixels over which it is blurred again
_COLORLESS = 8  # largest difference between the channels of a gray image that was saved as JPEG


def measure(pixels: NDArray[np.uint8]) -> tuple[Any, ...]:
    """Measure one image.

    Large images are made smaller first, so that the time does not depend on the camera.

    Parameters
    ----------
    pixels : uint8 array of shape (height, width) or (height, width, 3)
        Image.

    Returns
    -------
    facts : tuple
        Values of `FACTS`. "spread" is the difference between the 1st and the 99th percentile of the
        channel that differs most, "dark_end" and "light_end" are the 5th and the 95th percentile of
        the brightness; all are fractions of 255. "entropy" is that of the gray levels in bits, and
        "blur" the result of `blur_ratio`.
    """
    image = Image.fromarray(pixels)
    extrema: Any = image.getextrema()
    extrema = extrema if image.mode == "RGB" else [extrema]
    if factor := max(image.size) // _SIDE:
        image = image.reduce(factor)
    gray = image if image.mode == "L" else image.convert("L")
    dark_end, light_end = _percentiles(gray.histogram(), 0.05, 0.95)
    histogram = image.histogram()  # of all channels, one after another
    ends = [_percentiles(histogram[k : k + 256], 0.01, 0.99) for k in range(0, len(histogram), 256)]
    thumbnail = image.resize((4, 4), Image.Resampling.BOX).convert("RGB")
    return (
        True,
        *pixels.shape[:2],
        _is_colorless(image),
        all(low == high for low, high in extrema),
        max(high - low for low, high in ends),
        dark_end,
        light_end,
        gray.entropy(),
        blur_ratio(gray),
        np.asarray(thumbnail),
    )


def _percentiles(histogram, *fractions):
    """Return quantiles of the values that a histogram of bytes counts, as fractions of 255."""
    cumulative = list(accumulate(histogram))
    return [bisect_left(cumulative, fraction * cumulative[-1]) / 255 for fraction in fractions]


def _is_colorless(image):
    """Return whether the channels of an image differ by no more than JPEG changes them."""
    if image.mode == "L":
        return True
    red, green, blue = image.split()
    differences = (ImageChops.difference(green, other).getextrema() for other in (red, blue))
    return all(high <= _COLORLESS for _, high in differences)


def blur_ratio(gray: Image.Image) -> float:
    """Return how little an image changes if it is blurred again.

    Neighboring pixels of a sharp image become more similar by a filter, those of a blurred image
    are so already. The idea is that of Crete et al. (2007), as in `skimage.measure.blur_effect`,
    which takes five times as long for small images. Here squared differences are compared.

    Parameters
    ----------
    gray : PIL.Image.Image
        Gray image. It is reduced to 128 pixels along the longer side first.

    Returns
    -------
    ratio : float
        Sum of the squared differences of neighbors after a mean filter of 5 pixels, divided by the
        one before, along the axis where it is larger: 0.04 for noise, almost 1 for a blurred image.
        0 for an image that is constant along both axes.

    References
    ----------
    F. Crete, T. Dolmiere, P. Ladret and M. Nicolas, "The blur effect: perception and estimation
    with a new no-reference perceptual blur metric", Human Vision and Electronic Imaging XII (2007).
    """
    longest = max(gray.size)
    if longest > _BLUR_SIDE:
        size = [max(1, round(side * _BLUR_SIDE / longest)) for side in gray.size]
        gray = gray.resize((size[0], size[1]), Image.Resampling.BOX)
    values = np.asarray(gray, np.float32)
    return max(_ratio_along_rows(values), _ratio_along_rows(values.T))


def _ratio_along_rows(values):
    if values.shape[1] <= 2 * _REBLUR:
        return 0.0
    sharp = np.diff(values, axis=1)
    energy = float(np.square(sharp).sum())
    if energy == 0:
        return 0.0
    # The difference of neighbors after a mean filter, without computing the filter.
    blurred = (values[:, _REBLUR:] - values[:, :-_REBLUR]) / _REBLUR
    share = sharp.size / blurred.size
    return float(np.square(blurred).sum()) * share / energy
