"""Random textures: a plasma fractal, and ice crystals."""

from __future__ import annotations

import numpy as np

from skcnn.robustness.corruptions._filters import convolve, motion_kernel

_ICE = (0.85, 0.95, 1.0)  # color of white ice
_SIZES = (0.25, 0.1)  # lengths of the arms of crystals, as fractions of the shorter side


def plasma(shape, decay, rng):
    """Return a plasma fractal (Fournier, Fussell and Carpenter 1982).

    Parameters
    ----------
    shape : tuple of int
        Shape of the image, which starts with height and width.
    decay : float
        The random numbers of a scale are ``decay ** 2`` times smaller than those of the scale
        before, which is twice as large.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    values : float array of shape (height, width)
        Values in [0, 1].

    References
    ----------
    A. Fournier, D. Fussell and L. Carpenter, "Computer Rendering of Stochastic Models",
    Communications of the ACM 25(6), 1982.
    """
    values, amplitude = np.zeros((1, 1)), 1.0
    while len(values) < max(shape[:2]):
        values = _refine(values, amplitude, rng)
        amplitude /= decay**2
    span = np.ptp(values)
    values = (values - values.min()) / (span if span > 0 else 1)
    return values[: shape[0], : shape[1]]


def _refine(corners, amplitude, rng):
    """Return a periodic grid of twice the size, by one diamond step and one square step."""

    def noise():
        return amplitude * rng.uniform(-1, 1, corners.shape)

    right, below = np.roll(corners, -1, axis=1), np.roll(corners, -1, axis=0)
    centers = (corners + right + below + np.roll(below, -1, axis=1)) / 4 + noise()
    fine = np.empty((2 * len(corners), 2 * len(corners)))
    fine[::2, ::2], fine[1::2, 1::2] = corners, centers
    fine[::2, 1::2] = (corners + right + centers + np.roll(centers, 1, axis=0)) / 4 + noise()
    fine[1::2, ::2] = (corners + below + centers + np.roll(centers, 1, axis=1)) / 4 + noise()
    return fine


def frost_texture(shape, rng):
    """Return a texture of ice: crystals with six arms on a plasma fractal.

    Parameters
    ----------
    shape : tuple of (int, int, int)
        Shape of the image.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    texture : float array of shape (height, width, 3) or (height, width, 1)
        Values in [0, 1]; bluish for three channels.
    """
    crystals = np.zeros((*shape[:2], 1))
    for size in _SIZES:
        arm = max(1.0, size * min(shape[:2]))
        seeds = rng.random((*shape[:2], 1)) < (2 / arm) ** 2
        turned = rng.uniform(0, 60)
        star = sum(motion_kernel(arm / 2, arm / 3, turned + 60 * number) for number in range(6))
        crystals += convolve(seeds * rng.uniform(0.5, 1, seeds.shape), star / star[star > 0].mean())
    ice = plasma(shape, 1.3, rng)[:, :, np.newaxis]
    ice = np.clip(ice * (0.5 + 0.5 * (1 - np.exp(-crystals))), 0, 1)
    return ice * np.array(_ICE) if shape[2] == 3 else ice
