"""SquareAttack: random search with squares, without gradients."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._base import Attack
from skcnn.robustness.attacks._problem import Strongest, margin
from skcnn.robustness.attacks._square_l2 import first_windows, new_window

# Section 4.1 of Andriushchenko et al.: the fraction of changed pixels is halved after each of these
# numbers of queries, of 10,000.
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


class SquareAttack(Attack):
    """Random search with squares of pixels, which needs predictions only and no gradients [1]_.

    Each query changes a square at a random position, and the change is kept where it increases the
    margin by which a wrong class is predicted. If an attack without gradients succeeds where those
    with gradients fail, the gradients of the network are masked.

    Parameters
    ----------
    epsilon : float
        Maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_queries : int, default=5000
        Maximum number of predictions for an image. The search for an image ends when it fools the
        network.
    fraction : float, default=0.8
        Fraction of the pixels that the first squares change.

    See Also
    --------
    auto_attack : This and other attacks.

    References
    ----------
    .. [1] Andriushchenko et al., "Square Attack: A Query-Efficient Black-Box Adversarial Attack via
       Random Search", ECCV 2020 (arXiv 1912.00049), algorithms 1 to 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import SquareAttack, robust_score
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> attack = SquareAttack(epsilon=4, n_queries=200)
    >>> robust_score(cnn, X[1000:1100], y[1000:1100], attack, random_state=0) < 0.2
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "n_queries": [Interval(Integral, 1, None, closed="left")],
        "fraction": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(self, epsilon, *, norm="linf", n_queries=5000, fraction=0.8):
        self.epsilon = epsilon
        self.norm = norm
        self.n_queries = n_queries
        self.fraction = fraction

    def _perturb(self, problem, generator, *, until_fooled=False):
        strongest = Strongest(problem)
        rows = strongest.remaining(until_fooled=False)
        ball = problem.ball(self._radius, self.norm)
        strongest.update(rows, problem.evaluate(problem.images, ball, margin, differentiate=False))
        rows = strongest.remaining(until_fooled=True)
        strongest.loss[rows] = -torch.inf  # the first change is kept
        problem, ball = problem.select(rows), ball.select(rows)
        for query in range(self.n_queries):
            if not len(rows):
                break
            change = strongest.images[rows] - problem.images
            images = self._propose(change, ball, query, generator)
            found = problem.evaluate(images, ball, margin, differentiate=False)
            strongest.update(rows, found)
            left = ~strongest.fooled[rows]
            if not left.all():
                rows, problem, ball = rows[left], problem.select(left), ball.select(left)
        return strongest.images

    def _propose(self, change, ball, query, generator):
        """Return images with new squares."""
        if self.norm == "l2":
            make = first_windows(change, generator) if query == 0 else None
            if make is None:
                make = new_window(change, ball.epsilon, self._side(change, query), generator)
            length = make.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
            return ball.project(ball.center + ball.epsilon * make / length)
        n_images, n_channels, height, width = change.shape
        if query == 0:  # vertical stripes
            signs = _signs((n_images, n_channels, 1, width), change, generator)
            return ball.project(ball.center + ball.epsilon * signs)
        side = min(self._side(change, query), height, width)
        top, left = (_integer(size - side + 1, change, generator) for size in (height, width))
        change = change.clone()
        signs = _signs((n_images, n_channels, 1, 1), change, generator)
        change[:, :, top : top + side, left : left + side] = ball.epsilon * signs
        return ball.project(ball.center + change)

    def _side(self, change, query):
        """Return the side of the squares, in pixels."""
        position = query / self.n_queries * 10_000
        halvings = sum(position > limit for limit in _HALVED_AFTER)
        n_pixels = change[0, 0].numel() * self.fraction / 2**halvings
        return max(1, round(n_pixels**0.5))


def _signs(shape, like, generator):
    """Return random numbers that are 1 or -1."""
    uniform = torch.rand(shape, device=like.device, generator=generator)
    return torch.where(uniform < 0.5, -1.0, 1.0)


def _integer(stop, like, generator):
    return int(torch.randint(stop, (), device=like.device, generator=generator))
