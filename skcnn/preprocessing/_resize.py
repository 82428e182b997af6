"""Antialiased resizing of many images at once, as two small matrix products per image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.values import native_dtype

_BLOCK = 16  # output pixels that share a dense block of the banded matrix
_CHUNK = 200_000  # values per step: few enough to stay in the cache of a CPU core
_KEPT_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


def resize_images(images, size, aspect="stretch", out=None):
    """Resize images with antialiasing, as scikit-image does.

    Gaussian smoothing and linear interpolation are linear and separable, so each axis is resized by
    one matrix. The matrix is zero except for blocks along its diagonal, so only these are used.

    Parameters
    ----------
    images : array of shape (n_images, height, width[, n_channels]) or list of arrays
        Images. Images in a list have shape (height, width[, n_channels]). They may differ in size,
        but have the same number of axes and channels.
    size : tuple of (int, int)
        Height and width of the result in pixels.
    aspect : {"stretch", "pad", "crop"}, default="stretch"
        Treatment of the ratio of height to width: see `ImageResizer`.
    out : array of shape (n_images, *size[, n_channels]), default=None
        Array for the result; None allocates one.

    Returns
    -------
    out : array of shape (n_images, *size[, n_channels])
        Resized images, of the dtype `resized_dtype`.
    """
    if isinstance(images, list):
        if out is None:
            channels = images[0].shape[2:] if images else ()
            dtype = np.result_type(*images) if images else np.uint8
            out = np.empty((len(images), *size, *channels), dtype=resized_dtype(dtype))
        for row, image in enumerate(images):
            resize_images(np.asarray(image)[np.newaxis], size, aspect, out[row : row + 1])
        return out
    if out is None:
        out = np.empty((len(images), *size, *images.shape[3:]), dtype=resized_dtype(images.dtype))
    if images.shape[1:3] == tuple(size):
        out[...] = images
        return out
    n_images, height, width = images.shape[:3]
    dtype = np.float64 if native_dtype(images.dtype) == np.float64 else np.float32
    (vertical, horizontal) = (
        axis_blocks(*axis, np.dtype(dtype)) for axis in scaled_axes((height, width), size, aspect)
    )
    channels = images.shape[3:] or (1,)
    images = images.reshape(n_images, height, width, *channels)
    target = out.reshape(*out.shape[:3], *channels)  # a view of `out`
    step = max(1, _CHUNK // max(1, images[:1].size))
    with one_blas_thread():
        for start in range(0, n_images, step):
            chunk = _multiply(images[start : start + step], vertical, horizontal, size, dtype)
            if out.dtype.kind == "u":  # needs no clipping: weights are positive with sum 1
                np.rint(chunk, out=chunk)
            target[start : start + step] = chunk
    return out


def resized_dtype(dtype):
    """Return the dtype of resized images.

    Parameters
    ----------
    dtype : dtype
        Dtype of the images.

    Returns
    -------
    dtype : numpy.dtype
        The dtype of the images if it is uint8, uint16, float32 or float64, otherwise float32.
    """
    dtype = native_dtype(dtype)
    return dtype if dtype in _KEPT_DTYPES else np.dtype(np.float32)


def scaled_axes(shape, size, aspect):
    """Return the number of pixels of both axes before scaling, after it, and in the result.

    Parameters
    ----------
    shape : tuple of (int, int)
        Height and width of an image in pixels.
    size : tuple of (int, int)
        Height and width of the result in pixels.
    aspect : {"stretch", "pad", "crop"}
        Treatment of the ratio of height to width.

    Returns
    -------
    axes : list of tuple of (int, int, int)
        For each axis, the number of pixels before scaling, after scaling, and in the result.
    """
    if aspect == "stretch":
        return [(before, after, after) for before, after in zip(shape, size, strict=True)]
    ratios = [after / before for before, after in zip(shape, size, strict=True)]
    ratio = min(ratios) if aspect == "pad" else max(ratios)
    # Rounding must not make a padded image too large, or a cropped image too small.
    limit = min if aspect == "pad" else max
    return [
        (before, max(1, limit(round(before * ratio), after)), after)
        for before, after in zip(shape, size, strict=True)
    ]


@lru_cache(maxsize=128)
def axis_blocks(n_in, n_scaled, n_out, dtype):
    """Return the nonzero blocks of the matrix that resizes an axis.

    Parameters
    ----------
    n_in, n_scaled, n_out : int
        Number of pixels before scaling, after scaling, and in the result. The result is the middle
        of the scaled pixels if `n_scaled` is larger than `n_out`. If it is smaller, the result is
        padded with zeros at both ends.
    dtype : numpy.dtype
        Dtype of the weights.

    Returns
    -------
    blocks : list of tuple of (slice, slice, array)
        Output pixels, input pixels, and weights of shape (n_output_pixels, n_input_pixels). Output
        pixels that are in no block are zero.
    """
    first = (n_out - n_scaled) // 2
    shown = np.arange(max(0, first), min(n_out, first + n_scaled))
    pixels, weights = _taps(n_in, n_scaled, shown - first)
    blocks = []
    for start in range(0, len(shown), _BLOCK):
        rows = slice(start, start + _BLOCK)
        low, high = int(pixels[rows].min()), int(pixels[rows].max()) + 1
        block = _dense(pixels[rows] - low, weights[rows], high - low).astype(dtype)
        block.flags.writeable = False
        target = slice(int(shown[start]), int(shown[rows][-1]) + 1)
        blocks.append((target, slice(low, high), block))
    return blocks


def _taps(n_in, n_out, outputs):
    """Return the input pixels of each output pixel, and their weights, as rows of two arrays.

    The input is smoothed by a Gaussian with a standard deviation of ``(n_in / n_out - 1) / 2``
    pixels, truncated at four standard deviations, and interpolated linearly between pixel centers.
    Positions beyond an end of the axis are mirrored at the center of the pixel at that end, so a
    pixel may occur repeatedly.
    """
    factor = n_in / n_out
    sigma = max(0.0, (factor - 1) / 2)
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    gauss = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma else np.ones(1)
    gauss /= gauss.sum()
    centers = (outputs + 0.5) * factor - 0.5
    left = np.floor(centers).astype(int)
    fraction = (centers - left)[:, np.newaxis]
    # Interpolating between two smoothed neighbors is the same as smoothing by the weighted sum of
    # two Gaussians that are one pixel apart.
    weights = (1 - fraction) * np.append(gauss, 0.0) + fraction * np.append(0.0, gauss)
    return _mirror(left[:, np.newaxis] + np.append(offsets, radius + 1), n_in), weights


def _dense(pixels, weights, n_pixels):
    """Return a matrix of shape (n_rows, n_pixels) with the sum of the weights of each pixel."""
    n_rows = len(pixels)
    flat_index = pixels + n_pixels * np.arange(n_rows)[:, np.newaxis]
    matrix = np.bincount(flat_index.ravel(), weights.ravel(), minlength=n_rows * n_pixels)
    return matrix.reshape(n_rows, n_pixels)


def _mirror(pixels, n):
    """Map positions beyond the ends of an axis of n pixels to the pixels that they mirror."""
    period = max(1, 2 * (n - 1))
    pixels = np.abs(pixels) % period
    return np.where(pixels < n, pixels, period - pixels)


def _multiply(images, vertical, horizontal, size, dtype):
    """Resize both axes of images of shape (n_images, height, width, n_channels)."""
    n_images, height, width, channels = images.shape
    scaled = np.zeros((n_images, size[0], width * channels), dtype=dtype)
    flat = images.reshape(n_images, height, width * channels)
    for target, source, weights in vertical:
        np.matmul(weights, flat[:, source].astype(dtype), out=scaled[:, target])
    # Each line is one channel of one row of pixels.
    lines = scaled.reshape(n_images, size[0], width, channels).swapaxes(2, 3)
    lines = lines.reshape(n_images, size[0] * channels, width)
    resized = np.zeros((n_images, size[0] * channels, size[1]), dtype=dtype)
    for target, source, weights in horizontal:
        resized[..., target] = np.matmul(lines[..., source], weights.T)
    return resized.reshape(n_images, size[0], channels, size[1]).swapaxes(2, 3)
