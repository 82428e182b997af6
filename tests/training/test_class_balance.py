"""Class frequencies, and balanced epochs, against naive counts."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcnn.lazy import LazyImages
from skcnn.operations import Operation
from skcnn.training.class_balance import balanced_rows, class_counts, log_frequencies
from skcnn.training.loader import BatchLoader, ImageDataset

COUNTS = [30, 12, 5, 1]
CLASSES = np.random.default_rng(0).permutation(np.repeat(np.arange(4), COUNTS))
IMAGES = np.arange(len(CLASSES), dtype=np.uint8).reshape(-1, 1, 1, 1)


class Variant(Operation):
    """Random operation whose result is the key, so that a test can read it."""

    random = True

    def __call__(self, batch, keys, epoch):
        return np.broadcast_to(keys.reshape(-1, 1, 1, 1), batch.shape).astype(np.float64)

    def output(self, shape, dtype):
        return shape, np.dtype(np.float64)


def test_counts():
    weights = np.linspace(0.5, 1.5, len(CLASSES)).astype(np.float32)
    rows = np.arange(0, len(CLASSES), 2)
    dataset = ImageDataset(IMAGES, CLASSES, weights, rows)
    expected = [weights[rows][CLASSES[rows] == label].sum() for label in range(6)]
    assert_allclose(class_counts(dataset, 6), expected, rtol=1e-6)
    numbers = np.bincount(CLASSES[rows], minlength=6)
    assert_array_equal(class_counts(dataset, 6, weighted=False), numbers)
    assert_array_equal(class_counts(ImageDataset(IMAGES, CLASSES)), COUNTS)


def test_log_frequencies():
    weights = np.where(CLASSES == 1, 0.0, 2.0)
    found = log_frequencies(ImageDataset(IMAGES, CLASSES, weights))
    assert found.dtype == torch.float32
    assert_allclose(found, [np.log(30 / 36), -np.inf, np.log(5 / 36), np.log(1 / 36)], rtol=1e-6)


@pytest.mark.parametrize("counts", [COUNTS, [7], [50, 1], [3, 0, 4], [1, 1, 1]])
def test_balanced_epochs(counts):
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = balanced_rows(y, np.random.default_rng(0))
    assert len(rows) == len(y)
    drawn = np.bincount(y[rows])
    drawn = drawn[drawn > 0]
    assert len(drawn) == np.count_nonzero(counts)
    assert drawn.max() - drawn.min() <= 1
    times = np.bincount(rows, minlength=len(y))
    for label in np.unique(y):  # the images of a class are used equally often
        assert np.ptp(times[y == label]) <= 1


def test_balanced_rows_are_random_but_reproducible():
    first, again, other = (balanced_rows(CLASSES, np.random.default_rng(n)) for n in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()
    assert np.abs(np.diff(CLASSES[first])).max() > 0
    frequent = np.flatnonzero(CLASSES == 0)
    assert set(first) & set(frequent) != set(other) & set(frequent)


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
@pytest.mark.parametrize("rows", [None, np.flatnonzero(np.arange(len(CLASSES)) % 3)])
def test_loader_reads_balanced_epochs(wrap, rows):
    weights = np.linspace(0.5, 1.5, len(CLASSES))
    dataset = ImageDataset(wrap(IMAGES), CLASSES, weights, rows)
    n_images = len(dataset)
    seen = []
    for epoch in range(2):
        loader = BatchLoader(dataset, 7, seed=3, epoch=epoch, sampling="balanced")
        batches = list(loader)
        assert len(batches) == len(loader)
        drawn = np.concatenate([batch.images.numpy().ravel() for batch in batches]).astype(int)
        y = np.concatenate([batch.y.numpy() for batch in batches])
        assert len(drawn) == n_images
        assert set(drawn) <= set(range(len(CLASSES)) if rows is None else rows)
        assert_array_equal(y, CLASSES[drawn])
        found = np.concatenate([batch.weights.numpy() for batch in batches])
        assert_allclose(found, weights[drawn], rtol=1e-6)
        counts = np.bincount(y)
        assert np.ptp(counts[counts > 0]) <= 1
        seen.append(drawn)
    assert (seen[0] != seen[1]).any()
    again = BatchLoader(dataset, 9, seed=3, epoch=1, sampling="balanced")
    assert_array_equal(np.concatenate([b.images.numpy().ravel() for b in again]), seen[1])


def test_repeated_images_have_variants_of_their_own_in_an_epoch():
    dataset = ImageDataset(LazyImages(IMAGES).then(Variant()), CLASSES)
    for epoch in range(2):
        batches = list(BatchLoader(dataset, 7, seed=0, epoch=epoch, sampling="balanced"))
        keys = np.concatenate([batch.images.numpy().ravel() for batch in batches])
        y = np.concatenate([batch.y.numpy() for batch in batches])
        assert len(set(keys)) == len(CLASSES)
        assert_array_equal(y, CLASSES[keys.astype(int) % len(CLASSES)])
