"""Parts of one image in `partial_fit`."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skcnn import CNNClassifier, CNNRegressor

X = np.random.default_rng(0).integers(0, 256, size=(20, 6, 6)).astype(np.uint8)
y = np.arange(20) % 2


def small(estimator=CNNClassifier, **parameters):
    defaults = {"random_state": 0}
    if "network" not in parameters:
        defaults |= {"channels": (4,), "hidden_units": (8,), "dropout": 0.0}
    return estimator(**{**defaults, **parameters})


def one_pixel_maps(in_channels, height, width, n_outputs):
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, (height, width)),
        nn.BatchNorm2d(8),
        nn.Flatten(),
        nn.BatchNorm1d(8),
        nn.Linear(8, n_outputs),
    )


NETWORKS = {
    "plain": {},
    "without batch normalization": {"batch_norm": False},
    "dense": {"channels": ()},
    "maps of one pixel": {"channels": (4, 4), "stride": 6},
    "fast": {"network": "fast", "optimizer": "adamw"},
    "own": {"network": one_pixel_maps},
    "mixup": {"mixup": 0.5},
    "lookahead": {"lookahead": True},
}


@pytest.mark.parametrize("case", NETWORKS)
@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_parts_of_one_image(estimator, case):
    fitted = small(estimator, **NETWORKS[case]).partial_fit(X, y)
    state = {name: value.clone() for name, value in fitted.module_.state_dict().items()}
    loss = None
    for _ in range(10):
        fitted.partial_fit(X[:1], y[:1])
        loss = loss or fitted.history_[-1]["train_loss"]
    after = fitted.module_.state_dict()
    assert any(not torch.equal(state[name], value) for name, value in after.items())
    for name, value in fitted.module_.named_buffers():
        assert torch.equal(state[name], value)
    assert fitted.n_epochs_ == 11
    assert fitted.history_[-1]["train_loss"] < loss
    assert not any(module.training for module in fitted.module_.modules())


def test_one_image_with_weight_in_a_later_part():
    weights = np.zeros(20)
    weights[4] = 1.0
    cnn = small().partial_fit(X, y)
    other = small().partial_fit(X, y)
    expected = cnn.partial_fit(X[4:5], y[4:5]).predict_proba(X)
    assert_array_equal(other.partial_fit(X, y, sample_weight=weights).predict_proba(X), expected)


def test_a_part_of_several_images_trains_batch_normalization_again():
    cnn = small().partial_fit(X, y).partial_fit(X[:1], y[:1])
    before = cnn.module_.network.blocks[0][1].running_mean.clone()
    cnn.partial_fit(X, y)
    assert not torch.equal(cnn.module_.network.blocks[0][1].running_mean, before)


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_the_first_part_and_fit_need_two_images(estimator):
    fitted = small(estimator, warm_start=True, max_epochs=1)
    for images in (X[:1], X[:1].reshape(1, -1)):
        for fit in (fitted.fit, fitted.partial_fit):
            with pytest.raises(ValueError, match="minimum of 2 is required"):
                fit(images, y[:1])
    fitted.fit(X, y)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        fitted.fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="1 of 20 images have a weight above 0"):
        fitted.fit(X, y, sample_weight=np.eye(20)[0])
    fitted.partial_fit(X[:1].reshape(1, -1), y[:1])
