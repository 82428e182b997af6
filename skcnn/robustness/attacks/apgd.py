"""APGD: projected gradient descent with momentum, whose step size adapts to the progress."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import ClassVar, cast

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skcnn.robustness.attacks._ball import Ball
from skcnn.robustness.attacks._base import Attack
from skcnn.robustness.attacks._problem import Evaluation, Problem, Strongest, cross_entropy
from skcnn.robustness.attacks._targets import for_each_target

# Section 3.1 of Croce and Hein: weight of the new step against the momentum, share of steps that
# must increase the loss, and the periods between checkpoints as fractions of the number of steps.
_MOMENTUM = 0.75
_MIN_SUCCESS = 0.75
_FIRST_PERIOD, _SHORTER, _MIN_PERIOD = 0.22, 0.03, 0.06


class APGD(Attack):
    """Projected gradient descent without a step size to choose: Auto-PGD [1]_.

    Steps have momentum. They start with a size of ``2 * epsilon``. At fixed checkpoints, the size
    is halved, and the search continues at the best image, if the loss has not increased enough.

    Parameters
    ----------
    epsilon : float
        Maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    loss : {"cross_entropy", "targeted_dlr"}, default="cross_entropy"
        Loss that is increased. "targeted_dlr" is the difference of the logits of another class and
        of the true class, relative to differences of the largest logits, so that the scale of the
        logits has no effect. It is increased for each of several other classes in turn.
    n_steps : int, default=100
        Number of steps.
    random_start : bool, default=True
        Whether to start at a random image within `epsilon` of the original, instead of the
        original.
    n_restarts : int, default=1
        Number of times that the attack is started.
    n_targets : int, default=9
        Number of other classes for "targeted_dlr", those with the largest logits first.

    See Also
    --------
    PGD : Steps of a fixed size.
    auto_attack : APGD with both losses, and other attacks.

    References
    ----------
    .. [1] Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
       diverse parameter-free attacks", ICML 2020 (arXiv 2003.01690), algorithm 1 and section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import APGD, robust_score
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> robust_score(cnn, X[1000:], y[1000:], APGD(epsilon=4, n_steps=20)) < 0.2
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "loss": [StrOptions({"cross_entropy", "targeted_dlr"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "random_start": ["boolean"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        epsilon,
        *,
        norm="linf",
        loss="cross_entropy",
        n_steps=100,
        random_start=True,
        n_restarts=1,
        n_targets=9,
    ):
        self.epsilon = epsilon
        self.norm = norm
        self.loss = loss
        self.n_steps = n_steps
        self.random_start = random_start
        self.n_restarts = n_restarts
        self.n_targets = n_targets

    def _perturb(self, problem, generator, *, until_fooled=False):
        strongest = Strongest(problem)

        def run(part, rows):
            self._run(part, rows, strongest, generator, until_fooled)

        for _ in range(self.n_restarts):
            if self.loss == "targeted_dlr":
                for_each_target(problem, self.n_targets, strongest, until_fooled, run)
            else:
                rows = strongest.remaining(until_fooled)
                run(problem.select(rows), rows)
        return strongest.images

    def _run(self, problem, rows, strongest, generator, until_fooled):
        """Search from one start, and record the strongest images."""
        if not len(rows):
            return
        loss = targeted_dlr if self.loss == "targeted_dlr" else cross_entropy
        ball = problem.ball(self._radius, self.norm)
        images = ball.random(generator) if self.random_start else problem.images
        found = problem.evaluate(images, ball, loss)
        strongest.update(rows, found)
        search = _Search.start(images, found, 2 * ball.epsilon)
        checkpoints, begin = _checkpoints(self.n_steps), 0
        for step in range(1, self.n_steps + 1):
            if until_fooled and found.fooled.any():
                left = ~found.fooled
                rows, search = rows[left], search.select(left)
                problem, ball = problem.select(left), ball.select(left)
                if not len(rows):
                    return
            search = search.move(ball, has_momentum=step > 1)
            found = problem.evaluate(search.images, ball, loss, differentiate=step < self.n_steps)
            strongest.update(rows, found)
            search = search.record(found)
            if step in checkpoints:
                search = search.adapt(step - begin)
                begin = step


@dataclass(frozen=True)
class _Search:
    """State of the search: one row for each image."""

    images: Tensor
    previous: Tensor
    gradient: Tensor
    loss: Tensor
    step: Tensor  # sizes, of shape (n_images, 1, 1, 1)
    best_images: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    n_increases: Tensor  # since the last checkpoint
    was_halved: Tensor  # at the last checkpoint
    loss_then: Tensor  # best loss at the last checkpoint

    @classmethod
    def start(cls, images: Tensor, found: Evaluation, size: float) -> _Search:
        step = torch.full_like(images[:, :1, :1, :1], size)
        count, halved = torch.zeros_like(found.loss), torch.ones_like(found.fooled)
        gradient = cast(Tensor, found.gradient)
        here = images, gradient, found.loss
        return cls(images, images, gradient, found.loss, step, *here, count, halved, found.loss)

    def select(self, rows: Tensor) -> _Search:
        return _Search(*(getattr(self, field.name)[rows] for field in fields(self)))

    def move(self, ball: Ball, *, has_momentum: bool) -> _Search:
        """Make a step."""
        images = ball.project(self.images + self.step * ball.direction(self.gradient))
        if has_momentum:
            change = _MOMENTUM * (images - self.images)
            change = change + (1 - _MOMENTUM) * (self.images - self.previous)
            images = ball.project(self.images + change)
        return replace(self, images=images, previous=self.images)

    def record(self, found: Evaluation) -> _Search:
        """Record the loss and the gradient after a step."""
        gradient = self.gradient if found.gradient is None else found.gradient  # of the last step
        is_best = found.loss > self.best_loss
        pixels = is_best[:, None, None, None]
        return replace(
            self,
            gradient=gradient,
            loss=found.loss,
            n_increases=self.n_increases + (found.loss > self.loss),
            best_images=torch.where(pixels, self.images, self.best_images),
            best_gradient=torch.where(pixels, gradient, self.best_gradient),
            best_loss=torch.where(is_best, found.loss, self.best_loss),
        )

    def adapt(self, n_steps: int) -> _Search:
        """At a checkpoint, halve the steps of some images, and return to their best images."""
        stagnates = ~self.was_halved & (self.best_loss <= self.loss_then)
        halve = (self.n_increases < _MIN_SUCCESS * n_steps) | stagnates
        pixels = halve[:, None, None, None]
        return replace(
            self,
            step=torch.where(pixels, self.step / 2, self.step),
            images=torch.where(pixels, self.best_images, self.images),
            gradient=torch.where(pixels, self.best_gradient, self.gradient),
            n_increases=torch.zeros_like(self.n_increases),
            was_halved=halve,
            loss_then=self.best_loss,
        )


def _checkpoints(n_steps: int) -> set[int]:
    """Return the numbers of the steps after which the step size is adapted."""
    found, position, period = set(), _FIRST_PERIOD, _FIRST_PERIOD
    while position <= 1:
        found.add(math.ceil(round(position * n_steps, 6)))
        period = max(period - _SHORTER, _MIN_PERIOD)
        position += period
    return found


def targeted_dlr(logits: Tensor, problem: Problem) -> Tensor:
    """Compute the difference of logits ratio of a target, equation 7 of Croce and Hein (2020).

    It needs the third and fourth largest logit. With three classes, the third is used alone, and
    with two, the difference is not divided.
    """
    columns = problem.y, cast(Tensor, problem.target)
    true, target = (logits.gather(1, one[:, None])[:, 0] for one in columns)
    largest = logits.sort(dim=1, descending=True).values
    if logits.shape[1] == 2:
        return target - true
    scale = largest[:, 0] - largest[:, 2:4].mean(dim=1)
    return (target - true) / (scale + 1e-12)
