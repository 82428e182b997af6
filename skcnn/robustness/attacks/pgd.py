"""PGD: several steps along the gradient, each projected onto the ball."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._ball import Ball
from skcnn.robustness.attacks._base import Attack
from skcnn.robustness.attacks._problem import Strongest

_STEP = 2.5  # the steps together are this many times epsilon, as in appendix B of Madry et al.


class PGD(Attack):
    """Projected gradient descent: steps along the gradient, within a distance of the image [1]_.

    Of the images of all steps and restarts, one that fools the network is returned, and among those
    the one with the highest cross-entropy. Without a random start, the image of `FGSM` is one of
    them, so the attack is at least as strong as `FGSM` for every image.

    Parameters
    ----------
    epsilon : float
        Maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_steps : int, default=10
        Number of steps.
    step_size : float, default=None
        Size of a step. None is ``2.5 * epsilon / n_steps``.
    random_start : bool, default=True
        Whether to start at a random image within `epsilon` of the original, instead of the
        original.
    n_restarts : int, default=1
        Number of times that the attack is started. More are useful with a random start only.

    See Also
    --------
    APGD : Step sizes that adapt to the progress.
    adversarial_examples : Apply an attack to images.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018
       (arXiv 1706.06083), section 2.1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import FGSM, PGD, robust_score
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> robust_score(cnn, X[1000:], y[1000:], PGD(epsilon=4)) < 0.2
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="neither"), None],
        "random_start": ["boolean"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        epsilon,
        *,
        norm="linf",
        n_steps=10,
        step_size=None,
        random_start=True,
        n_restarts=1,
    ):
        self.epsilon = epsilon
        self.norm = norm
        self.n_steps = n_steps
        self.step_size = step_size
        self.random_start = random_start
        self.n_restarts = n_restarts

    def _step(self):
        return _STEP * self.epsilon / self.n_steps if self.step_size is None else self.step_size

    def _ascend(self, images, gradient, limits):
        """Return training images: those after the last step."""
        ball = Ball(images, self._radius, self.norm, limits)
        images = ball.random(None) if self.random_start else images
        for _ in range(self.n_steps):
            images = ball.project(images + self._step() * ball.direction(gradient(images)))
        return images

    def _perturb(self, problem, generator, *, until_fooled=False):
        strongest = Strongest(problem)
        for _ in range(self.n_restarts):
            rows = strongest.remaining(until_fooled)
            if len(rows):
                self._run(problem.select(rows), rows, strongest, generator, until_fooled)
        return strongest.images

    def _run(self, problem, rows, strongest, generator, until_fooled):
        ball = problem.ball(self._radius, self.norm)
        images = ball.random(generator) if self.random_start else problem.images
        for step in range(self.n_steps + 1):
            is_last = step == self.n_steps
            found = problem.evaluate(images, ball, differentiate=not is_last)
            strongest.update(rows, found)
            if is_last:
                return
            direction = ball.direction(found.gradient)
            if step == 0 and not self.random_start:
                whole = ball.project(images + ball.epsilon * direction)  # the step of FGSM
                strongest.update(rows, problem.evaluate(whole, ball, differentiate=False))
            images = ball.project(images + self._step() * direction)
            if until_fooled and strongest.fooled[rows].any():
                left = ~strongest.fooled[rows]
                if not left.any():
                    return
                rows, images = rows[left], images[left]
                problem, ball = problem.select(left), ball.select(left)
