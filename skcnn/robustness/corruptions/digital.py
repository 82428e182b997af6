"""Digital: contrast, elastic deformation, pixelation and JPEG compression.

Each function takes a float64 image of shape (height, width, n_channels) in [0, 1], a severity from
1 to 5 and a `numpy.random.Generator`, and returns the corrupted image, whose values may lie outside
of [0, 1].
"""

from __future__ import annotations

from io import BytesIO
from math import pi, sqrt

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from skcnn.robustness.corruptions.levels import Levels


def _mean_shift(alphas, sigmas):
    """Return the root mean square in pixels of alpha times smoothed uniform noise of [-1, 1]."""
    return tuple(
        alpha / (2 * sqrt(3 * pi) * sigma) if sigma else 0.0
        for alpha, sigma in zip(alphas, sigmas, strict=True)
    )


_CONTRAST = Levels((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
_SMALL_ALPHA, _LARGE_ALPHA = (0, 1.6, 2.56, 3.2, 3.2), (488, 488, 12.2, 17.08, 29.28)
_SMALL_SIGMA, _LARGE_SIGMA = (0, 6.4, 1.92, 1.28, 0.96), (170.8, 19.52, 2.44, 2.44, 2.44)
_ELASTIC_SIGMA = Levels(_SMALL_SIGMA, _LARGE_SIGMA)
_ELASTIC_SHIFT = Levels(
    _mean_shift(_SMALL_ALPHA, _SMALL_SIGMA), _mean_shift(_LARGE_ALPHA, _LARGE_SIGMA)
)
_AFFINE_SHIFT = Levels((2.56, 2.24, 1.92, 1.6, 0.96), (24.4, 48.8, 4.88, 4.88, 4.88))
_SIZE = Levels((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
_QUALITY = Levels((80, 65, 58, 50, 40), (25, 18, 15, 10, 7))


def contrast(image, severity, rng):
    """Move the values towards the mean of their channel."""
    mean = image.mean(axis=(0, 1))
    return mean + _CONTRAST.number(severity, image.shape) * (image - mean)


def elastic_transform(image, severity, rng):
    """Move three points at random, which is an affine map, and then every pixel smoothly."""
    height, width = image.shape[:2]
    center, reach = np.array([height, width]) / 2, min(height, width) / 3
    points = center + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    shift = _AFFINE_SHIFT.length(severity, image.shape)
    moved = points + rng.uniform(-shift, shift, points.shape)
    # The map from the corrupted image back to the image, as a matrix of 3 x 2.
    back = np.linalg.lstsq(np.column_stack([moved, np.ones(3)]), points, rcond=None)[0]
    sigma = _ELASTIC_SIGMA.length(severity, image.shape)
    shift = _ELASTIC_SHIFT.length(severity, image.shape)
    grid = np.mgrid[:height, :width] + shift * _smooth_noise((height, width), sigma, rng)
    where = np.einsum("ihw,ij->jhw", grid, back[:2]) + back[2][:, np.newaxis, np.newaxis]
    channels = [
        map_coordinates(channel, where, order=1, mode="reflect")
        for channel in np.moveaxis(image, 2, 0)
    ]
    return np.stack(channels, axis=2)


def _smooth_noise(shape, sigma, rng):
    """Return two fields of uniform noise, smoothed and scaled to a variance of about 1."""
    noise = rng.uniform(-1, 1, (2, *shape))
    if not sigma:
        return sqrt(3) * noise
    reach = int(4 * sigma) + 1
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1
    energy = np.square(gaussian_filter1d(impulse, sigma)).sum()
    return sqrt(3) / energy * gaussian_filter(noise, (0, sigma, sigma), mode="reflect")


def pixelate(image, severity, rng):
    """Reduce the size, and enlarge the pixels to the size before."""
    height, width = image.shape[:2]
    factor = _SIZE.number(severity, image.shape)
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    channels = []
    for channel in np.moveaxis(image, 2, 0):
        small = Image.fromarray(channel.astype(np.float32)).resize(size, Image.Resampling.BOX)
        channels.append(np.asarray(small.resize((width, height), Image.Resampling.BOX)))
    return np.stack(channels, axis=2).astype(np.float64)


def jpeg_compression(image, severity, rng):
    """Compress to a JPEG file, channel by channel unless the image is a color image."""
    quality = round(_QUALITY.number(severity, image.shape))
    values = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    if image.shape[2] == 3:
        return _compressed(values, quality) / 255
    channels = [_compressed(channel, quality) for channel in np.moveaxis(values, 2, 0)]
    return np.stack(channels, axis=2) / 255


def _compressed(values, quality):
    """Return a uint8 image after compression with a quality of JPEG."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image)
