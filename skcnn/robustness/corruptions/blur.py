"""Blur: defocus, frosted glass, motion and zoom.

Each function takes a float64 image of shape (height, width, n_channels) in [0, 1], a severity from
1 to 5 and a `numpy.random.Generator`, and returns the corrupted image, whose values may lie outside
of [0, 1].
"""

from __future__ import annotations

from math import floor

import numpy as np
from scipy.ndimage import gaussian_filter

from skcnn.robustness.corruptions._filters import convolve, motion_kernel, zoom
from skcnn.robustness.corruptions.levels import Levels

_DISK_RADIUS = Levels((0.3, 0.4, 0.5, 1, 1.5), (3, 4, 6, 8, 10))
_DISK_SIGMA = Levels((0.4, 0.5, 0.6, 0.2, 0.1), (0.1, 0.5, 0.5, 0.5, 0.5))
_GLASS_SIGMA = Levels((0.05, 0.25, 0.4, 0.25, 0.4), (0.7, 0.9, 1, 1.1, 1.5))
_GLASS_DISTANCE = Levels((1, 1, 1, 1, 1), (1, 2, 2, 3, 4))
_GLASS_ROUNDS = Levels((1, 1, 1, 2, 2), (2, 1, 3, 2, 2))
_MOTION_RADIUS = Levels((6, 6, 6, 8, 9), (10, 15, 15, 15, 20))
_MOTION_SIGMA = Levels((1, 1.5, 2, 2, 2.5), (3, 5, 8, 12, 15))
_ZOOM_FACTOR = Levels((1.06, 1.11, 1.15, 1.20, 1.25), (1.11, 1.15, 1.20, 1.24, 1.30))
_ZOOM_COUNT = Levels((7, 12, 16, 21, 26), (12, 16, 11, 13, 11))


def defocus_blur(image, severity, rng):
    """Average over a disk whose edge is softened, as a lens out of focus."""
    radius = _DISK_RADIUS.length(severity, image.shape)
    sigma = _DISK_SIGMA.length(severity, image.shape)
    reach = floor(radius) + 2
    offsets = np.arange(-reach, reach + 1)
    disk = np.clip(radius + 0.5 - np.hypot(offsets[:, np.newaxis], offsets), 0, 1)
    kernel = gaussian_filter(disk, sigma, mode="constant", radius=2)
    return convolve(image, kernel / kernel.sum())


def glass_blur(image, severity, rng):
    """Exchange pixels with random ones nearby, as frosted glass."""
    sigma = _GLASS_SIGMA.length(severity, image.shape)
    distance = max(1, round(_GLASS_DISTANCE.length(severity, image.shape)))
    image = gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    for _ in range(round(_GLASS_ROUNDS.number(severity, image.shape))):
        image = _exchange_pixels(image, distance, rng)
    return gaussian_filter(image, (sigma, sigma, 0), mode="nearest")


def _exchange_pixels(image, distance, rng):
    """Exchange each pixel in turn with one at random offsets in [-distance, distance)."""
    height, width = image.shape[:2]
    y = np.arange(height - distance, distance, -1)[:, np.newaxis]
    x = np.arange(width - distance, distance, -1)
    down, right = rng.integers(-distance, distance, (2, len(y), len(x)))
    partners = ((y + down) * width + x + right).ravel().tolist()
    order = list(range(height * width))
    for pixel, partner in zip((y * width + x).ravel().tolist(), partners, strict=True):
        order[pixel], order[partner] = order[partner], order[pixel]
    return image.reshape(height * width, -1)[order].reshape(image.shape)


def motion_blur(image, severity, rng):
    """Move the image while it is exposed, in a direction up to 45 degrees from the horizontal."""
    radius = _MOTION_RADIUS.length(severity, image.shape)
    sigma = _MOTION_SIGMA.length(severity, image.shape)
    return convolve(image, motion_kernel(radius, sigma, rng.uniform(-45, 45)))


def zoom_blur(image, severity, rng):
    """Average over enlarged images, as a camera that moves towards its object."""
    largest = _ZOOM_FACTOR.number(severity, image.shape)
    count = round(_ZOOM_COUNT.number(severity, image.shape))
    enlarged = sum(zoom(image, factor) for factor in np.linspace(1, largest, count))
    return (image + enlarged) / (count + 1)
