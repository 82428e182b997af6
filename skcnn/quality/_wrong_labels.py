"""Issues of labels that a classifier contradicts."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from skcnn.quality._image_set import ImageSet
from skcnn.quality._issues import Issue
from skcnn.quality._kinds import NOT_KEPT
from skcnn.quality.label_issues import find_label_issues

_N_FOLDS = 5


def wrong_label_issues(
    estimator: Any, X: Any, images: ImageSet, issues: list[Issue]
) -> tuple[list[Issue], list[str]]:
    """Return issues of training labels that are probably wrong.

    Parameters
    ----------
    estimator : classifier
        Classifier for `find_label_issues`.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Training images, as `estimator` takes them.
    images : ImageSet
        The training set.
    issues : list of Issue
        Other issues. Images that cannot be used are left out.

    Returns
    -------
    issues : list of Issue
        Issues.
    notes : list of str
        A sentence about classes that are left out because they have too few images, or about the
        error of a classifier.
    """
    labels = images.labels or []
    unusable = {one.index for one in issues if one.set == 0 and one.kind in NOT_KEPT}
    usable = [row for row in range(len(labels)) if row not in unusable]
    counts = Counter(labels[row] for row in usable)
    rows = np.array([row for row in usable if counts[labels[row]] >= _N_FOLDS], dtype=int)
    few = [label for label, count in counts.items() if count < _N_FOLDS]
    notes = [f"wrong_label: not checked for classes of fewer than {_N_FOLDS} images"] if few else []
    if len(counts) - len(few) < 2:
        return [], ["wrong_label: not checked, because fewer than two classes have enough images"]
    try:
        found = find_label_issues(
            estimator, _safe_indexing(X, rows), np.array([labels[row] for row in rows]), cv=_N_FOLDS
        )
    except (TypeError, ValueError) as error:  # all other issues are still worth reporting
        warnings.warn(f"wrong labels were not looked for: {error}", stacklevel=4)
        return [], [f"wrong_label: not checked, because the classifier failed: {error}"]
    return [
        Issue(0, int(rows[one.index]), "wrong_label", one.quality, detail=f"like {one.suggested!r}")
        for one in found.issues.itertuples(index=False)
    ], notes
