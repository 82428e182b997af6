"""find_label_issues: labels that disagree with out-of-fold predictions."""

from __future__ import annotations

from collections import Counter
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.utils import Bunch
from sklearn.utils._param_validation import HasMethods, validate_params

from skcnn._plotting import import_pandas
from skcnn.quality._confident_learning import confident_joint, find_wrong_labels, label_quality
from skcnn.quality._labels import check_labels


@validate_params(
    {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def find_label_issues(
    estimator: Any, X: Any, y: Any, *, cv: Any = 5, n_jobs: int | None = None
) -> Bunch:
    """Find labels that are probably wrong, with a classifier that did not see them in training.

    The classifier is trained on all folds but one, and predicts the probabilities for this fold.
    Confident learning [1]_ estimates from these how many labels of each class are wrong, and which.
    Nothing is changed or removed: look at the images before you do.

    Parameters
    ----------
    estimator : classifier, Pipeline or search
        Classifier with `predict_proba`. It is cloned, and not fitted itself. The better it is, the
        more wrong labels are found.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form that `estimator` takes.
    y : array-like of shape (n_images,)
        Labels.
    cv : int, cross-validation generator or iterable, default=5
        Folds, as in `sklearn.model_selection.cross_val_predict`. Each image must be in one test
        fold. If photos of the same thing or near duplicates are in different folds, their wrong
        labels confirm each other: use `sklearn.model_selection.GroupKFold` with ``split(X, y,
        groups)``.
    n_jobs : int or None, default=None
        Number of folds that are computed in parallel, as in `cross_val_predict`.

    Returns
    -------
    found : Bunch
        Dictionary-like object with the following attributes.

        issues : pandas.DataFrame of shape (n_issues, 4)
            Labels that are probably wrong, the most certain ones first. "index" is the row in `X`,
            "label" the given label, "suggested" the class with the largest probability, and
            "quality" the item of `quality`.
        quality : float array of shape (n_images,)
            Probability that the given label is right, by which all images can be ranked.
        is_issue : bool array of shape (n_images,)
            Whether the label is probably wrong.
        proba : float array of shape (n_images, n_classes)
            Out-of-fold probabilities.
        classes : array of shape (n_classes,)
            Classes, in the order of the columns of `proba`.
        joint : pandas.DataFrame of shape (n_classes, n_classes)
            Estimated probability of each given label (index) together with each true label
            (columns). The sum of the values off the diagonal is the estimated share of wrong
            labels.

    Raises
    ------
    ImportError
        If pandas is not installed.
    TypeError
        If `estimator` is not a classifier.
    ValueError
        If a label is missing, there is one class only, or a class has fewer images than folds.

    See Also
    --------
    check_images : Find what is wrong with the images and their files.

    Notes
    -----
    `is_issue` is "prune by noise rate" in the terms of the paper. With the same probabilities it
    selects the labels that ``cleanlab.filter.find_label_issues`` selects, except for a few because
    of rounding (0 to 6 of 950). cleanlab is not used, because its license is the AGPL.

    `quality` differs from the self-confidence of the paper, which is the probability of the given
    label alone. If labels of two classes are often exchanged, a contradiction of these classes is
    stronger evidence than one of other classes. The probabilities of the exchanges are estimated
    from the joint distribution by ten steps of expectation-maximization.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident Learning: Estimating Uncertainty
       in Dataset Labels", Journal of Artificial Intelligence Research 70 (2021).
       https://arxiv.org/abs/1911.00068

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcnn.quality import find_label_issues
    >>> X, y = load_digits(return_X_y=True)
    >>> y[:600:30] = (y[:600:30] + 1) % 10  # wrong labels
    >>> found = find_label_issues(LogisticRegression(max_iter=100), X[:600] / 16, y[:600])
    >>> bool(found.is_issue[:600:30].mean() > 0.8)
    True
    >>> found.issues.columns.tolist()
    ['index', 'label', 'suggested', 'quality']
    """
    pandas = import_pandas()
    if not is_classifier(estimator):
        raise TypeError(
            f"find_label_issues takes a classifier, but {type(estimator).__name__} is not one"
        )
    y, splitter = _check_labels_and_folds(X, y, cv)
    proba = cross_val_predict(estimator, X, y, cv=splitter, method="predict_proba", n_jobs=n_jobs)
    classes, labels = np.unique(y, return_inverse=True)
    joint = confident_joint(labels, proba)
    is_issue = find_wrong_labels(labels, proba, joint)
    quality = label_quality(labels, proba, joint)
    rows = np.flatnonzero(is_issue)
    rows = rows[np.argsort(quality[rows], kind="stable")]
    issues = pandas.DataFrame(
        {
            "index": rows,
            "label": y[rows],
            "suggested": classes[proba[rows].argmax(axis=1)],
            "quality": quality[rows],
        }
    )
    index = pandas.Index(classes, name="given")
    return Bunch(
        issues=issues,
        quality=quality,
        is_issue=is_issue,
        proba=proba,
        classes=classes,
        joint=pandas.DataFrame(joint, index, index.rename("true")),
    )


def _check_labels_and_folds(X, y, cv):
    """Return validated labels as an array, and the object that splits them into folds."""
    labels = check_labels(y, "y")
    if labels is None:
        raise ValueError("y is None: find_label_issues needs the labels, one for each image")
    n_images = X.shape[0] if hasattr(X, "shape") else len(X)
    if len(labels) != n_images:
        raise ValueError(
            f"y has {len(labels)} labels, but X has {n_images} images: pass one label for each"
        )
    if None in labels:
        raise ValueError(
            f"the label in row {labels.index(None)} of y is missing: remove the images without a "
            "label from X and y"
        )
    counts = Counter(labels)
    if len(counts) < 2:
        raise ValueError(f"y has one class, {labels[0]!r}, but at least two are needed")
    y = np.asarray(y)
    splitter = check_cv(cv, y, classifier=True)
    rarest = min(counts, key=lambda label: counts[label])
    if isinstance(cv, Integral) and counts[rarest] < cv:
        raise ValueError(
            f"class {rarest!r} has {counts[rarest]} images, fewer than cv={cv} folds: use fewer "
            "folds, or leave the class out"
        )
    return y, splitter
