"""classification_summary: values against scikit-learn, intervals, and their warnings."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skcnn import CNNClassifier, ImageFlattener
from skcnn.inspection import classification_summary, classification_summary_from_predictions
from skcnn.inspection._metrics import METRICS, weighted_metrics
from skcnn.inspection._predictions import Predictions


def predictions(n_classes=4, n_images=300, seed=0, dtype=np.float64):
    """Return labels, and probabilities that are rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n_images)
    logits = rng.normal(size=(n_images, n_classes))
    logits[np.arange(n_images), y] += 1.5
    proba = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2) + 1e-9
    return y, (proba / proba.sum(axis=1, keepdims=True)).astype(dtype)


def calibration_error(correct, confidence, weights, n_bins):
    """Expected calibration error of Guo et al. (2017), with a loop over the bins (low, high]."""
    edges = np.linspace(0, 1, n_bins + 1)
    error = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high) & (weights > 0)
        if inside.any():
            accuracy = np.average(correct[inside], weights=weights[inside])
            gap = accuracy - np.average(confidence[inside], weights=weights[inside])
            error += weights[inside].sum() / weights.sum() * abs(gap)
    return error


def expected_metrics(y, predicted, proba, weights, n_bins=15):
    """Compute all metrics with scikit-learn, over the classes that have images."""
    present = np.unique(y[weights > 0])
    averaged = {"labels": present, "average": "macro", "zero_division": 0, "sample_weight": weights}
    classes = np.arange(proba.shape[1])
    areas = [roc_auc_score(y == k, proba[:, k], sample_weight=weights) for k in present]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about classes that are predicted and have no images
        balanced = balanced_accuracy_score(y, predicted, sample_weight=weights)
    return [
        accuracy_score(y, predicted, sample_weight=weights),
        balanced,
        precision_score(y, predicted, **averaged),
        recall_score(y, predicted, **averaged),
        f1_score(y, predicted, **averaged),
        np.mean(areas),
        log_loss(y, y_proba=proba, labels=classes, sample_weight=weights),
        calibration_error(proba.argmax(axis=1) == y, proba.max(axis=1), weights, n_bins),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 4, 10])
def test_values_are_those_of_scikit_learn(n_classes, dtype):
    y, proba = predictions(n_classes, dtype=dtype)
    summary = classification_summary_from_predictions(y, proba, n_bootstraps=2)
    expected = expected_metrics(y, proba.argmax(axis=1), proba, np.ones(len(y)))
    assert_allclose(summary["value"], expected, rtol=1e-6)
    assert summary.index.tolist() == list(METRICS)
    if n_classes > 2:
        macro = roc_auc_score(y, proba, multi_class="ovr", average="macro")
    else:
        macro = roc_auc_score(y, proba[:, 1])
    assert summary.loc["roc_auc_ovr", "value"] == pytest.approx(macro)


def test_resamples_are_sample_weights():
    y, proba = predictions()
    y[:5] = 4  # a rare class that resamples may lack
    proba = np.column_stack([proba * 0.9, np.full(len(y), 0.1)])
    compute = weighted_metrics(Predictions.of_arrays(y, proba), 7)
    rng = np.random.default_rng(0)
    n_lacking = 0
    for repeat in range(20):
        drawn = rng.integers(5 * (repeat < 5), len(y), size=len(y))
        copies = np.bincount(drawn, minlength=len(y)).astype(float)
        n_lacking += not copies[:5].any()
        expected = expected_metrics(y, proba.argmax(axis=1), proba, copies, n_bins=7)
        assert_allclose(compute(copies), expected, rtol=1e-10)
    assert n_lacking >= 5


def test_probabilities_of_zero_have_a_finite_log_loss():
    y, proba = np.array([0, 0, 1, 1] * 5), np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]] * 5)
    summary = classification_summary_from_predictions(y, proba, n_bootstraps=5, random_state=0)
    assert summary.loc["log_loss", "value"] == pytest.approx(log_loss(y, y_proba=proba))
    assert np.isfinite(summary.to_numpy()).all()


# ------------------------------------------------------------------------------------------------
# Intervals


@pytest.mark.parametrize("n_correct", [300, 450, 490])
@pytest.mark.parametrize("confidence_level", [0.8, 0.95])
def test_interval_of_accuracy_is_near_the_exact_one(n_correct, confidence_level):
    y = np.arange(500) % 2
    predicted = np.where(np.arange(500) < n_correct, y, 1 - y)
    summary = classification_summary_from_predictions(
        y, np.eye(2)[predicted], confidence_level=confidence_level, random_state=0
    )
    exact = binomtest(n_correct, 500).proportion_ci(confidence_level)
    assert_allclose(summary.loc["accuracy", ["low", "high"]].tolist(), exact, atol=0.006)


def test_intervals_cover_the_true_values():
    """Of 100 test sets, about 95 intervals contain the values of a very large one."""
    y, proba = predictions(3, 100_000, seed=1)
    truth = classification_summary_from_predictions(y, proba, n_bootstraps=1)["value"]
    covered = np.zeros(len(METRICS))
    for start in range(0, 20_000, 200):
        part = slice(start, start + 200)
        summary = classification_summary_from_predictions(
            y[part], proba[part], n_bootstraps=200, random_state=start
        )
        covered += (summary["low"] <= truth) & (truth <= summary["high"])
    assert (covered >= 88).all(), dict(zip(METRICS, covered, strict=True))


def calibrated(n_images, power, seed):
    """Return labels and probabilities, which are calibrated if the power is 1."""
    rng = np.random.default_rng(seed)
    true = np.stack([chance := rng.uniform(0.01, 0.99, n_images), 1 - chance], axis=1)
    y = (rng.random(n_images) > true[:, 0]).astype(int)
    return y, true**power / (true**power).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("power", [1, 3])
def test_interval_of_the_calibration_error_covers_the_true_error(power):
    """It has a bias, and percentiles would never cover the error 0 of calibrated probabilities."""
    y, proba = calibrated(200_000, power, seed=0)
    truth = calibration_error(proba.argmax(1) == y, proba.max(1), np.ones(len(y)), 15)
    truth = 0.0 if power == 1 else truth
    covered = 0
    for seed in range(1, 51):
        y, proba = calibrated(300, power, seed)
        summary = classification_summary_from_predictions(
            y, proba, n_bootstraps=100, random_state=0
        )
        value, low, high = summary.loc["calibration_error"]
        assert low <= value <= high
        covered += low <= truth <= high
    assert covered >= 43


def test_a_class_that_resamples_lack():
    y, proba = predictions(3)
    y[:5] = 3
    proba = np.column_stack([proba, np.zeros(len(y))])
    summary = classification_summary_from_predictions(y, proba, random_state=0)
    assert np.isfinite(summary.to_numpy()).all()
    assert (summary["low"] <= summary["value"]).all()
    assert (summary["value"] <= summary["high"]).all()


def test_the_seed_determines_the_intervals():
    y, proba = predictions()
    state = np.random.get_state()[1].copy()
    first = classification_summary_from_predictions(y, proba, random_state=3, n_bootstraps=50)
    assert (np.random.get_state()[1] == state).all()
    again = classification_summary_from_predictions(y, proba, random_state=3, n_bootstraps=50)
    other = classification_summary_from_predictions(y, proba, random_state=4, n_bootstraps=50)
    assert_frame_equal(first, again)
    assert not first.equals(other)


# ------------------------------------------------------------------------------------------------
# Warnings


def test_a_missing_class_is_left_out_and_a_sentence_says_so():
    y, proba = predictions()
    y[y == 1] = 0
    with pytest.warns(UserWarning, match="no image is of the class 1: averages"):
        summary = classification_summary_from_predictions(y, proba, labels=range(4))
    expected = expected_metrics(y, proba.argmax(axis=1), proba, np.ones(len(y)))
    assert_allclose(summary["value"], expected)


def test_few_images_of_a_class():
    y, proba = predictions(3)
    y[:4] = 3
    proba = np.column_stack([proba, np.zeros(len(y))])
    with pytest.warns(UserWarning, match="fewer than 5 images are of the class 3"):
        classification_summary_from_predictions(y, proba, n_bootstraps=5)


def test_one_class_has_no_roc_auc():
    with pytest.warns(UserWarning, match="no image is of the class 'b'"):
        summary = classification_summary_from_predictions(
            list("aaaaaa"), [[0.9, 0.1], [0.2, 0.8]] * 3, labels=["a", "b"], n_bootstraps=10
        )
    assert summary.loc["roc_auc_ovr"].isna().all()
    assert summary.drop("roc_auc_ovr").notna().all(axis=None)


def test_no_error_warns_that_the_interval_is_not_one_point():
    y = np.arange(100) % 2
    bound = binomtest(100, 100).proportion_ci(0.95).low
    with pytest.warns(UserWarning, match=f"all 100 predictions are correct.* from {bound:.4g} to"):
        classification_summary_from_predictions(y, np.eye(2)[y], n_bootstraps=10)


# ------------------------------------------------------------------------------------------------
# Estimators


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8)[:400], np.array([f"digit {label}" for label in y[:400]])


def test_estimators_are_predicted_once(digits, monkeypatch):
    X, y = digits
    cnn = CNNClassifier(channels=(4,), max_epochs=2, random_state=0)
    tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
    search = GridSearchCV(make_pipeline(cnn), {"cnnclassifier__max_epochs": [1]}, cv=2)
    n_calls = []
    original = CNNClassifier._outputs
    monkeypatch.setattr(
        CNNClassifier, "_outputs", lambda self, X: n_calls.append(len(X)) or original(self, X)
    )
    for model in (cnn, tree, search):
        model.fit(X[:250], y[:250])
        del n_calls[:]
        found = classification_summary(model, X[250:], y[250:], random_state=0, n_bootstraps=20)
        assert n_calls == ([] if model is tree else [150])
        expected = classification_summary_from_predictions(
            y[250:],
            model.predict_proba(X[250:]),
            labels=model.classes_,
            random_state=0,
            n_bootstraps=20,
        )
        assert_frame_equal(found, expected)
        assert found.loc["accuracy", "value"] == model.score(X[250:], y[250:])


def test_labels_that_are_not_the_most_probable_class():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), np.arange(200) % 2
    X[:, 0] += y
    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.8).fit(X, y)
    summary = classification_summary(model, X, y, n_bootstraps=5)
    assert summary.loc["accuracy", "value"] == model.score(X, y)
    predicted = model.predict(X)
    same = classification_summary_from_predictions(
        y, model.predict_proba(X), y_pred=predicted, n_bootstraps=5
    )
    assert_allclose(summary["value"], same["value"])
    assert summary.loc["accuracy", "value"] != LogisticRegression().fit(X, y).score(X, y)


def test_regressors_are_refused():
    tree = DecisionTreeRegressor().fit([[0], [1]], [0.0, 1.0])
    with pytest.raises(TypeError, match="classification_summary takes classifiers"):
        classification_summary(tree, [[0], [1]], [0.0, 1.0])


@pytest.mark.parametrize(
    "options", [{"n_bootstraps": 0}, {"confidence_level": 95}, {"n_bins": 0}, {"random_state": "a"}]
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))!r} parameter of"):
        classification_summary_from_predictions([0, 1], np.eye(2), **options)


def test_predicted_labels_must_fit():
    with pytest.raises(ValueError, match="y_pred contains 2, but the classes are 0, 1"):
        classification_summary_from_predictions([0, 1], np.eye(2), y_pred=[0, 2])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classification_summary_from_predictions([0, 1], np.eye(2), y_pred=[0])
