"""Similarity of pairs of images after alignment: flips, small shifts and changes of size."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.quality._descriptors import SIDE, batches, luminance
from skcnn.threads import count_threads

_WINDOW = 24  # pixels of the part that is compared, so that shifts of up to 4 pixels are tried
_SCALES = (0.88, 0.94, 1.0, 1.065, 1.135)  # of both axes
_FINE_SCALES = (0.95, 1.0, 1.05)  # relative to the best of them
_FINE_SHIFTS = (-0.5, 0.0, 0.5)  # pixels
_GAIN = 0.2  # increase of the similarity by finer scales and shifts, at most
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
    least: float = 0.0,
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
    least : float, default=0.0
        Similarity of interest. Of pairs that cannot reach it, the result is less exact.
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
        near = np.flatnonzero(similarities > least - _GAIN)
        images = [(one[near], two[near]) for one, two in zip(firsts, seconds, strict=True)]
        similarities[near] = _refined(images, best[near])
        return similarities.clip(0, 1)

    with one_blas_thread():
        parts = Parallel(n_jobs=count_threads(n_jobs), require="sharedmem")(
            delayed(compare)(part) for part in batches(len(first), _PAIRS)
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
    parts = np.stack([scaling @ first @ scaling.T for scaling in _ROUGH], axis=1).reshape(
        n_pairs, len(_ROUGH), n_pixels
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


def _refined(images, best):
    """Return the similarities for the best of finer scales and shifts.

    They are tried for one axis after the other. `images` are the first and the second images of
    both kinds, and `best` are the positions of the best rough scales and shifts.
    """
    pairs = np.arange(len(best))
    scales, shifts = np.divmod(best, _SHIFTS**2)
    tops, lefts = np.divmod(shifts, _SHIFTS)
    seconds = [
        sliding_window_view(two, (_WINDOW, _WINDOW), axis=(1, 2))[pairs, tops, lefts]
        for _, two in images
    ]
    columns = _ROUGH[scales].transpose(0, 2, 1)
    scores = sum(
        _correlate(_FINE[scales] @ (one @ columns)[:, np.newaxis], two)
        for (one, _), two in zip(images, seconds, strict=True)
    )
    rows = _FINE[scales, scores.argmax(axis=1)]
    scores = sum(
        _correlate((rows @ one)[:, np.newaxis] @ _FINE[scales].transpose(0, 1, 3, 2), two)
        for (one, _), two in zip(images, seconds, strict=True)
    )
    return scores.max(axis=1) / 2


def _correlate(parts, windows):
    """Return the normalized correlations of parts (n_pairs, n_parts, ...) with one window each."""
    parts = parts.reshape(*parts.shape[:2], _WINDOW**2)
    parts = parts - parts.mean(axis=2, keepdims=True)
    windows = windows.reshape(len(windows), _WINDOW**2, 1)
    windows = windows - windows.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("psi,psi->ps", parts, parts))
    lengths = lengths * np.linalg.norm(windows, axis=1)
    return (parts @ windows)[:, :, 0] / (lengths + windows.shape[1] * _NOISE**2)


def _scaling(scale, shift=0.0):
    """Return the matrix (_WINDOW, SIDE) that scales an axis about its middle, and shifts it."""
    centers = (SIDE - 1) / 2 + (np.arange(_WINDOW) - (_WINDOW - 1) / 2) * scale + shift
    return np.maximum(0, 1 - np.abs(centers[:, np.newaxis] - np.arange(SIDE))).astype(np.float32)


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
