"""Issues of labels and classes: missing labels, rare and empty classes, images unlike a class."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.quality._image_set import ImageSet
from skcnn.quality._issues import NAMES, Issue
from skcnn.quality._scan import Scan

_MIN_IMAGES = 20  # of a class whose quartiles mean something
_LEAST_RANGE = 0.03  # of a feature, so that tiny differences between equal images do not count


def check_labels(y: Any, name: str) -> list[Any] | None:
    """Return labels as a list, or raise an error.

    Parameters
    ----------
    y : array-like of shape (n_images,) or None
        Labels; None, NaN and NA are missing ones.
    name : str
        Name of the argument.

    Returns
    -------
    labels : list or None
        Labels, None where one is missing.

    Raises
    ------
    ValueError
        If they are not one label for each image.
    """
    if y is None:
        return None
    values = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if values.ndim != 1 or values.dtype.kind == "V":  # fields
        raise ValueError(
            f"{name} has shape {values.shape} and dtype {values.dtype}: pass one label for each "
            "image, of shape (n_images,)"
        )
    labels = [None if _is_missing(label) else label for label in values.tolist()]
    known = [label for label in labels if label is not None]
    fractions = [label for label in known if isinstance(label, float) and label % 1]
    if fractions:
        raise ValueError(
            f"{name} holds numbers such as {fractions[0]!r}, which are not labels of classes: "
            f"leave {name} out for regression"
        )
    return labels


def _is_missing(label):
    return label is None or label != label or type(label).__name__ == "NAType"


def class_issues(sets: list[ImageSet], rare_class: int) -> tuple[list[Issue], list[Counter]]:
    """Return missing labels, and rare and empty classes.

    Parameters
    ----------
    sets : list of ImageSet
        Sets.
    rare_class : int
        Classes of fewer images are rare.

    Returns
    -------
    issues : list of Issue
        Issues.
    counts : list of Counter
        Number of images of each class, by set.
    """
    counts = [
        Counter(label for label in images.labels or [] if label is not None) for images in sets
    ]
    known = list(dict.fromkeys(label for count in counts for label in count))
    issues = []
    for number, (images, count) in enumerate(zip(sets, counts, strict=True)):
        if images.labels is None:
            continue
        issues += [
            Issue(number, row, "no_label", detail="the label is missing")
            for row, label in enumerate(images.labels)
            if label is None
        ]
        for label in [*known, *(name for name in images.empty if name not in known)]:
            n_images = count[label]
            text = f"class {label!r} has {n_images} {NAMES[number]} images"
            if not n_images:
                issues.append(Issue(number, None, "empty_class", 0, np.nan, text, label=label))
            elif n_images < rare_class:
                found = Issue(number, None, "rare_class", n_images, rare_class, text, label=label)
                issues.append(found)
    return issues, counts


def unlike_class_issues(scans: list[Scan], sets: list[ImageSet], factor: float) -> list[Issue]:
    """Return images whose colors and contrasts are unlike those of all others of their class.

    Parameters
    ----------
    scans : list of Scan
        Statistics.
    sets : list of ImageSet
        Sets.
    factor : float
        Number of interquartile ranges above the upper quartile from which a distance is far.

    Returns
    -------
    issues : list of Issue
        Issues, of classes of at least 20 images.
    """
    issues = []
    for number, (scan, images) in enumerate(zip(scans, sets, strict=True)):
        if images.labels is None:
            continue
        usable = scan.facts["readable"] & ~scan.facts["constant"]
        rows_of: dict[Any, list[int]] = {}
        for row in np.flatnonzero(usable).tolist():
            if images.labels[row] is not None:
                rows_of.setdefault(images.labels[row], []).append(row)
        for label, rows in rows_of.items():
            if len(rows) < _MIN_IMAGES:
                continue
            ratio = unlikeness(scan.facts[rows])
            text = f"unlike the other images of class {label!r}"
            issues += [
                Issue(number, rows[one], "unlike_class", float(ratio[one]), factor, text)
                for one in np.flatnonzero(ratio > factor).tolist()
            ]
    return issues


def unlikeness(facts: NDArray) -> NDArray[np.floating]:
    """Return how unusual the distance of each image from the median of all images is.

    The features are the mean color, the contrast between the parts of the image and the statistics
    of the gray levels, each in units of its interquartile range.

    Parameters
    ----------
    facts : array of shape (n_images,) of dtype `FACTS`
        Statistics.

    Returns
    -------
    ratio : float array of shape (n_images,)
        Distance above the upper quartile of all distances, divided by their interquartile range.
    """
    parts = facts["thumbnail"].reshape(len(facts), -1, 3) / 255
    columns = [parts.mean(axis=1), parts.std(axis=1).mean(axis=1)]
    columns += [facts[name] for name in ("spread", "dark_end", "light_end", "blur")]
    features = np.column_stack([*columns, facts["entropy"] / 8])  # all from 0 to 1
    low, middle, high = np.quantile(features, [0.25, 0.5, 0.75], axis=0)
    scaled = (features - middle) / np.maximum(high - low, _LEAST_RANGE)
    distances = np.sqrt(np.square(scaled).mean(axis=1))
    low, high = np.quantile(distances, [0.25, 0.75])
    return (distances - high) / max(high - low, _LEAST_RANGE)
