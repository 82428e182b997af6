"""Vectors of images whose inner product tells copies from other images, in any flip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skcnn.quality._descriptors import SIDE, batches, luminance

GROUP = 24  # columns of each of the four groups
_DIRECTIONS = 6
_CELLS = 4  # along each axis
_CELL_WIDTH = 3.5  # pixels: standard deviation of the weights of a cell
_NOISE = 2 / 255  # mean change along a direction, per pixel, in which no structure is expected
_SHRINKAGE = 0.1
_SAMPLE = 10_000  # images from which the statistics are computed
_MADE = 500  # made images that are added to them
_BATCH = 1024


def unit_vectors(
    collections: Sequence[NDArray],
    indices: Sequence[NDArray[np.intp]],
    spans: Sequence[float],
) -> list[NDArray[np.float32]]:
    """Return vectors of length 1, which are similar only for copies.

    They are histograms of oriented gradients [1]_ of 4 x 4 overlapping cells, which small shifts
    hardly change, whitened by their covariance over the images of all collections. So what most
    images have in common does not make them similar.

    Parameters
    ----------
    collections : sequence of arrays of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors of one or several collections.
    indices : sequence of int arrays of shape (n_indices,)
        Images of each collection.
    spans : sequence of float
        The `value_span` of each collection.

    Returns
    -------
    vectors : list of float32 arrays of shape (n_indices, 4 * GROUP)
        Vectors of the images of each collection; shorter ones for images with little structure.
        The four groups of columns are symmetric in both axes, antisymmetric in x, in y, and in
        both: a flip of the image changes the signs of whole groups.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR,
       2005.
    """
    parts = list(zip(collections, indices, spans, strict=True))
    samples = [
        luminance(rows[kept[:: len(kept) // _SAMPLE + 1]], span) for rows, kept, span in parts
    ]
    mean, whitening = _statistics(_features(np.concatenate([_made_images(), *samples]))[0])
    return [_vectors(rows, kept, span, mean, whitening) for rows, kept, span in parts]


def _vectors(rows, kept, span, mean, whitening):
    vectors = np.empty((len(kept), 4, GROUP), np.float32)
    for part in batches(len(kept), _BATCH):
        features, structure = _features(luminance(rows[kept[part]], span))
        features[:, 0] -= mean
        values = np.einsum("ngi,gij->ngj", features, whitening, optimize=True)
        length = np.sqrt(np.einsum("ngj,ngj->n", values, values))
        vectors[part] = values * (structure / np.maximum(length, 1e-6))[:, np.newaxis, np.newaxis]
    return vectors.reshape(len(kept), 4 * GROUP)


def _features(images):
    """Return four groups of features of shape (n_images, 4, GROUP), and a share of structure."""
    changes = np.zeros((2, *images.shape), np.float32)
    changes[0, :, :, 1:-1] = (images[:, :, 2:] - images[:, :, :-2]) / 2
    changes[1, :, 1:-1] = (images[:, 2:] - images[:, :-2]) / 2
    cells = np.empty((len(images), _DIRECTIONS, _CELLS, _CELLS), np.float32)
    for direction in range(_DIRECTIONS):
        angle = 2 * np.pi * (direction + 0.5) / _DIRECTIONS
        along = np.float32(np.cos(angle)) * changes[0] + np.float32(np.sin(angle)) * changes[1]
        cells[:, direction] = _POOLING @ np.maximum(along, 0) @ _POOLING.T
    strength = cells.mean(axis=(1, 2, 3)) * _DIRECTIONS
    cells = np.sqrt(cells / (strength + _NOISE)[:, np.newaxis, np.newaxis, np.newaxis])
    return _group(cells), strength / (strength + _NOISE)


def _group(cells):
    """Return sums and differences of the cells and of those of the flipped images."""
    directions = np.arange(_DIRECTIONS)
    flip_x = cells[:, (_DIRECTIONS // 2 - 1 - directions) % _DIRECTIONS, :, ::-1]
    flip_y = cells[:, _DIRECTIONS - 1 - directions, ::-1]
    flip_both = flip_x[:, _DIRECTIONS - 1 - directions, ::-1]
    groups = [
        cells + sign_x * flip_x + sign_y * flip_y + sign_x * sign_y * flip_both
        for sign_y in (1, -1)
        for sign_x in (1, -1)
    ]
    half = _CELLS // 2  # the other cells are the same except for signs
    return np.stack(groups, axis=1)[..., :half, :half].reshape(len(cells), 4, GROUP) / 2


def _statistics(features):
    """Return the mean of the first group, and a matrix for each group that whitens it.

    The means of the other groups are zero over all flips of the images.
    """
    mean = features[:, 0].mean(axis=0)
    features = features.copy()
    features[:, 0] -= mean
    covariances = np.einsum("ngi,ngj->gij", features, features, optimize=True) / len(features)
    variances, axes = np.linalg.eigh(covariances.astype(np.float64))
    variances = np.maximum(variances, 0) + _SHRINKAGE * variances.mean()
    return mean, (axes / np.sqrt(variances)[:, np.newaxis]).astype(np.float32)


def _made_images():
    """Return images whose spectrum is that of photos, so that few images have statistics, too."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, np.newaxis], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    noise = np.random.RandomState(0).normal(size=(_MADE, SIDE, SIDE))
    images = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(SIDE, SIDE))
    return (0.2 * images / images.std(axis=(1, 2), keepdims=True)).astype(np.float32)


_centers = (np.arange(_CELLS) + 0.5) * (SIDE / _CELLS) - 0.5
_POOLING = np.exp(-0.5 * ((_centers[:, np.newaxis] - np.arange(SIDE)) / _CELL_WIDTH) ** 2)
_POOLING = (_POOLING / _POOLING.sum(axis=1, keepdims=True)).astype(np.float32)
