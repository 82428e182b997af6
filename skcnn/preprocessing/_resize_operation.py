"""Resize: the operation of ImageResizer, in numpy, in torch and as a map of coordinates."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skcnn.operations import AffineMap, Operation, round_with_gradient
from skcnn.preprocessing._resize import axis_blocks, resize_images, resized_dtype, scaled_axes
from skcnn.preprocessing._resize_any_size import ResizeAnySize


class Resize(Operation):
    """Resize images, antialiased.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width of the result in pixels.
    aspect : {"stretch", "pad", "crop"}
        Treatment of the ratio of height to width: see `ImageResizer`.
    """

    needs_finite = True

    def __init__(self, size, aspect):
        self.size = tuple(size)
        self.aspect = aspect

    def __call__(self, batch, keys, epoch):
        return resize_images(batch, self.size, self.aspect)

    def output(self, shape, dtype):
        return (*self.size, *shape[2:]), resized_dtype(dtype)

    def to_torch(self, shape, dtype):
        rounds = resized_dtype(dtype).kind == "u"
        if None in shape:  # images of different sizes
            return ResizeAnySize(self.size, self.aspect, rounds=rounds)
        if tuple(shape[:2]) == self.size:
            return nn.Identity()
        axes = scaled_axes(shape[:2], self.size, self.aspect)
        return MatrixResize(*map(axis_matrix, axes), rounds=rounds)

    def geometry(self, shape):
        factors, offsets = [], []
        for n_in, n_scaled, n_out in scaled_axes(shape[:2], self.size, self.aspect):
            factor = n_in / n_scaled
            first = (n_out - n_scaled) // 2  # output pixel that shows the first scaled one
            factors.append(factor)
            offsets.append((0.5 - first) * factor - 0.5)
        (down, across), (top, left) = factors, offsets
        return AffineMap(((down, 0.0), (0.0, across)), (top, left))

    def __repr__(self):
        return f"Resize({self.size}, {self.aspect!r})"


class MatrixResize(nn.Module):
    """Resize channels-first tensors by two matrix products."""

    def __init__(self, down, across, *, rounds):
        super().__init__()
        self.register_buffer("down", torch.from_numpy(down))
        self.register_buffer("across", torch.from_numpy(across.T.copy()))
        self.rounds = rounds

    def forward(self, images):
        resized = self.down @ images @ self.across
        return round_with_gradient(resized) if self.rounds else resized


def axis_matrix(axis):
    """Return the matrix that resizes an axis.

    Parameters
    ----------
    axis : tuple of (int, int, int)
        Number of pixels before scaling, after scaling, and in the result.

    Returns
    -------
    matrix : float32 array of shape (n_pixels_in_result, n_pixels_before)
        Weights of the pixels.
    """
    matrix = np.zeros((axis[2], axis[0]), np.float32)
    for target, source, weights in axis_blocks(*axis, np.dtype(np.float32)):
        matrix[target, source] = weights
    return matrix
