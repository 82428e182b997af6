"""Similarity of pairs of images after alignment: flips, small shifts and changes of size."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.utils import gen_batches

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.quality._descriptors import SIDE, luminance
from skcnn.threads import count_threads

_WINDOW = 24  # pixels of the part that is compared, so that shifts of up to 4 pixels are tried
_SCALES = (0.88, 0.94, 1.0, 1.065, 1.135)
_MAX_STRETCH = 1.1  # ratio of the scales of the two axes
_SMOOTHING = 1.5  # pixels, of the low frequencies that are removed from details
_NOISE = 1 / 255  # standard deviation of a pixel in which no structure is expected
_PAIRS = 32  # pairs at a time: few enough for the cache of a CPU core


def aligned_similarities(
    first_rows: NDArray,
    first: NDArray[np.intp],
    second_rows: NDArray,
    second: NDArray[np.intp],
    flips: NDArray[np.int8],
    spans: tuple[float, float],
    n_jobs: Any = "auto",
) -> NDArray[np.float32]:
    """Return how similar two images of each pair are where they match best.

    The similarity is the mean of two normalized correlations: of the luminance, and of its details.
    It is the largest one over small shifts and scales, and does not depend on brightness and
    contrast.

    Parameters
    ----------
    first_rows, second_rows : array of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors of two collections, which may be the same.
    first, second : int array of shape (n_pairs,)
        Indices into them.
    flips : int8 array of shape (n_pairs,)
        Flip of each pair, as `nearest_pairs` returns it.
    spans : tuple of (float, float)
        The `value_span` of the collections of the first and of the second images.
    n_jobs : int, "auto" or None
        Number of threads.

    Returns
    -------
    similarities : float32 array of shape (n_pairs,)
        Values from 0 to 1.
    """

    def compare(part):
        gray = _flipped(luminance(first_rows[first[part]], spans[0]), flips[part])
        other = luminance(second_rows[second[part]], spans[1])
        scores = _correlations(gray, other) + _correlations(_details(gray), _details(other))
        return scores.max(axis=(1, 2), initial=0) / 2

    with one_blas_thread():
        parts = Parallel(n_jobs=count_threads(n_jobs), require="sharedmem")(
            delayed(compare)(part) for part in gen_batches(len(first), _PAIRS)
        )
    return np.minimum(np.concatenate([np.zeros(0, np.float32), *parts]), 1)


def _flipped(images, flips):
    """Return images, each flipped along the axes of its flip."""
    images = images.copy()
    is_x, is_y = flips % 2 == 1, flips // 2 == 1
    images[is_x] = images[is_x][:, :, ::-1]
    images[is_y] = images[is_y][:, ::-1]
    return images


def _details(images):
    """Return images without their low frequencies."""
    return images - _SMOOTH @ images @ _SMOOTH.T


def _correlations(first, second):
    """Return the normalized correlations for all scales of the first and shifts of the second.

    The result has the shape (n_pairs, n_scales, n_shifts).
    """
    n_pairs, n_pixels = len(first), _WINDOW**2
    parts = np.stack([rows @ first @ columns.T for rows, columns in _SCALINGS], axis=1)
    parts = parts.reshape(n_pairs, len(_SCALINGS), n_pixels)
    parts -= parts.mean(axis=2, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(second, (_WINDOW, _WINDOW), axis=(1, 2))
    windows = windows.reshape(n_pairs, -1, n_pixels)
    products = parts @ windows.transpose(0, 2, 1)
    # Sums over all windows, as products with a matrix of ones and zeros
    sums = (_BOXES @ second @ _BOXES.T).reshape(n_pairs, -1)
    squares = (_BOXES @ second**2 @ _BOXES.T).reshape(n_pairs, -1)
    norms = np.sqrt(np.maximum(squares - sums**2 / n_pixels, 0))
    lengths = np.sqrt(np.einsum("psi,psi->ps", parts, parts))
    products /= lengths[:, :, np.newaxis] * norms[:, np.newaxis] + n_pixels * _NOISE**2
    return products


def _scaling(scale):
    """Return the matrix (_WINDOW, SIDE) that scales an axis about its middle."""
    centers = (SIDE - 1) / 2 + (np.arange(_WINDOW) - (_WINDOW - 1) / 2) * scale
    return np.maximum(0, 1 - np.abs(centers[:, np.newaxis] - np.arange(SIDE))).astype(np.float32)


_SCALINGS = [
    (_scaling(y), _scaling(x)) for y in _SCALES for x in _SCALES if max(x / y, y / x) < _MAX_STRETCH
]
_SMOOTH = gaussian_filter1d(np.eye(SIDE), _SMOOTHING, axis=0, mode="nearest").astype(np.float32)
_SHIFTS = SIDE - _WINDOW + 1
_BOXES = np.array([np.arange(SIDE) - shift for shift in range(_SHIFTS)])
_BOXES = ((_BOXES >= 0) & (_BOXES < _WINDOW)).astype(np.float32)
