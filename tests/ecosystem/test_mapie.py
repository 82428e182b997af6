"""Prediction sets and intervals of MAPIE: their coverage, and the forms of images they take."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skcnn import CNNRegressor, ImageFlattener
from tests.ecosystem._parts import (
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

pytest.importorskip("mapie", minversion="1.6")

from mapie.classification import CrossConformalClassifier, SplitConformalClassifier
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor

LIMITS = coverage_limits(500, 500, 0.9)
ROWS_ONLY = pytest.mark.xfail(
    raises=ValueError, reason="MAPIE compares the second axis with n_features_in_"
)
NO_LISTS = pytest.mark.xfail(raises=TypeError, reason="MAPIE counts the features of the first item")
FORMS = [
    "array of photos",
    "list of photos",
    "array of paths",
    "array of strings",
    "series of paths",
    "frame of paths",
    pytest.param("list of paths", marks=NO_LISTS),
    pytest.param("list of strings", marks=NO_LISTS),
]
IMAGES = ["images", "images with a color axis", "list of images", "lazy images"]


def predict_set(estimator, X, labels, rows, conformity_score="lac"):
    """Return labels and sets of the test images for calibration images in the given rows."""
    mapie = SplitConformalClassifier(
        estimator, confidence_level=0.9, conformity_score=conformity_score, random_state=0
    )
    mapie.conformalize(part(X, rows), labels[rows])
    return mapie.predict_set(part(X, TEST if rows == CALIBRATION else slice(20)))


@pytest.mark.parametrize("score", ["lac", "aps", "raps", "top_k"])
def test_coverage(forms, labels, score):
    cnn, rows = forms["rows"]
    predicted, sets = predict_set(cnn, rows, labels, CALIBRATION, score)
    assert_array_equal(predicted, cnn.predict(rows[TEST]))
    fraction = coverage(sets[:, :, 0], cnn.classes_, labels[TEST])
    assert fraction >= coverage_limits(400 if score == "raps" else 500, 500, 0.9)[0]
    if score == "lac":  # the others include more labels than they have to
        assert fraction <= LIMITS[1]
    assert sets.mean() < 0.6


@pytest.mark.filterwarnings("ignore:X has feature names")  # the same network takes all forms
@pytest.mark.parametrize("form", [*FORMS, *(pytest.param(f, marks=ROWS_ONLY) for f in IMAGES)])
def test_a_fitted_network_takes(forms, labels, form):
    expected, found = (predict_set(*forms[f], labels, FEW) for f in ("rows", form))
    assert_array_equal(found[0], expected[0])
    assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("form", IMAGES)
def test_images_become_rows(forms, labels, form):
    cnn, images = forms[form]
    rows = ImageFlattener().fit_transform(images)
    found, expected = (predict_set(cnn, X, labels, FEW) for X in (rows, forms["rows"][1]))
    assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    "form",
    [
        "array of photos",
        pytest.param(
            "list of photos",
            marks=pytest.mark.xfail(raises=AttributeError, reason="MAPIE needs the shape"),
        ),
    ],
)
def test_raps_takes_photos_in_an_array(forms, labels, form):
    expected, found = (predict_set(*forms[f], labels, FEW, "raps") for f in ("rows", form))
    assert_array_equal(found[1], expected[1])


def test_split_conformal_with_training(forms, labels):
    cnn, rows = forms["rows"]
    cnn = quick(cnn).set_params(image_shape=(8, 8))
    mapie = SplitConformalClassifier(cnn, confidence_level=0.9, prefit=False)
    mapie.fit(rows[TRAIN], labels[TRAIN]).conformalize(rows[CALIBRATION], labels[CALIBRATION])
    sets = mapie.predict_set(rows[TEST])[1][:, :, 0]
    assert LIMITS[0] <= coverage(sets, np.unique(labels), labels[TEST]) <= LIMITS[1]


def test_cross_conformal(forms, labels):
    results = []
    for form in ("images with a color axis", "array of paths"):
        estimator, X = forms[form]
        mapie = CrossConformalClassifier(
            quick(estimator), confidence_level=0.8, cv=3, random_state=0
        ).fit_conformalize(part(X, slice(120)), labels[:120])
        results.append(mapie.predict_set(part(X, TEST))[1])
    assert coverage(results[0][:, :, 0], np.unique(labels), labels[TEST]) > 0.75
    assert (results[1] != results[0]).mean() < 1e-3  # rounding may move a score over the limit


def test_a_calibrated_network(forms, labels):
    cnn, rows = forms["rows"]
    calibrated = CalibratedClassifierCV(FrozenEstimator(cnn), method="temperature")
    calibrated.fit(rows[300:400], labels[300:400])
    mapie = SplitConformalClassifier(calibrated, confidence_level=0.9)
    mapie.conformalize(rows[400:800], labels[400:800])
    sets = mapie.predict_set(rows[TEST])[1][:, :, 0]
    low, high = coverage_limits(400, 500, 0.9)
    assert low <= coverage(sets, cnn.classes_, labels[TEST]) <= high


def test_a_pretrained_network(pretrained, labels):
    model, images = pretrained
    rows = ImageFlattener().fit_transform(images)
    mapie = SplitConformalClassifier(model, confidence_level=0.9)
    mapie.conformalize(rows[60:160], labels[60:160])
    sets = mapie.predict_set(rows[160:])[1][:, :, 0]
    low, high = coverage_limits(100, 100, 0.9)
    assert low <= coverage(sets, model.classes_, labels[160:260]) <= high


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("form", [*IMAGES, "rows", "list of photos", *FORMS[-4:]])
def test_intervals_of_a_regressor(forms, brightness, form):
    (estimator, X), (regressor, y) = forms[form], brightness
    if isinstance(estimator, Pipeline):
        regressor = Pipeline([*estimator.steps[:-1], ("cnn", regressor)])
    mapie = SplitConformalRegressor(regressor, confidence_level=0.9)
    mapie.conformalize(part(X, CALIBRATION), y[CALIBRATION])
    predicted, intervals = mapie.predict_interval(part(X, TEST))
    assert_allclose(predicted, regressor.predict(part(X, TEST)))
    inside = (intervals[:, 0, 0] <= y[TEST]) & (y[TEST] <= intervals[:, 1, 0])
    assert LIMITS[0] <= inside.mean() <= LIMITS[1]


def test_cross_conformal_intervals(forms):
    images = forms["images with a color axis"][1]
    y = images.mean(axis=(1, 2, 3))
    regressor = CNNRegressor(channels=(8,), max_epochs=3, random_state=0)
    mapie = CrossConformalRegressor(regressor, confidence_level=0.8, cv=3, random_state=0)
    mapie.fit_conformalize(images[TRAIN], y[TRAIN])
    intervals = mapie.predict_interval(images[TEST])[1][:, :, 0]
    assert ((intervals[:, 0] <= y[TEST]) & (y[TEST] <= intervals[:, 1])).mean() > 0.7


def test_the_code_of_the_user_guide(forms, labels, brightness):
    cnn, images = forms["images with a color axis"]
    regressor, y = brightness
    for_sets, for_intervals = guide_code("mapie")
    names = guide_names(images, labels, cnn=cnn)
    exec(for_sets, names)
    assert LIMITS[0] <= names["coverage"] <= LIMITS[1]
    names = guide_names(images, y, regressor=regressor)
    exec(for_intervals, names)
    low, high = names["intervals"][:, :, 0].T
    assert LIMITS[0] <= ((low <= y[TEST]) & (y[TEST] <= high)).mean() <= LIMITS[1]
