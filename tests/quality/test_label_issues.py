"""find_label_issues: planted errors, confident learning by hand, and bad input."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.svm import LinearSVC

from skcnn.quality import find_label_issues
from skcnn.quality._confident_learning import confident_joint, find_wrong_labels, label_quality

RNG = np.random.default_rng(0)
MODEL = LogisticRegression(C=0.5, max_iter=200)


@pytest.fixture(scope="module")
def planted():
    """Return images, labels with 5 % of wrong ones, and which are wrong."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:800] / 16, y[:800]
    wrong = np.zeros(800, bool)
    wrong[np.random.default_rng(0).permutation(800)[:40]] = True
    return X, np.where(wrong, (y + 3) % 10, y), wrong


@pytest.mark.parametrize("names", [None, np.array([f"digit {n}" for n in range(10)])])
def test_planted_errors_are_found(planted, names):
    X, y, wrong = planted
    y = y if names is None else names[y]
    found = find_label_issues(MODEL, X, y)
    assert average_precision_score(wrong, -found.quality) > 0.8
    assert found.is_issue[wrong].mean() > 0.75
    assert found.is_issue[~wrong].mean() < 0.05
    issues = found.issues
    assert set(issues["index"]) == set(np.flatnonzero(found.is_issue))
    assert issues["quality"].is_monotonic_increasing
    assert (issues["label"] == y[issues["index"]]).all()
    assert (issues["label"] != issues["suggested"]).all()
    assert found.joint.to_numpy().sum() == pytest.approx(1)
    assert np.trace(found.joint) == pytest.approx(0.95, abs=0.03)


def test_probabilities_are_out_of_fold(planted):
    X, y, _ = planted
    cv = KFold(3, shuffle=True, random_state=0)
    found = find_label_issues(MODEL, X[:300], y[:300], cv=cv)
    proba = cross_val_predict(MODEL, X[:300], y[:300], cv=cv, method="predict_proba")
    np.testing.assert_array_equal(found.proba, proba)
    assert not hasattr(MODEL, "classes_")


def naive_joint(labels, proba):
    """Return the joint distribution, sample by sample as in the paper."""
    n_classes = proba.shape[1]
    thresholds = [proba[labels == k, k].mean() for k in range(n_classes)]
    counts = np.zeros((n_classes, n_classes))
    for label, p in zip(labels, proba, strict=True):
        likely = [k for k in range(n_classes) if p[k] >= thresholds[k]]
        if likely:
            counts[label, max(likely, key=lambda k: p[k])] += 1
    for k in range(n_classes):
        counts[k] *= (labels == k).sum() / counts[k].sum()
    return counts / len(labels)


def random_case(n_samples=200, n_classes=4):
    labels = RNG.integers(0, n_classes, n_samples)
    logits = RNG.normal(size=(n_samples, n_classes))
    logits[np.arange(n_samples), labels] += 2
    proba = np.exp(logits)
    return labels, proba / proba.sum(axis=1, keepdims=True)


def test_confident_joint_against_a_loop():
    labels, proba = random_case()
    np.testing.assert_allclose(confident_joint(labels, proba), naive_joint(labels, proba))


def test_find_wrong_labels_against_a_loop():
    labels, proba = random_case()
    joint = confident_joint(labels, proba)
    expected = set()
    for i in range(4):
        for j in set(range(4)) - {i}:
            rows = sorted(np.flatnonzero(labels == i), key=lambda r: proba[r, i] - proba[r, j])
            expected.update(rows[: round(200 * joint[i, j])])
    expected = {row for row in expected if proba[row].argmax() != labels[row]}
    assert set(np.flatnonzero(find_wrong_labels(labels, proba, joint))) == expected
    assert expected


def test_label_quality_against_a_loop():
    labels, proba = random_case()
    joint = confident_joint(labels, proba)
    for _ in range(11):
        quality, new = [], np.zeros((4, 4))
        for label, p in zip(labels, proba, strict=True):
            truth = np.array([p[k] * joint[label, k] / joint[:, k].sum() for k in range(4)])
            truth /= truth.sum()
            quality.append(truth[label])
            new[label] += truth / len(labels)
        joint = new
    found = label_quality(labels, proba, confident_joint(labels, proba))
    np.testing.assert_allclose(found, quality, rtol=1e-5)


def test_label_quality_ranks_exchanged_classes_first():
    """If two classes are often exchanged, their contradictions are ranked before others."""
    truth = RNG.integers(0, 5, 2000)
    logits = RNG.normal(size=(2000, 5))
    logits[np.arange(2000), truth] += 1.5
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = (truth < 2) & (RNG.random(2000) < 0.3)
    labels = np.where(wrong, 1 - truth, truth)
    quality = label_quality(labels, proba, confident_joint(labels, proba))
    own = proba[np.arange(2000), labels]
    assert average_precision_score(wrong, -quality) > average_precision_score(wrong, -own) + 0.05


def test_probabilities_of_zero_and_one():
    labels = np.array([0, 0, 1, 1, 1, 0])
    proba = np.eye(2)[[0, 0, 1, 1, 0, 0]]
    quality = label_quality(labels, proba, confident_joint(labels, proba))
    assert np.isfinite(quality).all()
    assert quality.argmin() == 4


def test_class_without_confident_samples():
    labels = np.array([0, 0, 1, 1])
    proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [1.0, 0.0]])
    joint = confident_joint(labels, proba)
    assert np.isfinite(joint).all()
    assert joint.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("estimator", "y", "options", "error", "message"),
    [
        (LinearRegression(), [0, 1] * 10, {}, ValueError, "predict_proba"),
        (LinearSVC(), [0, 1] * 10, {}, ValueError, "predict_proba"),
        (MODEL, [0, 1] * 9, {}, ValueError, "y has 18 labels, but X has 20 images"),
        (MODEL, [0, None] * 10, {}, ValueError, "label in row 1 of y is missing"),
        (MODEL, [0] * 20, {}, ValueError, "y has one class, 0"),
        (MODEL, [0] * 17 + [1] * 3, {}, ValueError, "class 1 has 3 images, fewer than cv=5"),
        (MODEL, None, {}, ValueError, "y is None"),
        (MODEL, np.linspace(0, 1, 20), {}, ValueError, "not labels of classes"),
        (MODEL, [0, 1] * 10, {"cv": "x"}, ValueError, "cv"),
    ],
)
def test_errors(estimator, y, options, error, message):
    with pytest.raises(error, match=message):
        find_label_issues(estimator, np.zeros((20, 4)), y, **options)
