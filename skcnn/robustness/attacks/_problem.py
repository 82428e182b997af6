"""Problem: the images, labels and network of an attack, and what it tries to achieve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from skcnn.robustness.attacks._ball import Ball

Loss = Callable[[Tensor, "Problem"], Tensor]


class Evaluation(NamedTuple):
    """What a network computes for images.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        The images; of integers if pixel values are integers.
    loss : tensor of shape (n_images,)
        Loss, which the attack increases.
    fooled : bool tensor of shape (n_images,)
        Whether the attack has reached its goal.
    gradient : tensor of shape (n_images, n_channels, height, width) or None
        Gradient of the loss, if it was asked for.
    """

    images: Tensor
    loss: Tensor
    fooled: Tensor
    gradient: Tensor | None


@dataclass(frozen=True)
class Problem:
    """Images to attack.

    Parameters
    ----------
    model : callable
        Differentiable function from pixel values to logits.
    images : float32 tensor of shape (n_images, n_channels, height, width)
        Original images.
    y : int tensor of shape (n_images,)
        Index of the class of each image.
    target : int tensor of shape (n_images,) or None
        Class that the network shall predict. None stands for any class but `y`.
    limits : tuple of (float, float)
        Smallest and largest pixel value.
    is_integer : bool, default=False
        Whether pixel values are integers.
    """

    model: Callable[[Tensor], Tensor]
    images: Tensor
    y: Tensor
    target: Tensor | None
    limits: tuple[float, float]
    is_integer: bool = False

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Tensor) -> Problem:
        """Return the problem of some of the images, by an index or a mask."""
        target = None if self.target is None else self.target[rows]
        return replace(self, images=self.images[rows], y=self.y[rows], target=target)

    def ball(self, epsilon: float, norm: str) -> Ball:
        """Return the images that an attack may return."""
        return Ball(self.images, epsilon, norm, self.limits, self.is_integer)

    def fooled(self, logits: Tensor) -> Tensor:
        """Return for each image whether the attack has reached its goal."""
        predicted = logits.argmax(dim=1)
        return predicted != self.y if self.target is None else predicted == self.target

    def evaluate(
        self, images: Tensor, ball: Ball, loss: Loss | None = None, *, differentiate: bool = True
    ) -> Evaluation:
        """Compute the loss of images and its gradient.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Images in the ball. They are rounded if pixel values are integers, and the gradient is
            that of the rounded images.
        ball : Ball
            Ball of the attack.
        loss : callable, default=None
            Function of logits and the problem. None is `cross_entropy`.
        differentiate : bool, default=True
            Whether to compute the gradient.

        Returns
        -------
        evaluation : Evaluation
            What was computed.
        """
        images = ball.snap(images).detach()
        gradient = None
        with torch.set_grad_enabled(differentiate):
            inputs = images.requires_grad_(differentiate)
            logits = double(self.model(inputs))
            losses = (loss or cross_entropy)(logits, self)
            if differentiate:
                (gradient,) = torch.autograd.grad(losses.sum(), inputs)
                check_finite(gradient)
        check_finite(logits)
        return Evaluation(images.detach(), losses.detach(), self.fooled(logits), gradient)

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of images, without gradients."""
        with torch.no_grad():
            logits = double(self.model(images))
        check_finite(logits)
        return logits


class Strongest:
    """The strongest images that an attack has found so far.

    Images that fool the network are stronger than others, then those with the higher loss.

    Parameters
    ----------
    problem : Problem
        The problem.
    """

    def __init__(self, problem):
        self.images = problem.images.clone()
        self.loss = torch.full_like(problem.y, -torch.inf, dtype=torch.float64)
        if problem.y.device.type == "mps":
            self.loss = self.loss.float()
        self.fooled = torch.zeros_like(problem.y, dtype=torch.bool)

    def remaining(self, until_fooled: bool) -> Tensor:
        """Return the rows of images to attack: all, or those that do not fool the network yet."""
        mask = ~self.fooled if until_fooled else torch.ones_like(self.fooled)
        return mask.nonzero()[:, 0]

    def update(self, rows: Tensor, found: Evaluation) -> None:
        """Replace the images of some rows where others are stronger."""
        is_stronger = found.fooled > self.fooled[rows]
        is_as_strong = found.fooled == self.fooled[rows]
        is_stronger |= is_as_strong & (found.loss > self.loss[rows])
        changed = rows[is_stronger]
        self.images[changed] = found.images[is_stronger]
        self.loss[changed] = found.loss[is_stronger]
        self.fooled[changed] = found.fooled[is_stronger]


def cross_entropy(logits: Tensor, problem: Problem) -> Tensor:
    """Compute the cross-entropy of the class, or the negative one of the target."""
    if problem.target is None:
        return functional.cross_entropy(logits, problem.y, reduction="none")
    return -functional.cross_entropy(logits, problem.target, reduction="none")


def margin(logits: Tensor, problem: Problem) -> Tensor:
    """Compute how much the logit of a wrong class, or of the target, exceeds the largest other."""
    column = (problem.y if problem.target is None else problem.target)[:, None]
    one = logits.gather(1, column)[:, 0]
    others = logits.scatter(1, column, -torch.inf).amax(dim=1)
    return others - one if problem.target is None else one - others


def double(values: Tensor) -> Tensor:
    """Convert logits to float64, where the device has it.

    The gradient of the cross-entropy of a confident prediction would vanish in float32.
    """
    return values.float() if values.device.type == "mps" else values.double()


def check_finite(values: Tensor) -> None:
    """Raise an error if logits or gradients are not finite."""
    if not values.isfinite().all():
        raise ValueError(
            "the outputs of the network or their gradients are NaN or infinite: the pixel values "
            "are too far from those of fit, or the network divides by zero"
        )
