"""MAPIE and crepes: the lines of the table of packages, against quantiles of the scores."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.ecosystem._digits import forms, y

TRAIN, CALIBRATION = slice(100), slice(100, 200)


@pytest.fixture(scope="module", params=["rows", "array of paths", "column of paths"])
def fitted(request, tmp_path_factory):
    """A network trained on half of the images in one form, and the other half."""
    pipe, images = forms(tmp_path_factory.mktemp("digits"))[request.param]
    return pipe.fit(images[TRAIN], y[TRAIN]), images[CALIBRATION]


def expected_sets(pipe, X_cal):
    """Return the labels whose probability is at least a quantile of those of the true labels."""
    proba = pipe.predict_proba(X_cal)
    scores = np.sort(proba[np.arange(100), y[CALIBRATION]])
    return proba >= scores[int(0.1 * 101) - 1]


def test_mapie(fitted):
    classification = pytest.importorskip("mapie.classification")
    SplitConformalClassifier = classification.SplitConformalClassifier
    (pipe, X_cal), y_cal = fitted, y[CALIBRATION]
    mapie = SplitConformalClassifier(
        estimator=pipe, confidence_level=0.9, prefit=True
    ).conformalize(X_cal, y_cal)
    _, sets = mapie.predict_set(X_cal)
    assert_array_equal(sets[:, :, 0], expected_sets(pipe, X_cal))


def test_crepes(fitted):
    WrapClassifier = pytest.importorskip("crepes").WrapClassifier
    (pipe, X_cal), y_cal = fitted, y[CALIBRATION]
    crepes = WrapClassifier(pipe).calibrate(X_cal, y_cal)
    sets = crepes.predict_set(X_cal, labels=False, confidence=0.9, smoothing=False)
    assert_array_equal(sets, expected_sets(pipe, X_cal))
