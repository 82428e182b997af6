"""Pixel values of augmented images: contrast, brightness, noise and erasing."""

from __future__ import annotations

import numpy as np

from skcnn.preprocessing.augmentation.draws import normal, uniform
from skcnn.preprocessing.augmentation.variants import FILL, NOISE, draw_rectangles


def change_values(images, states, variants, ranges, pixel_range):
    """Apply contrast, brightness, noise and erasing, in this order.

    Parameters
    ----------
    images : float32 array of shape (n_images, height, width, n_channels)
        Images; not changed.
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    variants : Variants
        Variant of each image.
    ranges : Ranges
        Range of each change.
    pixel_range : tuple of (float, float)
        Smallest and largest pixel value.

    Returns
    -------
    images : float32 array of shape (n_images, height, width, n_channels)
        Variants, not clipped to the pixel range.
    """
    low, high = pixel_range
    span = np.float32(high - low)
    flat = images.reshape(len(images), -1)
    if ranges.contrast or ranges.brightness:
        # One multiplication and one addition: mean + factor * (pixel - mean) + brightness.
        factor = variants.contrast.astype(np.float32)
        added = variants.brightness.astype(np.float32) * span
        if ranges.contrast:
            added = added + (1 - factor) * flat.mean(axis=1)
        flat = flat * factor[:, np.newaxis] + added[:, np.newaxis]
    if ranges.noise:
        flat = flat + normal(states, NOISE, flat.shape[1]) * (np.float32(ranges.noise) * span)
    images = flat.reshape(images.shape)
    if ranges.erase:
        images = erase(
            images, states, draw_rectangles(states, ranges.erase, *images.shape[1:3]), low, high
        )
    return images


def erase(images, states, rectangles, low, high):
    """Fill one rectangle of each image with uniform random values.

    Parameters
    ----------
    images : float32 array of shape (n_images, height, width, n_channels)
        Images; not changed.
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    rectangles : int array of shape (n_images, 4)
        Top, left, height and width of each rectangle, in pixels.
    low, high : float
        Range of the random values.

    Returns
    -------
    images : float32 array of shape (n_images, height, width, n_channels)
        Changed copy.
    """
    _, height, width, n_channels = images.shape
    top, left, rows, columns = rectangles.T[:, :, np.newaxis]
    y, x = np.arange(height), np.arange(width)
    inside_y = (y >= top) & (y < top + rows)
    inside_x = (x >= left) & (x < left + columns)
    image, y, x = np.nonzero(inside_y[:, :, np.newaxis] & inside_x[:, np.newaxis, :])
    # the random value of a pixel does not depend on the rectangle
    position = (y * width + x)[:, np.newaxis] * n_channels + np.arange(n_channels) + FILL
    images = images.copy()
    images[image, y, x] = low + (high - low) * uniform(states[image][:, np.newaxis], position)
    return images
