"""Smallest: the smallest changes that an attack has found so far."""

from __future__ import annotations

import torch
from torch import Tensor

from skcnn.robustness.attacks._ball import norms
from skcnn.robustness.attacks._problem import Problem


class Smallest:
    """The adversarial images that are closest to the originals so far.

    Parameters
    ----------
    problem : Problem
        The problem.
    epsilon : float
        Maximum distance; infinity for none.
    norm : {"linf", "l2"}
        Distance.

    Attributes
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Closest adversarial images, and originals of which none has been found.
    fooled : bool tensor of shape (n_images,)
        Whether there is an adversarial image.
    """

    def __init__(self, problem: Problem, epsilon: float, norm: str):
        self.originals, self.images = problem.images, problem.images.clone()
        self.norm = norm
        self.distance = torch.full_like(problem.images[:, 0, 0, 0], epsilon)
        self.fooled = torch.zeros_like(problem.y, dtype=torch.bool)
        everything = torch.arange(len(problem), device=problem.y.device)
        self.update(everything, problem.images, problem.fooled(problem.logits(problem.images)))

    def remaining(self, until_fooled: bool) -> Tensor:
        """Return the rows of images to attack."""
        left = ~self.fooled if until_fooled else self.distance > 0
        return left.nonzero()[:, 0]

    def update(self, rows: Tensor, images: Tensor, fooled: Tensor) -> None:
        """Replace the images of some rows where others fool the network and are closer."""
        distance = norms(images - self.originals[rows], self.norm)[:, 0, 0, 0]
        is_first = ~self.fooled[rows] & (distance <= self.distance[rows])
        closer = fooled & (is_first | (distance < self.distance[rows]))
        changed = rows[closer]
        self.images[changed] = images[closer]
        self.distance[changed] = torch.where(distance > 1e-9, distance, 0.0)[closer]
        self.fooled[changed] = True
