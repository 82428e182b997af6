"""cleanlab finds wrong labels of digits, in every form of images that it can index."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from tests.ecosystem._digits import X, forms, pipeline
from tests.ecosystem._digits import y as y_true

pytest.importorskip("cleanlab")

from cleanlab.classification import CleanLearning
from cleanlab.filter import find_label_issues

RNG = np.random.default_rng(0)
WRONG = RNG.choice(len(y_true), 15, replace=False)
y = y_true.copy()
y[WRONG] = (y[WRONG] + RNG.integers(1, 10, 15)) % 10
INDEXABLE = [
    "gray images",
    "rows",
    "array of photos",
    "array of paths",
    "column of paths",
    "frame of paths",
    "series of paths",
    "lazy images",
]


def precision_and_recall(issues):
    hits = np.isin(issues, WRONG).sum()
    return hits / len(issues), hits / len(WRONG)


def test_find_label_issues():
    pipe = pipeline(channels=(16,), max_epochs=10)
    proba = cross_val_predict(pipe, X, y, cv=5, method="predict_proba")
    issues = find_label_issues(y, proba, return_indices_ranked_by="self_confidence")
    precision, recall = precision_and_recall(issues)
    assert precision >= 0.8
    assert recall >= 0.8
    assert np.isin(issues[:8], WRONG).all()  # the most suspicious first


def test_clean_learning():
    pipe = pipeline(channels=(16,), max_epochs=10)
    clean = CleanLearning(clf=pipe, seed=0)
    issues = clean.find_label_issues(X, y)
    clean.fit(X, y, label_issues=issues)
    suspicious = issues["is_label_issue"].to_numpy()
    _, recall = precision_and_recall(np.flatnonzero(suspicious))
    assert recall >= 0.8
    expected = clone(pipe).fit(X[~suspicious], y[~suspicious])
    np.testing.assert_array_equal(clean.predict_proba(X), expected.predict_proba(X))


def test_forms(tmp_path):
    found = {}
    for form, (estimator, images) in forms(tmp_path, X[:100]).items():
        clean = CleanLearning(clf=estimator, cv_n_folds=2, seed=0)
        if form in ("images", *INDEXABLE):
            found[form] = clean.find_label_issues(images, y[:100])
        elif form.startswith("list"):
            with pytest.raises(TypeError, match="list-based indexing"):
                clean.find_label_issues(images, y[:100])
    for form in INDEXABLE:
        pd.testing.assert_frame_equal(found[form], found["images"])
