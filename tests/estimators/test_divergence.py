"""Trainings that diverge raise an error, and predictions are never NaN."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import nn

from skcnn import CNNClassifier, CNNRegressor

X = np.random.default_rng(0).integers(0, 256, size=(20, 6, 6)).astype(np.uint8)
y = np.arange(20) % 2


def small(estimator=CNNClassifier, **parameters):
    defaults = {"max_epochs": 1, "random_state": 0}
    if "network" not in parameters:
        defaults |= {"channels": (4,), "hidden_units": (8,)}
    return estimator(**{**defaults, **parameters})


class NaNInEval(nn.Module):
    """A network whose outputs are NaN in eval mode after its first training step."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.layer = nn.Linear(in_channels * height * width, n_outputs)
        self.register_buffer("n_steps", torch.zeros(()))

    def forward(self, images):
        outputs = self.layer(images.flatten(1))
        if self.training:
            self.n_steps += 1
            return outputs
        return outputs if self.n_steps == 0 else outputs * np.nan


# One step, so that the loss is finite: only the weights or the outputs show the divergence.
DIVERGING = {
    "a huge learning rate": {"learning_rate": 1e8, "schedule": None, "channels": "auto"},
    "a huge learning rate of SGD": {"learning_rate": 1e30, "schedule": None, "optimizer": "sgd"},
    "infinite weights": {"learning_rate": 1e300, "schedule": None},
    "a huge weight decay": {"weight_decay": 1e30},
    "a network that is NaN in eval mode": {"network": NaNInEval},
}
MESSAGE = r"became (nan|inf|-inf) in epoch \d with learning_rate=.*smaller learning rate"


@pytest.mark.parametrize("case", DIVERGING)
@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
@pytest.mark.filterwarnings("error")
def test_divergence_in_the_last_step(estimator, case):
    with pytest.raises(ValueError, match=MESSAGE):
        small(estimator, **DIVERGING[case]).fit(X, y)
    diverging = small(estimator, **DIVERGING[case])
    with pytest.raises(ValueError, match=MESSAGE):
        diverging.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        diverging.predict(X)


def test_the_error_names_a_large_weight_decay():
    with pytest.raises(ValueError, match=r"and weight_decay=1e\+30: .* or a smaller weight decay"):
        small(weight_decay=1e30).fit(X, y)


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_divergence_when_training_continues(estimator):
    fitted = small(estimator, warm_start=True, schedule=None).fit(X, y)
    before = fitted.predict(X)
    fitted.set_params(learning_rate=1e20)
    for fit in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match=MESSAGE):
            fit(X, y)
        assert_array_equal(fitted.predict(X), before)
        assert fitted.n_epochs_ == 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_with_validation_images(early_stopping):
    diverging = small(learning_rate=1e20, schedule=None, early_stopping=early_stopping)
    with pytest.raises(ValueError, match=r"validation loss " + MESSAGE):
        diverging.fit(X, y, X_val=X, y_val=y)


class NaNForBrightImages(nn.Module):
    """A network whose outputs are NaN for images with a large first pixel."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.layer = nn.Linear(in_channels * height * width, n_outputs)

    def forward(self, images):
        outputs = self.layer(images.flatten(1))
        return torch.where(images[:, 0, 0, :1] > 10, np.nan, outputs)


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_predictions_are_never_nan(estimator):
    fitted = small(estimator, network=NaNForBrightImages).fit(X, y)
    images = X.astype(float)
    images[[3, 7], 0, 0] = 1e6
    names = ("predict", "predict_proba", "predict_log_proba")
    methods = [getattr(fitted, name) for name in names if hasattr(fitted, name)]
    for method in (*methods, lambda images: fitted.score(images, y)):
        with pytest.raises(ValueError, match=r"NaN or infinite for 2 of 20 images, .* image 3:"):
            method(images)
    assert np.isfinite(fitted.predict(X)).all()


def test_outputs_that_overflow_at_predict():
    fitted = small(batch_norm=False, activation="relu").fit(X, y)
    with torch.no_grad():
        fitted.module_.network.output.weight *= 1e30
    with pytest.raises(ValueError, match="NaN or infinite for 20 of 20 images"):
        fitted.predict(X * 1e30)
