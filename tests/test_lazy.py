"""LazyImages against the array that it shows."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length, resample, shuffle
from sklearn.utils.validation import _num_samples

from skcnn.lazy import LazyImages
from skcnn.operations import Operation, Reshape

IMAGES = np.random.default_rng(0).integers(0, 256, size=(10, 4, 5, 3)).astype(np.uint8)


class Counted:
    """A source that remembers which rows were read."""

    def __init__(self, images):
        self.images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.reads = []

    def __getitem__(self, rows):
        self.reads.append(np.array(rows))
        return self.images[rows]


class Ragged:
    """A source of images of different sizes."""

    dtype = np.dtype(np.uint8)

    def __init__(self, heights):
        self.heights = np.array(heights)
        self.shape = (len(heights), None, 5)

    def __getitem__(self, rows):
        return [np.full((self.heights[row], 5), row, np.uint8) for row in rows]


class Halve(Operation):
    """An operation that is not random and changes the dtype."""

    def __call__(self, batch, keys, epoch):
        return batch / np.float32(2)

    def output(self, shape, dtype):
        return shape, np.float32


class Add(Operation):
    """A random operation: what it adds is a function of epoch and key."""

    random = True

    def __call__(self, batch, keys, epoch):
        amount = (100 * epoch + np.asarray(keys)).reshape(-1, *[1] * (batch.ndim - 1))
        return batch.astype(int) + amount

    def output(self, shape, dtype):
        return shape, np.dtype(int)


class Mean(BaseEstimator):
    """An estimator that predicts the mean pixel value of the images it was fitted on."""

    def fit(self, X, y):
        self.mean_ = np.asarray(X).mean()
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


ROWS = np.arange(10).reshape(-1, 1, 1, 1)


def test_what_it_says_of_itself():
    view = LazyImages(IMAGES)
    assert (len(view), view.shape, view.ndim) == (10, (10, 4, 5, 3), 4)
    assert view.dtype == np.uint8
    assert not view.is_random
    assert repr(view) == "LazyImages(shape=(10, 4, 5, 3), dtype=uint8, operations=())"


def test_operations_say_what_comes_out():
    view = LazyImages(IMAGES).then(Halve()).then(Reshape((60,)))
    assert view.shape == (10, 60)
    assert view.ndim == 2
    assert view.dtype == np.float32
    assert_array_equal(np.asarray(view), IMAGES.reshape(10, 60) / np.float32(2))


def test_nothing_is_read_before_it_is_asked_for():
    source = Counted(IMAGES)
    view = LazyImages(source).then(Halve())
    view = view[2:].at_epoch(3).clean()[[1, 2]]
    view.shape, view.dtype, len(view), repr(view)
    assert source.reads == []
    view[1]
    assert_array_equal(source.reads, [[4]])


@pytest.mark.parametrize("row", [0, 3, -1, -10, np.int64(2), np.uint8(2), np.array(2)])
def test_an_integer_gives_an_image(row):
    image = LazyImages(IMAGES)[row]
    assert type(image) is np.ndarray
    assert_array_equal(image, IMAGES[row])


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(2, 7),
        slice(None, None, -1),
        slice(-3, None),
        slice(8, 2),
        np.array([4, 1, 1, -1]),
        np.array([4, 1], dtype=np.uint8),
        [4, 1, 1],
        [-1],
        range(3),
        np.arange(10) % 3 == 0,
        (np.arange(10) % 3 == 0).tolist(),
        np.zeros(10, dtype=bool),
        np.ones(10, dtype=bool),
        np.zeros(0, dtype=int),
    ],
    ids=str,
)
@pytest.mark.parametrize("with_ellipsis", [False, True])
def test_anything_else_gives_a_view(key, with_ellipsis):
    view = LazyImages(IMAGES)[(key, Ellipsis) if with_ellipsis else key]
    assert isinstance(view, LazyImages)
    expected = IMAGES[list(key) if isinstance(key, range) else key]
    assert view.shape == expected.shape
    assert_array_equal(np.asarray(view), expected)
    assert_array_equal(view.read(), expected)


@pytest.mark.parametrize("key", [[], np.array([])])
def test_an_empty_key(key):
    view = LazyImages(IMAGES)
    assert view[key].shape == (0, 4, 5, 3)
    assert np.asarray(view[key]).shape == (0, 4, 5, 3)
    assert np.asarray(view[key]).dtype == np.uint8
    assert list(view[key]) == []


@pytest.mark.parametrize("key", [slice(3, 9), [8, 2, 5], np.arange(10) % 2 == 0])
@pytest.mark.parametrize("second", [slice(1, 3), [0, 2], -1])
def test_a_view_of_a_view(key, second):
    found = LazyImages(IMAGES)[key][second]
    assert_array_equal(np.asarray(found), IMAGES[key][second])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((), "indexed along its images only"),
        ((0, 1), "indexed along its images only, got \\(0, 1\\): read the values with np.asarray"),
        ((slice(None), slice(2)), "indexed along its images only"),
        ((Ellipsis, 0), "indexed along its images only"),
        ((0, Ellipsis, 1), "indexed along its images only"),
        (10, "out of bounds"),
        (-11, "out of bounds"),
        ([3, 10], "out of bounds"),
        (np.ones(9, dtype=bool), "a mask with a value for each of the 10 images"),
        (1.0, "integer"),
        ([1.0, 2.0], "integer"),
        ("a", "integer"),
        (None, "integer"),
        (True, "indexed by integers, .* got"),
        (np.array([[0, 1]]), r"indices of one axis, got shape \(1, 2\)"),
    ],
    ids=str,
)
def test_bad_keys(key, message):
    with pytest.raises(IndexError, match=message):
        LazyImages(IMAGES)[key]


class NoName:
    """A source whose representation takes long."""

    shape, dtype = IMAGES.shape, IMAGES.dtype

    def __getitem__(self, rows):
        return IMAGES[rows]

    def __repr__(self):
        raise AssertionError("reading computes the representation")


def test_reading_does_not_compute_the_name_of_the_source():
    assert_array_equal(LazyImages(NoName()).read(), IMAGES)


def test_masked_rows_and_keys_are_refused():
    masked = np.ma.masked_equal([0, 1], 1)
    view = LazyImages(IMAGES)
    for select in (
        lambda: LazyImages(IMAGES, rows=masked),
        lambda: LazyImages(IMAGES[:2], keys=masked),
        lambda: view[masked],
    ):
        with pytest.raises(ValueError, match="is a masked array with 1 masked value"):
            select()


@pytest.mark.parametrize("key", [True, False, np.True_, np.array(True)])
def test_one_bool_is_no_index_of_a_single_image(key):
    with pytest.raises(IndexError, match="not by one bool, got"):
        LazyImages(IMAGES[:1])[key]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (10**400, "indexed by integers"),
        ([10**30], "indexed by integers"),
        ({1}, "indexed by integers"),
        (np.array([1], dtype=object), "indexed by integers"),
        ([-11], "index -11 is out of bounds for LazyImages of 10 images"),
        (np.array([2**64 - 1], dtype=np.uint64), "out of bounds"),
    ],
    ids=lambda value: str(value)[:10],
)
def test_other_bad_keys(key, message):
    with pytest.raises(IndexError, match=message):
        LazyImages(IMAGES)[key]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (list(IMAGES), TypeError, "takes an array, .*got list: convert images of one size"),
        ([1, 2], TypeError, "got list"),
        (None, TypeError, "got NoneType"),
        ("images", TypeError, "got str"),
        (np.array(3), ValueError, "got a single number"),
        (IMAGES.astype(object), TypeError, "real numbers, got dtype object"),
        (IMAGES * 1j, TypeError, "real numbers, got dtype complex128"),
        (LazyImages(IMAGES), TypeError, "got LazyImages: use the view itself"),
        (torch.zeros(4, 8, 8), TypeError, "dtype is one of NumPy, got torch.float32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bad_sources(source, error, message):
    with pytest.raises(error, match=message):
        LazyImages(source)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rows": [True] * 3}, IndexError, "a mask with a value for each of the 10 images"),
        ({"rows": [0.0, 1.0]}, IndexError, r"indexed by integers, .*got \[0.0, 1.0\]"),
        ({"rows": ["a"]}, IndexError, "indexed by integers"),
        ({"rows": [None]}, IndexError, "indexed by integers"),
        ({"rows": 5}, IndexError, "indices of one axis"),
        ({"rows": [[0, 1]]}, IndexError, r"indices of one axis, got shape \(1, 2\)"),
        ({"rows": [10]}, IndexError, "index 10 is out of bounds for LazyImages of 10 images"),
        ({"rows": [3, -11]}, IndexError, "index -11 is out of bounds"),
        ({"rows": [10**400]}, IndexError, "indexed by integers"),
        ({"keys": [True] * 10}, ValueError, "keys must be one integer for each of the 10 images"),
        ({"keys": np.arange(10.0)}, ValueError, "dtype float64"),
        ({"keys": [10**400] * 10}, ValueError, "keys must be one integer"),
        ({"keys": np.zeros((10, 2), int)}, ValueError, r"of shape \(10, 2\)"),
        ({"keys": 5}, ValueError, r"of shape \(\)"),
        ({"keys": ([0], [1, 2])}, ValueError, "keys must be one integer"),
        ({"operations": 1}, TypeError, "instances of skcnn.operations.Operation, got 1"),
        ({"operations": ["flip"]}, TypeError, "got 'flip'"),
        ({"operations": [Halve]}, TypeError, "got <class"),
        ({"epoch": 1.5}, TypeError, "epoch must be an integer, got 1.5"),
        ({"epoch": None}, TypeError, "epoch must be an integer"),
        ({"n_jobs": 0}, ValueError, 'n_jobs must be an integer other than 0, "auto" or None'),
        ({"n_jobs": 1.5}, ValueError, "n_jobs must be"),
        ({"n_jobs": "all"}, ValueError, "n_jobs must be .*got 'all'"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        LazyImages(IMAGES, **arguments)


def test_bad_arguments_of_methods():
    view = LazyImages(IMAGES)
    for n_images in (-1, 0, 1.5, "a", None, True):
        with pytest.raises(ValueError, match="n_images must be an integer of at least 1, got"):
            view.read_parts(n_images)  # before the first part is asked for
    with pytest.raises(TypeError, match="epoch must be an integer, got 'a'"):
        view.at_epoch("a")
    with pytest.raises(TypeError, match=r"instances of skcnn.operations.Operation, got 'flip'"):
        view.then("flip")
    assert [len(part) for part in view.read_parts(10**400)] == [10]


@pytest.mark.parametrize("rows", [[-1, 2], np.arange(10) % 9 == 2, np.array([9, 2], ">u2"), []])
def test_rows_are_stored_as_indices_from_zero(rows):
    view = LazyImages(IMAGES, rows=rows)
    expected = np.arange(10)[rows] if len(rows) else []
    assert_array_equal(view.rows, expected)
    assert_array_equal(view.keys, expected)
    assert view.shape == (len(expected), 4, 5, 3)


def test_a_source_that_returns_another_number_of_images():
    class Short(Counted):
        def __getitem__(self, rows):
            return self.images[rows[:-1]]

    with pytest.raises(ValueError, match=r"returned 9 image\(s\) for 10 rows"):
        LazyImages(Short(IMAGES)).read()


def test_iteration():
    images = list(LazyImages(IMAGES).then(Halve()))
    assert len(images) == 10
    assert_array_equal(images, IMAGES / np.float32(2))


@pytest.mark.parametrize("n_images", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [None, np.uint8, np.float32, np.float64, bool])
def test_conversion_in_parts(n_images, dtype, monkeypatch):
    monkeypatch.setattr("skcnn.lazy._READ", 64 * 2 * 2)
    images = np.random.default_rng(1).integers(0, 256, size=(n_images, 2, 2)).astype(np.uint8)
    source = Counted(images)
    converted = np.asarray(LazyImages(source), dtype=dtype)
    assert converted.dtype == (dtype or np.uint8)
    assert_array_equal(converted, images if dtype is None else images.astype(dtype))
    assert max(map(len, source.reads)) <= 64
    assert_array_equal(np.sort(np.concatenate(source.reads)), np.arange(n_images))


def test_conversion_never_shares_memory():
    view = LazyImages(IMAGES)
    assert not np.shares_memory(np.asarray(view), IMAGES)
    assert not np.shares_memory(np.array(view, copy=True), IMAGES)
    with pytest.raises(ValueError, match="always makes a copy"):
        np.array(view, copy=False)


@pytest.mark.parametrize("n_jobs", ["auto", None, 1, 3])
@pytest.mark.parametrize(
    ("n_images", "sizes"), [(3, [3, 3, 3, 1]), (5, [5, 5]), (10, [10]), (99, [10])]
)
def test_reading_in_parts(n_images, sizes, n_jobs):
    view = LazyImages(IMAGES, n_jobs=n_jobs).then(Add())[::-1].at_epoch(2)
    parts = list(view.read_parts(n_images))
    assert list(map(len, parts)) == sizes
    assert_array_equal(np.concatenate(parts), np.asarray(view))


def test_no_parts_of_nothing():
    assert list(LazyImages(IMAGES)[:0].read_parts(4)) == []


def test_every_view_knows_its_threads():
    view = LazyImages(IMAGES, n_jobs=3)
    views = (view, view[2:], view[[1]], view.then(Halve()), view.clean(), view.at_epoch(2))
    assert {one.n_jobs for one in views} == {3}
    assert LazyImages(IMAGES).n_jobs == "auto"


@pytest.mark.parametrize(
    "name",
    ["shape", "dtype", "ndim", "source", "operations", "rows", "keys", "epoch", "n_jobs", "other"],
)
def test_attributes_cannot_be_set(name):
    with pytest.raises(AttributeError):
        setattr(LazyImages(IMAGES), name, 0)


def test_values_cannot_be_set():
    view = LazyImages(IMAGES)
    with pytest.raises(TypeError, match="item assignment"):
        view[0] = 1
    for part in (view, view[2:], view[[3, 1]]):
        with pytest.raises(ValueError, match="read-only"):
            part.rows[0] = 5
    assert isinstance(view.operations, tuple)


def test_rows_given_are_not_shared():
    rows = np.array([3, 4])
    view = LazyImages(IMAGES, rows=rows)
    rows[:] = 0
    assert_array_equal(np.asarray(view), IMAGES[[3, 4]])


def test_every_change_is_a_new_view():
    view = LazyImages(IMAGES, [Add()], epoch=2)
    before = np.asarray(view)
    view.at_epoch(5), view.clean(), view.then(Halve()), view[1:]
    assert_array_equal(np.asarray(view), before)
    assert view.epoch == 2


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_a_realization_is_a_function_of_epoch_and_row(epoch):
    view = LazyImages(IMAGES).then(Add()).at_epoch(epoch)
    expected = IMAGES.astype(int) + 100 * epoch + ROWS
    assert view.is_random
    assert_array_equal(np.asarray(view), expected)
    assert_array_equal(np.asarray(view[[7, 2, 2]]), expected[[7, 2, 2]])
    assert_array_equal(view[::-1][0], expected[9])
    assert_array_equal(list(view), expected)


def test_clean_keeps_what_is_not_random():
    view = LazyImages(IMAGES).then(Halve()).then(Add()).then(Reshape((60,))).at_epoch(3)
    clean = view.clean()
    assert not clean.is_random
    assert clean.dtype == np.float32
    assert_array_equal(np.asarray(clean), IMAGES.reshape(10, 60) / np.float32(2))
    assert clean.epoch == 3


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(protocol):
    keys = np.arange(20, 30)
    view = LazyImages(IMAGES, [Reshape((60,)), Add()], keys=keys, epoch=4, n_jobs=2)[[8, 1]]
    for loaded in (pickle.loads(pickle.dumps(view, protocol)), copy.deepcopy(view)):
        assert (loaded.epoch, loaded.n_jobs) == (4, 2)
        assert_array_equal(loaded.keys, [28, 21])
        assert loaded.shape == (2, 60)
        assert_array_equal(np.asarray(loaded), np.asarray(view))


def test_pickles_are_as_small_as_the_rows_that_were_chosen():
    source = np.broadcast_to(np.uint8(1), (100_000, 1, 1))
    view = LazyImages(Counted(source[:1]))
    whole = LazyImages(type("Source", (), {"shape": (100_000, 1, 1), "dtype": np.uint8}))
    rows, keys = whole.__reduce__()[1][2:4]
    assert rows is keys is None
    chosen = whole[::2].__reduce__()[1]
    assert (len(chosen[2]), chosen[3]) == (50_000, None)
    assert len(pickle.dumps(view)) < 1000


# --- keys --------------------------------------------------------------------------------------


def test_keys_are_the_rows_unless_given():
    assert_array_equal(LazyImages(IMAGES).keys, np.arange(10))
    assert_array_equal(LazyImages(IMAGES, rows=[4, 4, 2]).keys, [4, 4, 2])
    assert_array_equal(LazyImages(IMAGES)[::-3].keys, [9, 6, 3, 0])


def test_images_are_selected_with_their_keys():
    view = LazyImages(IMAGES, keys=np.arange(10)[::-1] + 50)
    for key in (slice(2, 7), [4, 1, 1, -1], np.arange(10) % 3 == 0):
        assert_array_equal(view[key].rows, np.arange(10)[key])
        assert_array_equal(view[key].keys, view.keys[key])
        assert_array_equal(view[key][::-1].keys, view.keys[key][::-1])
    for same in (view.then(Halve()), view.clean(), view.at_epoch(3)):
        assert_array_equal(same.keys, view.keys)


def test_repeated_images_have_variants_of_their_own():
    rows, keys = np.array([3, 3, 3, 5]), np.array([3, 10, 11, 5])
    view = LazyImages(IMAGES, [Add()], rows=rows, keys=keys).at_epoch(2)
    assert_array_equal(view, IMAGES[rows].astype(int) + 200 + keys.reshape(-1, 1, 1, 1))
    assert_array_equal(view[1], IMAGES[3].astype(int) + 210)
    assert_array_equal(view.clean(), IMAGES[rows])


@pytest.mark.parametrize(
    "keys", [None, np.arange(10) - 4, np.arange(10, dtype=np.uint8)[::-1], np.zeros(10, int)]
)
def test_resampled_images_have_keys_of_their_own(keys):
    view = LazyImages(IMAGES, [Add()], keys=keys)
    indices = np.array([3, 3, 9, 0, 3, -1, 2])
    resampled = view.resample(indices)
    assert_array_equal(resampled.rows, view[indices].rows)
    assert len(set(resampled.keys.tolist())) == len(indices)
    for key in view.keys[indices]:  # the first image with a key keeps it
        first = view.keys[indices].tolist().index(key)
        assert resampled.keys[first] == key
    assert_array_equal(resampled.clean(), IMAGES[indices])
    twice = resampled.resample(np.repeat(np.arange(len(indices)), 3))
    assert len(set(twice.keys.tolist())) == 3 * len(indices)
    assert_array_equal(twice.keys[::3], resampled.keys)


def test_resample_selects_as_an_index_does():
    view = LazyImages(IMAGES)
    assert_array_equal(view.resample([4, 1]).keys, [4, 1])
    assert len(view.resample([])) == 0
    assert_array_equal(view.resample(np.arange(10) > 7).rows, [8, 9])
    with pytest.raises(IndexError, match="out of bounds"):
        view.resample([10])
    huge = LazyImages(IMAGES, keys=np.linspace(-(2**62), 2**62, 10).astype(np.int64))
    assert len(set(huge.resample(np.zeros(5, int)).keys.tolist())) == 5


def test_every_image_has_a_key():
    with pytest.raises(ValueError, match="3 keys, but 10 images"):
        LazyImages(IMAGES, keys=[0, 1, 2])


# --- images of different sizes -----------------------------------------------------------------


def test_ragged_images_one_by_one():
    view = LazyImages(Ragged([2, 3, 3]))
    assert view.shape == (3, None, 5)
    assert view.ndim == 3
    assert [image.shape for image in view] == [(2, 5), (3, 5), (3, 5)]
    assert isinstance(view.read(), list)


def test_ragged_images_are_no_array():
    with pytest.raises(ValueError, match=r"2 different shapes, from \(2, 5\) to \(3, 5\).*Resizer"):
        np.asarray(LazyImages(Ragged([2, 3, 3])))


def test_images_that_happen_to_be_of_one_size_are_an_array():
    images = np.asarray(LazyImages(Ragged([2, 3, 3]))[1:], dtype=np.float32)
    assert images.dtype == np.float32
    assert_array_equal(images[:, 0, 0], [1, 2])


def test_no_ragged_images():
    assert np.asarray(LazyImages(Ragged([2, 3]))[:0]).shape == (0, 0, 5)


# --- scikit-learn's ways of taking a part ------------------------------------------------------


@pytest.mark.parametrize(
    "key", [[3, 1], np.array([3, 1]), np.arange(10) < 4, slice(2, 6), [True] * 4 + [False] * 6]
)
def test_safe_indexing(key):
    part = _safe_indexing(LazyImages(IMAGES), key)
    assert isinstance(part, LazyImages)
    assert_array_equal(np.asarray(part), IMAGES[key])


def test_num_samples():
    assert _num_samples(LazyImages(IMAGES)) == 10
    check_consistent_length(LazyImages(IMAGES), np.zeros(10))


@pytest.mark.parametrize("stratify", [None, np.arange(10) % 2])
def test_train_test_split(stratify):
    options = {"random_state": 0, "stratify": stratify}
    parts = train_test_split(LazyImages(IMAGES), **options)
    for part, expected in zip(parts, train_test_split(IMAGES, **options), strict=True):
        assert isinstance(part, LazyImages)
        assert_array_equal(np.asarray(part), expected)


@pytest.mark.parametrize("shuffled", [False, True])
def test_k_fold(shuffled):
    view = LazyImages(IMAGES)
    folds = KFold(3, shuffle=shuffled, random_state=0 if shuffled else None)
    for train, test in folds.split(view):
        assert_array_equal(np.asarray(view[train]), IMAGES[train])
        assert_array_equal(np.asarray(view[test]), IMAGES[test])


@pytest.mark.parametrize("function", [shuffle, resample])
def test_shuffle_and_resample(function):
    found = function(LazyImages(IMAGES), random_state=0)
    assert isinstance(found, LazyImages)
    assert_array_equal(np.asarray(found), function(IMAGES, random_state=0))


def test_cross_validation_reads_the_fold_alone():
    y, folds = np.arange(10.0), KFold(5)
    found = cross_val_predict(Mean(), LazyImages(IMAGES), y, cv=folds)
    assert_array_equal(found, cross_val_predict(Mean(), IMAGES, y, cv=folds))


def test_photos_of_many_sizes_are_held_one_at_a_time():
    class Photos:
        shape, dtype, most = (100, None, None), np.dtype(np.uint8), 0

        def __getitem__(self, rows):
            self.most = max(self.most, len(rows))
            return [np.full((5 + row % 3, 5), row, np.uint8) for row in rows]

    class Crop(Operation):
        def __call__(self, batch, keys, epoch):
            return np.stack([image[:4, :4] for image in batch])

        def output(self, shape, dtype):
            return (4, 4), dtype

    photos = Photos()
    read = LazyImages(photos).then(Crop()).then(Reshape((16,))).read()
    assert read.shape == (100, 16)
    assert_array_equal(read[:, 0], np.arange(100))
    assert photos.most == 1


class Broken:
    """A source that returns something else than it promises."""

    def __init__(self, returned, shape=IMAGES.shape):
        self.returned, self.shape, self.dtype = returned, shape, IMAGES.dtype

    def __getitem__(self, rows):
        return self.returned(IMAGES[rows])

    def __repr__(self):
        return "Broken"


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda images: None, TypeError, "source Broken returned an object that is neither"),
        (lambda images: 5, TypeError, "neither an array nor a list"),
        (lambda images: images[:-1], ValueError, r"returned \d+ image\(s\) for \d+ rows"),
        (
            lambda images: images[:, :-1],
            ValueError,
            r"of shape \(3, 5, 3\), but .* \(10, 4, 5",
        ),
        (lambda images: images[..., 0], ValueError, r"of shape \(4, 5\), but"),
        (lambda images: list(images[:, 1:]), ValueError, r"of shape \(3, 5, 3\), but"),
        (lambda images: [*images[:-1], images[0, 1:]], ValueError, r"of shape \(3, 5, 3\), but"),
    ],
)
def test_what_a_source_returns_is_checked(returned, error, message):
    view = LazyImages(Broken(returned))
    for read in (view.read, lambda: np.asarray(view), lambda: list(view.read_parts(5))):
        with pytest.raises(error, match=message):
            read()


def test_images_of_different_sizes_keep_the_axes_that_are_known():
    view = LazyImages(Broken(lambda images: [image[1:] for image in images], (10, None, 5, 3)))
    assert [image.shape for image in view.read()] == [(3, 5, 3)] * 10
    view = LazyImages(Broken(lambda images: [image[:, 1:] for image in images], (10, None, 5, 3)))
    with pytest.raises(ValueError, match=r"of shape \(4, 4, 3\), but .* \(10, None, 5, 3\)"):
        view.read()


def test_a_source_may_return_a_list_or_an_array_like():
    for returned in (list, tuple, lambda images: images.tolist()):
        assert_array_equal(LazyImages(Broken(returned)).read(), IMAGES)


@pytest.mark.parametrize("key", [slice(0.5, 2), slice("a", "b"), slice(None, None, 0)])
def test_slices_hold_integers(key):
    with pytest.raises(IndexError, match=r"slices of integers .* got slice\("):
        LazyImages(IMAGES)[key]


def test_indices_of_different_lengths():
    with pytest.raises(IndexError, match="indices of one axis"):
        LazyImages(IMAGES, rows=([0], [1, 2]))
