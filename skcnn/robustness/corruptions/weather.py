"""Weather: snow, frost, fog and brightness.

Each function takes a float64 image of shape (height, width, n_channels) in [0, 1], a severity from
1 to 5 and a `numpy.random.Generator`, and returns the corrupted image, whose values may lie outside
of [0, 1].
"""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2gray

from skcnn.robustness.corruptions._filters import convolve, motion_kernel, zoom
from skcnn.robustness.corruptions._textures import frost_texture, plasma
from skcnn.robustness.corruptions.levels import Levels

_SNOW_MEAN = Levels((0.1, 0.1, 0.15, 0.25, 0.3), (0.1, 0.2, 0.55, 0.55, 0.55))
_SNOW_DEVIATION = Levels((0.2, 0.2, 0.3, 0.3, 0.3), (0.3, 0.3, 0.3, 0.3, 0.3))
_FLAKE = Levels((1, 1, 1.75, 2.25, 1.25), (3, 2, 4, 4.5, 2.5))
_SNOW_THRESHOLD = Levels((0.6, 0.5, 0.55, 0.6, 0.65), (0.5, 0.5, 0.9, 0.85, 0.85))
_FALL_RADIUS = Levels((8, 10, 10, 12, 14), (10, 12, 12, 12, 12))
_FALL_SIGMA = Levels((3, 4, 4, 6, 12), (4, 4, 8, 8, 12))
_KEPT_COLOR = Levels((0.95, 0.9, 0.9, 0.85, 0.8), (0.8, 0.7, 0.7, 0.65, 0.55))
_FROST_IMAGE = Levels((1, 1, 0.9, 0.85, 0.75), (1, 0.8, 0.7, 0.65, 0.6))
_FROST = Levels((0.2, 0.3, 0.4, 0.4, 0.45), (0.4, 0.6, 0.7, 0.7, 0.75))
_FOG = Levels((0.2, 0.5, 0.75, 1, 1.5), (1.5, 2, 2.5, 2.5, 3))
_FOG_DECAY = Levels((3, 3, 2.5, 2, 1.75), (2, 2, 1.7, 1.5, 1.4))
_ADDED = Levels((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))


def snow(image, severity, rng):
    """Whiten the image, and add blurred flakes that fall in two directions."""
    shape = image.shape
    deviation = _SNOW_DEVIATION.number(severity, shape)
    flakes = rng.normal(_SNOW_MEAN.number(severity, shape), deviation, (*shape[:2], 1))
    flakes = zoom(flakes, max(1, _FLAKE.length(severity, shape)))
    flakes[flakes < _SNOW_THRESHOLD.number(severity, shape)] = 0
    radius, sigma = _FALL_RADIUS.length(severity, shape), _FALL_SIGMA.length(severity, shape)
    kernel = motion_kernel(radius, sigma, rng.uniform(-135, -45))
    flakes = convolve(np.clip(flakes, 0, 1), kernel)
    kept = _KEPT_COLOR.number(severity, shape)
    white = np.maximum(image, 1.5 * _luminance(image) + 0.5)
    return kept * image + (1 - kept) * white + flakes + flakes[::-1, ::-1]


def frost(image, severity, rng):
    """Overlay a texture of ice crystals."""
    texture = frost_texture(image.shape, rng)
    share = _FROST_IMAGE.number(severity, image.shape)
    return share * image + _FROST.number(severity, image.shape) * texture


def fog(image, severity, rng):
    """Overlay a plasma fractal."""
    amount = _FOG.number(severity, image.shape)
    white = image.max()
    layer = plasma(image.shape, _FOG_DECAY.number(severity, image.shape), rng)
    return (image + amount * layer[:, :, np.newaxis]) * white / (white + amount)


def brightness(image, severity, rng):
    """Add to the value of the color in HSV space, which is the largest channel."""
    value = image.max(axis=2, keepdims=True)
    brighter = np.clip(value + _ADDED.number(severity, image.shape), 0, 1)
    scale = np.divide(brighter, value, out=np.zeros_like(value), where=value > 0)
    return np.where(value > 0, image * scale, brighter)


def _luminance(image):
    """Return the gray image of a color image, and the mean of other numbers of channels."""
    if image.shape[2] == 3:
        return rgb2gray(image)[:, :, np.newaxis]
    return image.mean(axis=2, keepdims=True)
