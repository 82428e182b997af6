"""Metrics of predictions in which each image counts several times, for many resamples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skcnn.inspection._predictions import Predictions

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "roc_auc_ovr",
    "log_loss",
    "calibration_error",
)


def weighted_metrics(
    predictions: Predictions, n_bins: int
) -> Callable[[NDArray], NDArray[np.float64]]:
    """Return a function that computes all metrics for given numbers of copies of the images.

    What does not depend on the numbers of copies is computed here, so that 1,000 resamples of
    10,000 images of 10 classes take about a second. They equal those of `sklearn.metrics` with
    these numbers as `sample_weight`, which take more than ten times as long.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    n_bins : int
        Number of bins of the calibration error.

    Returns
    -------
    function : callable
        Takes numbers of copies, of shape (n_images,), and returns an array in the order of
        `METRICS`. Averages over classes are those over the classes that have images, NaN where
        there are none.
    """
    n_classes = len(predictions.classes)
    pairs = predictions.true * n_classes + predictions.predicted
    losses = log_losses(predictions)
    roc_auc = weighted_roc_auc(predictions)
    calibration_error = weighted_calibration_error(predictions, n_bins)

    def compute(copies: NDArray) -> NDArray[np.float64]:
        confusion = np.bincount(pairs, weights=copies, minlength=n_classes**2)
        confusion = confusion.reshape(n_classes, n_classes)
        total = copies.sum()
        precision, recall, f1 = np.mean(class_scores(confusion), axis=1)
        return np.array(
            [
                np.trace(confusion) / total,
                recall,
                precision,
                recall,
                f1,
                roc_auc(copies),
                losses @ copies / total,
                calibration_error(copies),
            ]
        )

    return compute


def class_scores(confusion: NDArray) -> NDArray[np.float64]:
    """Compute precision, recall and F1 of the classes that have images.

    Parameters
    ----------
    confusion : array of shape (n_classes, n_classes)
        Numbers of images by true (rows) and predicted class.

    Returns
    -------
    scores : float64 array of shape (3, n_present_classes)
        Precision, which is 0 for a class that is never predicted, recall and F1.
    """
    n_true, n_predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    present = n_true > 0
    n_true, n_predicted = n_true[present], n_predicted[present]
    correct = confusion.diagonal()[present]
    precision = correct / np.maximum(n_predicted, 1)  # they are whole numbers
    return np.array([precision, correct / n_true, 2 * correct / (n_true + n_predicted)])


def log_losses(predictions: Predictions) -> NDArray[np.float64]:
    """Return the log loss of each image, with probabilities clipped as in scikit-learn."""
    rows = np.arange(len(predictions.true))
    eps = np.finfo(predictions.proba.dtype).eps
    proba = np.clip(predictions.proba[rows, predictions.true], eps, 1 - eps)
    return -np.log(proba).astype(np.float64)


def weighted_roc_auc(predictions: Predictions) -> Callable[[NDArray], float]:
    """Return a function that computes the one-versus-rest ROC AUC for numbers of copies.

    The area is the probability that an image of the class has a higher score than one of the
    others, ties counting half (Mann and Whitney, 1947).

    Parameters
    ----------
    predictions : Predictions
        Predictions.

    Returns
    -------
    function : callable
        Takes numbers of copies, of shape (n_images,), and returns the mean over the classes that
        have images; NaN if all images are of one class.
    """
    parts = []
    for number in np.flatnonzero(predictions.counts):
        score, is_class = predictions.proba[:, number], predictions.true == number
        inside, outside = np.flatnonzero(is_class), np.flatnonzero(~is_class)
        outside = outside[np.argsort(score[outside])]
        below = np.searchsorted(score[outside], score[inside], side="left")
        not_above = np.searchsorted(score[outside], score[inside], side="right")
        parts.append((inside, outside, below, not_above))

    def compute(copies: NDArray) -> float:
        areas = []
        for inside, outside, below, not_above in parts:
            weights = copies[inside]
            n_outside = np.concatenate([[0.0], np.cumsum(copies[outside])])
            n_pairs = weights.sum() * n_outside[-1]
            if n_pairs:
                areas.append(weights @ (n_outside[below] + n_outside[not_above]) / (2 * n_pairs))
        return float(np.mean(areas)) if areas else np.nan

    return compute


def weighted_calibration_error(predictions: Predictions, n_bins: int) -> Callable[[NDArray], float]:
    """Return a function that computes the expected calibration error for numbers of copies.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    function : callable
        Takes numbers of copies, of shape (n_images,).
    """
    correct = predictions.proba.argmax(axis=1) == predictions.true
    confidence, bins = confidence_bins(predictions, n_bins)
    gaps = correct - confidence

    def compute(copies: NDArray) -> float:
        return abs(np.bincount(bins, weights=gaps * copies)).sum() / copies.sum()

    return compute


def confidence_bins(
    predictions: Predictions, n_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the highest probability of each image, and its bin.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    n_bins : int
        Number of bins of equal width, each with its upper edge, as in
        `sklearn.calibration.calibration_curve`.

    Returns
    -------
    confidence : float64 array of shape (n_images,)
        Highest probability.
    bins : int array of shape (n_images,)
        Index of the bin.
    """
    confidence = predictions.proba.max(axis=1).astype(np.float64)
    return confidence, np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence)
