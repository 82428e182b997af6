"""Similarity of pairs of images after alignment: flips, small shifts and changes of size."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.utils import gen_batches

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.quality._descriptors import SIDE, luminance
from skcnn.threads import count_threads

_WINDOW = 24  # pixels of the part that is compared, so that shifts of up to 4 pixels are tried
_SCALES = (0.88, 0.94, 1.0, 1.065, 1.135)
_MAX_STRETCH = 1.1  # ratio of the scales of the two axes
_FINE_SCALES = (0.97, 1.0, 1.03)  # relative to the best of them
_FINE_SHIFTS = (-0.6, -0.3, 0.0, 0.3, 0.6)  # pixels
_REFINED = 0.6  # similarity from which finer scales and shifts are tried
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
        firsts, seconds = (gray, _details(gray)), (other, _details(other))
        scores = sum(map(_correlations, firsts, seconds)) / 2
        flat = scores.reshape(len(gray), -1)
        best = flat.argmax(axis=1)
        similarities = flat[np.arange(len(flat)), best]
        for pair in np.flatnonzero(similarities > _REFINED):
            scale, shift = divmod(int(best[pair]), _SHIFTS**2)
            images = [(one[pair], two[pair]) for one, two in zip(firsts, seconds, strict=True)]
            similarities[pair] = _refined(images, _SCALINGS[scale], divmod(shift, _SHIFTS))
        return similarities.clip(0, 1)

    with one_blas_thread():
        parts = Parallel(n_jobs=count_threads(n_jobs), require="sharedmem")(
            delayed(compare)(part) for part in gen_batches(len(first), _PAIRS)
        )
    return np.concatenate([np.zeros(0, np.float32), *parts])


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
    parts = np.stack([_ROUGH[y] @ first @ _ROUGH[x].T for y, x in _SCALINGS], axis=1).reshape(
        n_pairs, len(_SCALINGS), n_pixels
    )
    parts -= parts.mean(axis=2, keepdims=True)
    windows = sliding_window_view(second, (_WINDOW, _WINDOW), axis=(1, 2))
    products = parts @ windows.reshape(n_pairs, -1, n_pixels).transpose(0, 2, 1)
    # Sums over all windows, as products with a matrix of ones and zeros
    sums = (_BOXES @ second @ _BOXES.T).reshape(n_pairs, -1)
    squares = (_BOXES @ second**2 @ _BOXES.T).reshape(n_pairs, -1)
    norms = np.sqrt(np.maximum(squares - sums**2 / n_pixels, 0))
    lengths = np.sqrt(np.einsum("psi,psi->ps", parts, parts))
    products /= lengths[:, :, np.newaxis] * norms[:, np.newaxis] + n_pixels * _NOISE**2
    return products


def _refined(images, scaling, shift):
    """Return the similarity for the best of finer scales and shifts, of one axis after the other.

    `images` are the two pairs that are correlated, `scaling` are the numbers of the rough scales of
    both axes, and `shift` is the place of the window in the second image.
    """
    (y, x), (top, left) = scaling, shift
    window = slice(top, top + _WINDOW), slice(left, left + _WINDOW)
    rows = _FINE[y]
    scores = sum(_correlate(rows @ (one @ _ROUGH[x].T), two[window]) for one, two in images)
    row = rows[scores.argmax()]
    scores = sum(
        _correlate((row @ one) @ _FINE[x].transpose(0, 2, 1), two[window]) for one, two in images
    )
    return scores.max() / 2


def _correlate(parts, window):
    """Return the normalized correlations of parts of shape (n_parts, ...) with one window."""
    parts = parts.reshape(len(parts), -1)
    parts = parts - parts.mean(axis=1, keepdims=True)
    window = window.ravel() - window.mean()
    lengths = np.sqrt(np.einsum("pi,pi->p", parts, parts)) * np.linalg.norm(window)
    return parts @ window / (lengths + window.size * _NOISE**2)


def _scaling(scale, shift=0.0):
    """Return the matrix (_WINDOW, SIDE) that scales an axis about its middle, and shifts it."""
    centers = (SIDE - 1) / 2 + (np.arange(_WINDOW) - (_WINDOW - 1) / 2) * scale + shift
    return np.maximum(0, 1 - np.abs(centers[:, np.newaxis] - np.arange(SIDE))).astype(np.float32)


_SCALINGS = [
    (y, x)
    for y, scale_y in enumerate(_SCALES)
    for x, scale_x in enumerate(_SCALES)
    if max(scale_x / scale_y, scale_y / scale_x) < _MAX_STRETCH
]
_ROUGH = np.stack([_scaling(scale) for scale in _SCALES])
_FINE = np.stack(
    [
        np.stack([_scaling(scale * fine, shift) for fine in _FINE_SCALES for shift in _FINE_SHIFTS])
        for scale in _SCALES
    ]
)
_SMOOTH = gaussian_filter1d(np.eye(SIDE), _SMOOTHING, axis=0, mode="nearest").astype(np.float32)
_SHIFTS = SIDE - _WINDOW + 1
_BOXES = np.array([np.arange(SIDE) - shift for shift in range(_SHIFTS)])
_BOXES = ((_BOXES >= 0) & (_BOXES < _WINDOW)).astype(np.float32)
