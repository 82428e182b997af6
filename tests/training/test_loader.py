"""Batches of arrays and lazy images: contents, order and reading ahead."""

import threading
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skcnn.images import check_images
from skcnn.lazy import LazyImages
from skcnn.pixels import channel_statistics
from skcnn.training import loader as loader_module
from skcnn.training.loader import Batch, BatchLoader, ImageDataset, as_tensor

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, size=(23, 4, 5, 3)).astype(np.uint8)
LABELS = np.arange(23)


class AddEpochAndRow:
    """A random operation that adds a function of epoch and row."""

    random = True

    def __call__(self, batch, indices, epoch):
        return batch + (100.0 * epoch + indices).reshape(-1, 1, 1, 1)

    def output(self, shape, dtype):
        return shape, np.dtype(float)


class FailAtRow:
    """An operation that fails at one image."""

    random = False

    def __init__(self, row):
        self.row = row

    def __call__(self, batch, indices, epoch):
        if self.row in indices:
            raise OSError(f"image {self.row} cannot be read")
        return batch

    def output(self, shape, dtype):
        return shape, dtype


def channels_first(images):
    return np.moveaxis(images, -1, 1)


def read_batches(loader):
    """Return the images and targets of each batch of an epoch, as arrays."""
    batches = list(loader)
    assert len(batches) == len(loader)
    return [(images.numpy(), y.numpy()) for images, y in batches]


def targets_by_batch(loader):
    return [y.tolist() for _, y in loader]


# --- tensors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "i8", "f2", "f4", ">f4", "f8", "bool"])
def test_as_tensor(dtype):
    images = IMAGES.astype(dtype)
    tensor = as_tensor(images)
    assert tensor.dtype == (torch.uint8 if dtype == "u1" else torch.float32)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert_array_equal(tensor, channels_first(images).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_as_tensor_copies_only_if_necessary(dtype, tmp_path):
    images = IMAGES.astype(dtype)
    assert np.shares_memory(as_tensor(images).numpy(), images)
    read_only = images.copy()
    read_only.flags.writeable = False
    tensor = as_tensor(read_only)  # PyTorch warns about read-only arrays
    assert not np.shares_memory(tensor.numpy(), read_only)
    assert_array_equal(tensor, channels_first(images))
    assert_array_equal(as_tensor(images[:, ::-1, ::2]), channels_first(images[:, ::-1, ::2]))


# --- the data set ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [None, np.array([5, 2, 9])])
@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_batch_contents(rows, wrap):
    weights = np.linspace(1, 2, 23)
    dataset = ImageDataset(wrap(IMAGES), LABELS, weights, rows)
    seen = np.arange(23) if rows is None else rows
    assert len(dataset) == len(seen)
    batch = dataset.batch(np.array([2, 0]))
    assert isinstance(batch, Batch)
    images, y = batch
    assert_array_equal(images, channels_first(IMAGES[seen[[2, 0]]]))
    assert_array_equal(y, seen[[2, 0]])
    assert batch.weights.dtype == torch.float32
    assert_array_equal(batch.weights, weights[seen[[2, 0]]].astype(np.float32))


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_images_without_targets(wrap):
    images, y = batch = ImageDataset(wrap(IMAGES)).batch(np.arange(4))
    assert images.shape == (4, 3, 4, 5)
    assert y.shape == (4,)
    assert batch.weights is None


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_grayscale_images_without_channel_axis(wrap):
    images, _ = ImageDataset(wrap(IMAGES[..., 0])).batch(np.arange(4))
    assert_array_equal(images, IMAGES[:4, np.newaxis, :, :, 0])


def test_multi_output_targets():
    y = RNG.normal(size=(23, 2)).astype(np.float32)
    batch = ImageDataset(IMAGES, y).batch(np.array([3, 1]))
    assert_array_equal(batch[1], y[[3, 1]])


def test_indexing_returns_one_image():
    image, y = ImageDataset(IMAGES, LABELS)[7]
    assert_array_equal(image, channels_first(IMAGES)[7])
    assert int(y) == 7


def test_data_set_works_with_a_pytorch_data_loader():
    batches = list(torch.utils.data.DataLoader(ImageDataset(IMAGES, LABELS), batch_size=10))
    assert_array_equal(torch.cat([images for images, _ in batches]), channels_first(IMAGES))
    assert_array_equal(torch.cat([y for _, y in batches]), LABELS)


def test_random_operations_get_the_epoch_and_clean_removes_them():
    dataset = ImageDataset(LazyImages(IMAGES).then(AddEpochAndRow()), LABELS, rows=np.array([4, 8]))
    found = dataset.batch(np.array([1, 0]), epoch=3)[0]
    expected = channels_first(IMAGES[[8, 4]]) + np.array([308, 304]).reshape(-1, 1, 1, 1)
    assert_array_equal(found, expected)
    clean = dataset.clean()
    assert_array_equal(clean.batch(np.array([1, 0]), epoch=3)[0], channels_first(IMAGES[[8, 4]]))
    assert_array_equal(clean.batch(np.array([0, 1]))[1], [4, 8])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_lazy_images_that_are_not_finite(value):
    images = IMAGES.astype(float)
    images[11, 0, 0] = value
    loader = BatchLoader(ImageDataset(LazyImages(images), LABELS), 5)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        list(loader)


# --- batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_images", "batch_size", "sizes"),
    [
        (23, 5, [5, 5, 5, 5, 3]),
        (20, 5, [5, 5, 5, 5]),
        (21, 5, [5, 5, 5, 6]),
        (5, 5, [5]),
        (6, 5, [6]),
        (4, 5, [4]),
        (1, 5, [1]),
        (2, 2, [2]),
        (3, 2, [3]),
        (23, 100, [23]),
    ],
)
@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_last_batch_of_one_image_joins_the_previous_batch(n_images, batch_size, sizes, seed, wrap):
    dataset = ImageDataset(wrap(IMAGES[:n_images]), LABELS[:n_images])
    loader = BatchLoader(dataset, batch_size, seed=seed)
    batches = read_batches(loader)
    assert [len(y) for _, y in batches] == sizes
    seen = np.concatenate([y for _, y in batches])
    assert_array_equal(np.sort(seen), np.arange(n_images))
    for images, y in batches:
        assert_array_equal(images, channels_first(IMAGES[y]))


def test_order_without_a_seed():
    dataset = ImageDataset(IMAGES, LABELS, rows=np.array([9, 3, 7, 1, 8]))
    assert targets_by_batch(BatchLoader(dataset, 2)) == [[9, 3], [7, 1, 8]]


def test_order_depends_on_seed_and_epoch_only():
    dataset = ImageDataset(IMAGES, LABELS)
    loader = BatchLoader(dataset, 5, seed=1)
    passes = [targets_by_batch(loader) for _ in range(3)]
    assert passes[0] != passes[1] != passes[2] != passes[0]
    for epoch in (2, 0, 1):
        np.random.default_rng().random()
        torch.rand(1)
        assert targets_by_batch(BatchLoader(dataset, 5, seed=1, epoch=epoch)) == passes[epoch]
        flat = np.concatenate(targets_by_batch(BatchLoader(dataset, 7, seed=1, epoch=epoch)))
        assert_array_equal(flat, np.concatenate(passes[epoch]))
        assert targets_by_batch(BatchLoader(dataset, 5, seed=2, epoch=epoch)) != passes[epoch]


def test_global_random_states_do_not_change():
    before, torch_before = np.random.get_state(), torch.get_rng_state()
    list(BatchLoader(ImageDataset(LazyImages(IMAGES), LABELS), 5, seed=1))
    assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), torch_before)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("rows", [None, RNG.permutation(23)[:13]])
@pytest.mark.parametrize("batch_size", [2, 6, 40])
def test_lazy_batches_equal_array_batches(seed, rows, batch_size):
    weights = RNG.uniform(size=23)
    lazy, array = (
        BatchLoader(ImageDataset(images, LABELS, weights, rows), batch_size, seed=seed)
        for images in (LazyImages(IMAGES), IMAGES)
    )
    for _ in range(2):
        for one, other in zip(lazy, array, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])
            assert torch.equal(one.weights, other.weights)


@pytest.mark.parametrize("first", [0, 4])
def test_every_epoch_has_its_own_random_variants(first):
    dataset = ImageDataset(LazyImages(IMAGES).then(AddEpochAndRow()), LABELS)
    loader = BatchLoader(dataset, 5, seed=1, epoch=first)
    for epoch in range(first, first + 3):
        for images, y in read_batches(loader):
            amount = (100.0 * epoch + y).reshape(-1, 1, 1, 1)
            assert_array_equal(images, (channels_first(IMAGES[y]) + amount).astype(np.float32))


@pytest.mark.parametrize("row", [0, 11, 22])
def test_errors_while_reading_ahead_are_raised(row):
    loader = BatchLoader(ImageDataset(LazyImages(IMAGES).then(FailAtRow(row)), LABELS), 5)
    batches = iter(loader)
    seen = [next(batches)[1].tolist() for _ in range(row // 5)]
    assert [y for batch in seen for y in batch] == list(range(row - row % 5))
    with pytest.raises(OSError, match=f"image {row} cannot be read"):
        next(batches)


class RecordingSource:
    """A source that records which rows are read."""

    shape, dtype = IMAGES.shape, IMAGES.dtype

    def __init__(self):
        self.reads = []

    def __getitem__(self, indices):
        self.reads.append(list(indices))
        return IMAGES[indices]


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 50])
def test_closing_the_iterator_ends_its_threads(n_jobs):
    n_threads = threading.active_count()
    batches = iter(BatchLoader(ImageDataset(LazyImages(IMAGES, n_jobs=n_jobs), LABELS), 2))
    next(batches)
    batches.close()
    assert threading.active_count() == n_threads


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_one_batch_per_thread_is_read_ahead(n_jobs):
    source = RecordingSource()
    batches = iter(BatchLoader(ImageDataset(LazyImages(source, n_jobs=n_jobs), LABELS), 5))
    next(batches)
    batches.close()
    assert sorted(source.reads) == [list(range(at, at + 5)) for at in range(0, 5 * n_jobs + 5, 5)]


def test_single_batch_starts_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", None)
    assert len(read_batches(BatchLoader(ImageDataset(LazyImages(IMAGES), LABELS), 50))) == 1


@pytest.mark.parametrize("n_jobs", [None, 1, 4])
def test_batches_do_not_depend_on_the_number_of_threads(n_jobs):
    view = LazyImages(IMAGES, n_jobs=n_jobs).then(AddEpochAndRow())
    loader = BatchLoader(ImageDataset(view, LABELS), 3, seed=1)
    expected = BatchLoader(ImageDataset(np.asarray(LazyImages(IMAGES)), LABELS), 3, seed=1)
    for epoch in range(3):
        for (images, y), (clean, same) in zip(loader, expected, strict=True):
            assert torch.equal(y, same)
            assert_array_equal(images, clean + (100.0 * epoch + y).reshape(-1, 1, 1, 1))


# --- memory-mapped arrays ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_memory_map_is_read_in_parts(tmp_path, dtype):
    shape = (400, 50, 50, 3)
    images = np.memmap(tmp_path / "images", dtype=dtype, mode="w+", shape=shape)
    images[:] = RNG.integers(0, 256, size=shape)
    images = np.memmap(tmp_path / "images", dtype=dtype, mode="r", shape=shape)
    tracemalloc.start()
    checked = check_images(BaseEstimator(), images, reset=True)
    channel_statistics(checked)
    for _ in BatchLoader(ImageDataset(checked, np.arange(400)), 8, seed=0):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.shares_memory(checked, images)
    assert peak < 4 * 64 * 50 * 50 * 3 * 8  # a few chunks of the channel statistics


# --- batches gathered together -----------------------------------------------------------------


def naive_batches(images, y, weights, order, batch_size):
    """Gather each batch by itself, one after the other."""
    starts = [*range(0, len(order), batch_size), len(order)]
    if len(starts) > 2 and starts[-1] - starts[-2] == 1:
        del starts[-2]
    for start, stop in pairwise(starts):
        rows = order[start:stop]
        pixels = channels_first(images[rows]).astype("u1" if images.dtype == np.uint8 else "f4")
        yield pixels, y[rows], None if weights is None else weights[rows].astype(np.float32)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", ">i2"])
@pytest.mark.parametrize("chunk", [1, 1000, 5000, 2**20])
@pytest.mark.parametrize("batch_size", [2, 5, 11, 22, 40])
@pytest.mark.parametrize("rows", [None, RNG.permutation(23)[:12]], ids=["all", "some"])
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_gathered_together_equal_single_ones(
    monkeypatch, dtype, chunk, batch_size, rows, weighted
):
    monkeypatch.setattr(loader_module, "_CHUNK", chunk)
    images = IMAGES.astype(dtype)
    weights = np.linspace(1, 2, 23) if weighted else None
    batches = BatchLoader(ImageDataset(images, LABELS, weights, rows), batch_size, seed=4, epoch=2)
    seen = np.arange(23) if rows is None else rows
    order = seen[np.random.default_rng((4, 2)).permutation(len(seen))]
    expected = naive_batches(images, LABELS, weights, order, batch_size)
    for batch, (pixels, y, w) in zip(batches, expected, strict=True):
        assert isinstance(batch, Batch)
        assert batch[0].is_contiguous(memory_format=torch.channels_last)
        assert_array_equal(batch[0], pixels)
        assert_array_equal(batch[1], y)
        if weighted:
            assert_array_equal(batch.weights, w)
        else:
            assert batch.weights is None


def gathered_sizes(monkeypatch, images, batch_size):
    """Return the numbers of images that are gathered together."""
    sizes, batch = [], ImageDataset.batch
    monkeypatch.setattr(
        ImageDataset, "batch", lambda self, rows: sizes.append(len(rows)) or batch(self, rows)
    )
    for _ in BatchLoader(ImageDataset(images, np.zeros(len(images))), batch_size):
        pass
    return sizes


@pytest.mark.parametrize(
    ("shape", "dtype", "batch_size", "sizes"),
    [
        ((5000, 8, 8, 1), "u1", 64, [5000]),
        ((20000, 8, 8, 1), "u1", 64, [16384, 3616]),
        ((1000, 32, 32, 3), "u1", 64, [320, 320, 320, 40]),
        ((97, 32, 32, 3), "f8", 16, [32, 32, 33]),  # one image left over joins the last batch
        ((20, 300, 300, 3), "u1", 8, [8, 8, 4]),
        ((7, 700, 700, 3), "u1", 3, [3, 4]),
    ],
)
def test_only_small_batches_are_gathered_together(monkeypatch, shape, dtype, batch_size, sizes):
    assert gathered_sizes(monkeypatch, np.zeros(shape, dtype), batch_size) == sizes


@pytest.mark.parametrize("dtype", ["u1", "f8"])
@pytest.mark.parametrize("seed", [None, 0])
def test_batches_of_a_memory_map(tmp_path, dtype, seed):
    images = np.memmap(tmp_path / "images", dtype=dtype, mode="w+", shape=IMAGES.shape)
    images[:] = IMAGES
    images = np.memmap(tmp_path / "images", dtype=dtype, mode="r", shape=IMAGES.shape)
    for (found, y), (expected, same) in zip(
        BatchLoader(ImageDataset(images, LABELS), 4, seed=seed),
        BatchLoader(ImageDataset(IMAGES.astype(dtype), LABELS), 4, seed=seed),
        strict=True,
    ):
        assert torch.equal(found, expected)
        assert torch.equal(y, same)


@pytest.mark.parametrize("weights", [None, np.linspace(0, 1, 23)])
def test_cut_returns_views(weights):
    batch = ImageDataset(IMAGES, LABELS, weights).batch(np.arange(10))
    cut = batch.slice(3, 7)
    assert isinstance(cut, Batch)
    assert_array_equal(cut[0], channels_first(IMAGES[3:7]))
    assert_array_equal(cut[1], LABELS[3:7])
    assert cut[0].data_ptr() == batch[0][3:].data_ptr()
    if weights is None:
        assert cut.weights is None
    else:
        assert_array_equal(cut.weights, weights[3:7].astype(np.float32))
