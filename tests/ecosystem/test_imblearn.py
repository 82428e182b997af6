"""imbalanced-learn: samplers in a pipeline, and ensembles that balance their samples."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skcnn import CNNClassifier
from skcnn.imbalance import ImageSampler
from tests.ecosystem._digits import X, forms, network
from tests.ecosystem._digits import y as digits

pytest.importorskip("imblearn")

from imblearn.ensemble import BalancedBaggingClassifier, EasyEnsembleClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline

ROWS = np.concatenate([np.flatnonzero(digits < 5), np.flatnonzero(digits >= 5)[:20]])
images, y = X[ROWS], (digits[ROWS] < 5).astype(int)
TWO_DIMENSIONAL = ["rows", "column of paths", "frame of paths"]


def test_sampler():
    cnn = network()
    pipe = make_pipeline(ImageSampler(SMOTE(random_state=0)), cnn)
    pipe.fit(images, y)
    rows, labels = SMOTE(random_state=0).fit_resample(images.reshape(len(y), -1).astype(float), y)
    assert_array_equal(np.bincount(labels), np.bincount(y).max())
    expected = network().fit(np.rint(rows).reshape(-1, 8, 8, 1).astype(np.uint8), labels)
    assert_array_equal(pipe.predict_proba(images), expected.predict_proba(images))


def test_balanced_bagging():
    X = images
    rows = X.reshape(len(X), -1)
    cnn = CNNClassifier(channels=(8,), image_shape=(8, 8), random_state=0)
    balanced = BalancedBaggingClassifier(estimator=cnn, n_estimators=2, random_state=0)
    balanced.fit(rows, y)
    for member in balanced.estimators_:
        labels = member[0].fit_resample(rows, y)[1]
        assert labels.mean() == 0.5
        assert member[-1].image_shape_ == (8, 8, 1)


@pytest.mark.parametrize("ensemble", [BalancedBaggingClassifier, EasyEnsembleClassifier])
def test_forms(tmp_path, ensemble):
    found = {}
    for form, (estimator, inputs) in forms(tmp_path, images).items():
        balanced = ensemble(estimator=estimator, n_estimators=2, random_state=0)
        if form in TWO_DIMENSIONAL:
            found[form] = balanced.fit(inputs, y).predict_proba(inputs)
        elif form in ("images", "array of paths"):
            with pytest.raises(ValueError, match=r"dim 4|Expected 2D array"):
                balanced.fit(inputs, y)
    for form in TWO_DIMENSIONAL:
        assert_array_equal(found[form], found["rows"])
    assert np.mean(found["rows"].argmax(axis=1) == y) > 0.6
