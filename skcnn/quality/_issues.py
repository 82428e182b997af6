"""The issues that are found: one record each, and their frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcnn._plotting import import_pandas
from skcnn.quality._image_set import ImageSet
from skcnn.quality._kinds import KINDS

NAMES = ("train", "test")  # of the sets


@dataclass(frozen=True)
class Issue:
    """One issue of one image, file or class.

    Parameters
    ----------
    set : int
        0 for the training set, 1 for the test set.
    index : int or None
        Row of the image, None if the issue is not about an image that was passed.
    kind : str
        Kind of issue.
    value, threshold : float
        What was measured, and the limit; NaN if there is none.
    detail : str
        Sentence part about this issue.
    path, label : object, default=None
        Path or label of an issue without a row.
    """

    set: int
    index: int | None
    kind: str
    value: float = np.nan
    threshold: float = np.nan
    detail: str = ""
    path: Any = None
    label: Any = None


@dataclass(frozen=True)
class Findings:
    """All that `check_images` finds.

    Parameters
    ----------
    sets : list of ImageSet
        Training set, and test set if there is one.
    issues : list of Issue
        Issues.
    counts : list of Counter
        Number of images of each class, by set.
    duplicates : pandas.DataFrame
        Pairs of equal and almost equal images.
    notes : list of str
        Sentences about what most images have in common.
    """

    sets: list[ImageSet]
    issues: list[Issue]
    counts: list[Counter]
    duplicates: Any
    notes: list[str]


def issue_frame(issues: list[Issue], sets: list[ImageSet]) -> Any:
    """Return issues as a frame, sorted by kind, set and row.

    Parameters
    ----------
    issues : list of Issue
        Issues.
    sets : list of ImageSet
        Sets, which have the paths and the labels.

    Returns
    -------
    frame : pandas.DataFrame of shape (n_issues, 8)
        Columns "set", "index", "path", "label", "kind", "value", "threshold" and "detail".
    """
    pandas = import_pandas()
    order = {kind: position for position, kind in enumerate(KINDS)}
    issues = sorted(
        issues, key=lambda one: (order[one.kind], one.set, one.index is None, one.index or 0)
    )
    paths, labels = [], []
    for one in issues:
        images = sets[one.set]
        path, label = one.path, one.label
        if one.index is not None:
            path = images.paths[one.index] if images.paths else None
            label = images.labels[one.index] if images.labels else None
        paths.append(path)
        labels.append(label)
    return pandas.DataFrame(
        {
            "set": [NAMES[one.set] for one in issues],
            "index": pandas.array([one.index for one in issues], dtype="Int64"),
            "path": pandas.Series(paths, dtype=object),
            "label": pandas.Series(labels, dtype=object),
            "kind": [one.kind for one in issues],
            "value": np.array([one.value for one in issues], dtype=float),
            "threshold": np.array([one.threshold for one in issues], dtype=float),
            "detail": [one.detail for one in issues],
        }
    )
