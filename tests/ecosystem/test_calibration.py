"""Calibration by scikit-learn: it takes all forms of images, and corrects a confident network."""

import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from skcnn.inspection import classification_summary
from tests.ecosystem._parts import ALL_FORMS, CALIBRATION, FEW, TEST, part, quick


def calibrate(estimator, X, labels, rows):
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method="temperature")
    return calibrated.fit(part(X, rows), labels[rows])


@pytest.fixture(scope="module")
def calibrated(forms, labels):
    return calibrate(*forms["images"], labels, CALIBRATION)


def test_temperature_corrects_a_network_that_is_too_confident(forms, labels, calibrated):
    cnn, images = forms["images"]
    before, after = (
        classification_summary(model, images[TEST], labels[TEST], n_bootstraps=1)["value"]
        for model in (cnn, calibrated)
    )
    assert cnn.predict_proba(images[TEST]).max(axis=1).mean() > before["accuracy"] + 0.1
    assert after["calibration_error"] < before["calibration_error"] / 2
    assert after["log_loss"] < before["log_loss"] - 0.1


def test_temperature_changes_no_prediction(forms, calibrated):
    cnn, images = forms["images"]
    before, after = (model.predict_proba(images[TEST]) for model in (cnn, calibrated))
    assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert_array_equal(cnn.predict(images[TEST]), calibrated.predict(images[TEST]))
    inverse = calibrated.calibrated_classifiers_[0].calibrators[0].beta_
    assert 0.2 < inverse < 0.8
    powers = before**inverse
    assert_allclose(after, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.filterwarnings("ignore:X has feature names")  # the same network takes all forms
@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_frozen_network_takes_all_forms(forms, labels, form):
    probas = [
        calibrate(estimator, X, labels, FEW).predict_proba(part(X, slice(20)))
        for estimator, X in (forms["images"], forms[form])
    ]
    assert_allclose(*probas, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "ensemble"),
    [("temperature", True), ("temperature", False), ("sigmoid", True), ("isotonic", False)],
)
def test_cross_validation(forms, labels, method, ensemble):
    probas = []
    for form in ("images with a color axis", "list of strings"):
        estimator, X = forms[form]
        calibrated = CalibratedClassifierCV(
            quick(estimator), method=method, cv=3, ensemble=ensemble
        )
        calibrated.fit(part(X, slice(90)), labels[:90])
        assert len(calibrated.calibrated_classifiers_) == (3 if ensemble else 1)
        probas.append(calibrated.predict_proba(part(X, slice(90, 120))))
    assert_allclose(probas[0].sum(axis=1), 1)
    assert_allclose(probas[1], probas[0], atol=1e-5)


@pytest.mark.xfail(raises=KeyError, reason="scikit-learn reads y[0]")
def test_a_part_of_a_series_of_labels(forms, labels):
    calibrate(*forms["images"], pd.Series(labels), FEW)


def test_a_pretrained_network(pretrained, labels):
    model, images = pretrained
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
    calibrated.fit(images[60:160], labels[60:160])
    before, after = (
        log_loss(labels[60:160], m.predict_proba(images[60:160])) for m in (model, calibrated)
    )
    assert after < before
