"""Scores accumulated over batches against those of scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import accuracy_score, r2_score

from skcnn.training.scores import R2, SCORES, Accuracy, ImageR2, RunningScores

RNG = np.random.default_rng(0)
BATCH_LIMITS = [[0, 50], [0, 1, 50], [0, 16, 32, 48, 50]]


def accumulated_score(score, outputs, y, limits, dtype=torch.float32):
    for start, stop in pairwise(limits):
        score.update(
            torch.as_tensor(outputs[start:stop], dtype=dtype), torch.as_tensor(y[start:stop])
        )
    assert score.n_images == len(y)
    value = score.value()
    assert type(value) is float
    return value


@pytest.mark.parametrize("limits", BATCH_LIMITS)
def test_accuracy_of_classes(limits):
    outputs, y = RNG.normal(size=(50, 3)), RNG.integers(0, 3, size=50)
    expected = accuracy_score(y, outputs.argmax(axis=1))
    assert 0 < expected < 1
    assert accumulated_score(Accuracy(), outputs, y, limits) == expected


@pytest.mark.parametrize("limits", BATCH_LIMITS)
def test_accuracy_of_labels(limits):
    y = RNG.integers(0, 2, size=(50, 3)).astype(np.float32)
    outputs = np.where(RNG.random(size=y.shape) < 0.8, y - 0.5, 0.5 - y)
    expected = accuracy_score(y, outputs > 0)
    assert 0 < expected < 1
    assert accumulated_score(Accuracy(), outputs, y, limits) == expected


@pytest.mark.parametrize("limits", BATCH_LIMITS)
@pytest.mark.parametrize("n_outputs", [1, 4])
def test_r2(limits, n_outputs):
    y = RNG.normal(size=(50, n_outputs)).astype(np.float32)
    outputs = (y + RNG.normal(scale=np.arange(1, n_outputs + 1), size=y.shape)).astype(np.float32)
    expected = r2_score(y.astype(float), outputs.astype(float))
    assert_allclose(accumulated_score(R2(), outputs, y, limits), expected, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, -3.0, 1e3])
def test_r2_of_targets_with_an_offset(offset):
    y = (RNG.normal(size=(50, 2)) + offset).astype(np.float32)
    outputs = y + RNG.normal(size=y.shape).astype(np.float32)
    expected = r2_score(y.astype(float), outputs.astype(float))
    assert_allclose(accumulated_score(R2(), outputs, y, BATCH_LIMITS[2]), expected, atol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3])
@pytest.mark.parametrize("error", [0.0, 0.5])
@pytest.mark.parametrize("limits", BATCH_LIMITS)
def test_r2_of_constant_targets(constant, error, limits):
    y = np.full((50, 2), constant, np.float32)
    y[:, 1] = RNG.normal(size=50)
    outputs = y + np.float32(error)
    # scikit-learn's rule for constant targets, which it misses in float32 because of rounding.
    expected = np.mean([float(error == 0), r2_score(y[:, 1], outputs[:, 1])])
    assert_allclose(accumulated_score(R2(), outputs, y, limits), expected, rtol=1e-6)


@pytest.mark.parametrize("limits", BATCH_LIMITS)
def test_r2_of_images(limits):
    y = RNG.normal(size=(50, 6)).astype(np.float32)
    outputs = (y + RNG.normal(scale=0.5, size=y.shape)).astype(np.float32)
    # Standardized values have the mean 0, so that the variation is that around 0.
    expected = 1 - ((outputs - y) ** 2).sum() / (y**2).sum()
    assert_allclose(accumulated_score(ImageR2(), outputs, y, limits), expected, rtol=1e-5)


@pytest.mark.parametrize(("error", "expected"), [(0.0, 1.0), (0.5, 0.0)])
def test_r2_of_constant_images(error, expected):
    y = np.zeros((50, 6), np.float32)
    assert accumulated_score(ImageR2(), y + error, y, BATCH_LIMITS[2]) == expected


def test_scores_by_target_type():
    expected = {"continuous": R2, "images": ImageR2}
    expected |= {"multiclass": Accuracy, "multilabel": Accuracy}
    assert expected == SCORES


# --- many batches ------------------------------------------------------------------------------


def draw_outputs_and_targets(target_type, n_images, n_outputs):
    """Draw outputs and targets, about half of which are predicted correctly."""
    outputs = RNG.normal(size=(n_images, n_outputs)).astype(np.float32)
    if target_type == "multiclass":
        return outputs, np.where(RNG.random(n_images) < 0.5, outputs.argmax(axis=1), 0)
    if target_type == "multilabel":
        flipped = RNG.random(outputs.shape) < 0.5 / n_outputs
        return outputs, ((outputs > 0) ^ flipped).astype(np.float32)
    return outputs, (outputs + RNG.normal(size=outputs.shape)).astype(np.float32)


@pytest.mark.parametrize("target_type", SCORES)
@pytest.mark.parametrize(
    ("n_images", "n_outputs", "batch_size"),
    [(1, 3, 8), (50, 3, 50), (101, 4, 7), (3000, 100, 64), (700, 200, 512)],
)
def test_running_scores_equal_scores_of_all_images(target_type, n_images, n_outputs, batch_size):
    outputs, y = draw_outputs_and_targets(target_type, n_images, n_outputs)
    losses = RNG.uniform(size=n_images).astype(np.float32)
    running = RunningScores(target_type)
    for start in range(0, n_images, batch_size):
        rows = slice(start, start + batch_size)
        loss = torch.tensor(losses[rows].mean(), requires_grad=True)
        running.add(loss, torch.tensor(outputs[rows]), torch.tensor(y[rows]))
    loss, found = running.means()
    assert type(loss) is type(found) is float
    assert_allclose(loss, losses.mean(), rtol=1e-5)
    right = {
        "multiclass": lambda: accuracy_score(y, outputs.argmax(axis=1)),
        "multilabel": lambda: accuracy_score(y, outputs > 0),
        "continuous": lambda: r2_score(y.astype(float), outputs.astype(float)),
        "images": lambda: 1 - ((outputs - y) ** 2).sum() / (y**2).sum(),
    }
    if n_images > 1:
        assert_allclose(found, right[target_type](), atol=1e-6)


def test_running_scores_during_an_epoch():
    running = RunningScores("multiclass")
    for n_batches in range(1, 4):
        running.add(torch.tensor(float(n_batches)), torch.eye(2), torch.tensor([0, 0]))
        assert running.means() == ((n_batches + 1) / 2, 0.5)
