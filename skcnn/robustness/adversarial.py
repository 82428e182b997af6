"""adversarial_examples and auto_attack: images that fool a classifier."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skcnn.lazy import LazyImages
from skcnn.pixels import check_pixel_range
from skcnn.robustness._batches import Attacker
from skcnn.robustness._victim import Victim
from skcnn.robustness.attacks import AutoAttack
from skcnn.robustness.attacks._base import Attack
from skcnn.settings import fixed_settings

BATCH_SIZE = [Interval(Integral, 1, None, closed="left"), None]


@validate_params(
    {
        "attack": [Attack],
        "pixel_range": [tuple, list, None],
        "batch_size": BATCH_SIZE,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def adversarial_examples(
    estimator: Any,
    X: Any,
    y: Any,
    attack: Attack,
    *,
    target: Any = None,
    pixel_range: tuple[float, float] | None = None,
    batch_size: int | None = None,
    random_state: Any = None,
) -> NDArray:
    """Change images so little that they look the same, and so that a classifier is wrong.

    The original images are attacked, before any resizing by the pipeline, and `epsilon` of the
    attack is in the units of their pixel values. The estimator is not changed: a copy of its
    network in evaluation mode is attacked.

    Parameters
    ----------
    estimator : classifier of this package, Pipeline or search
        Fitted classifier, or fitted pipeline of `ImageReader`, `ImageResizer`, `ImageNormalizer`,
        `ImageAugmenter` and `ImageFlattener` that ends in one. Of a search, such as
        `GridSearchCV`, the best estimator is used.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form that the estimator takes.
    y : array-like of shape (n_images,)
        Correct labels.
    attack : APGD, AutoAttack, DeepFool, FAB, FGSM, PGD or SquareAttack
        Attack with its parameters.
    target : label or array-like of shape (n_images,), default=None
        Label that the classifier is to predict, one for all images or one for each. None is any
        label but `y`.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value. None uses the range that the dtype (uint8, uint16), a step
        of the pipeline or pretrained weights fix. If they fix none, it is the first of the ranges
        (0, 1), (-1, 1) and (0, 255) that contains all pixel values and is at most twice as wide as
        they are, or else the minimum and maximum of `X`.
    batch_size : int, default=None
        Number of images that are attacked at a time. None chooses it by the size of the images and
        the device. Random numbers depend on it.
    random_state : int, RandomState instance or None, default=None
        Determines the random numbers of the attack. Pass an int for the same results in every call.

    Returns
    -------
    X_adversarial : array of shape (n_images, ...), or object array of shape (n_images,)
        Images in the form and dtype of `X`, an object array if they differ in size. Of paths and
        `LazyImages`, the images that are read, as an array. Pixel values of integer dtypes are
        integers. Whether the attack succeeds or not, the distance to `X` is at most `epsilon`.

    Raises
    ------
    TypeError
        If the estimator is not a classifier of this package.
    ValueError
        If `epsilon` cannot be in the units of the pixel values, a label was not seen in fit, or `X`
        cannot be used as images.

    Warns
    -----
    UserWarning
        If a step of the pipeline cannot be converted to PyTorch. Then the network of the last step
        alone is attacked, and `epsilon` and the returned images are in the units of its input. Also
        if `epsilon` is very small.

    See Also
    --------
    auto_attack : The ensemble of attacks with which robustness is usually reported.
    robust_score : Accuracy under an attack.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import PGD, adversarial_examples
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> X_adversarial = adversarial_examples(cnn, X[:100], y[:100], PGD(epsilon=4), random_state=0)
    >>> X_adversarial.shape
    (100, 64)
    >>> float((cnn.predict(X_adversarial) == y[:100]).mean()) < 0.5
    True
    """
    victim = Victim.of(estimator, X)
    images = attacked_images(
        victim,
        y,
        attack,
        target=target,
        pixel_range=pixel_range,
        batch_size=batch_size,
        random_state=random_state,
    )
    return _in_the_form_of(X, images)


def auto_attack(
    estimator: Any,
    X: Any,
    y: Any,
    epsilon: float,
    *,
    norm: str = "linf",
    n_steps: int = 100,
    n_queries: int = 5000,
    pixel_range: tuple[float, float] | None = None,
    batch_size: int | None = None,
    random_state: Any = None,
) -> NDArray:
    """Attack images with the ensemble of attacks with which robustness is usually reported.

    It consists of APGD with the cross-entropy, targeted APGD, targeted FAB, and the Square attack,
    which needs no gradients. Each attacks the images that withstood the previous ones [1]_.

    Parameters
    ----------
    estimator : classifier of this package, Pipeline or search
        Fitted classifier, or fitted pipeline that ends in one, as for `adversarial_examples`.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form that the estimator takes.
    y : array-like of shape (n_images,)
        Correct labels.
    epsilon : float
        Maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_steps : int, default=100
        Number of steps of APGD and FAB.
    n_queries : int, default=5000
        Number of queries of the Square attack.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value, as for `adversarial_examples`.
    batch_size : int, default=None
        Number of images that are attacked at a time. None chooses it.
    random_state : int, RandomState instance or None, default=None
        Determines the random numbers of the attacks. Pass an int for the same results in every
        call.

    Returns
    -------
    X_adversarial : array of shape (n_images, ...), or object array of shape (n_images,)
        Images in the form and dtype of `X`, as for `adversarial_examples`. Images that withstand
        all attacks, and those that are misclassified anyway, are returned unchanged.

    See Also
    --------
    AutoAttack : The same as an attack, for `robust_score` and scorers.
    adversarial_examples : Other attacks; describes errors and warnings.

    References
    ----------
    .. [1] Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
       diverse parameter-free attacks", ICML 2020 (arXiv 2003.01690).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import auto_attack
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> X_test, y_test = X[1000:1100], y[1000:1100]
    >>> X_adversarial = auto_attack(cnn, X_test, y_test, 4, n_steps=20, n_queries=100)
    >>> cnn.score(X_adversarial, y_test) < 0.1
    True
    """
    return adversarial_examples(
        estimator,
        X,
        y,
        AutoAttack(epsilon, norm=norm, n_steps=n_steps, n_queries=n_queries),
        pixel_range=pixel_range,
        batch_size=batch_size,
        random_state=random_state,
    )


@fixed_settings()
def attacked_images(
    victim: Victim,
    y: Any,
    attack: Attack,
    *,
    target: Any = None,
    pixel_range: tuple[float, float] | None = None,
    batch_size: int | None = None,
    random_state: Any = None,
    until_fooled: bool = False,
) -> NDArray:
    """Attack the images of a victim.

    Parameters
    ----------
    victim : Victim
        Classifier and images.
    y, attack, target, pixel_range, batch_size, random_state
        As for `adversarial_examples`.
    until_fooled : bool, default=False
        Whether to stop for an image as soon as it fools the network.

    Returns
    -------
    images : array of shape (n_images, ...), or object array of shape (n_images,)
        Adversarial images in the form of those of the victim.
    """
    attack._validate_params()
    columns = victim.columns(y, "y")
    targets = _target_columns(victim, target, attack)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    limits = None if pixel_range is None else check_pixel_range(pixel_range)
    return Attacker(victim, attack, columns, targets, limits, batch_size, seed, until_fooled).run()


def _target_columns(victim, target, attack):
    if target is None:
        return None
    if not attack._takes_target:
        raise ValueError(
            f"{type(attack).__name__} cannot aim at a target class: use target=None, or another "
            "attack, such as PGD"
        )
    if np.ndim(target) == 0:
        target = np.full(len(victim.images), target)
    return victim.columns(target, "target")


def _in_the_form_of(X, images):
    """Return images as rows if `X` holds rows."""
    if images.dtype == object or (isinstance(X, LazyImages) and X.ndim != 2):
        return images
    is_flat = np.ndim(X) == 2 and np.shape(X)[1] == images[0].size and images.ndim > 2
    return images.reshape(len(images), -1) if is_flat else images
