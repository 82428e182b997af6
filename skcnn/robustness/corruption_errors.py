"""corruption_report: the accuracy of a classifier for corrupted images."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_consistent_length
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_is_fitted

from skcnn.preprocessing import ImageReader
from skcnn.robustness._corruptible import (
    IMAGE_PARAMETERS,
    CorruptibleImages,
    draw_seed,
    images_at_a_time,
)
from skcnn.robustness.corruptions import KINDS, SEVERITIES, check_kinds


@validate_params(
    {
        "kinds": [str, "array-like", None],
        "severities": ["array-like"],
        **IMAGE_PARAMETERS,
    },
    prefer_skip_nested_validation=True,
)
def corruption_report(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    kinds: Any = None,
    severities: Any = SEVERITIES,
    baseline: Any = None,
    image_shape: tuple[int, ...] | None = None,
    pixel_range: tuple[float, float] | None = None,
    random_state: Any = 0,
) -> Bunch:
    """Compute the accuracy of a classifier for corrupted images, by kind and severity.

    The corruptions are those of `corrupt`. Images are corrupted and predicted batch by batch.

    Parameters
    ----------
    estimator : classifier, Pipeline or search
        Fitted classifier of scikit-learn or of this package.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images without corruption, in any form that `estimator` takes. Paths require an
        `ImageReader` as its first step. The images that it reads are corrupted.
    y : array-like of shape (n_images,)
        Correct labels.
    kinds : str or sequence of str, default=None
        Kinds of corruptions, such as ``CORRUPTIONS["noise"]``. None uses all. The published results
        of ImageNet-C and CIFAR-10-C are about all kinds but "occlusion" and "clutter".
    severities : sequence of int, default=(1, 2, 3, 4, 5)
        Severities, from 1 to 5.
    baseline : classifier, Pipeline or search, default=None
        Fitted classifier to compare with, which takes the same images.
    image_shape : tuple of int, default=None
        Layout of flat rows, as for `corrupt`.
    pixel_range : tuple of (float, float), default=None
        Smallest and largest pixel value, as for `corrupt`.
    random_state : int, RandomState instance or None, default=0
        Source of the seed of the random numbers. An int gives the same corruption in every call.

    Returns
    -------
    report : Bunch
        Dictionary-like object with the following attributes.

        accuracy : pandas.DataFrame of shape (n_kinds, n_severities)
            Accuracy for each kind (index) and severity (columns).
        clean_accuracy : float
            Accuracy for the images without corruption.
        corruption_error : pandas.Series of shape (n_kinds,)
            Error of each kind: the mean over severities of 1 - accuracy; with a baseline, divided
            by the one of the baseline.
        mean_corruption_error : float
            Mean of `corruption_error` (mCE).
        relative_corruption_error : float
            Mean over kinds of the increase of the error by the corruption, divided by the increase
            of the baseline (relative mCE). Only with a baseline.
        baseline_accuracy : pandas.DataFrame of shape (n_kinds, n_severities)
            Accuracy of the baseline. Only with a baseline.

    Raises
    ------
    ImportError
        If pandas is not installed.
    TypeError
        If an estimator is not a classifier.
    ValueError
        If a parameter is not valid, or `X` and `y` differ in length.

    Warns
    -----
    UserWarning
        If the baseline makes no error for a kind, so that the error divided by its error is not
        finite.

    See Also
    --------
    corrupt : The corruptions.

    Notes
    -----
    The definitions are those of [1]_, where the baseline is AlexNet. Without a baseline, the mean
    corruption error is the mean error of all corrupted images.

    References
    ----------
    .. [1] D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
       Corruptions and Perturbations", International Conference on Learning Representations, 2019,
       section 4. https://arxiv.org/abs/1903.12261

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skcnn.robustness import corruption_report
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0).fit(X[:1000], y[:1000])
    >>> report = corruption_report(
    ...     forest, X[1000:1300], y[1000:1300], kinds=["contrast", "occlusion"], severities=[1, 5],
    ...     pixel_range=(0, 16),
    ... )
    >>> report.accuracy.shape
    (2, 2)
    >>> bool(report.accuracy.loc["occlusion", 5] < report.accuracy.loc["occlusion", 1])
    True
    """
    pandas = _import_pandas()
    kinds = KINDS if kinds is None else check_kinds(kinds, "kinds")
    severities = _check_severities(severities)
    estimators = [estimator] if baseline is None else [estimator, baseline]
    for one in estimators:
        _check_classifier(one)
    check_consistent_length(X, y)
    seed = draw_seed(random_state)
    parts = [_without_reader(one) for one in estimators]
    results = [
        _accuracies(
            one,
            CorruptibleImages(X, image_shape, pixel_range, reader),
            np.asarray(y),
            kinds,
            severities,
            seed,
        )
        for one, reader in parts
    ]
    index, columns = pandas.Index(kinds, name="kind"), pandas.Index(severities, name="severity")
    frames = [pandas.DataFrame(corrupted, index, columns) for _, corrupted in results]
    errors = [1 - frame.mean(axis=1) for frame in frames]
    report = Bunch(accuracy=frames[0], clean_accuracy=results[0][0], corruption_error=errors[0])
    if baseline is not None:
        increases = [error - (1 - result[0]) for error, result in zip(errors, results, strict=True)]
        report.corruption_error = _divided(errors, "makes no error for")
        report.relative_corruption_error = float(
            _divided(increases, "makes no more errors for").mean()
        )
        report.baseline_accuracy = frames[1]
    report.mean_corruption_error = float(report.corruption_error.mean())
    return report


def _accuracies(estimator, images, y, kinds, severities, seed) -> tuple[float, NDArray]:
    """Return the accuracy without corruption, and those of all kinds and severities."""
    clean = _accuracy(estimator, images.clean(), y)
    views = [[images.corrupted(kind, one, seed) for one in severities] for kind in kinds]
    return clean, np.array([[_accuracy(estimator, view, y) for view in row] for row in views])


def _accuracy(estimator, view, y) -> float:
    """Return the accuracy for a view that is read and predicted batch by batch."""
    parts = view.clean().read_parts(images_at_a_time(view.shape[1:]))
    predicted = np.concatenate([np.asarray(estimator.predict(part)) for part in parts])
    return float(accuracy_score(y, predicted))


def _without_reader(estimator) -> tuple[Any, ImageReader | None]:
    """Return an estimator that takes the images which its first step reads, and this step."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, None
    name, first = estimator.steps[0]
    if isinstance(first, ImageReader):
        return estimator[1:], first
    if isinstance(first, Pipeline):
        rest, reader = _without_reader(first)
        return Pipeline([(name, rest), *estimator.steps[1:]]), reader
    return estimator, None


def _check_classifier(estimator):
    """Raise an error unless an estimator is a fitted classifier."""
    if isinstance(estimator, type) or not is_classifier(estimator):
        name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise TypeError(
            f"corruption_report takes fitted classifiers, but {name} is not one: for a regressor, "
            "call its score on corrupt(X, kind, severity)"
        )
    check_is_fitted(estimator)


def _check_severities(severities) -> list[int]:
    """Return severities as a list of int, or raise an error."""
    found = [one for one in severities if one in SEVERITIES and not isinstance(one, bool)]
    if not len(severities) or len(set(found)) < len(severities):
        raise ValueError(
            f"severities={severities!r} must hold integers from 1 to 5, at least one and none twice"
        )
    return [int(one) for one in found]


def _divided(errors, what):
    """Return the quotient of the errors of an estimator and of the baseline."""
    error, of_baseline = errors
    is_zero = of_baseline == 0
    if is_zero.any():
        warnings.warn(
            f"the baseline {what} {is_zero.idxmax()!r} images, so that the error divided by its "
            "error is not finite: pass a weaker baseline, or leave out this kind",
            UserWarning,
            stacklevel=4,
        )
    return error / of_baseline


def _import_pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f'corruption_report requires pandas: pip install "skcnn[plot]" ({error})'
        ) from error
    return pandas
