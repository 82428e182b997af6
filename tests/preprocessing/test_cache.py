"""The images that lazy results keep: the same values, each read once, within the limit."""

import copy
import pickle
import threading
import tracemalloc

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier
from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageAugmenter, ImageReader, ImageResizer
from skcnn.preprocessing._cache import CachedImages
from skcnn.training.loader import BatchLoader, ImageDataset

IMAGES = np.random.default_rng(0).integers(0, 256, size=(12, 5, 6, 3)).astype(np.uint8)
SIZE = IMAGES[0].nbytes


class Counted:
    """A source that counts how often each row was read."""

    def __init__(self, images=IMAGES):
        self.images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.n_reads = np.zeros(len(images), dtype=int)
        self.lock = threading.Lock()

    def __getitem__(self, indices):
        with self.lock:
            np.add.at(self.n_reads, indices, 1)
        return self.images[indices]

    def __reduce__(self):
        return type(self), (self.images,)


class Mean(BaseEstimator):
    """An estimator that predicts the mean pixel value of the images it was fitted on."""

    def fit(self, X, y):
        self.mean_ = np.asarray(X).mean()
        return self

    def predict(self, X):
        return np.asarray(X).mean(axis=(1, 2, 3)) - self.mean_


def cached(source, limit=np.inf, at_once=True):
    return LazyImages(CachedImages(LazyImages(source), limit, at_once))


@pytest.mark.parametrize("limit", [0, SIZE - 1, SIZE, 5 * SIZE + 1, 12 * SIZE, np.inf])
@pytest.mark.parametrize("at_once", [True, False])
def test_values_are_those_that_were_read(limit, at_once):
    view = cached(Counted(), limit, at_once)
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows = rng.integers(0, 12, size=rng.integers(0, 9))
        read = view[rows].read()
        assert read.dtype == np.uint8
        assert_array_equal(read, IMAGES[rows])
        read[:] = 0  # whoever reads may write
    assert_array_equal(view, IMAGES)


@pytest.mark.parametrize("n_kept", [0, 1, 7, 12])
def test_the_first_images_are_kept_and_no_more_than_fit(n_kept):
    source = Counted()
    view = cached(source, (n_kept + 0.5) * SIZE)
    order = np.random.default_rng(0).permutation(12)
    for _ in range(3):
        view[order].read()
    assert_array_equal(source.n_reads[order[:n_kept]], 1)
    assert_array_equal(source.n_reads[order[n_kept:]], 3)


def test_what_is_read_but_once_is_not_kept():
    source = Counted()
    view = cached(source, at_once=False)
    view[:8].read()
    assert view.source._kept is None
    for _ in range(3):
        view.read()
    assert_array_equal(source.n_reads, [2] * 8 + [2] * 4)


def test_memory_is_that_of_the_images_that_fit():
    images = np.zeros((1, 256, 256, 3), dtype=np.uint8)
    images = np.broadcast_to(images, (300, *images.shape[1:]))
    view = cached(Counted(images), 20 * images[0].nbytes)
    tracemalloc.start()
    for _ in view.read_parts(2):
        pass
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 23 * images[0].nbytes
    assert peak < 40 * images[0].nbytes  # and some parts that are read ahead


def test_nothing_is_taken_for_nothing():
    assert cached(Counted(), 0).source._kept is None
    assert cached(IMAGES[:0]).read().shape == (0, 5, 6, 3)
    assert cached(IMAGES)[:0].read().shape == (0, 5, 6, 3)


def test_views_share_what_is_kept():
    source = Counted()
    view = cached(source)
    y = np.arange(12.0)
    for _ in range(2):
        found = cross_val_predict(Mean(), view, y, cv=3)
        assert_array_equal(found, cross_val_predict(Mean(), IMAGES, y, cv=3))
    assert_array_equal(source.n_reads, 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda view: pickle.loads(pickle.dumps(view))])
def test_copies_start_empty(copied):
    view = cached(Counted(), 7 * SIZE, at_once=False)
    size, digest = len(pickle.dumps(view)), joblib.hash(view)
    for _ in range(3):
        view.read()
    assert len(pickle.dumps(view)) == size
    assert joblib.hash(view) == digest
    other = copied(view)
    assert other.source._kept is None
    assert (other.source.limit, other.source.at_once) == (7 * SIZE, False)
    assert_array_equal(other, IMAGES)
    assert_array_equal(other.source.images.source.n_reads, 1)


def test_threads_share_what_is_kept():
    images = np.random.default_rng(0).integers(0, 256, size=(200, 8, 8), dtype=np.uint8)
    view = cached(Counted(images), 150 * 64)
    wrong = []

    def read(seed):
        rng = np.random.default_rng(seed)
        for _ in range(100):
            rows = rng.integers(0, 200, size=10)
            if not np.array_equal(view[rows].read(), images[rows]):
                wrong.append(rows)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    kept = np.flatnonzero(view.source._slots >= 0)
    assert len(kept) == 150
    assert_array_equal(np.sort(view.source._slots[kept]), np.arange(150))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_every_epoch_after_the_first_reads_from_memory(n_jobs):
    source = Counted()
    view = ImageResizer((3, 4), lazy=True, n_jobs=n_jobs).fit_transform(LazyImages(source))
    expected = ImageResizer((3, 4)).fit_transform(IMAGES)
    loader = BatchLoader(ImageDataset(view, np.arange(12)), 5, seed=0)
    for _ in range(3):
        for images, y in loader:
            assert_array_equal(images, np.moveaxis(expected[y], -1, 1))
    assert_array_equal(source.n_reads, 1)


# --- as ImageResizer uses it -------------------------------------------------------------------


@pytest.mark.parametrize("cache_size", [0, 1e-4, 1000])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_results_do_not_depend_on_the_limit(cache_size, dtype):
    images = IMAGES.astype(dtype)
    resizer = ImageResizer((3, 4), lazy=True, cache_size=cache_size)
    expected = ImageResizer((3, 4)).fit_transform(images)
    for view in (resizer.fit_transform(images), resizer.transform(images)):
        for _ in range(3):
            assert_array_equal(view, expected)
            assert_array_equal(view[[3, 1, 1]], expected[[3, 1, 1]])


def test_the_limit_is_in_megabytes():
    view = ImageResizer((64, 64), lazy=True, cache_size=0.25).fit_transform(np.zeros((99, 9, 9)))
    assert view.source._capacity == 2**18 // (64 * 64 * 8)


def test_a_view_of_a_part_keeps_its_keys():
    augmenter = ImageAugmenter(rotation=20, random_state=0)
    view = LazyImages(IMAGES, rows=[7, 2, 7], keys=[7, 2, 12])
    resized = ImageResizer((3, 4), lazy=True).fit_transform(view)
    assert_array_equal(resized.keys, [7, 2, 12])
    assert_array_equal(resized[1:].keys, [2, 12])
    lazy = augmenter.fit_transform(resized)
    array = augmenter.fit_transform(LazyImages(np.asarray(resized), keys=view.keys))
    assert_array_equal(lazy.at_epoch(3), array.at_epoch(3))
    varied = np.asarray(lazy.at_epoch(3))
    assert (varied[0] != varied[2]).any()
    whole = augmenter.fit_transform(
        ImageResizer((3, 4), lazy=True).fit_transform(LazyImages(IMAGES))
    )
    assert_array_equal(varied[:2], whole.at_epoch(3)[[7, 2]])


def test_keys_pass_an_augmenter_before_the_resizer():
    view = LazyImages(IMAGES, rows=[7, 7], keys=[7, 12])
    varied = ImageAugmenter(rotation=20, random_state=0).fit_transform(view)
    resized = ImageResizer((3, 4), lazy=True).fit_transform(varied)
    assert_array_equal(resized.keys, [7, 12])
    assert (resized[0] != resized[1]).any()


def test_what_an_augmenter_varies_is_not_kept():
    source = Counted()
    varied = ImageAugmenter(rotation=20, random_state=0).fit_transform(LazyImages(source))
    view = ImageResizer((3, 4), lazy=True, n_jobs=2).fit_transform(varied)
    assert (view.is_random, view.n_jobs) == (True, 2)
    before, after = np.asarray(view), np.asarray(view.at_epoch(1))
    assert (before != after).any()
    assert_array_equal(source.n_reads, 2)


def test_images_of_the_right_size_are_not_kept(tmp_path):
    images = np.memmap(tmp_path / "images", dtype=np.uint8, mode="w+", shape=(9, 5, 6, 3))
    view = ImageResizer((5, 6), lazy=True).fit_transform(images)
    assert np.shares_memory(view.source, images)


def test_images_of_mixed_dtypes_are_those_of_the_array():
    mixed = [IMAGES[0], IMAGES[1].astype(np.float64)[:4] / 3]
    view = ImageResizer((3, 3), lazy=True).fit_transform(mixed)
    assert view[[0]].read().dtype == view.dtype == np.float64
    assert_array_equal(view, ImageResizer((3, 3)).fit_transform(mixed))


def test_a_network_learns_the_same_from_files_and_from_memory(photo_files):
    paths, y = photo_files * 3, [0, 1, 0, 1] * 3
    probabilities = []
    for options in ({}, {"lazy": True}, {"lazy": True, "cache_size": 0, "n_jobs": 1}):
        pipe = make_pipeline(
            ImageReader(),
            ImageResizer((8, 8), **options),
            ImageAugmenter(horizontal_flip=True, random_state=0),
            CNNClassifier(channels=(4,), max_epochs=3, random_state=0, device="cpu"),
        )
        probabilities.append(pipe.fit(paths, y).predict_proba(paths))
    assert_array_equal(probabilities[1], probabilities[0])
    assert_array_equal(probabilities[2], probabilities[0])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_damaged_photo_is_named_while_training(photo_files, n_jobs):
    with open(photo_files[2], "r+b") as file:
        file.truncate(2000)
    pipe = make_pipeline(
        ImageReader(),
        ImageResizer((8, 8), lazy=True, n_jobs=n_jobs),
        CNNClassifier(channels=(4,), max_epochs=1, batch_size=2, device="cpu"),
    )
    before = threading.active_count()
    with pytest.raises(ValueError, match=r"2\.png' is damaged or truncated"):
        pipe.fit(photo_files, [0, 1, 0, 1])
    assert threading.active_count() == before


@pytest.mark.parametrize("cache_size", [-1, "1 GB", None])
def test_the_limit_is_a_number(cache_size):
    with pytest.raises(ValueError, match="'cache_size' parameter of ImageResizer must be a float"):
        ImageResizer((2, 2), cache_size=cache_size).fit(IMAGES)
