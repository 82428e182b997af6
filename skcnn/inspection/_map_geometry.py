"""Maps of a network's input, resampled at pixels of the input or of the original images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skcnn.operations import AffineMap


def project_maps(
    maps: NDArray,
    cells: AffineMap,
    input_shape: tuple[int, int],
    geometry: AffineMap,
    image_shape: tuple[int, int],
) -> NDArray:
    """Resample maps at the pixels of the original images.

    Parameters
    ----------
    maps : float array of shape (n_maps, n_rows, n_columns)
        Maps.
    cells : AffineMap
        From cells of the maps to pixel coordinates of the network's input.
    input_shape : tuple of (int, int)
        Height and width of the input in pixels.
    geometry : AffineMap
        From pixel coordinates of the input to those of the original images.
    image_shape : tuple of (int, int)
        Height and width of the original images in pixels.

    Returns
    -------
    projected : float array of shape (n_maps, height, width)
        Maps of the original images. Pixels outside the input, which the network does not see, are
        0.

    Raises
    ------
    ValueError
        If one of the two maps of coordinates mixes the axes.
    """
    rows, columns = resampling_weights(
        maps.shape[1:], geometry.compose(cells), image_shape, maps.dtype
    )
    for axis, weights in enumerate((rows, columns)):
        step, first = geometry.matrix[axis][axis], geometry.offset[axis]
        positions = (np.arange(image_shape[axis]) - first) / step
        weights[(positions < -0.5) | (positions > input_shape[axis] - 0.5)] = 0.0
    return rows @ maps @ columns.T


def resampling_weights(
    n_cells: Sequence[int], cells: AffineMap, n_pixels: Sequence[int], dtype: np.dtype
) -> tuple[NDArray, NDArray]:
    """Return the weights of the cells of maps at pixels, for rows and for columns.

    Between the centers of cells, values are interpolated linearly along each axis. Beyond the
    outermost centers, they are constant. Where pixels are larger than cells, cells are averaged.

    Parameters
    ----------
    n_cells : sequence of (int, int)
        Number of rows and columns of the maps.
    cells : AffineMap
        From cells to pixel coordinates. It has to map each axis on its own.
    n_pixels : sequence of (int, int)
        Height and width in pixels.
    dtype : dtype
        Floating-point dtype of the weights.

    Returns
    -------
    rows, columns : array of shape (height, n_rows) and (width, n_columns)
        The map at the pixels is ``rows @ map @ columns.T``.

    Raises
    ------
    ValueError
        If the map of coordinates mixes the axes.
    """
    (down, mixed), (also_mixed, across) = cells.matrix
    if mixed or also_mixed:
        raise ValueError(f"maps can be resampled along each axis only, not by {cells}")
    rows, columns = map(_axis_weights, n_cells, (down, across), cells.offset, n_pixels)
    return rows.astype(dtype), columns.astype(dtype)


def _axis_weights(n_cells, step, first, n_pixels):
    """Return the weight of each cell for each pixel, of shape (n_pixels, n_cells)."""
    positions = ((np.arange(n_pixels) - first) / step).clip(0, n_cells - 1)  # in cells
    distances = np.abs(positions[:, np.newaxis] - np.arange(n_cells))
    weights = np.maximum(0.0, 1.0 - distances / max(1.0, 1.0 / step))
    return weights / weights.sum(axis=1, keepdims=True)
