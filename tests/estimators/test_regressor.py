"""CNNRegressor with one target and with several targets."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeRegressor

from skcnn import CNNRegressor


def blobs(n=150):
    rng = np.random.default_rng(0)
    place = rng.uniform(2, 9, size=(n, 2))
    rows, columns = np.mgrid[:11, :11]
    distance = (rows - place[:, :1, None]) ** 2 + (columns - place[:, 1:, None]) ** 2
    return np.exp(-distance / 4), place


QUICK = {"max_epochs": 8, "batch_size": 16, "random_state": 0}


def quick_regressor(**parameters):
    return CNNRegressor(**{"channels": (8,), "hidden_units": (16,), **QUICK, **parameters})


def test_defaults_beat_a_tree():
    X, y = blobs()
    ours = cross_val_score(CNNRegressor(**QUICK), X, y[:, 0], cv=3).mean()
    tree = cross_val_score(DecisionTreeRegressor(random_state=0), X.reshape(150, -1), y[:, 0], cv=3)
    assert ours > 0.9
    assert ours > tree.mean()


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_several_targets(loss):
    X, y = blobs()
    cnn = CNNRegressor(loss=loss, **QUICK).fit(X[:100], y[:100])
    prediction = cnn.predict(X[100:])
    assert prediction.shape == (50, 2)
    assert prediction.dtype == np.float64
    assert cnn.score(X[100:], y[100:]) == r2_score(y[100:], prediction) > 0.8
    assert_allclose(cnn.y_mean_, y[:100].mean(axis=0))
    assert_allclose(cnn.y_scale_, y[:100].std(axis=0))


def test_predictions_have_the_number_of_dimensions_of_the_targets():
    X, y = blobs()
    one, column = quick_regressor().fit(X, y[:, 0]), quick_regressor().fit(X, y[:, :1])
    assert one.predict(X).shape == (150,)
    assert column.predict(X).shape == (150, 1)
    assert_array_equal(one.predict(X), column.predict(X)[:, 0])


@pytest.mark.parametrize(("offset", "scale"), [(0, 1e-6), (1e6, 1.0), (-5, 1e9)])
def test_scale_of_the_targets_does_not_matter(offset, scale):
    X, y = blobs()
    plain = quick_regressor(precision="float32").fit(X, y)
    other = quick_regressor(precision="float32").fit(X, offset + scale * y)
    assert_allclose((other.predict(X) - offset) / scale, plain.predict(X), atol=0.05)


def test_constant_target():
    X, y = blobs()
    y[:, 1] = 7
    assert_allclose(quick_regressor(max_epochs=30).fit(X, y).predict(X)[:, 1], 7, atol=0.5)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_extreme_targets(scale):
    X, y = blobs()
    plain = quick_regressor(precision="float32").fit(X, y)
    extreme = quick_regressor(precision="float32").fit(X, y * scale)
    assert_allclose(extreme.predict(X) / scale, plain.predict(X), rtol=1e-4)


def test_rounding_errors_do_not_count_as_variance():
    X, _ = blobs()
    assert quick_regressor().partial_fit(X[:3], [0.1, 0.1, 0.1]).y_scale_ == 1


def test_weighted_target_statistics_equal_repetition():
    X, y = blobs(40)
    weights = np.arange(40) % 3
    weighted = quick_regressor(max_epochs=1).fit(X, y, sample_weight=weights)
    repeated = quick_regressor(max_epochs=1).fit(
        X.repeat(weights, axis=0), y.repeat(weights, axis=0)
    )
    assert_allclose(weighted.y_mean_, repeated.y_mean_)
    assert_allclose(weighted.y_scale_, repeated.y_scale_)


def test_history_contains_r2_scores():
    X, y = blobs()
    cnn = quick_regressor().fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert_allclose(cnn.history_[-1]["valid_score"], cnn.score(X[100:], y[100:]), rtol=1e-5)
    error = ((cnn.predict(X[100:]) - y[100:]) / cnn.y_scale_) ** 2
    assert_allclose(cnn.history_[-1]["valid_loss"], error.mean(), rtol=1e-4)


def test_partial_fit_keeps_the_scale_of_the_targets():
    X, y = blobs()
    cnn = quick_regressor().partial_fit(X, y)
    mean = cnn.y_mean_.copy()
    cnn.partial_fit(X, y + 100)
    assert_array_equal(cnn.y_mean_, mean)
    with pytest.raises(ValueError, match="in fit the target of an image had shape"):
        cnn.partial_fit(X, y[:, 0])


def test_early_stopping():
    X, y = blobs()
    cnn = quick_regressor(early_stopping=True, patience=1, max_epochs=60, schedule=None).fit(X, y)
    assert cnn.n_epochs_ < 60


@pytest.mark.parametrize("ignored", [1e20, 1e170])
def test_targets_of_weight_zero_are_ignored(ignored):
    X, y = blobs(41)
    y = np.r_[y[:40, 0], ignored]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cnn = quick_regressor(max_epochs=1).fit(X, y, sample_weight=np.r_[np.ones(40), 0])
    assert_array_equal(cnn.predict(X), quick_regressor(max_epochs=1).fit(X[:40], y[:40]).predict(X))
