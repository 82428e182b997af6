"""The losses against NumPy and scikit-learn."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from skcnn.training.loader import ImageDataset
from skcnn.training.losses import LOSSES, Criterion
from skcnn.training.options import TrainingOptions, TrainingParameters

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
@pytest.mark.parametrize("gamma", [None, 0.5, 3.0])
def test_focal_loss(smoothing, gamma):
    probabilities = softmax(LOGITS)
    target = (1 - smoothing) * np.eye(5)[CLASSES] + smoothing / 5
    entropy = -(target * np.log(probabilities)).sum(axis=1)
    options = {"label_smoothing": smoothing} | ({} if gamma is None else {"gamma": gamma})
    expected = (1 - probabilities[np.arange(40), CLASSES]) ** (gamma or 2) * entropy
    found = compute("multiclass", "focal", CLASSES, **options)
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
@pytest.mark.parametrize("gamma", [None, 0.5, 3.0])
def test_binary_focal_loss(smoothing, gamma):
    target = LABELS * (1 - smoothing) + smoothing / 2
    p = sigmoid(LOGITS)
    entropy = -(target * np.log(p) + (1 - target) * np.log1p(-p))
    right = np.where(LABELS == 1, p, 1 - p)
    options = {"label_smoothing": smoothing} | ({} if gamma is None else {"gamma": gamma})
    expected = ((1 - right) ** (gamma or 2) * entropy).mean(axis=1)
    found = compute("multilabel", "focal", LABELS, **options)
    assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(("kind", "y"), [("multiclass", CLASSES), ("multilabel", LABELS)])
def test_focal_loss_with_exponent_zero_is_the_cross_entropy(kind, y):
    expected = compute(kind, "cross_entropy", y, label_smoothing=0.1)
    assert_array_equal(compute(kind, "focal", y, label_smoothing=0.1, gamma=0), expected)


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
@pytest.mark.parametrize("gamma", [0.0, 0.1, 2.0])
def test_losses_and_gradients_of_large_outputs_are_finite(target_type, name, y, size, gamma):
    options = {"gamma": gamma} if name == "focal" else {}
    right = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    wrong = (-right).detach().requires_grad_()
    for outputs, expected in ((right, 0.0), (wrong, None)):
        loss = LOSSES[target_type][name](outputs, torch.tensor(y), **options)
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


# --- logit adjustment --------------------------------------------------------------------------


def make_criterion(y, weights=None, rows=None, **options):
    """Return the criterion for a dataset with the given classes."""
    parameters = TrainingParameters(loss=options.pop("loss", "cross_entropy"))
    vars(parameters).update(options)
    dataset = ImageDataset(np.zeros((len(y), 1, 1, 1), np.uint8), y, weights, rows)
    return Criterion.of(TrainingOptions.of(parameters), "multiclass", dataset)


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_logit_adjustment_adds_log_frequencies(tau, loss):
    y = np.repeat([0, 1, 2, 3, 4], [40, 20, 10, 5, 1])
    weights = RNG.uniform(0.5, 2, size=len(y)).astype(np.float32)
    rows = np.arange(len(y) - 1)  # without the image of class 4, which is not adjusted
    totals = np.array([weights[rows][y[rows] == label].sum() for label in range(4)])
    adjustment = tau * np.append(np.log(totals / totals.sum()), 0)
    outputs = torch.as_tensor(LOGITS, dtype=torch.float32)
    found = make_criterion(y, weights, rows, logit_adjustment=tau, loss=loss)(
        outputs, torch.as_tensor(CLASSES)
    )
    expected = compute("multiclass", loss, CLASSES, LOGITS + adjustment)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logit_adjustment_of_one_is_balanced_softmax():
    counts = np.array([100, 30, 9, 3, 1])
    criterion = make_criterion(np.repeat(np.arange(5), counts), logit_adjustment=1.0)
    found = criterion(torch.as_tensor(LOGITS), torch.as_tensor(CLASSES))
    exponentials = counts * np.exp(LOGITS)  # Ren et al. 2020, equation 4
    right = exponentials[np.arange(40), CLASSES] / exponentials.sum(axis=1)
    assert_allclose(found, -np.log(right), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_adjusted_label_smoothing_does_not_prefer_rare_classes(tau, loss):
    counts = np.array([100, 30, 9, 1])
    options = {"logit_adjustment": tau, "label_smoothing": 0.2, "loss": loss}
    criterion = make_criterion(np.repeat(np.arange(4), counts), **options)
    shares = counts**tau / (counts**tau).sum()
    target = 0.8 * np.eye(5)[CLASSES] + 0.2 * np.append(shares, 0)  # class 4 has no images
    adjustment = np.append(tau * np.log(counts / counts.sum()), 0)
    probabilities = softmax(LOGITS + adjustment)
    expected = -(target * np.log(probabilities)).sum(axis=1)
    if loss == "focal":
        expected *= (1 - probabilities[np.arange(40), CLASSES]) ** 2
    found = criterion(torch.as_tensor(LOGITS), torch.as_tensor(CLASSES))
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_logit_adjustment_of_zero_changes_nothing():
    outputs, y = torch.as_tensor(LOGITS), torch.as_tensor(CLASSES)
    expected = Criterion(LOSSES["multiclass"]["cross_entropy"])(outputs, y)
    assert torch.equal(make_criterion(CLASSES, logit_adjustment=0.0)(outputs, y), expected)


def test_logit_adjustment_of_equally_frequent_classes_does_not_change_gradients():
    gradients = []
    for tau in (0.0, 1.0):
        outputs = torch.tensor(LOGITS, requires_grad=True)
        criterion = make_criterion(np.arange(10) % 5, logit_adjustment=tau)
        criterion(outputs, torch.as_tensor(CLASSES)).sum().backward()
        gradients.append(outputs.grad)
    assert_allclose(*gradients, rtol=1e-10)
