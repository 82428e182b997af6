"""The predictions of a classifier for labeled images, validated once for all metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skcnn.pipeline_graph import pipeline_steps

_SUM_TOLERANCE = 1e-3  # of the probabilities of an image, which may be float16
_NO_PROBABILITIES = (
    "probabilities must be numbers from 0 to 1, which sum to 1 for each image, as predict_proba "
    "returns them"
)


@dataclass(frozen=True)
class Predictions:
    """True and predicted classes of images, and the probabilities.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        Labels of the classes.
    true : int array of shape (n_images,)
        Index of the true class of each image in `classes`.
    predicted : int array of shape (n_images,)
        Index of the predicted class.
    proba : float array of shape (n_images, n_classes)
        Probability of each class, in the order of `classes`.
    """

    classes: NDArray
    true: NDArray[np.intp]
    predicted: NDArray[np.intp]
    proba: NDArray[np.floating]

    @classmethod
    def of_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        proba: Any = None,
        caller: str,
        name: str = "y",
    ) -> Predictions:
        """Predict images with a fitted classifier, unless the probabilities are known.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier with `predict_proba`, or pipeline or search that ends in one.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images, in any form that the classifier takes.
        y : array-like of shape (n_images,)
            True labels.
        proba : array-like of shape (n_images, n_classes), default=None
            Return value of `predict_proba` for `X`, if it is known. The most probable class is then
            the predicted one. None calls `predict_proba`.
        caller : str
            Name of the function or class in messages.
        name : str, default="y"
            Name of `y` in messages.

        Returns
        -------
        predictions : Predictions
            The predictions.

        Raises
        ------
        TypeError
            If the estimator is not a classifier, or has no `predict_proba`.
        ValueError
            If `y` is not one known label for each image.
        """
        estimator_name = check_classifier(estimator, caller)
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                f"{caller} needs probabilities, but {estimator_name} has no predict_proba: wrap it "
                "in sklearn.calibration.CalibratedClassifierCV"
            )
        y = _check_labels(y, name)
        check_consistent_length(X, y)
        classes = np.asarray(estimator.classes_)
        true = _encode(y, classes, name)
        is_known = proba is not None
        proba = proba if is_known else estimator.predict_proba(X)
        proba = _check_proba(proba, len(y), len(classes))
        # a network predicts the most probable class
        if is_known or hasattr(pipeline_steps(estimator)[-1][1], "net_"):
            predicted = proba.argmax(axis=1)
        else:
            predicted = _encode(np.asarray(estimator.predict(X)), classes, "the prediction")
        return cls(classes, true, predicted, proba)

    @classmethod
    def of_arrays(
        cls, y_true: Any, y_proba: Any, *, labels: Any = None, y_pred: Any = None
    ) -> Predictions:
        """Validate predictions that were computed before.

        Parameters
        ----------
        y_true : array-like of shape (n_images,)
            True labels.
        y_proba : array-like of shape (n_images, n_classes)
            Probability of each class.
        labels : array-like of shape (n_classes,), default=None
            Label of each column of `y_proba`. None takes the sorted labels of `y_true`.
        y_pred : array-like of shape (n_images,), default=None
            Predicted labels. None takes the most probable class.

        Returns
        -------
        predictions : Predictions
            The predictions.

        Raises
        ------
        ValueError
            If the arrays do not fit together, or `y_proba` does not hold probabilities.
        """
        y_true = _check_labels(y_true, "y_true")
        shape = np.shape(y_proba)
        if len(shape) != 2:
            raise ValueError(
                f"y_proba has shape {shape}, but must be of shape (n_images, n_classes), as "
                "predict_proba returns it"
            )
        classes = np.unique(y_true) if labels is None else column_or_1d(labels)
        if len(set(classes.tolist())) < len(classes):
            raise ValueError(f"labels holds a class twice: {classes.tolist()}")
        if len(classes) != shape[1]:
            given = "y_true has" if labels is None else "labels has"
            raise ValueError(
                f"y_proba has {shape[1]} columns, but {given} {len(classes)} classes: pass the "
                "class of each column as labels, which is estimator.classes_"
            )
        true = _encode(y_true, classes, "y_true")
        proba = _check_proba(y_proba, len(y_true), len(classes))
        if y_pred is None:
            return cls(classes, true, proba.argmax(axis=1), proba)
        y_pred = column_or_1d(y_pred)
        check_consistent_length(y_true, y_pred)
        return cls(classes, true, _encode(y_pred, classes, "y_pred"), proba)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Number of images of each class."""
        return np.bincount(self.true, minlength=len(self.classes))

    @property
    def confusion(self) -> NDArray[np.intp]:
        """Number of images by true (rows) and predicted class."""
        n_classes = len(self.classes)
        pairs = self.true * n_classes + self.predicted
        return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def check_classifier(estimator: Any, caller: str) -> str:
    """Raise an error unless an estimator is a fitted classifier, and return its name."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(f"{caller} takes a fitted classifier, got {estimator!r}")
    name = type(estimator).__name__
    if not is_classifier(estimator):
        raise TypeError(
            f"{caller} takes classifiers, but {name} is not one: for a regressor, use "
            "sklearn.metrics and sklearn.metrics.PredictionErrorDisplay"
        )
    check_is_fitted(estimator)
    pipeline_steps(estimator)  # raises an error about a search without a best estimator
    return name


def listed(labels: list, limit: int = 5) -> str:
    """Return labels as text for a message: the first ones, and how many others there are."""
    shown = ", ".join(map(repr, labels[:limit]))
    n_others = len(labels) - limit
    return shown if n_others <= 0 else f"{shown} and {n_others} other{'s' if n_others > 1 else ''}"


def _check_labels(y, name):
    if y is None:
        raise ValueError(f"{name} is None, but the true labels are needed: pass {name}")
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        raise ValueError(
            f"{name} has shape {np.shape(y)}, but must hold one label for each image: indicators "
            "of several labels are not supported"
        )
    y = column_or_1d(y)
    if not len(y):
        raise ValueError(f"{name} has no labels: pass at least one image")
    return y


def _encode(y, classes, name):
    """Return the index of each label in `classes`."""
    index = {label: number for number, label in enumerate(classes.tolist())}
    codes = np.array([index.get(label, -1) for label in y.tolist()], dtype=np.intp)
    if (codes < 0).any():
        unknown = list(dict.fromkeys(y[codes < 0].tolist()))
        raise ValueError(
            f"{name} contains {listed(unknown)}, but the classes are {listed(classes.tolist())}"
        )
    return codes


def check_probabilities(proba: Any) -> NDArray[np.floating]:
    """Return probabilities as an array of floats, or raise an error if they are something else.

    Parameters
    ----------
    proba : array-like
        Probabilities.

    Returns
    -------
    proba : float32 or float64 array
        Probabilities.

    Raises
    ------
    ValueError
        If they are not numbers from 0 to 1.
    """
    proba = np.asarray(proba)
    if proba.dtype.kind not in "buif":
        raise ValueError(f"{_NO_PROBABILITIES}, but they are of dtype {proba.dtype}")
    if proba.dtype not in (np.float32, np.float64):
        proba = proba.astype(np.float64)
    if not ((proba >= 0) & (proba <= 1 + _SUM_TOLERANCE)).all():
        raise ValueError(f"{_NO_PROBABILITIES}, but they are from {proba.min()} to {proba.max()}")
    return proba


def _check_proba(proba, n_images, n_classes):
    proba = check_probabilities(proba)
    if proba.shape != (n_images, n_classes):
        raise ValueError(
            f"the probabilities have shape {proba.shape}, but there are {n_images} labels and "
            f"{n_classes} classes"
        )
    sums = proba.sum(axis=1)
    if (abs(sums - 1) > _SUM_TOLERANCE).any():
        raise ValueError(
            f"{_NO_PROBABILITIES}, but the sums over the classes are from {sums.min()} to "
            f"{sums.max()}"
        )
    return proba


def classifier_name(estimator: Any) -> str:
    """Return the class of a classifier, or of the last step of a pipeline."""
    return type(pipeline_steps(estimator)[-1][1]).__name__
