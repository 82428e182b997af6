"""What a network learns about its input before it trains: mean and spread of each channel."""

from __future__ import annotations

import numpy as np

from skcnn.lazy import LazyImages

MAX_IMAGES = 2048  # more change neither figure by anything that matters, and photos must be decoded
_CHUNK = 64


def channel_statistics(images, weights=None, rows=None):
    """Compute the mean and standard deviation of the pixel values of each channel.

    Of more than 2,048 images, 2,048 evenly spaced ones are read.

    Parameters
    ----------
    images : array or LazyImages of shape (n_all_images, height, width, n_channels)
        Images; a lazy view is read clean.
    weights : float array of shape (n_all_images,), default=None
        The weight of each image.
    rows : int array of shape (n_images,), default=None
        The images that count; None takes all.

    Returns
    -------
    mean : float64 array of shape (n_channels,)
        In the unit of the pixel values.
    scale : float64 array of shape (n_channels,)
        The standard deviation, or 1 where a channel is constant.

    Raises
    ------
    ValueError
        If the values of a channel differ by less than float32 can tell.
    """
    rows = np.arange(len(images)) if rows is None else rows
    if len(rows) > MAX_IMAGES:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_IMAGES).astype(int)]
    images = images.clean() if isinstance(images, LazyImages) else images
    weights = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)[rows]
    weights = weights / weights.sum()
    # Taken about a pixel of the first image, so that a large offset costs no digits.
    origin = np.asarray(images[rows[:1]], np.float64)[0, 0, 0]
    starts = range(0, len(rows), _CHUNK)
    if isinstance(images, LazyImages):
        chunks = images[rows].read_parts(_CHUNK)
    else:
        chunks = (images[rows[start : start + _CHUNK]] for start in starts)
    first = second = np.zeros_like(origin)
    for start, chunk in zip(starts, chunks, strict=True):
        chunk = chunk.astype(np.float64) - origin
        weight = weights[start : start + _CHUNK]
        first = first + weight @ chunk.mean(axis=(1, 2))
        second = second + weight @ (chunk**2).mean(axis=(1, 2))
    variance = second - first**2
    # What rounding leaves of a constant channel is no spread.
    constant = variance <= 1e-12 * second
    mean, scale = origin + first, np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0.0)))
    float32 = np.finfo(np.float32)
    lost = ~constant & ((scale < float32.tiny) | (scale < 10 * float32.eps * abs(mean)))
    if lost.any():
        channel = lost.argmax()
        raise ValueError(
            f"channel {channel} of X varies by {scale[channel]:.3g} about {mean[channel]:.3g}, "
            "which float32 cannot tell apart: put an ImageNormalizer() before the network"
        )
    return mean, scale
