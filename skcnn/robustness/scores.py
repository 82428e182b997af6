"""robust_score and make_robust_scorer: the accuracy of a classifier under an attack."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, validate_params

from skcnn.robustness._victim import Victim
from skcnn.robustness.adversarial import BATCH_SIZE, attacked_images
from skcnn.robustness.attacks import AutoAttack
from skcnn.robustness.attacks._base import Attack


@validate_params(
    {
        "attack": [Attack, Interval(Real, 0, None, closed="neither")],
        "pixel_range": [tuple, list, None],
        "batch_size": BATCH_SIZE,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def robust_score(
    estimator: Any,
    X: Any,
    y: Any,
    attack: Attack | float,
    *,
    sample_weight: Any = None,
    pixel_range: tuple[float, float] | None = None,
    batch_size: int | None = None,
    random_state: Any = None,
) -> float:
    """Compute the accuracy of a classifier for images that an attack has changed.

    An image counts if the classifier predicts the correct label for the attacked image.

    Parameters
    ----------
    estimator : classifier of this package, Pipeline or search
        Fitted classifier, or fitted pipeline that ends in one, as for `adversarial_examples`.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form that the estimator takes.
    y : array-like of shape (n_images,)
        Correct labels.
    attack : float or attack
        Attack of this module, such as `PGD`. A number is the epsilon of `AutoAttack`, the ensemble
        of attacks with which robustness is usually reported.
    sample_weight : array-like of shape (n_images,), default=None
        Weights of the images. None gives all images the same weight.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value, as for `adversarial_examples`.
    batch_size : int, default=None
        Number of images that are attacked at a time. None chooses it.
    random_state : int, RandomState instance or None, default=None
        Determines the random numbers of the attack. Pass an int for the same results in every call.

    Returns
    -------
    score : float
        Accuracy, from 0 to 1.

    See Also
    --------
    adversarial_examples : The images; describes errors and warnings.
    make_robust_scorer : The same as a scorer, for searches and cross-validation.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import PGD, robust_score
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> cnn.score(X[1000:], y[1000:]) > 0.9
    True
    >>> robust_score(cnn, X[1000:], y[1000:], PGD(epsilon=4), random_state=0) < 0.2
    True
    """
    if not isinstance(attack, Attack):
        attack = AutoAttack(attack)
    victim = Victim.of(estimator, X)
    images = attacked_images(
        victim,
        y,
        attack,
        pixel_range=pixel_range,
        batch_size=batch_size,
        random_state=random_state,
        until_fooled=True,
    )
    predicted = victim.predict(images)
    return float(accuracy_score(np.asarray(y).ravel(), predicted, sample_weight=sample_weight))


@validate_params(
    {
        "attack": [Attack, Interval(Real, 0, None, closed="neither")],
        "pixel_range": [tuple, list, None],
        "batch_size": BATCH_SIZE,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_robust_scorer(
    attack: Attack | float,
    *,
    pixel_range: tuple[float, float] | None = None,
    batch_size: int | None = None,
    random_state: Any = 0,
) -> RobustScorer:
    """Make a scorer that computes the accuracy under an attack.

    Parameters
    ----------
    attack : float or attack
        Attack of this module, such as `PGD`. A number is the epsilon of `AutoAttack`.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value, as for `adversarial_examples`.
    batch_size : int, default=None
        Number of images that are attacked at a time. None chooses it.
    random_state : int, RandomState instance or None, default=0
        Determines the random numbers of the attack. With an int, all candidates of a search are
        attacked with the same random numbers.

    Returns
    -------
    scorer : callable
        Function ``scorer(estimator, X, y, sample_weight=None)``, for the parameter `scoring` of
        `GridSearchCV`, `cross_validate` and others.

    See Also
    --------
    robust_score : The score for one fitted classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import FGSM, PGD, make_robust_scorer
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(16,), adversary=FGSM(2), max_epochs=5, random_state=0)
    >>> scoring = {"clean": "accuracy", "robust": make_robust_scorer(PGD(2, n_steps=5))}
    >>> search = GridSearchCV(
    ...     cnn, {"adversary": [None, FGSM(2, noise=1.0)]}, scoring=scoring, refit="robust", cv=2
    ... )
    >>> search.fit(X[:500], y[:500]).best_params_
    {'adversary': FGSM(epsilon=2, noise=1.0)}
    """
    attack = clone(attack) if isinstance(attack, Attack) else AutoAttack(attack)
    return RobustScorer(attack, pixel_range, batch_size, random_state)


@dataclass(frozen=True)
class RobustScorer:
    """Scorer of `make_robust_scorer`.

    Parameters
    ----------
    attack : Attack
        The attack.
    pixel_range, batch_size, random_state
        As for `robust_score`.
    """

    attack: Attack
    pixel_range: tuple[float, float] | None
    batch_size: int | None
    random_state: Any

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy under the attack, as `robust_score` does."""
        return robust_score(
            estimator,
            X,
            y,
            self.attack,
            sample_weight=sample_weight,
            pixel_range=self.pixel_range,
            batch_size=self.batch_size,
            random_state=self.random_state,
        )
