"""Ball: the images that an attack may return, those within epsilon of an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TINY = 1e-12


class Ball:
    """Images within a distance of other images and within the range of the pixel values.

    Parameters
    ----------
    center : tensor of shape (n_images, n_channels, height, width)
        Original images.
    epsilon : float
        Maximum distance; infinity for none.
    norm : {"linf", "l2"}
        Distance: the largest difference of a pixel value, or the Euclidean distance.
    limits : tuple of (float, float)
        Smallest and largest pixel value. Pixels of the originals outside this range may stay.
    is_integer : bool, default=False
        Whether pixel values are integers.
    """

    def __init__(self, center, epsilon, norm, limits, is_integer=False):
        if is_integer and norm == "linf" and epsilon != math.inf:
            epsilon = math.floor(epsilon)  # rounding then stays within the ball
        self.center, self.epsilon, self.norm = center, epsilon, norm
        self.limits, self.is_integer = limits, is_integer
        self.low, self.high = center.clamp(max=limits[0]), center.clamp(min=limits[1])
        if norm == "linf":
            self.low = torch.maximum(self.low, center - epsilon)
            self.high = torch.minimum(self.high, center + epsilon)

    def select(self, rows: Tensor) -> Ball:
        """Return the balls around some of the images, by an index or a mask."""
        return Ball(self.center[rows], self.epsilon, self.norm, self.limits, self.is_integer)

    def project(self, images: Tensor) -> Tensor:
        """Return the closest images in the ball; for "l2", close ones."""
        if self.norm == "l2" and self.epsilon != math.inf:
            change = images - self.center
            images = self.center + change * (self.epsilon / norms(change, "l2")).clamp(max=1)
        return images.clamp(self.low, self.high)

    def random(self, generator: torch.Generator | None, factor: float = 1.0) -> Tensor:
        """Return random images in the ball, or in one of `factor` times its size, within limits."""
        if self.norm == "linf":
            noise = torch.empty_like(self.center).uniform_(-1, 1, generator=generator)
        else:
            noise = torch.empty_like(self.center).normal_(generator=generator)
            radius = torch.empty_like(noise[:, :1, :1, :1]).uniform_(generator=generator)
            noise = noise / norms(noise, "l2") * radius ** (1 / noise[0].numel())
        images = self.center + factor * self.epsilon * noise
        return self.project(images) if factor == 1 else self.clamp(images)

    def clamp(self, images: Tensor) -> Tensor:
        """Return images with pixel values within the limits, wherever they are."""
        low, high = self.center.clamp(max=self.limits[0]), self.center.clamp(min=self.limits[1])
        return images.clamp(low, high)

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the step of length 1 along which a function with this gradient increases most."""
        return gradient.sign() if self.norm == "linf" else gradient / norms(gradient, "l2")

    def snap(self, images: Tensor) -> Tensor:
        """Return images of integers in the ball, close to images in it.

        They are rounded. Where this leaves the ball, values are rounded toward the original, those
        first of which this changes the distance most.
        """
        if not self.is_integer:
            return images
        images = images.round()
        if self.norm == "linf" or self.epsilon == math.inf:
            return images
        change = (images - self.center).flatten(1)
        excess = change.square().sum(dim=1) - self.epsilon**2
        outside = excess > 0
        if outside.any():
            images[outside] = self._shrink(images[outside], outside)
        return images

    def _shrink(self, images, rows):
        """Move as few values as possible by 1 toward the originals, until all are in the ball."""
        center = self.center[rows]
        while True:
            change = (images - center).flatten(1)
            excess = change.square().sum(dim=1, keepdim=True) - self.epsilon**2
            if not (excess > 0).any():
                return images
            size, order = change.abs().sort(dim=1, descending=True)
            saved = (2 * size - 1).clamp(min=0)  # size**2 - (size - 1)**2
            needed = saved.cumsum(dim=1) - saved < excess
            step = torch.zeros_like(change).scatter_(1, order, (needed & (size > 0)).to(change))
            images = images - (step * change.sign()).view_as(images)


def norms(change: Tensor, norm: str) -> Tensor:
    """Return the norm of each difference of images, at least a tiny number.

    Parameters
    ----------
    change : tensor of shape (n_images, n_channels, height, width)
        Differences.
    norm : {"linf", "l2"}
        Norm.

    Returns
    -------
    norms : tensor of shape (n_images, 1, 1, 1)
        Norms.
    """
    order = math.inf if norm == "linf" else 2
    sizes = torch.linalg.vector_norm(change, order, dim=(1, 2, 3), keepdim=True)
    return sizes.clamp(min=_TINY)
