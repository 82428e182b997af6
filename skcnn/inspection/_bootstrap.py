"""Bootstrap confidence intervals of the metrics of a classifier."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skcnn._plotting import import_pandas
from skcnn.inspection._metrics import METRICS, confidence_bins, weighted_metrics
from skcnn.inspection._predictions import Predictions, listed

if TYPE_CHECKING:
    from pandas import DataFrame

_FEW_IMAGES = 5  # resamples often lack a class of fewer images; one in 150 lacks a class of 5


def summarize(
    predictions: Predictions,
    n_bootstraps: int,
    confidence_level: float,
    n_bins: int,
    random_state: Any,
) -> DataFrame:
    """Return the frame of `classification_summary`.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    n_bootstraps, confidence_level, n_bins, random_state : int, float, int, random state
        Parameters of `classification_summary`.

    Returns
    -------
    summary : pandas.DataFrame of shape (n_metrics, 3)
        Value, and lower and upper limit, of each metric.
    """
    random = check_random_state(random_state)
    compute = weighted_metrics(predictions, n_bins)
    n_images = len(predictions.true)
    value = compute(np.ones(n_images))
    resampled = np.empty((n_bootstraps, len(METRICS)))
    for row in resampled:
        drawn = random.randint(n_images, size=n_images)
        row[:] = compute(np.bincount(drawn, minlength=n_images).astype(np.float64))
    low, high = percentiles(resampled, confidence_level)
    error = METRICS.index("calibration_error")
    chance = chance_calibration_errors(predictions, n_bins, n_bootstraps, random)
    low[error], high[error] = reflected_interval(
        value[error],
        (low[error], high[error]),
        may_be_zero=value[error] <= np.quantile(chance, confidence_level),
    )
    pandas = import_pandas()
    index = pandas.Index(METRICS, name="metric")
    return pandas.DataFrame({"value": value, "low": low, "high": high}, index=index)


def percentiles(
    resampled: NDArray[np.float64], confidence_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the percentile interval of each metric.

    Parameters
    ----------
    resampled : float64 array of shape (n_bootstraps, n_metrics)
        Metrics of the resamples. NaN values, which metrics have that are not defined for a
        resample, are left out.
    confidence_level : float
        Level of the intervals.

    Returns
    -------
    low, high : float64 arrays of shape (n_metrics,)
        Limits; NaN for a metric that is defined for no resample.
    """
    levels = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
    limits = np.full((2, resampled.shape[1]), np.nan)
    for number, values in enumerate(resampled.T):
        known = values[~np.isnan(values)]
        if len(known):
            limits[:, number] = np.quantile(known, levels)
    return limits[0], limits[1]


def reflected_interval(
    value: float, limits: tuple[float, float], *, may_be_zero: bool
) -> tuple[float, float]:
    """Return the interval of an error whose resamples are larger than itself on average.

    Parameters
    ----------
    value : float
        Error, at least 0.
    limits : tuple of (float, float)
        Percentile interval.
    may_be_zero : bool
        Whether the value is compatible with a true error of 0.

    Returns
    -------
    low, high : float
        Percentile interval reflected at the value (the basic bootstrap interval), between 0 and 1,
        and extended to 0 if it may be, and to the value.
    """
    low, high = 2 * value - limits[1], 2 * value - limits[0]
    return (0.0 if may_be_zero else float(np.clip(low, 0, value))), max(value, min(high, 1.0))


def chance_calibration_errors(
    predictions: Predictions, n_bins: int, n_repeats: int, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Compute the calibration errors of labels that are drawn from the predicted probabilities.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    n_bins : int
        Number of bins of equal width.
    n_repeats : int
        Number of times that labels are drawn.
    random : RandomState instance
        Source of the labels.

    Returns
    -------
    errors : float64 array of shape (n_repeats,)
        Calibration errors of a classifier that is perfectly calibrated.
    """
    confidence, bins = confidence_bins(predictions, n_bins)
    errors = np.empty(n_repeats)
    for repeat in range(n_repeats):
        correct = random.random_sample(len(confidence)) < confidence
        errors[repeat] = abs(np.bincount(bins, weights=correct - confidence)).sum()
    return errors / len(confidence)


def warn_about_intervals(predictions: Predictions, confidence_level: float) -> None:
    """Warn about intervals not to trust, in a function that is decorated once."""
    for problem in interval_problems(predictions, confidence_level):
        warnings.warn(problem, UserWarning, stacklevel=4)


def interval_problems(predictions: Predictions, confidence_level: float) -> list[str]:
    """Return a sentence for each reason not to trust the intervals.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    confidence_level : float
        Level of the intervals.

    Returns
    -------
    problems : list of str
        Sentences.
    """
    found = []
    counts, n_images = predictions.counts, len(predictions.true)
    missing = predictions.classes[counts == 0].tolist()
    if missing:
        found.append(
            f"no image is of the class {listed(missing)}: averages over classes are those over "
            "the other classes"
        )
    rare = predictions.classes[(counts > 0) & (counts < _FEW_IMAGES)].tolist()
    if rare:
        found.append(
            f"fewer than {_FEW_IMAGES} images are of the class {listed(rare)}: the intervals of "
            "averages over classes are too narrow, and more test images are needed"
        )
    if (predictions.true == predictions.predicted).all():
        bound = ((1 - confidence_level) / 2) ** (1 / n_images)
        found.append(
            f"all {n_images} predictions are correct, so that no resample has an error: the "
            f"exact binomial interval of the accuracy is from {bound:.4g} to 1"
        )
    return found
