"""Checks of the labels of a classifier, and warnings about labels that are probably a mistake."""

from __future__ import annotations

import warnings
from numbers import Real
from sys import float_info

import numpy as np
from sklearn.utils import check_array, column_or_1d, compute_class_weight
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skcnn._tensors import tensors_to_arrays
from skcnn.values import native

_MIN_ONE_HOT = 10  # images; in a smaller multilabel problem each may have one label by chance


def check_labels(y, name="y"):
    """Check labels, and convert them to an array.

    Parameters
    ----------
    y : array-like of shape (n_images,) or (n_images, n_labels)
        Labels, or indicators of labels.
    name : str, default="y"
        Name of the argument in error messages.

    Returns
    -------
    y : array of shape (n_images,) or (n_images, n_labels)
        Labels.
    multilabel : bool
        Whether they are indicators of labels.

    Raises
    ------
    ValueError
        If a label is missing, labels have different types, or a matrix contains other values than
        0 and 1.
    """
    y = check_array(
        _check_objects(tensors_to_arrays(y, name), name),
        ensure_2d=False,
        ensure_min_samples=0,
        dtype=None,
        input_name=name,
    )
    if y.dtype.kind == "V":
        raise ValueError(
            f"{name} has the dtype {y.dtype}, but labels are strings, integers or bools: select "
            "one field"
        )
    if y.ndim == 2 and y.shape[1] > 1:
        values = _unique(y, name)
        if not np.isin(values, (0, 1)).all():
            shown = ", ".join(repr(value) for value in values[:3].tolist())
            raise ValueError(
                f"{name} is a matrix of shape {y.shape} with the values {shown}"
                f"{', ...' if len(values) > 3 else ''}, but a matrix must indicate labels by 0 and "
                "1: pass 0 and 1, or one label per image as an array of shape (n_images,)"
            )
    check_classification_targets(y)
    y = native(y)
    return y, type_of_target(y) == "multilabel-indicator"


def check_classes(classes, y, multilabel):
    """Return the sorted labels for the first call of `fit` or `partial_fit`.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
        Argument of `partial_fit`. None uses the labels in `y`.
    y : array of shape (n_images,) or (n_images, n_labels)
        Checked labels.
    multilabel : bool
        Whether they are indicators of labels.

    Returns
    -------
    classes : array of shape (n_classes,)
        Sorted labels.

    Raises
    ------
    ValueError
        If `classes` is not one-dimensional or contains missing values.
    """
    if classes is None:
        return np.arange(y.shape[1]) if multilabel else _unique(y, "y")
    if not isinstance(classes, (list, tuple)) and np.ndim(classes) != 1:
        raise ValueError(
            f"classes must be a list of labels, or an array of shape (n_classes,), got {classes!r}"
        )
    classes = column_or_1d(_check_objects(classes, "classes"))
    classes = check_array(classes, ensure_2d=False, dtype=None, input_name="classes")
    return _unique(native(classes), "classes")


def warn_about_one_hot(indicators):
    """Warn if indicators of labels have exactly one label for every image.

    Parameters
    ----------
    indicators : array of shape (n_images, n_labels)
        Indicators of labels. Fewer than 10 images cause no warning.
    """
    if len(indicators) >= _MIN_ONE_HOT and (indicators.sum(axis=1) == 1).all():
        warnings.warn(
            "every row of y has exactly one 1, and y is used as indicators of labels that are "
            "independent of each other (multilabel): if each image has one class, pass single "
            "labels, numpy.argmax(y, axis=1)",
            stacklevel=2,
        )


def warn_about_single_class(label):
    """Warn that all training images have the same class.

    Parameters
    ----------
    label : object
        Label of the class.
    """
    warnings.warn(
        f"all training images (with a weight above 0) have the class {label!r}, which will be "
        "predicted for every image: pass images of at least two classes, or the labels of later "
        "images as classes of partial_fit",
        stacklevel=2,
    )


def class_weights(class_weight, classes, targets, sample_weight):
    """Compute the weight of each class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Parameter of the classifier.
    classes : array of shape (n_classes,)
        Labels.
    targets : int array of shape (n_images,)
        Index of the class of each image.
    sample_weight : float64 array of shape (n_images,) or None
        Weights of the images. Images of weight 0 are not counted.

    Returns
    -------
    weights : float64 array of shape (n_classes,)
        Weights. "balanced" gives a class without images the weight 1.

    Raises
    ------
    ValueError
        If the dict has a key that is not a label while a label has no key, or a weight that is
        negative or not finite.
    """
    weights = np.ones(len(classes))
    if class_weight is None:
        return weights
    if isinstance(class_weight, dict):
        _check_class_weight(class_weight, classes.tolist())
    if sample_weight is not None:
        targets, sample_weight = targets[sample_weight > 0], sample_weight[sample_weight > 0]
        sample_weight = sample_weight / sample_weight.max()  # the sum of weights may overflow
    # "balanced" does not define the weight of a class without images.
    weighted = np.unique(targets) if class_weight == "balanced" else np.arange(len(classes))
    weights[weighted] = compute_class_weight(
        class_weight, classes=classes[weighted], y=classes[targets], sample_weight=sample_weight
    )
    return weights


def _check_class_weight(class_weight, labels):
    """Raise an error if a weight is invalid, or belongs to an unknown label.

    As in scikit-learn, labels without images are accepted if every class has a weight.
    """
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= weight <= float_info.max):
            raise ValueError(
                "class_weight contains a weight that is negative, not finite or not a number: the "
                f"weight of {label!r} is {weight!r}"
            )
    unknown = [label for label in class_weight if label not in labels]
    missing = [label for label in labels if label not in class_weight]
    if unknown and missing:
        raise ValueError(
            f"class_weight has the keys {unknown}, which are not classes: valid keys are the "
            f"labels {labels}, and {missing} have no weight"
        )


def _check_objects(y, name):
    """Convert object arrays of numbers, and raise an error for missing labels and mixed types."""
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return y
    try:
        array = np.asarray(y)
    except (ValueError, OverflowError):  # ragged lists, which check_array reports
        return y
    if array.dtype.kind not in "OUS":
        return y
    # NumPy converts the numbers of a list with strings to strings.
    values = list(array.flat) if array.dtype == object or array.ndim != 1 else list(y)
    for value in values:
        if value is None or is_pandas_na(value) or (isinstance(value, Real) and value != value):
            raise ValueError(
                f"{name} contains {value}, a missing label: remove these images or give them labels"
            )
    types = sorted({type(value).__name__ for value in values if not isinstance(value, str)})
    if types and any(isinstance(value, str) for value in values):
        raise ValueError(
            f"{name} contains labels of different types, str and {', '.join(types)}: convert them "
            "to one type"
        )
    if array.dtype != object or not types:
        return y
    converted = np.array(array.tolist())
    if converted.dtype == object or converted.shape != array.shape:
        raise ValueError(
            f"{name} contains labels of type {', '.join(types)} that NumPy stores only as objects: "
            "use strings, or integers of at most 64 bits"
        )
    return converted


def _unique(y, name):
    """Return the sorted labels."""
    try:
        return np.unique(y)
    except TypeError as error:
        raise ValueError(f"{name} contains labels that cannot be sorted: {error}") from error
