"""Filters that several corruptions use: convolution, motion blur and zoom."""

from __future__ import annotations

from math import ceil, cos, radians, sin

import numpy as np


def convolve(image, kernel):
    """Convolve each channel with a kernel; pixels outside are those at the edge.

    Parameters
    ----------
    image : float array of shape (height, width, n_channels)
        Image.
    kernel : float array of shape (2 * reach + 1, 2 * reach + 1)
        Kernel.

    Returns
    -------
    image : float array of the same shape
        Filtered image.
    """
    from scipy.signal import fftconvolve  # takes long to import

    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    return fftconvolve(padded, kernel[:, :, np.newaxis], mode="valid", axes=(0, 1))


def motion_kernel(radius, sigma, angle):
    """Return the kernel of a motion in one direction, which fades as half of a Gaussian.

    Parameters
    ----------
    radius : float
        The kernel has ``2 * radius + 1`` points at distances of one pixel.
    sigma : float
        Standard deviation in pixels.
    angle : float
        Direction in degrees.

    Returns
    -------
    kernel : float array of shape (2 * reach + 1, 2 * reach + 1)
        Kernel of sum 1. Points between pixels are distributed over the nearest four.
    """
    distances = np.arange(2 * ceil(radius) + 1)
    weights = np.exp(-0.5 * (distances / max(sigma, 1e-3)) ** 2)
    reach = int(np.count_nonzero(weights > 1e-4))
    distances, weights = distances[:reach], weights[:reach]
    y = reach + distances * sin(radians(angle))
    x = reach + distances * cos(radians(angle))
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = y - top, x - left
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (top, left), weights * (1 - down) * (1 - right))
    np.add.at(kernel, (top, left + 1), weights * (1 - down) * right)
    np.add.at(kernel, (top + 1, left), weights * down * (1 - right))
    np.add.at(kernel, (top + 1, left + 1), weights * down * right)
    return kernel / kernel.sum()


def zoom(image, factor):
    """Enlarge the center of an image, bilinearly.

    Parameters
    ----------
    image : float array of shape (height, width, n_channels)
        Image.
    factor : float
        Factor, at least 1.

    Returns
    -------
    image : float array of the same shape
        Center, enlarged.
    """
    for axis in (0, 1):
        n_pixels = image.shape[axis]
        center = (n_pixels - 1) / 2
        positions = center + (np.arange(n_pixels) - center) / factor
        first = np.minimum(positions.astype(int), max(n_pixels - 2, 0))
        weights = (positions - first).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        second = np.minimum(first + 1, n_pixels - 1)
        image = (1 - weights) * image.take(first, axis) + weights * image.take(second, axis)
    return image
