"""Prediction sets and intervals of crepes: their coverage, and the forms of images they take."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import Pipeline

from skcnn import ImageEmbedder
from tests.ecosystem._parts import (
    ALL_FORMS,
    CALIBRATION,
    FEW,
    TEST,
    TRAIN,
    coverage,
    coverage_limits,
    guide_code,
    guide_names,
    part,
    quick,
)

pytest.importorskip("crepes", minversion="0.9")

from crepes import WrapClassifier, WrapRegressor
from crepes.extras import DifficultyEstimator, MondrianCategorizer

LIMITS = coverage_limits(500, 500, 0.9)
CERTAIN = {"smoothing": False}  # p-values without random numbers


def calibrate(estimator, X, labels, rows=CALIBRATION, **options):
    wrapped = WrapClassifier(estimator)
    wrapped.calibrate(part(X, rows), labels[rows], **options)
    return wrapped


@pytest.mark.filterwarnings("ignore:X has feature names")  # the same network takes all forms
@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_fitted_network_takes_all_forms(forms, labels, form):
    p_values = []
    for estimator, X in (forms["images"], forms[form]):
        wrapped = calibrate(estimator, X, labels, FEW)
        p_values.append(wrapped.predict_p(part(X, slice(20)), **CERTAIN))
    assert_array_equal(*p_values)


def test_p_values(forms, labels):
    """A p-value is the fraction of calibration images that are at least as strange."""
    cnn, images = forms["images"]
    strange = 1 - cnn.predict_proba(images)
    columns = np.searchsorted(cnn.classes_, labels)
    of_label = strange[np.arange(1300), columns][CALIBRATION]
    expected = [[(of_label >= s).sum() + 1 for s in row] for row in strange[TEST][:20]]
    wrapped = calibrate(cnn, images, labels)
    p_values = wrapped.predict_p(images[TEST][:20], **CERTAIN)
    assert_allclose(p_values, np.array(expected) / 501)
    sets = wrapped.predict_set(images[TEST][:20], confidence=0.8, **CERTAIN)
    for row, members in zip(p_values, sets, strict=True):
        assert list(members) == list(cnn.classes_[row >= 0.2])


def test_coverage(forms, labels):
    cnn, images = forms["images"]
    wrapped = calibrate(cnn, images, labels)
    sets = wrapped.predict_set(images[TEST], labels=False, confidence=0.9, **CERTAIN)
    assert LIMITS[0] <= coverage(sets, cnn.classes_, labels[TEST]) <= LIMITS[1]
    assert sets.mean() < 0.5


def test_coverage_of_each_class(forms, labels):
    cnn, images = forms["images"]
    wrapped = calibrate(cnn, images, labels, class_cond=True)
    sets = wrapped.predict_set(images[TEST], labels=False, confidence=0.9, **CERTAIN)
    check_coverage_of_each_class(sets, cnn.classes_, labels)


def check_coverage_of_each_class(sets, classes, labels):
    for name in classes:
        test = labels[TEST] == name
        low, high = coverage_limits(np.sum(labels[CALIBRATION] == name), test.sum(), 0.9)
        assert low <= coverage(sets[test], classes, labels[TEST][test]) <= high


@pytest.mark.parametrize("form", ["images", "array of paths"])
def test_coverage_of_each_category(forms, labels, form):
    estimator, X = forms[form]
    categorizer = MondrianCategorizer()
    categorizer.fit(
        part(X, CALIBRATION), f=lambda X: estimator.predict_proba(X).max(axis=1), no_bins=2
    )
    wrapped = calibrate(estimator, X, labels, mc=categorizer)
    sets = wrapped.predict_set(part(X, TEST), labels=False, confidence=0.9, **CERTAIN)
    calibration, test = (categorizer.apply(part(X, rows)) for rows in (CALIBRATION, TEST))
    for category in (0, 1):
        rows = test == category
        low, high = coverage_limits(np.sum(calibration == category), rows.sum(), 0.9)
        assert low <= coverage(sets[rows], estimator.classes_, labels[TEST][rows]) <= high


def test_training_by_the_wrapper(forms, labels):
    estimator, X = forms["list of strings"]
    wrapped = WrapClassifier(quick(estimator))
    wrapped.fit(X[TRAIN], labels[TRAIN])
    wrapped.calibrate(X[CALIBRATION], labels[CALIBRATION])
    sets = wrapped.predict_set(X[TEST], labels=False, confidence=0.9, **CERTAIN)
    assert LIMITS[0] <= coverage(sets, np.unique(labels), labels[TEST]) <= LIMITS[1]


def test_a_pretrained_network(pretrained, labels):
    model, images = pretrained
    wrapped = WrapClassifier(model)
    wrapped.calibrate(images[60:160], labels[60:160])
    sets = wrapped.predict_set(images[160:], labels=False, confidence=0.9, **CERTAIN)
    low, high = coverage_limits(100, 100, 0.9)
    assert low <= coverage(sets, model.classes_, labels[160:260]) <= high


@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("form", ["images with a color axis", "lazy images", "list of paths"])
def test_intervals_of_a_regressor(forms, brightness, form, system):
    (estimator, X), (regressor, y) = forms[form], brightness
    if isinstance(estimator, Pipeline):
        regressor = Pipeline([*estimator.steps[:-1], ("cnn", regressor)])
    wrapped = WrapRegressor(regressor)
    wrapped.calibrate(part(X, CALIBRATION), y[CALIBRATION], cps=system, seed=0)
    low, high = wrapped.predict_int(part(X, TEST), confidence=0.9).T
    assert LIMITS[0] <= ((low <= y[TEST]) & (y[TEST] <= high)).mean() <= LIMITS[1]


def test_difficulty_of_images_from_the_features_of_a_network(forms, brightness):
    """Distances need rows, such as the features of a network; a function takes images."""
    images, (regressor, y) = forms["images with a color axis"][1], brightness
    embedder = ImageEmbedder(forms["images"][0]).fit(images[TRAIN])
    nearest = DifficultyEstimator()
    nearest.fit(embedder.transform(images[TRAIN]), y=y[TRAIN], scaler=True)
    difficulty = DifficultyEstimator()
    difficulty.fit(images[TRAIN], f=lambda X: nearest.apply(embedder.transform(X)))
    wrapped = WrapRegressor(regressor)
    wrapped.calibrate(images[CALIBRATION], y[CALIBRATION], de=difficulty)
    low, high = wrapped.predict_int(images[TEST], confidence=0.9).T
    assert LIMITS[0] <= ((low <= y[TEST]) & (y[TEST] <= high)).mean() <= LIMITS[1]
    assert np.ptp(high - low) > 0


def test_the_code_of_the_user_guide(forms, labels):
    cnn, images = forms["images with a color axis"]
    (code,) = guide_code("crepes")
    names = guide_names(images, labels, cnn=cnn)
    exec(code, names)
    check_coverage_of_each_class(names["sets"], cnn.classes_, labels)
    assert names["coverage"] == coverage(names["sets"], cnn.classes_, labels[TEST])
    assert names["p_values"].shape == (500, 10)
