"""The losses against NumPy and scikit-learn."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from skcnn.training.losses import LOSSES, Criterion

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=3, size=(40, 5))
CLASSES = RNG.integers(0, 5, size=40)
LABELS = RNG.integers(0, 2, size=(40, 5)).astype(float)
NUMBERS = RNG.normal(size=(40, 5))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def compute(target_type, name, y, outputs=LOGITS, **options):
    loss = LOSSES[target_type][name](torch.as_tensor(outputs), torch.as_tensor(y), **options)
    assert loss.shape == (len(outputs),)
    return loss.numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_cross_entropy(smoothing, n_classes):
    logits, y = LOGITS[:, :n_classes], CLASSES % n_classes
    target = (1 - smoothing) * np.eye(n_classes)[y] + smoothing / n_classes
    expected = -(target * np.log(softmax(logits))).sum(axis=1)
    found = compute("multiclass", "cross_entropy", y, logits, label_smoothing=smoothing)
    assert_allclose(found, expected, rtol=1e-10)


def test_cross_entropy_equals_log_loss():
    found = compute("multiclass", "cross_entropy", CLASSES)
    assert_allclose(found.mean(), log_loss(CLASSES, softmax(LOGITS)), rtol=1e-10)
    weights = RNG.uniform(size=40)
    weighted = log_loss(CLASSES, softmax(LOGITS), sample_weight=weights)
    assert_allclose(np.average(found, weights=weights), weighted, rtol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_focal_loss(smoothing):
    probabilities = softmax(LOGITS)
    target = (1 - smoothing) * np.eye(5)[CLASSES] + smoothing / 5
    entropy = -(target * np.log(probabilities)).sum(axis=1)
    expected = (1 - probabilities[np.arange(40), CLASSES]) ** 2 * entropy
    found = compute("multiclass", "focal", CLASSES, label_smoothing=smoothing)
    assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("n_labels", [1, 5])
def test_binary_cross_entropy(smoothing, n_labels):
    logits, y = LOGITS[:, :n_labels], LABELS[:, :n_labels]
    target = y * (1 - smoothing) + smoothing / 2
    p = sigmoid(logits)
    expected = -(target * np.log(p) + (1 - target) * np.log1p(-p)).mean(axis=1)
    found = compute("multilabel", "cross_entropy", y, logits, label_smoothing=smoothing)
    assert_allclose(found, expected, rtol=1e-10)


def test_binary_cross_entropy_equals_mean_log_loss_of_labels():
    found = compute("multilabel", "cross_entropy", LABELS)
    expected = np.mean([log_loss(y, sigmoid(z)) for y, z in zip(LABELS.T, LOGITS.T, strict=True)])
    assert_allclose(found.mean(), expected, rtol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_focal_loss(smoothing):
    target = LABELS * (1 - smoothing) + smoothing / 2
    p = sigmoid(LOGITS)
    entropy = -(target * np.log(p) + (1 - target) * np.log1p(-p))
    right = np.where(LABELS == 1, p, 1 - p)
    expected = ((1 - right) ** 2 * entropy).mean(axis=1)
    found = compute("multilabel", "focal", LABELS, label_smoothing=smoothing)
    assert_allclose(found, expected, rtol=1e-10)


def test_regression_losses():
    error = np.abs(LOGITS - NUMBERS)
    huber = np.where(error < 1, error**2 / 2, error - 0.5).mean(axis=1)
    assert_allclose(compute("continuous", "huber", NUMBERS), huber, rtol=1e-10)
    for name, metric in (
        ("squared_error", mean_squared_error),
        ("absolute_error", mean_absolute_error),
    ):
        found = compute("continuous", name, NUMBERS)
        assert_allclose(found[3], metric(NUMBERS[3], LOGITS[3]), rtol=1e-10)
        assert_allclose(found.mean(), metric(NUMBERS, LOGITS), rtol=1e-10)


@pytest.mark.parametrize(
    ("target_type", "name", "y"),
    [
        ("multiclass", "cross_entropy", [0, 1]),
        ("multiclass", "focal", [0, 1]),
        ("multilabel", "cross_entropy", [[1.0, 0.0], [0.0, 1.0]]),
        ("multilabel", "focal", [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
@pytest.mark.parametrize("size", [100.0, 1000.0])
def test_losses_and_gradients_of_large_outputs_are_finite(target_type, name, y, size):
    right = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    wrong = (-right).detach().requires_grad_()
    for outputs, expected in ((right, 0.0), (wrong, None)):
        loss = LOSSES[target_type][name](outputs, torch.tensor(y))
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(outputs.grad).all()
        if expected is not None:
            assert_allclose(loss.detach(), expected, atol=1e-6)
        else:
            assert (loss >= size).all()


def test_criterion_is_a_picklable_module():
    criterion = Criterion(partial(LOSSES["multiclass"]["focal"], label_smoothing=0.1))
    outputs, y = torch.as_tensor(LOGITS), torch.as_tensor(CLASSES)
    loaded = pickle.loads(pickle.dumps(criterion))
    assert isinstance(loaded, torch.nn.Module)
    assert torch.equal(loaded(outputs, y), criterion(outputs, y))
    expected = compute("multiclass", "focal", CLASSES, label_smoothing=0.1)
    assert_allclose(criterion(outputs, y), expected)
