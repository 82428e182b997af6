"""Training options that are chosen automatically."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skcnn import CNNClassifier, CNNRegressor, TransferClassifier
from skcnn.training.optimizers import OPTIMIZERS
from skcnn.training.options import TrainingOptions

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((40, 6, 6)), np.arange(40) % 2
NAMES = ("optimizer", "learning_rate", "schedule", "batch_size", "max_epochs")
PLAIN = ("adamw", 0.003, "one_cycle", 64, 20)
ESTIMATORS = [CNNClassifier, CNNRegressor]


def linear(in_channels, height, width, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs))


def chosen(estimator, n_images):
    options = TrainingOptions.of(estimator, n_images)
    return tuple(getattr(options, name) for name in NAMES)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("network", ["plain", linear])
@pytest.mark.parametrize("n_images", [2, 4000, 50_000])
def test_plain_and_custom_networks_do_not_depend_on_the_number_of_images(cls, network, n_images):
    assert chosen(cls(network), n_images) == PLAIN


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("n_images", "batch_size", "max_epochs"),
    [
        (2, 64, 20),
        (6_499, 64, 20),
        (10_000, 100, 20),
        (19_999, 199, 20),
        (20_000, 200, 12),
        (50_000, 500, 12),  # the recipe for CIFAR-10
        (1_000_000, 500, 12),
    ],
)
def test_fast_network(cls, n_images, batch_size, max_epochs):
    expected = ("muon", 0.17, "linear", batch_size, max_epochs)
    assert chosen(cls("fast"), n_images) == expected


@pytest.mark.parametrize("network", ["plain", "fast"])
@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [("adam", 0.003), ("adamw", 0.003), ("rmsprop", 0.001), ("sgd", 0.01), ("muon", 0.17)],
)
def test_learning_rate_depends_on_the_optimizer(network, optimizer, learning_rate):
    cnn = CNNClassifier(network, optimizer=optimizer)
    assert TrainingOptions.of(cnn, 1000).learning_rate == learning_rate


def test_every_optimizer_has_a_learning_rate():
    for optimizer in OPTIMIZERS:
        assert TrainingOptions.of(CNNClassifier(optimizer=optimizer)).learning_rate > 0


@pytest.mark.parametrize("network", ["plain", "fast"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "sgd"),
        ("learning_rate", 0.02),
        ("schedule", None),
        ("batch_size", 11),
        ("max_epochs", 2),
    ],
)
def test_given_values_are_used(network, name, value):
    cnn = CNNClassifier(network, **{name: value})
    assert getattr(TrainingOptions.of(cnn, 1000), name) == value


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("network", ["plain", "fast"])
def test_fitted_net_has_the_chosen_values(cls, network):
    estimator = cls(network, channels=(4,), random_state=0)
    fitted = clone(estimator).fit(IMAGES, LABELS)
    net = fitted.net_
    assert net.options == TrainingOptions.of(estimator, 40)
    optimizer, learning_rate, _, batch_size, max_epochs = chosen(estimator, 40)
    assert (net.lr, net.batch_size, net.max_epochs) == (learning_rate, batch_size, max_epochs)
    assert net.optimizer is OPTIMIZERS[optimizer][0]
    assert fitted.n_epochs_ == max_epochs
    assert fitted.get_params() == estimator.get_params()  # still "auto"
    assert pickle.loads(pickle.dumps(fitted)).net_.options == net.options


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("network", ["plain", "fast"])
def test_automatic_values_equal_the_same_values_given(cls, network):
    automatic = cls(network, channels=(4,), random_state=0)
    given = dict(zip(NAMES, chosen(automatic, 40), strict=True))
    outputs = [
        estimator.fit(IMAGES, LABELS).predict(IMAGES)
        for estimator in (automatic, clone(automatic).set_params(**given))
    ]
    assert np.array_equal(*outputs)


@pytest.mark.parametrize("network", ["plain", "fast"])
def test_continued_training_with_automatic_values(network):
    cnn = CNNClassifier(network, channels=(4,), warm_start=True, random_state=0)
    cnn.partial_fit(IMAGES, LABELS)
    cnn.partial_fit(IMAGES[:10], LABELS[:10])
    assert cnn.n_epochs_ == 2
    optimizer = cnn.net_.optimizer_
    cnn.fit(IMAGES, LABELS)
    assert cnn.n_epochs_ == 22
    assert cnn.net_.optimizer_ is optimizer


def test_early_stopping_counts_the_images_that_are_left_for_training():
    cnn = CNNClassifier("fast", channels=(4,), max_epochs=1, early_stopping=True, random_state=0)
    images, labels = np.repeat(IMAGES, 200, axis=0), np.repeat(LABELS, 200)
    assert cnn.fit(images, labels).net_.batch_size == 72


@pytest.mark.parametrize("name", NAMES)
def test_automatic_is_a_valid_value_and_other_strings_are_not(name):
    CNNClassifier(**{"max_epochs": 1, name: "auto"}).fit(IMAGES, LABELS)
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter"):
        CNNClassifier(**{name: "automatic"}).fit(IMAGES, LABELS)


@pytest.mark.parametrize(
    ("n_images", "epochs_of_head", "epochs_of_all"),
    [
        (2, 200, 100),
        (32, 200, 100),
        (33, 100, 50),
        (250, 25, 13),
        (320, 20, 10),
        (5_000, 5, 10),
        (1_000_000, 5, 10),
    ],
)
def test_transfer_learning(n_images, epochs_of_head, epochs_of_all):
    head, alone = (TransferClassifier(fine_tune=fine_tune) for fine_tune in (True, False))
    options = [phase.options for phase in head._phases(n_images, one_pass=False, is_new=True)]
    assert [phase.max_epochs for phase in options] == [epochs_of_head, epochs_of_all]
    assert [phase.weight_decay for phase in options] == [0.5, 0.05]
    assert [phase.trained_stages for phase in options] == [1, np.inf]
    for phase in options:
        assert [getattr(phase, name) for name in NAMES[:4]] == ["adamw", 0.001, "one_cycle", 32]
    (only,) = alone._phases(n_images, one_pass=False, is_new=True)
    assert only.options == options[0]
    eps = [phase.skorch_parameters().get("optimizer__eps") for phase in options]
    assert eps == [None, 1e-3]


def test_transfer_learning_with_other_optimizers():
    model = TransferClassifier(fine_tune=2, optimizer="sgd", max_epochs=3, weight_decay=0.1)
    head, last = (phase.options for phase in model._phases(50, one_pass=False, is_new=True))
    assert (head.optimizer, head.weight_decay, head.learning_rate) == ("adamw", 0.5, 0.001)
    assert (last.optimizer, last.weight_decay, last.learning_rate) == ("sgd", 0.1, 0.01)
    assert last.max_epochs == 3
    assert "optimizer__eps" not in last.skorch_parameters()
    model = TransferClassifier(optimizer="rmsprop")
    (only,) = (phase.options for phase in model._phases(50, one_pass=False, is_new=True))
    assert (only.weight_decay, only.learning_rate) == ("auto", 0.001)
