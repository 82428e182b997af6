"""classification_summary: metrics of a classifier with bootstrap confidence intervals."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, validate_params

from skcnn._plotting import import_pandas
from skcnn.inspection._bootstrap import summarize, warn_about_intervals
from skcnn.inspection._predictions import Predictions

if TYPE_CHECKING:
    from pandas import DataFrame

OPTIONS = {
    "n_bootstraps": [Interval(Integral, 1, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


@validate_params(OPTIONS, prefer_skip_nested_validation=True)
def classification_summary(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    n_bootstraps: int = 1000,
    confidence_level: float = 0.95,
    n_bins: int = 15,
    random_state: Any = None,
) -> DataFrame:
    """Compute metrics of a classifier on test images, with bootstrap confidence intervals.

    Parameters
    ----------
    estimator : classifier
        Fitted classifier with `predict_proba`, of this package or of scikit-learn, or a fitted
        pipeline or search that ends in one.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Test images, in any form that the classifier takes. They are predicted once (classifiers of
        other packages once more, for the labels).
    y : array-like of shape (n_images,)
        True labels.
    n_bootstraps : int, default=1000
        Number of resamples.
    confidence_level : float, default=0.95
        Level of the intervals, between 0 and 1.
    n_bins : int, default=15
        Number of bins of the calibration error.
    random_state : int, RandomState instance or None, default=None
        Determines the resamples. Pass an int for the same intervals in every call.

    Returns
    -------
    summary : pandas.DataFrame of shape (8, 3)
        Columns "value", "low" and "high". The rows have the names of scikit-learn's scorers:
        "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro",
        "roc_auc_ovr", and "log_loss" and "calibration_error", of which lower is better.

    Raises
    ------
    ImportError
        If pandas is not installed.
    TypeError
        If the estimator is not a classifier, or has no `predict_proba`.
    ValueError
        If `y` is not one known label for each image, or an option is out of range.

    Warns
    -----
    UserWarning
        If a class has no images or fewer than 5, or if every prediction is correct.

    See Also
    --------
    classification_summary_from_predictions : The same for given probabilities.
    MulticlassRocDisplay : ROC curves of each class.
    sklearn.metrics.classification_report : Precision, recall and F1 of each class.

    Notes
    -----
    An interval shows how much a metric varies with the choice of the test images, and not how much
    it varies with the training images or the seed of the network.

    The images are resampled with replacement and without regard to their classes, as if new test
    images were drawn, and the interval is from the percentiles of the metric [1]_. The averages
    over classes ("balanced_accuracy", "roc_auc_ovr", and those named "macro") are over the classes
    that occur among the images, of `y` as of a resample. "balanced_accuracy" and "recall_macro" are
    the same number. A precision is 0 for a class that is never predicted. A resample of one class
    only has no ROC AUC, and is left out of its interval.

    The calibration error is the expected calibration error of the predicted class [2]_ [3]_: the
    probabilities are put in bins of equal width, and the differences between the mean probability
    and the accuracy of each bin are averaged, weighted by the number of images. The error is never
    negative, so that it is too large on average, and larger still in resamples: their percentiles
    would miss the true error of a well calibrated classifier. The interval is therefore from twice
    the value minus the upper percentile, to twice the value minus the lower one. It always contains
    the value. It also contains 0 if the value may be due to chance: if it is not larger than the
    `confidence_level` quantile of the errors of labels that are drawn from the predicted
    probabilities [4]_.

    References
    ----------
    .. [1] Efron and Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993,
       section 13.3.
    .. [2] Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
       2015.
    .. [3] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599),
       section 2.
    .. [4] Bröcker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and
       Forecasting 22, 2007.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import classification_summary
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> summary = classification_summary(cnn, X[1000:], y[1000:], random_state=0)
    >>> summary.columns.tolist()
    ['value', 'low', 'high']
    >>> bool(summary.loc["accuracy", "low"] > 0.9)
    True
    """
    import_pandas()
    predictions = Predictions.of_estimator(estimator, X, y, caller="classification_summary")
    warn_about_intervals(predictions, confidence_level)
    return summarize(predictions, n_bootstraps, confidence_level, n_bins, random_state)


@validate_params(OPTIONS, prefer_skip_nested_validation=True)
def classification_summary_from_predictions(
    y_true: Any,
    y_proba: Any,
    *,
    labels: Any = None,
    y_pred: Any = None,
    n_bootstraps: int = 1000,
    confidence_level: float = 0.95,
    n_bins: int = 15,
    random_state: Any = None,
) -> DataFrame:
    """Compute metrics of predicted probabilities, with bootstrap confidence intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_images,)
        True labels.
    y_proba : array-like of shape (n_images, n_classes)
        Probability of each class, as `predict_proba` returns it.
    labels : array-like of shape (n_classes,), default=None
        Label of each column of `y_proba`, such as ``estimator.classes_``. None takes the sorted
        labels of `y_true`.
    y_pred : array-like of shape (n_images,), default=None
        Predicted labels. None takes the most probable class.
    n_bootstraps : int, default=1000
        Number of resamples.
    confidence_level : float, default=0.95
        Level of the intervals, between 0 and 1.
    n_bins : int, default=15
        Number of bins of the calibration error.
    random_state : int, RandomState instance or None, default=None
        Determines the resamples. Pass an int for the same intervals in every call.

    Returns
    -------
    summary : pandas.DataFrame of shape (8, 3)
        Metrics and intervals, as `classification_summary` returns them.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If the arrays do not fit together, `y_proba` does not hold probabilities, or an option is
        out of range.

    Warns
    -----
    UserWarning
        If a class has no images or fewer than 5, or if every prediction is correct.

    See Also
    --------
    classification_summary : The same for a classifier and images; describes the metrics.

    Examples
    --------
    >>> from skcnn.inspection import classification_summary_from_predictions
    >>> y_proba = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]] * 10
    >>> summary = classification_summary_from_predictions(
    ...     ["cat", "cat", "dog", "dog"] * 10, y_proba, random_state=0
    ... )
    >>> float(summary.loc["accuracy", "value"])
    0.75
    """
    import_pandas()
    predictions = Predictions.of_arrays(y_true, y_proba, labels=labels, y_pred=y_pred)
    warn_about_intervals(predictions, confidence_level)
    return summarize(predictions, n_bootstraps, confidence_level, n_bins, random_state)
