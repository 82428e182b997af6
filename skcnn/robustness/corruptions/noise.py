"""Noise: Gaussian noise, shot noise and impulse noise.

Each function takes a float64 image of shape (height, width, n_channels) in [0, 1], a severity from
1 to 5 and a `numpy.random.Generator`, and returns the corrupted image, whose values may lie outside
of [0, 1].
"""

from __future__ import annotations

import numpy as np
from skimage.util import random_noise

from skcnn.robustness.corruptions.levels import Levels

_DEVIATION = Levels((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
_PHOTONS = Levels((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))  # of a white pixel
_REPLACED = Levels((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))


def gaussian_noise(image, severity, rng):
    """Add Gaussian noise, as that of a sensor in low light."""
    return image + rng.normal(0, _DEVIATION.number(severity, image.shape), image.shape)


def shot_noise(image, severity, rng):
    """Replace each value by a Poisson-distributed number of photons."""
    photons = _PHOTONS.number(severity, image.shape)
    return rng.poisson(np.clip(image, 0, 1) * photons) / photons


def impulse_noise(image, severity, rng):
    """Replace values by 0 or 1 (salt-and-pepper noise)."""
    amount = _REPLACED.number(severity, image.shape)
    return random_noise(image, "s&p", rng=rng, amount=amount)
