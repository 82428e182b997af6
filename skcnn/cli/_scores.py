"""Scores of a classifier for labeled images."""

from __future__ import annotations

from typing import Any

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
}


def class_numbers(labels: Any, classes: Any) -> Any:
    """Return the number of the class of each label.

    Parameters
    ----------
    labels : str array of shape (n_images,)
        Labels, as text.
    classes : array of shape (n_classes,)
        Classes of a model, of any type.

    Returns
    -------
    numbers : int array of shape (n_images,)
        Indices in `classes`.

    Raises
    ------
    ValueError
        If a label is not a class of the model.
    """
    import numpy as np

    known = {str(name): number for number, name in enumerate(classes.tolist())}
    unknown = sorted(set(labels.tolist()) - known.keys())
    if unknown:
        raise ValueError(
            f"the images have the class {unknown[0]!r}, which the model does not know: its classes "
            f"are {', '.join(list(known)[:10])}{', ...' if len(known) > 10 else ''}"
        )
    return np.array([known[label] for label in labels.tolist()], dtype=np.intp)


def score(true: Any, predicted: Any, proba: Any) -> dict[str, float]:
    """Return scores.

    Parameters
    ----------
    true : int array of shape (n_images,)
        Number of the class of each image.
    predicted : int array of shape (n_images,)
        Number of the predicted class of each image.
    proba : array of shape (n_images, n_classes)
        Probabilities.

    Returns
    -------
    scores : dict of {str: float}
        Scores by the names of `NAMES`. The balanced accuracy is the mean over the classes that
        occur.
    """
    import numpy as np
    from sklearn.metrics import accuracy_score, log_loss, recall_score

    present = np.unique(true)
    balanced = recall_score(true, predicted, labels=present, average="macro", zero_division=0)
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "balanced_accuracy": float(balanced),
        "log_loss": float(log_loss(true, proba, labels=np.arange(proba.shape[1]))),
    }


def describe(scores: dict[str, float]) -> str:
    """Return scores as text on one line.

    Parameters
    ----------
    scores : dict of {str: float}
        Scores.

    Returns
    -------
    text : str
        Names and values.
    """
    return ", ".join(f"{text} {scores[name]:.4f}" for name, text in NAMES.items())
