"""Random draws: which variant of each image of a batch an epoch shows."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np

from skcnn.preprocessing.augmentation.draws import uniform

MIN_ASPECT = 0.3  # of an erased rectangle; the maximum is 1 / 0.3, as in Zhong et al.

# Index of each draw in the sequence of an image, so that enabling an operation changes no other.
_HORIZONTAL_FLIP, _VERTICAL_FLIP, _ROTATION, _SHIFT_Y, _SHIFT_X, _ZOOM, _BRIGHTNESS, _CONTRAST = (
    range(8)
)
_ERASE, _AREA, _ASPECT, _TOP, _LEFT, FUNCTION, CORRUPTION = range(8, 15)
NOISE, FILL = 1 << 40, 1 << 41


@dataclass(frozen=True)
class Ranges:
    """Range of each change; see the parameters of `ImageAugmenter` of the same names."""

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: float = 0.0
    shift: float = 0.0  # an int is a number of pixels
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    erase: float = 0.0

    @property
    def flips(self):
        """Whether images are flipped."""
        return self.horizontal_flip or self.vertical_flip

    @property
    def counts_pixels(self):
        """Whether shifts are whole numbers of pixels."""
        return isinstance(self.shift, Integral)

    @property
    def warps(self):
        """Whether images are resampled."""
        return bool(self.rotation or self.zoom or (self.shift and not self.counts_pixels))

    @property
    def changes_values(self):
        """Whether pixel values are changed."""
        return bool(self.brightness or self.contrast or self.noise or self.erase)

    @property
    def any(self):
        """Whether images are changed at all."""
        return bool(self.flips or self.shift or self.warps or self.changes_values)


class Variants(NamedTuple):
    """Variant of each image of a batch, as arrays of shape (n_images,)."""

    horizontal_flip: np.ndarray  # bool
    vertical_flip: np.ndarray  # bool
    rotation: np.ndarray  # degrees, counter-clockwise
    shift_y: np.ndarray  # fraction of the height, or pixels, downwards
    shift_x: np.ndarray  # fraction of the width, or pixels, to the right
    zoom: np.ndarray  # factor, above 1 enlarges
    brightness: np.ndarray  # fraction of the pixel range, added
    contrast: np.ndarray  # factor of the deviation from the image's mean


def draw_variants(states, ranges):
    """Draw the variant of each image.

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    ranges : Ranges
        Range of each change.

    Returns
    -------
    variants : Variants
        Variant of each image.
    """

    def between(position, reach, middle=0.0):
        return middle + reach * (2 * uniform(states, position) - 1)

    def shift(position):
        if not ranges.counts_pixels:
            return between(position, ranges.shift)
        return np.floor(between(position, ranges.shift + 0.5, middle=0.5)).astype(int)

    return Variants(
        ranges.horizontal_flip & (uniform(states, _HORIZONTAL_FLIP) < 0.5),
        ranges.vertical_flip & (uniform(states, _VERTICAL_FLIP) < 0.5),
        between(_ROTATION, ranges.rotation),
        shift(_SHIFT_Y),
        shift(_SHIFT_X),
        between(_ZOOM, ranges.zoom, middle=1.0),
        between(_BRIGHTNESS, ranges.brightness),
        between(_CONTRAST, ranges.contrast, middle=1.0),
    )


def draw_flips(states, ranges, epoch):
    """Draw the flips of the first epoch, and derive those of `epoch` from them.

    An image is mirrored in every second epoch, and flipped vertically in two of four, so that no
    variant occurs twice before the others (Jordan 2024, arXiv 2404.00498, section 3.6).

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Random states of the images in epoch 0.
    ranges : Ranges
        Enabled flips.
    epoch : int
        Realization.

    Returns
    -------
    flips : dict of bool arrays of shape (n_images,)
        "horizontal_flip" and "vertical_flip".
    """
    horizontal = (uniform(states, _HORIZONTAL_FLIP) < 0.5) ^ bool(epoch & 1)
    vertical = (uniform(states, _VERTICAL_FLIP) < 0.5) ^ bool(epoch & 2)
    return {
        "horizontal_flip": ranges.horizontal_flip & horizontal,
        "vertical_flip": ranges.vertical_flip & vertical,
    }


def draw_rectangles(states, largest, height, width):
    """Draw the rectangle that is erased from each image.

    Nothing is erased from half of the images. In the others the area is uniform between 0 and
    `largest`, and the logarithm of the aspect ratio is uniform over the ratios for which the
    rectangle fits into the image.

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    largest : float
        Maximum area, as a fraction of the area of the image.
    height, width : int
        Size of the images in pixels.

    Returns
    -------
    rectangles : int array of shape (n_images, 4)
        Top, left, height and width in pixels; height and width are 0 if nothing is erased.
    """
    area = largest * uniform(states, _AREA) * height * width
    tall, wide = height**2 / np.maximum(area, 1e-9), np.maximum(area, 1e-9) / width**2
    low = np.log(np.clip(MIN_ASPECT, wide, tall))
    high = np.log(np.clip(1 / MIN_ASPECT, wide, tall))
    aspect = np.exp(low + (high - low) * uniform(states, _ASPECT))  # height over width
    erased = uniform(states, _ERASE) < 0.5
    rows = np.where(erased, np.rint(np.sqrt(area * aspect)), 0).clip(max=height)
    columns = np.where(erased, np.rint(np.sqrt(area / aspect)), 0).clip(max=width)
    top = np.floor(uniform(states, _TOP) * (height - rows + 1))
    left = np.floor(uniform(states, _LEFT) * (width - columns + 1))
    return np.stack([top, left, rows, columns], axis=1).astype(np.int64)
