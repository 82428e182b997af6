"""Numeric parameters that are huge, tiny or of an unusual type."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skcnn import CNNClassifier

X = np.random.default_rng(0).integers(0, 256, size=(20, 6, 6)).astype(np.uint8)
y = np.arange(20) % 2
HUGE = 10**400
NUMERIC = [
    "kernel_size", "stride", "pool_size", "dropout", "learning_rate", "weight_decay", "batch_size",
    "max_epochs", "mixup", "label_smoothing", "progressive_resizing", "validation_fraction",
    "patience",
]  # fmt: skip


def small(**parameters):
    defaults = {"channels": (4,), "hidden_units": (), "max_epochs": 1, "random_state": 0}
    return CNNClassifier(**{**defaults, **parameters})


@pytest.mark.parametrize(
    "name",
    [*NUMERIC, "channels", "hidden_units", "image_shape", "random_state", "verbose", "optimizer"],
)
@pytest.mark.parametrize("value", [HUGE, -HUGE, 10**5000, 2**63], ids=["", "-", "5000", "2**63"])
def test_integers_that_are_too_large(name, value):
    for given in (value, (value, 2)):
        with pytest.raises(ValueError, match=rf"^{name} contains an integer of \d+ digits"):
            small(**{name: given}).fit(X, y)


@pytest.mark.parametrize("name", NUMERIC)
def test_bools_are_no_numbers(name):
    with pytest.raises(ValueError, match=f"^{name} must be a number, got True"):
        small(**{name: True}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mixup", 1e-300),
        ("mixup", 1e-320),
        ("mixup", 1e300),
        ("mixup", np.int64(3)),
        ("mixup", np.float32(0.5)),
        ("label_smoothing", 1e-320),
        ("label_smoothing", 1 - 1e-16),
        ("dropout", 1e-320),
        ("dropout", 1 - 1e-16),
        ("learning_rate", 1e-320),
        ("learning_rate", np.float32(0.01)),
        ("weight_decay", 1e-320),
        ("validation_fraction", 1e-300),
        ("batch_size", 2**62),
        ("patience", 2**62),
        ("class_weight", {0: 1e-320, 1: 1e-320}),
        ("class_weight", {0: 1e307, 1: 1e307}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_extreme_numbers_train(name, value):
    cnn = small(**{name: value}, early_stopping=name in ("validation_fraction", "patience"))
    assert np.isfinite(cnn.fit(X, y).predict_proba(X)).all()


def test_mixup_with_extreme_parameters_tends_to_its_limits():
    """Weights from Beta(alpha, alpha) are 0 or 1 for alpha near 0."""
    plain = small(mixup=1e-300, max_epochs=3).fit(X, y).history_[-1]["train_loss"]
    assert plain == small(mixup=1e-3, max_epochs=3).fit(X, y).history_[-1]["train_loss"]
    halves = small(mixup=1e300, max_epochs=3).fit(X, y).predict_proba(X)
    assert_array_equal(halves, small(mixup=1e200, max_epochs=3).fit(X, y).predict_proba(X))


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("channels", 32, r"such as \(32,\)\. Got 32"),
        ("hidden_units", 128, r"such as \(32,\)\. Got 128"),
        ("hidden_units", None, r"such as \(32,\)\. Got None"),
        ("image_shape", 28, r"\(height, width\) or .*such as \(32, 32\) or None. Got 28"),
        ("dropout", "0.5", r"a tuple of floats in the range .*\. Got '0.5'"),
        ("dropout", ("0.5", "0.5"), r"a tuple of floats in the range .*\. Got \('0.5', '0.5'\)"),
        ("dropout", None, r"a tuple of floats in the range"),
    ],
)
def test_messages_show_a_valid_value(name, value, hint):
    with pytest.raises(ValueError, match=f"The '{name}' parameter .*{hint}"):
        small(**{name: value}).fit(X, y)
