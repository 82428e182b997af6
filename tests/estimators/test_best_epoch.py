"""The best epoch of a training with validation images."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from skcnn import CNNClassifier, CNNRegressor

X = np.random.default_rng(0).integers(0, 256, size=(40, 6, 6)).astype(np.uint8)
y = np.arange(40) % 2


def small(estimator=CNNClassifier, **parameters):
    defaults = {"channels": (4,), "hidden_units": (8,), "max_epochs": 6, "random_state": 0}
    return estimator(**{**defaults, **parameters})


class KeepWeights(Callback):
    """Keep the weights of every epoch in a list of the class."""

    weights = []

    def on_epoch_end(self, net, **kwargs):
        state = net.module_.state_dict()
        type(self).weights.append({name: value.clone() for name, value in state.items()})


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_best_epoch_has_the_smallest_validation_loss(estimator, early_stopping):
    fitted = small(estimator, early_stopping=early_stopping, schedule=None)
    fitted.fit(X, y, X_val=X[::-1], y_val=y)
    losses = [record["valid_loss"] for record in fitted.history_]
    expected = int(np.argmin(losses)) + 1
    assert fitted.best_epoch_ == expected
    assert fitted.best_score_ == fitted.history_[expected - 1]["valid_score"]
    marks = [record["best"] for record in fitted.history_]
    assert marks == [epoch == expected for epoch in range(1, len(losses) + 1)]
    loaded = pickle.loads(pickle.dumps(fitted))
    assert (loaded.best_epoch_, loaded.best_score_) == (fitted.best_epoch_, fitted.best_score_)


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    KeepWeights.weights.clear()
    cnn = small(
        early_stopping=True,
        learning_rate=0.05,
        schedule=None,
        max_epochs=10,
        callbacks=[KeepWeights()],
    )
    cnn.fit(X, y, X_val=X[::-1], y_val=y)
    assert 1 <= cnn.best_epoch_ < cnn.n_epochs_
    expected = KeepWeights.weights[cnn.best_epoch_ - 1]
    for name, value in cnn.module_.state_dict().items():
        assert torch.equal(value, expected[name])


def test_best_epoch_needs_validation_images():
    cnn = small(max_epochs=2).fit(X, y)
    for name in ("best_epoch_", "best_score_"):
        assert not hasattr(cnn, name)
        with pytest.raises(
            AttributeError, match=rf"no {name}, because .*no validation images: pass"
        ):
            getattr(cnn, name)
        with pytest.raises(NotFittedError):
            getattr(small(), name)
    assert "best" not in cnn.history_[0]


def test_best_epoch_is_that_of_the_last_training():
    cnn = small(warm_start=True, max_epochs=3).fit(X, y, X_val=X, y_val=y)
    cnn.fit(X, y, X_val=X, y_val=y)
    assert 4 <= cnn.best_epoch_ <= 6
    assert sum(record.get("best", False) for record in cnn.history_) == 1
    cnn.partial_fit(X, y)
    assert not hasattr(cnn, "best_epoch_")
    assert not any("best" in record for record in cnn.history_)
