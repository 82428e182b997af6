"""The predictions that PredictionGridDisplay selects from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from skcnn.inspection._predictions import check_probabilities
from skcnn.inspection._selection import (
    Selection,
    largest_errors,
    least_confident,
    most_confused,
    random_rows,
    wrong,
)
from skcnn.pipeline_graph import pipeline_steps


@dataclass(frozen=True)
class GridPredictions:
    """Predictions of images, and what is known about them.

    Parameters
    ----------
    predicted : array of shape (n_images,)
        Predicted labels or numbers.
    true : array of shape (n_images,) or None
        True labels or numbers.
    probability : float array of shape (n_images,) or None
        Probability of the predicted class.
    classes : list or None
        Labels of the classes in their order, None if numbers are predicted.
    """

    predicted: np.ndarray
    true: np.ndarray | None
    probability: np.ndarray | None
    classes: list | None

    @classmethod
    def of_estimator(cls, estimator: Any, X: Any, y: Any) -> GridPredictions:
        """Predict images.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier or regressor.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images.
        y : array of shape (n_images,) or None
            True labels or numbers.

        Returns
        -------
        predictions : GridPredictions
            The predictions. Networks of this package predict once, for labels and probabilities.
        """
        final = pipeline_steps(estimator)[-1][1]
        if is_regressor(estimator):
            return cls(one_per_image(estimator.predict(X), "the prediction"), y, None, None)
        classes, proba = getattr(estimator, "classes_", None), None
        if isinstance(classes, np.ndarray) and hasattr(estimator, "predict_proba"):
            proba = check_probabilities(estimator.predict_proba(X))
        is_network = hasattr(final, "net_") and final.target_type_ == "multiclass"
        if is_network and proba is not None:
            predicted = np.asarray(classes)[proba.argmax(axis=1)]  # as predict does
        else:
            predicted = one_per_image(estimator.predict(X), "the prediction")
        return cls._of_classes(predicted, y, proba, classes)

    @classmethod
    def of_arrays(cls, y_true: Any, y_pred: Any, y_proba: Any, labels: Any) -> GridPredictions:
        """Validate predictions that were computed before.

        Parameters
        ----------
        y_true : array-like of shape (n_images,) or None
            True labels or numbers.
        y_pred : array-like of shape (n_images,)
            Predicted labels or numbers.
        y_proba : array-like of shape (n_images, n_classes) or (n_images,), or None
            Probability of each class, or of the predicted class.
        labels : array-like of shape (n_classes,) or None
            Labels in the order of the columns of `y_proba`.

        Returns
        -------
        predictions : GridPredictions
            The predictions.
        """
        predicted = one_per_image(y_pred, "y_pred")
        true = None if y_true is None else one_per_image(y_true, "y_true", len(predicted))
        given = [predicted] if true is None else [predicted, true]
        if any(len(y) and type_of_target(y) == "continuous" for y in given):
            if y_proba is not None:
                raise ValueError("y_proba is given, but y_true or y_pred holds numbers: omit it")
            if true is not None:
                check_truth(true, "y_true", None)
            return cls(predicted, true, None, None)
        if y_proba is not None:
            y_proba = check_probabilities(y_proba)
            if y_proba.ndim not in (1, 2) or len(y_proba) != len(predicted):
                raise ValueError(
                    f"y_proba has shape {y_proba.shape} for {len(predicted)} images, but must be "
                    "of shape (n_images, n_classes) or (n_images,)"
                )
        return cls._of_classes(predicted, true, y_proba, labels)

    @classmethod
    def _of_classes(cls, predicted, true, proba, labels):
        occurring = unique_labels(predicted)
        if true is not None:
            check_truth(true, "y_true", occurring)
            occurring = unique_labels(predicted, true)
        classes = occurring.tolist() if labels is None else np.asarray(labels).tolist()
        if true is not None and labels is not None:
            check_truth(true, "y_true", classes)
        if proba is not None and proba.ndim == 2:
            proba = _of_predicted(proba, predicted, classes)
        unknown = [label for label in occurring.tolist() if label not in set(classes)]
        return cls(predicted, true, proba, classes + unknown)

    def is_wrong(self) -> np.ndarray | None:
        """Return whether each class is wrong, None for numbers or without true labels."""
        if self.true is None or self.classes is None:
            return None
        return self._position(self.true) != self._position(self.predicted)

    def _position(self, labels):
        """Return the position of each label in the order of the classes."""
        position = {label: number for number, label in enumerate(self.classes)}
        return np.array([position[label] for label in labels.tolist()], dtype=np.intp)

    def select(self, select: str, n_images: int, random_state: Any) -> Selection:
        """Select predictions.

        Parameters
        ----------
        select : {"random", "wrong", "least_confident", "most_confused"}
            Kind of selection.
        n_images : int
            Maximum number of images.
        random_state : int, RandomState instance or None
            Source of randomness.

        Returns
        -------
        selection : Selection
            Rows and what they are.
        """
        if select == "random":
            return random_rows(len(self.predicted), n_images, random_state)
        if select == "least_confident":
            return least_confident(self.probability, n_images)
        if self.classes is None:
            errors = np.abs(np.asarray(self.true, float) - np.asarray(self.predicted, float))
            return largest_errors(errors, n_images)
        true, predicted = self._position(self.true), self._position(self.predicted)
        if select == "wrong":
            return wrong(true != predicted, self.probability, n_images, random_state)
        return most_confused(true, predicted, self.probability, n_images)

    def take(self, rows: np.ndarray) -> GridPredictions:
        """Return the predictions of some rows.

        Parameters
        ----------
        rows : int array of shape (n_rows,)
            Rows.

        Returns
        -------
        predictions : GridPredictions
            Their predictions.
        """
        true, probability = (None if y is None else y[rows] for y in (self.true, self.probability))
        return replace(self, predicted=self.predicted[rows], true=true, probability=probability)


def one_per_image(y: Any, name: str, n_images: int | None = None) -> np.ndarray:
    """Return labels or numbers as an array, or raise an error if there is not one for each image.

    Parameters
    ----------
    y : array-like of shape (n_images,)
        Labels or numbers.
    name : str
        Name in messages.
    n_images : int, default=None
        Number of images; None accepts any.

    Returns
    -------
    y : array of shape (n_images,)
        Labels or numbers.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name} has shape {y.shape}, but the grid shows one label or number for each image: "
            "pass one column of the true and of the predicted values to from_predictions"
        )
    if y.dtype.kind == "O" and len({type(value) for value in y}) == 1:
        y = np.array(y.tolist())  # of objects that are bools or ints
    if n_images is not None and len(y) != n_images:
        raise ValueError(f"{name} has {len(y)} values for {n_images} images")
    return y


def check_truth(y: np.ndarray, name: str, classes: Any) -> None:
    """Raise an error if true labels or numbers cannot be compared with predictions.

    Parameters
    ----------
    y : array of shape (n_images,)
        True labels or numbers.
    name : str
        Name in messages.
    classes : array-like of shape (n_classes,) or None
        Labels of the classes, None if numbers are predicted.

    Raises
    ------
    ValueError
        If `y` has labels of another type, is not numeric although numbers are predicted, or has
        missing values.
    """
    if classes is None:
        kinds = {np.asarray(value).dtype.kind for value in y.tolist()}  # there may be objects
        if not kinds <= set("buif") or np.isnan(y.astype(float)).any():
            raise ValueError(
                f"{name} must hold a number for each image, because numbers are predicted, but it "
                f"is of dtype {y.dtype}" + (" with NaN" if y.dtype.kind == "f" else "")
            )
        return
    try:
        unique_labels(y, classes)
    except TypeError as error:  # labels that have no order
        types = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(
            f"{name} holds labels of the types {', '.join(types)}: pass labels of one type, "
            "without missing ones"
        ) from error


def rows_of(X: Any, rows: np.ndarray) -> Any:
    """Return some images of a collection of any form."""
    return _safe_indexing(X, rows)


def check_predictor(estimator: Any) -> bool:
    """Return whether a fitted estimator predicts numbers.

    Parameters
    ----------
    estimator : estimator
        Estimator.

    Returns
    -------
    is_regression : bool
        Whether it is a regressor.

    Raises
    ------
    TypeError
        If it is neither a classifier nor a regressor.
    """
    check_is_fitted(estimator)
    pipeline_steps(estimator)  # raises an error about a search without a best estimator
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise TypeError(
            f"{type(estimator).__name__} is neither a classifier nor a regressor: there is no "
            "prediction to show"
        )
    return is_regressor(estimator)


def _of_predicted(proba, predicted, classes):
    """Return the probability of the predicted class."""
    if proba.shape[1] != len(classes):
        raise ValueError(
            f"y_proba has {proba.shape[1]} columns, but there are {len(classes)} labels: pass the "
            "labels in the order of the columns, such as labels=estimator.classes_"
        )
    column = {label: number for number, label in enumerate(classes)}
    missing = [label for label in predicted.tolist() if label not in column]
    if missing:
        raise ValueError(f"y_pred contains {missing[0]!r}, which is not in labels")
    return proba[np.arange(len(proba)), [column[label] for label in predicted.tolist()]]
