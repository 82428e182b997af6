"""FAB: the smallest change that fools a network, found along its decision boundary."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._ball import norms
from skcnn.robustness.attacks._base import EPSILON, Attack
from skcnn.robustness.attacks._hyperplane import project_onto_hyperplane
from skcnn.robustness.attacks._problem import margin
from skcnn.robustness.attacks._smallest import Smallest
from skcnn.robustness.attacks._targets import AnyClass, for_each_target

# Section 4 of Croce and Hein: extrapolation, step back toward the original, and largest weight of
# the projection of the original.
_BEYOND, _BACK, _MAX_BIAS = 1.05, 0.9, 0.1


class FAB(Attack):
    """Fast adaptive boundary attack, targeted: the smallest change that fools the network [1]_.

    Each step projects the image onto the linearized boundary between its class and another one,
    close to the original image. The attack is run for each of several other classes in turn.

    Parameters
    ----------
    epsilon : float, default=None
        Maximum distance to the original image, in units of the pixel values. Images that are not
        fooled within it are returned unchanged. None is no maximum.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_steps : int, default=100
        Number of steps for each class.
    n_targets : int, default=9
        Number of other classes, those with the largest logits first.

    See Also
    --------
    DeepFool : Fewer steps toward the closest boundary, and larger changes.
    auto_attack : FAB and other attacks.

    References
    ----------
    .. [1] Croce and Hein, "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary
       Attack", ICML 2020 (arXiv 1907.02044), algorithm 1; targeted as in arXiv 2003.01690.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import FAB, adversarial_examples
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> attack = FAB(n_steps=10, n_targets=3)
    >>> X_adversarial = adversarial_examples(cnn, X[1000:1020], y[1000:1020], attack)
    >>> cnn.score(X_adversarial, y[1000:1020])
    0.0
    >>> bool(abs(X_adversarial - X[1000:1020]).max() < 8)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "epsilon": [*EPSILON, None],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, epsilon=None, *, norm="linf", n_steps=100, n_targets=9):
        self.epsilon = epsilon
        self.norm = norm
        self.n_steps = n_steps
        self.n_targets = n_targets

    def _perturb(self, problem, generator, *, until_fooled=False):
        smallest = Smallest(problem, self._radius, self.norm)

        def run(part, rows):
            self._run(part, rows, smallest, until_fooled)

        for_each_target(problem, self.n_targets, smallest, until_fooled, run)
        return smallest.images

    def _run(self, problem, rows, smallest, until_fooled):
        """Search for one target of each image."""
        ball = problem.ball(torch.inf, self.norm)
        images = problem.images
        for _ in range(self.n_steps):
            if not len(rows):
                return
            found = problem.evaluate(images, ball, _difference)
            images = self._step(images, problem, ball, found)
            logits = problem.logits(ball.snap(images))
            fooled = problem.fooled(logits)
            smallest.update(rows, ball.snap(images), fooled)
            back = problem.images + _BACK * (images - problem.images)
            images = torch.where(fooled[:, None, None, None], back, images)
            if until_fooled:
                left = ~smallest.fooled[rows]
                rows, images = rows[left], images[left]
                problem, ball = problem.select(left), ball.select(left)

    def _step(self, images, problem, ball, found):
        """Return images beyond the linearized boundary, biased toward the originals."""
        here, start, normal, low, high = (
            one.flatten(1) for one in (images, problem.images, found.gradient, ball.low, ball.high)
        )
        excess = found.loss.to(here)
        excess_start = excess + (normal * (start - here)).sum(dim=1)
        change = project_onto_hyperplane(here, normal, excess, low, high, self.norm)
        change_start = project_onto_hyperplane(start, normal, excess_start, low, high, self.norm)
        size, size_start = (
            norms(one[:, :, None, None], self.norm)[:, :, 0, 0] for one in (change, change_start)
        )
        bias = (size / (size + size_start)).clamp(max=_MAX_BIAS)
        moved = (1 - bias) * (here + _BEYOND * change) + bias * (start + _BEYOND * change_start)
        return torch.minimum(torch.maximum(moved, low), high).view_as(images)


def _difference(logits, problem):
    """Compute how much the logit of the target exceeds that of the class, or all others.

    If any wrong class fools the network, only the boundary between two classes is of interest.
    """
    if not isinstance(problem, AnyClass):
        return margin(logits, problem)
    true, target = (logits.gather(1, one[:, None])[:, 0] for one in (problem.y, problem.target))
    return target - true
