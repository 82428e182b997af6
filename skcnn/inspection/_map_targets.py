"""The outputs of a network that labels and columns stand for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def target_columns(estimator: Any, target: Any, n_images: int) -> NDArray[np.intp] | None:
    """Return the output of the network that each target stands for.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier or regressor.
    target : label, int, or array-like of shape (n_images,)
        Label of `classes_`, or column of the targets of a regressor; one for all images or one for
        each. None stands for the predicted class, or the first column.
    n_images : int
        Number of images.

    Returns
    -------
    columns : int array of shape (n_images,) or None
        Columns of the outputs. None for the predicted classes.

    Raises
    ------
    ValueError
        If there is another number of targets, or one of them is unknown.
    """
    labels = output_labels(estimator)
    if target is None:
        return None if hasattr(estimator, "classes_") else np.zeros(n_images, np.intp)
    if np.ndim(target) == 0:
        targets = [np.asarray(target).item()] * n_images
    else:
        targets = np.asarray(target, None if hasattr(target, "dtype") else object).tolist()
    if np.ndim(target) > 1 or len(targets) != n_images:
        raise ValueError(
            f"target has the shape {np.shape(target)}, but there are {n_images} images: give one "
            "target for all images, or one for each"
        )
    positions = {label: column for column, label in enumerate(labels)}
    unknown = [one for one in targets if not isinstance(one, Hashable) or one not in positions]
    if unknown:
        kind = "classes" if hasattr(estimator, "classes_") else "columns"
        raise ValueError(f"target={unknown[0]!r} is unknown: the {kind} are {_listed(labels)}")
    return np.array([positions[one] for one in targets], np.intp)


def output_labels(estimator: Any) -> list:
    """Return the labels of the outputs of a network: classes, or columns of the targets."""
    if hasattr(estimator, "classes_"):
        return estimator.classes_.tolist()
    return list(range(np.size(estimator.y_mean_)))


def _listed(labels):
    shown = ", ".join(map(repr, labels[:10]))
    return f"{shown}, ..." if len(labels) > 10 else shown
