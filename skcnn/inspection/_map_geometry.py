"""Maps of a network's input, projected onto the original images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skcnn.operations import AffineMap


def project_maps(
    maps: NDArray, input_shape: tuple[int, int], geometry: AffineMap, image_shape: tuple[int, int]
) -> NDArray:
    """Resample maps of the input of a network at the pixels of the original images.

    A map of h x w cells covers the whole input of H x W pixels: the center of cell (i, j) is at the
    input coordinates ``((i + 0.5) * H / h - 0.5, (j + 0.5) * W / w - 0.5)``. Between centers,
    values are interpolated linearly along each axis; beyond the outermost centers they are
    constant. Where the pixels of the original are larger than the cells, cells are averaged.

    Parameters
    ----------
    maps : float array of shape (n_maps, n_rows, n_columns)
        Maps.
    input_shape : tuple of (int, int)
        Height and width of the input of the network in pixels.
    geometry : AffineMap
        From pixel coordinates of the input to those of the original images. It has to map each axis
        on its own.
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
        If the geometry mixes the axes.
    """
    (down, mixed), (also_mixed, across) = geometry.matrix
    if mixed or also_mixed:
        raise ValueError(f"maps can be projected along each axis only, not by {geometry}")
    rows, columns = (
        _axis_weights(n_cells, n_input, factor, offset, n_pixels).astype(maps.dtype)
        for n_cells, n_input, factor, offset, n_pixels in zip(
            maps.shape[1:], input_shape, (down, across), geometry.offset, image_shape, strict=True
        )
    )
    return rows @ maps @ columns.T


def _axis_weights(n_cells, n_input, factor, offset, n_pixels):
    """Return the weight of each cell for each original pixel, of shape (n_pixels, n_cells)."""
    positions = (np.arange(n_pixels) - offset) / factor  # in pixels of the input
    centers = (positions + 0.5) * n_cells / n_input - 0.5  # in cells
    spacing = n_cells / (n_input * factor)
    distances = np.abs(centers[:, np.newaxis] - np.arange(n_cells))
    weights = np.maximum(0.0, 1.0 - distances / max(1.0, spacing))
    is_inside = (positions >= -0.5) & (positions <= n_input - 0.5)
    weights[~is_inside] = 0.0
    weights[is_inside] /= weights[is_inside].sum(axis=1, keepdims=True)
    return weights
