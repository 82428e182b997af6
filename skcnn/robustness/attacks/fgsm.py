"""FGSM: one step in the direction of the gradient."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._ball import Ball
from skcnn.robustness.attacks._base import Attack


class FGSM(Attack):
    """Fast gradient sign method: one step in the direction of the gradient.

    Each pixel value changes by `epsilon` in the direction that increases the cross-entropy [1]_.
    With ``norm="l2"``, the step is along the gradient and has the length `epsilon`.

    Parameters
    ----------
    epsilon : float
        Size of the step and maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    noise : float, default=0.0
        Size of random noise that is added before the step, as a multiple of `epsilon`. For
        adversarial training, 2.0 is N-FGSM [2]_, which prevents catastrophic overfitting. The
        training images are then not limited to the distance `epsilon`, as in [2]_, only to the
        range of the pixel values. As an attack, they are limited to both.

    See Also
    --------
    PGD : Several smaller steps.
    adversarial_examples : Apply an attack to images.

    References
    ----------
    .. [1] Goodfellow et al., "Explaining and Harnessing Adversarial Examples", ICLR 2015 (arXiv
       1412.6572), section 4.
    .. [2] de Jorge et al., "Make Some Noise: Reliable and Efficient Single-Step Adversarial
       Training", NeurIPS 2022 (arXiv 2202.01181), algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import FGSM, adversarial_examples
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> X_adversarial = adversarial_examples(cnn, X[1000:], y[1000:], FGSM(epsilon=4))
    >>> float(abs(X_adversarial - X[1000:]).max())
    4.0
    >>> cnn.score(X_adversarial, y[1000:]) < cnn.score(X[1000:], y[1000:]) - 0.2
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, epsilon, *, norm="linf", noise=0.0):
        self.epsilon = epsilon
        self.norm = norm
        self.noise = noise

    def _ascend(self, images, gradient, limits):
        """Return training images: with noise, and not limited to the ball."""
        ball = Ball(images, self._radius, self.norm, limits)
        start = ball.random(None, self.noise) if self.noise else images
        return ball.clamp(start + ball.epsilon * ball.direction(gradient(start)))

    def _perturb(self, problem, generator, *, until_fooled=False):
        ball = problem.ball(self._radius, self.norm)
        start = problem.images
        if self.noise:
            start = ball.project(ball.random(generator, self.noise))
        gradient = problem.evaluate(start, ball).gradient
        return ball.snap(ball.project(start + ball.epsilon * ball.direction(gradient)))
