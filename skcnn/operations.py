"""Operations on batches of images: in numpy, as torch modules, and as maps of coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class AffineMap:
    """Map output pixel coordinates of an operation to its input pixel coordinates.

    Coordinates are (row, column), and whole numbers are the centers of pixels.

    Parameters
    ----------
    matrix : tuple of 2 tuples of 2 float, default=((1.0, 0.0), (0.0, 1.0))
        Linear part; the default is the identity.
    offset : tuple of (float, float), default=(0.0, 0.0)
        Input coordinates of output pixel (0, 0).

    Examples
    --------
    >>> from skcnn.operations import AffineMap
    >>> halved = AffineMap(((2.0, 0.0), (0.0, 2.0)), (0.5, 0.5))
    >>> halved([[0, 0], [1, 3]])
    array([[0.5, 0.5],
           [2.5, 6.5]])
    >>> halved.compose(halved)([[0, 0]])
    array([[1.5, 1.5]])
    """

    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    offset: tuple[float, float] = (0.0, 0.0)

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map points.

        Parameters
        ----------
        points : array-like of shape (n_points, 2)
            Output pixel coordinates.

        Returns
        -------
        points : float64 array of shape (n_points, 2)
            Input pixel coordinates.
        """
        return np.asarray(points, np.float64) @ np.array(self.matrix).T + self.offset

    def compose(self, inner: AffineMap) -> AffineMap:
        """Return the map that applies `inner` first, then this one.

        The geometry of two operations, one after the other, is
        ``first.geometry(shape).compose(second.geometry(shape_between))``.

        Parameters
        ----------
        inner : AffineMap
            Map that is applied first.

        Returns
        -------
        composed : AffineMap
            ``composed(points)`` equals ``self(inner(points))``.
        """
        matrix = np.array(self.matrix)
        return _affine_map(matrix @ inner.matrix, matrix @ inner.offset + self.offset)

    def inverse(self) -> AffineMap:
        """Return the map from input to output pixel coordinates.

        Returns
        -------
        inverse : AffineMap
            Map with which the composition is the identity.
        """
        matrix = np.linalg.inv(self.matrix)
        return _affine_map(matrix, -matrix @ self.offset)


def _affine_map(matrix, offset):
    return AffineMap(tuple(map(tuple, matrix.tolist())), tuple(offset.tolist()))


class Operation(ABC):
    """Base of the operations that transformers apply to batches of images.

    `shape` always is the shape of one image: (height, width), (height, width, n_channels), or
    (n_features,) for flat rows. Axes whose length differs from image to image are None.

    Attributes
    ----------
    random : bool
        Whether the result depends on the key of an image and on the epoch. A clean view leaves
        random operations out.
    needs_finite : bool
        Whether `LazyImages` raise an error before the operation if pixels are not finite float32
        numbers. After the last operation they always do.
    """

    random = False
    needs_finite = False

    @abstractmethod
    def __call__(self, batch: Any, keys: NDArray[np.integer], epoch: int) -> NDArray:
        """Apply the operation to a batch.

        Parameters
        ----------
        batch : array of shape (n_images, ...) or list of arrays
            Images; a list where they differ in size.
        keys : int array of shape (n_images,)
            Key of each image. The random variant of an image is a function of seed, epoch and key.
        epoch : int
            Realization of random operations.

        Returns
        -------
        batch : array of shape (n_images, ...)
            As many images.
        """

    def output(self, shape: tuple, dtype: np.dtype) -> tuple[tuple, np.dtype]:
        """Return the shape and the dtype of one output image.

        Parameters
        ----------
        shape : tuple
            Shape of one input image.
        dtype : numpy.dtype
            Dtype of the input images.

        Returns
        -------
        output : tuple of (tuple, numpy.dtype)
            Shape and dtype of one output image; unless overridden, those of the input.
        """
        return shape, dtype

    def to_torch(self, shape: Shape, dtype: np.dtype) -> nn.Module:
        """Return the operation as a differentiable torch module.

        Parameters
        ----------
        shape : tuple
            Shape of one input image. Only resizing accepts None for height and width.
        dtype : numpy.dtype
            Dtype of the input images. Results of integer operations are rounded with the gradient
            of the identity.

        Returns
        -------
        module : torch.nn.Module
            Takes and returns floating-point tensors of pixel values: of shape
            (n_images, n_channels, height, width) for images, (n_images, n_features) for flat rows.

        Raises
        ------
        ValueError
            If the operation cannot be converted to PyTorch.
        """
        raise ValueError(f"the operation {self!r} cannot be converted to PyTorch")

    def geometry(self, shape: Shape) -> AffineMap:
        """Return the map from output to input pixel coordinates.

        Parameters
        ----------
        shape : tuple of int
            Shape of one input image.

        Returns
        -------
        geometry : AffineMap
            The identity, unless overridden.
        """
        return AffineMap()


class Identity(Operation):
    """Return images unchanged."""

    def __call__(self, batch, keys, epoch):  # noqa: D102
        return batch

    def to_torch(self, shape, dtype):  # noqa: D102
        return nn.Identity()

    def __repr__(self):
        return "Identity()"


class Reshape(Operation):
    """Give every image another shape of the same size.

    Parameters
    ----------
    shape : tuple of int
        Shape of one output image.
    """

    def __init__(self, shape: Shape):
        self.shape = tuple(shape)

    def __call__(self, batch, keys, epoch):  # noqa: D102
        batch = np.asarray(batch)
        _check_reshape(batch.shape[1:], self.shape)
        return batch.reshape(len(keys), *self.shape)

    def output(self, shape, dtype):  # noqa: D102
        return self.shape, dtype

    def to_torch(self, shape, dtype):  # noqa: D102
        return _TorchReshape(shape, self.shape)

    def geometry(self, shape):
        """Return the identity, as flat rows have the pixel coordinates of their image.

        Parameters
        ----------
        shape : tuple of int
            Shape of one input image.

        Returns
        -------
        geometry : AffineMap
            The identity.

        Raises
        ------
        ValueError
            If both shapes have a height and a width, and these differ.
        """
        if len(shape) > 1 and len(self.shape) > 1 and shape[:2] != self.shape[:2]:
            raise ValueError(f"{self!r} of images of shape {shape} is no map of coordinates")
        return AffineMap()

    def __repr__(self):
        return f"Reshape({self.shape})"


def _check_reshape(before, after):
    if prod(before) != prod(after):
        raise ValueError(f"images of shape {before} cannot be reshaped to {after}")


class _TorchReshape(nn.Module):
    """Reshape channels-first tensors as numpy reshapes the same images, channels last."""

    def __init__(self, before, after):
        super().__init__()
        _check_reshape(before, after)
        self.after = tuple(after)

    def forward(self, images):
        if images.ndim == 4:
            images = images.permute(0, 2, 3, 1)
        if len(self.after) == 1:
            return images.reshape(-1, *self.after)
        return images.reshape(-1, *(*self.after, 1)[:3]).permute(0, 3, 1, 2)


def round_with_gradient(values: torch.Tensor) -> torch.Tensor:
    """Round values, with the gradient of the identity (a straight-through estimator).

    Parameters
    ----------
    values : floating-point tensor of any shape
        Values to round.

    Returns
    -------
    rounded : floating-point tensor of the same shape
        The nearest whole numbers, ties to even. The difference is added, not substituted, which
        is exact in floating-point arithmetic.
    """
    if not values.requires_grad:
        return values.round()
    return values + (values.round() - values).detach()
