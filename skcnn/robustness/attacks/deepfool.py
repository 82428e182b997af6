"""DeepFool: steps to the closest linearized decision boundary."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._base import EPSILON, Attack
from skcnn.robustness.attacks._problem import check_finite, double
from skcnn.robustness.attacks._smallest import Smallest

_TINY = 1e-12


class DeepFool(Attack):
    """Steps to the closest linearized decision boundary, until another class is predicted [1]_.

    Parameters
    ----------
    epsilon : float, default=None
        Maximum distance to the original image, in units of the pixel values. Images that are not
        fooled within it are returned unchanged. None is no maximum.
    norm : {"linf", "l2"}, default="l2"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_steps : int, default=50
        Maximum number of steps.
    n_targets : int, default=9
        Number of other classes whose boundaries are considered, those with the largest logits.
    overshoot : float, default=0.02
        Fraction of the change that is added to cross the boundary.

    See Also
    --------
    FAB : Smaller changes, in more time.
    adversarial_examples : Apply an attack to images.

    References
    ----------
    .. [1] Moosavi-Dezfooli et al., "DeepFool: A Simple and Accurate Method to Fool Deep Neural
       Networks", CVPR 2016 (arXiv 1511.04599), algorithm 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import DeepFool, adversarial_examples
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> X_adversarial = adversarial_examples(cnn, X[1000:1020], y[1000:1020], DeepFool())
    >>> cnn.score(X_adversarial, y[1000:1020])
    0.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "epsilon": [*EPSILON, None],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
        "overshoot": [Interval(Real, 0, None, closed="left")],
    }
    _takes_target = False

    def __init__(self, epsilon=None, *, norm="l2", n_steps=50, n_targets=9, overshoot=0.02):
        self.epsilon = epsilon
        self.norm = norm
        self.n_steps = n_steps
        self.n_targets = n_targets
        self.overshoot = overshoot

    def _perturb(self, problem, generator, *, until_fooled=False):
        smallest = Smallest(problem, self._radius, self.norm)
        rows = smallest.remaining(until_fooled=True)
        part = problem.select(rows)
        ball, change = part.ball(torch.inf, self.norm), torch.zeros_like(part.images)
        others = self._others(part) if len(rows) else None
        for _ in range(self.n_steps):
            if not len(rows):
                break
            images = ball.project(part.images + change)
            change = change + self._step(images, part, others)
            images = ball.snap(ball.project(part.images + (1 + self.overshoot) * change))
            fooled = part.fooled(part.logits(images))
            smallest.update(rows, images, fooled)
            left = ~fooled
            rows, change, others = rows[left], change[left], others[left]
            part, ball = part.select(left), ball.select(left)
        return smallest.images

    def _others(self, problem):
        """Return the other classes of each image with the largest logits."""
        logits = problem.logits(problem.images).scatter(1, problem.y[:, None], -torch.inf)
        return logits.topk(min(self.n_targets, logits.shape[1] - 1), dim=1).indices

    def _step(self, images, problem, others):
        """Return the smallest change to the closest linearized boundary."""
        with torch.enable_grad():
            inputs = images.detach().requires_grad_()
            logits = double(problem.model(inputs))
            differences = logits.gather(1, others) - logits.gather(1, problem.y[:, None])
            gradients = [
                torch.autograd.grad(differences[:, column].sum(), inputs, retain_graph=True)[0]
                for column in range(others.shape[1])
            ]
        normals = torch.stack(gradients, dim=1).flatten(2)  # (n_images, n_others, n_values)
        check_finite(normals)
        size = normals.abs().sum(dim=2) if self.norm == "linf" else normals.norm(dim=2)
        gaps = differences.detach().abs().to(normals)
        distances = gaps / size.clamp(min=_TINY)
        distance, closest = distances.min(dim=1)
        index = torch.arange(len(images), device=images.device)
        normal = normals[index, closest]
        if self.norm == "linf":
            direction = normal.sign()
        else:
            direction = normal / size[index, closest].clamp(min=_TINY)[:, None]
        return ((distance[:, None] + 1e-9) * direction).view_as(images)
