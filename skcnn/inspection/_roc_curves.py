"""One-versus-rest ROC curves and their averages."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve
from sklearn.utils.validation import _check_sample_weight, _num_samples

from skcnn.inspection._predictions import Predictions, listed


def roc_curves(
    predictions: Predictions, sample_weight: NDArray[np.floating] | None = None
) -> dict[str, Any]:
    """Compute the curve of each class against the others, and the averages.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    sample_weight : float array of shape (n_images,), default=None
        Weights of the images.

    Returns
    -------
    curves : dict
        Parameters of `MulticlassRocDisplay`, without the name.

    Raises
    ------
    ValueError
        If all images are of one class.
    """
    classes, true, proba = predictions.classes, predictions.true, predictions.proba
    if sample_weight is not None:  # images of weight 0 do not count, whatever their class
        used = sample_weight > 0
        true, proba, sample_weight = true[used], proba[used], sample_weight[used]
    is_class = true[:, None] == np.arange(len(classes))
    has_images = is_class.any(axis=0)
    if has_images.sum() < 2:
        raise ValueError(
            "a ROC curve compares the images of a class with the others, but all images are of "
            f"the class {listed(classes[has_images].tolist())}"
        )
    fpr, tpr = [np.full(2, np.nan)] * len(classes), [np.full(2, np.nan)] * len(classes)
    roc_auc = np.full(len(classes), np.nan)
    for number in np.flatnonzero(has_images):
        fpr[number], tpr[number], _ = roc_curve(
            is_class[:, number], proba[:, number], sample_weight=sample_weight
        )
        roc_auc[number] = auc(fpr[number], tpr[number])
    pair_weight = None if sample_weight is None else np.repeat(sample_weight, has_images.sum())
    micro = roc_curve(
        is_class[:, has_images].ravel(), proba[:, has_images].ravel(), sample_weight=pair_weight
    )
    macro = mean_curve(
        [fpr[number] for number in np.flatnonzero(has_images)],
        [tpr[number] for number in np.flatnonzero(has_images)],
    )
    return {
        "classes": classes,
        "fpr": fpr,
        "tpr": tpr,
        "roc_auc": roc_auc,
        "micro": _with_area(micro[0], micro[1]),
        "macro": _with_area(*macro),
    }


def mean_curve(
    fpr: list[NDArray], tpr: list[NDArray]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the true positive rates of several curves at each false positive rate.

    Parameters
    ----------
    fpr, tpr : list of arrays of shape (n_thresholds,)
        Curves, from (0, 0) to (1, 1).

    Returns
    -------
    fpr, tpr : float64 array of shape (n_points,)
        Mean curve. Where curves are vertical, it is too, so that its area is the mean of the areas.
    """
    rates = np.unique(np.concatenate(fpr))
    curves = list(zip(fpr, tpr, strict=True))
    # Of several points at one rate, np.interp takes the last.
    lowest = np.mean([np.interp(-rates, -x[::-1], y[::-1]) for x, y in curves], axis=0)
    highest = np.mean([np.interp(rates, x, y) for x, y in curves], axis=0)
    return np.repeat(rates, 2), np.stack([lowest, highest], axis=1).ravel()


def warn_about_missing(curves: dict[str, Any]) -> None:
    """Warn about classes without a curve, in a class method of the display."""
    missing = curves["classes"][np.isnan(curves["roc_auc"])].tolist()
    if missing:
        warnings.warn(
            f"no image is of the class {listed(missing)}: it has no curve, and the averages leave "
            "it out",
            UserWarning,
            stacklevel=3,
        )


def check_weights(sample_weight: Any, y: Any) -> NDArray[np.floating] | None:
    """Validate the weights of images.

    Parameters
    ----------
    sample_weight : array-like of shape (n_images,) or None
        Weights.
    y : array-like of shape (n_images,)
        Labels of the images.

    Returns
    -------
    sample_weight : float array of shape (n_images,) or None
        Weights.

    Raises
    ------
    ValueError
        If there is not one finite weight for each image, or one is negative.
    """
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight, np.empty((_num_samples(y), 1)), ensure_non_negative=True
    )


def _with_area(fpr, tpr):
    return {"fpr": fpr, "tpr": tpr, "roc_auc": auc(fpr, tpr)}
