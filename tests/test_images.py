"""Input validation: every form of images, what is remembered of it, and every error."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.base import BaseEstimator

from skcnn.images import check_images, image_shape_of_rows, inspect_images, reshape_images
from skcnn.lazy import LazyImages

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, size=(6, 8, 8)).astype(np.uint8)
COLOR = RNG.integers(0, 256, size=(6, 9, 12, 3)).astype(np.uint8)
PATHS = ["a.png", "b/c.png", "d.png"]


class Anyone(BaseEstimator):
    """An estimator that takes images."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape


class WithoutParameter(BaseEstimator):
    """An estimator that takes images and has no parameter `image_shape`."""


class ArrayLike:
    """What numpy makes an array of."""

    def __array__(self, dtype=None, copy=None):
        return GRAY.astype(GRAY.dtype if dtype is None else dtype)


def objects(items):
    array = np.empty(len(items), dtype=object)
    for row, item in enumerate(items):
        array[row] = item
    return array


def memmap(tmp_path, images, mode="r"):
    images.tofile(tmp_path / "images")
    return np.memmap(tmp_path / "images", images.dtype, mode, shape=images.shape)


def check(X, estimator=None, **options):
    return check_images(estimator or Anyone(), X, **{"reset": True, **options})


FORMS = {
    "array": GRAY,
    "one channel": GRAY[..., np.newaxis],
    "flat": GRAY.reshape(6, -1),
    "list of arrays": list(GRAY),
    "tuple of arrays": tuple(GRAY),
    "object array of images of one size": objects(list(GRAY)),
    "column of images of one size": objects(list(GRAY))[:, np.newaxis],
    "Series of images of one size": pd.Series(list(GRAY)),
    "nested lists": GRAY.tolist(),
    "flat nested lists": GRAY.reshape(6, -1).tolist(),
    "array-like": ArrayLike(),
    "tensor": torch.from_numpy(GRAY),
    "flat tensor": torch.from_numpy(GRAY.reshape(6, -1)),
    "list of tensors": [torch.from_numpy(image) for image in GRAY],
    "frame": pd.DataFrame(GRAY.reshape(6, -1)),
    "frame with names": pd.DataFrame(GRAY.reshape(6, -1)).add_prefix("pixel"),
    "polars frame": pl.DataFrame(GRAY.reshape(6, -1)),
    "objects that are numbers": GRAY.astype(object),
    "flat objects that are numbers": GRAY.reshape(6, -1).astype(object),
    "lazy": LazyImages(GRAY),
    "lazy, one channel": LazyImages(GRAY[..., np.newaxis]),
    "lazy rows": LazyImages(GRAY.reshape(6, -1)),
    "Fortran order": np.asfortranarray(GRAY),
    "strided": np.repeat(GRAY, 2, axis=0)[::2],
    "big-endian": GRAY.astype(">u2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_gray_images_is_the_same_images(form):
    estimator = Anyone()
    images = check(FORMS[form], estimator)
    assert images.shape == (6, 8, 8, 1)
    assert_array_equal(np.asarray(images)[..., 0], GRAY)
    assert estimator.image_shape_ == (8, 8, 1)
    assert estimator.n_features_in_ == 64
    assert type(estimator.n_features_in_) is int
    assert all(type(axis) is int for axis in estimator.image_shape_)


@pytest.mark.parametrize("seen", FORMS)
@pytest.mark.parametrize("given", ["array", "one channel", "flat", "lazy", "lazy rows", "frame"])
@pytest.mark.filterwarnings("ignore:X (has|does not have) .*feature names:UserWarning")
def test_after_fit_every_form_is_accepted(seen, given):
    estimator = Anyone()
    check(FORMS[seen], estimator)
    if seen == "frame with names" and given == "frame":
        given = seen  # scikit-learn compares the names
    images = check(FORMS[given], estimator, reset=False)
    assert_array_equal(np.asarray(images)[..., 0], GRAY)


@pytest.mark.parametrize("dtype", ["bool", "i1", "u2", "i8", "u8", "f2", "f4", "f8", "longdouble"])
@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 64)])
def test_every_dtype_stays(dtype, shape):
    X = (GRAY // 2).astype(dtype).reshape(shape)
    images = check(X)
    assert images.dtype == X.dtype
    assert_array_equal(images.reshape(shape), X)


def test_color_is_remembered():
    estimator = Anyone()
    assert check(COLOR, estimator) is COLOR
    assert estimator.image_shape_ == (9, 12, 3)
    assert estimator.n_features_in_ == 9 * 12 * 3


@pytest.mark.parametrize("image_shape", [(9, 12, 3), [9, 12, 3], np.array([9, 12, 3])])
def test_flat_color_rows_of_a_given_shape(image_shape):
    estimator = Anyone(image_shape)
    assert_array_equal(check(COLOR.reshape(6, -1), estimator), COLOR)
    assert estimator.image_shape_ == (9, 12, 3)


def test_images_with_the_image_shape_that_they_have():
    assert check(GRAY, Anyone((8, 8))).shape == (6, 8, 8, 1)
    assert check(COLOR, Anyone((9, 12, 3))).shape == (6, 9, 12, 3)


@pytest.mark.parametrize("X", [GRAY, COLOR, GRAY.reshape(6, -1)])
def test_arrays_are_not_copied(X):
    assert np.shares_memory(check(X), X)


@pytest.mark.parametrize("X", [GRAY, COLOR, GRAY.reshape(6, -1)])
@pytest.mark.parametrize("mode", ["r", "c"])
def test_memmap_stays_on_disk(X, mode, tmp_path):
    mapped = memmap(tmp_path, X, mode)
    images = check(mapped)
    assert np.shares_memory(images, mapped)
    assert_array_equal(images.reshape(X.shape), X)


@pytest.mark.parametrize("X", [GRAY, COLOR, GRAY.reshape(6, -1)])
def test_lazy_is_not_read(X):
    class Unread:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, indices):
            raise AssertionError("read")

    estimator = Anyone()
    images = check(LazyImages(Unread()), estimator)
    assert images.shape == (6, *estimator.image_shape_)


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
@pytest.mark.parametrize("seen", [(9, 12, 3), (8, 8), (64,)])
def test_in_form_goes_there_and_back(wrap, seen):
    images = RNG.integers(0, 256, size=(4, *seen))
    there = reshape_images(wrap(images), (int(np.prod(seen)), 1, 1))
    assert there.shape == (4, np.prod(seen), 1, 1)
    assert_array_equal(np.asarray(reshape_images(there, seen)), images)


def test_in_form_of_the_same_shape_is_the_same_object():
    assert reshape_images(COLOR, [9, 12, 3]) is COLOR


# --- feature names -----------------------------------------------------------------------------


def test_feature_names_are_remembered_and_forgotten():
    estimator = Anyone()
    frame = FORMS["frame with names"]
    check(frame, estimator)
    assert_array_equal(estimator.feature_names_in_, frame.columns)
    check(GRAY, estimator, reset=False)
    assert hasattr(estimator, "feature_names_in_")
    check(GRAY, estimator)
    assert not hasattr(estimator, "feature_names_in_")


def test_feature_names_are_compared():
    estimator = Anyone()
    frame = FORMS["frame with names"]
    check(frame, estimator)
    with pytest.raises(ValueError, match="feature names should match"):
        check(frame[frame.columns[::-1]], estimator, reset=False)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        check(frame.to_numpy(), estimator, reset=False)


# --- inspect_images -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        PATHS,
        tuple(PATHS),
        [Path(path) for path in PATHS],
        [PATHS[0], Path(PATHS[1]), PATHS[2]],
        np.array(PATHS),
        np.array(PATHS, dtype=object),
        np.array(PATHS)[:, np.newaxis],
        np.array(PATHS, dtype=object)[:, np.newaxis],
        np.array(PATHS, dtype=np.dtypes.StringDType()),
        objects([Path(path) for path in PATHS]),
        pd.Series(PATHS, index=[7, 8, 9]),
        pd.Series(PATHS, dtype="string"),
        pd.Series([Path(path) for path in PATHS]),
        pd.Series(PATHS, dtype="category"),
        pd.DataFrame({"file": PATHS}),
        pl.Series(PATHS),
        pl.DataFrame({"file": PATHS}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_paths_are_found(X):
    form, paths = inspect_images(X)
    assert form == "paths"
    assert paths.shape == (3,)
    assert paths.dtype == object
    assert [str(path) for path in paths] == [str(Path(path)) for path in PATHS]


@pytest.mark.parametrize("wrap", [list, tuple, objects, pd.Series])
@pytest.mark.parametrize(
    "images",
    [
        [GRAY[0], GRAY[1, :5]],
        [COLOR[0], COLOR[1, :, :7]],
        [GRAY[0], COLOR[0]],
        [torch.from_numpy(GRAY[0]), torch.from_numpy(GRAY[1, :5])],
    ],
)
def test_ragged_images_are_found(wrap, images):
    form, found = inspect_images(wrap(images))
    assert form == "ragged"
    assert found.shape == (2,)
    assert all(one is other for one, other in zip(found, images, strict=True))


@pytest.mark.parametrize(
    ("X", "form"),
    [
        (GRAY, "array"),
        (COLOR, "array"),
        (GRAY.tolist(), "array"),
        (GRAY.reshape(6, -1), "flat"),
        (GRAY[:, 0, 0], "flat"),
        (pd.DataFrame(GRAY[:, 0]), "flat"),
        (pd.DataFrame({"one": [1, 2]}), "flat"),
        (pd.Series([1, 2]), "flat"),
        (csr_array(GRAY[0]), "flat"),
        (LazyImages(GRAY), "lazy"),
    ],
)
def test_numbers_are_found(X, form):
    assert inspect_images(X)[0] == form


@pytest.mark.parametrize(
    ("n_features", "image_shape", "expected"),
    [
        (1, None, (1, 1, 1)),
        (2, None, (1, 2, 1)),
        (4, None, (2, 2, 1)),
        (63, None, (1, 63, 1)),
        (64, None, (8, 8, 1)),
        (784, None, (28, 28, 1)),
        (784, (28, 28), (28, 28, 1)),
        (784, (14, 56), (14, 56, 1)),
        (784, (14, 14, 4), (14, 14, 4)),
        (3072, (32, 32, 3), (32, 32, 3)),
    ],
)
def test_layout_of_rows(n_features, image_shape, expected):
    assert image_shape_of_rows(n_features, image_shape) == expected


# --- refusals ----------------------------------------------------------------------------------


def with_value(value, dtype=float, shape=GRAY.shape):
    images = GRAY.astype(dtype)
    images[3, 2, 1] = value
    return images.reshape(shape)


TOO_LARGE = r"too large for float32 \(-?1e\+39\), in image 3 of X"

REFUSED = {
    "NaN": (with_value(np.nan), ValueError, "X contains NaN"),
    "NaN in rows": (with_value(np.nan, shape=(6, 64)), ValueError, "X contains NaN"),
    "NaN in float16": (with_value(np.nan, "f2"), ValueError, "X contains NaN"),
    "None": (with_value(None, object), ValueError, "X contains NaN"),
    "infinity": (with_value(np.inf, "f4"), ValueError, "X contains infinity"),
    "minus infinity": (with_value(-np.inf), ValueError, "X contains infinity"),
    "times": (GRAY.astype("M8[s]"), ValueError, "dtype datetime64"),
    "times in rows": (GRAY.reshape(6, -1).astype("M8[s]"), ValueError, "dtype datetime64"),
    "a generator": ((image for image in GRAY), TypeError, "X is a generator, not a collection"),
    "one axis, lazy": (LazyImages(np.zeros(6)), ValueError, r"X has 1 axes \(shape \(6,\)\)"),
    "five axes, lazy": (LazyImages(np.zeros((6, 1, 1, 1, 1))), ValueError, "X has 5 axes"),
    "tensor without values": (torch.empty(6, 9, 12, device="meta"), ValueError, "no values"),
    "too large": (with_value(1e39), ValueError, TOO_LARGE),
    "too small": (with_value(-1e39), ValueError, TOO_LARGE),
    "too large, rows": (with_value(1e39, shape=(6, 64)), ValueError, TOO_LARGE),
    "too large, long": (with_value(1e39, "longdouble"), ValueError, TOO_LARGE),
    "channels first": (
        np.moveaxis(COLOR, -1, 1),
        ValueError,
        r"\(6, 3, 9, 12\) looks like channels first.*channels last: use np.moveaxis\(X, 1, -1\)",
    ),
    "channels first, gray": (GRAY[:, np.newaxis], ValueError, r"\(6, 1, 8, 8\) looks like channel"),
    "channels first, RGBA": (np.zeros((2, 4, 9, 9)), ValueError, "looks like channels first"),
    "channels first, lazy": (LazyImages(GRAY[:, np.newaxis]), ValueError, "channels first"),
    "channels first, tensor": (torch.zeros(2, 3, 9, 9), ValueError, "looks like channels first"),
    "no images": (GRAY[:0], ValueError, r"Found 0 image\(s\) \(X of shape \(0, 8, 8\)\)"),
    "no images, color": (COLOR[:0], ValueError, r"minimum of 1 is required by Anyone"),
    "no images, lazy": (LazyImages(GRAY)[:0], ValueError, r"Found 0 image\(s\)"),
    "no rows": (GRAY.reshape(6, -1)[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no rows, lazy": (LazyImages(GRAY.reshape(6, -1))[:0], ValueError, r"0 sample\(s\)"),
    "empty list": ([], ValueError, r"Found 0 image\(s\)"),
    "empty Series": (pd.Series([], dtype=object), ValueError, r"Found 0 image\(s\)"),
    "no pixels": (COLOR[:, :0], ValueError, "holds images without pixels"),
    "no channels": (COLOR[..., :0], ValueError, "holds images without pixels"),
    "no features": (np.zeros((6, 0)), ValueError, r"0 feature\(s\)"),
    "five axes": (COLOR[np.newaxis], ValueError, r"X has 5 axes \(shape \(1, 6, 9, 12, 3\)\)"),
    "one axis": (GRAY[0, 0], ValueError, "Expected 2D array, got 1D array"),
    "a number": (5, ValueError, "Expected 2D array, got scalar array"),
    "csr": (csr_array(GRAY[0]), TypeError, "Sparse data was passed"),
    "csr matrix": (csr_matrix(GRAY[0]), TypeError, "Sparse data was passed"),
    "coo": (coo_array(GRAY[0]), TypeError, "Sparse data was passed"),
    "complex": (GRAY.astype(complex), ValueError, "Complex data not supported"),
    "complex rows": (GRAY.reshape(6, -1).astype(complex), ValueError, "Complex data not supp"),
    "strings of pixels": (GRAY.astype(str), ValueError, "dtype <U3, but pixels must be numbers"),
    "words": (np.full((2, 3, 3), "a", dtype=object), ValueError, "could not convert string"),
    "rows of words": (np.full((2, 9), "a"), ValueError, "convert|strings"),
    "dates": (GRAY.astype("M8[s]"), ValueError, "dtype datetime64.*pixels must be numbers"),
    "dicts": ([{}, {}], TypeError, "object of type dict, which is not an image"),
    "None in paths": (
        ["a.png", None],
        TypeError,
        "type NoneType, which is not an image: each must",
    ),
    "NaN in paths": (pd.Series(["a.png", np.nan]), TypeError, "type float, which is not an image"),
    "paths and images": ([GRAY[0], "a.png"], TypeError, "holds both images and paths"),
    "images and paths": (["a.png", GRAY[0]], TypeError, "holds both images and paths"),
    "lists of different lengths": ([[1, 2], [3]], ValueError, "different shapes: pass each image"),
    "images of four axes": (objects([COLOR, COLOR[:2]]), TypeError, "type ndarray, which is not"),
    "ragged": ([GRAY[0], GRAY[1, :5]], ValueError, "different sizes: put an ImageResizer before"),
    "ragged, lazy": (
        LazyImages(type("Ragged", (), {"shape": (2, None, None, 3), "dtype": np.uint8})()),
        ValueError,
        "Anyone takes images of one size, but the sizes of the images that X reads are not known",
    ),
    "gray and color": ([GRAY[0], COLOR[0]], ValueError, "put an ImageResizer before"),
    "paths": (PATHS, ValueError, "file paths such as 'a.png': put an ImageReader and an ImageResi"),
    "Path objects": ([Path("a.png")], ValueError, "file paths such as 'a.png': put an ImageReader"),
    "frame of paths": (pd.DataFrame({"f": PATHS}), ValueError, "file paths such as 'a.png'"),
    "rows that are no square": (
        np.zeros((2, 65)),
        ValueError,
        r"rows of 65 values, which is not a square number: .* image_shape=\(height, width\) or",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_one_sentence(case):
    X, error, message = REFUSED[case]
    estimator = Anyone()
    with pytest.raises(error, match=message):
        check(X, estimator)
    assert not hasattr(estimator, "image_shape_")


@pytest.mark.parametrize("X", [GRAY[:1], LazyImages(GRAY)[:1]])
def test_fewer_images_than_asked_for(X):
    with pytest.raises(ValueError, match=r"Found 1 image\(s\) .* minimum of 2 is required by Any"):
        check(X, min_samples=2)
    assert len(check(X)) == 1


def test_fewer_rows_than_asked_for():
    with pytest.raises(ValueError, match=r"Found array with 1 sample\(s\)"):
        check(GRAY.reshape(6, -1)[:1], min_samples=2)


@pytest.mark.parametrize("shape", [(6, 3, 4, 20), (6, 4, 4, 4), (6, 5, 9, 9), (6, 1, 3, 3)])
def test_what_may_be_channels_last_is_accepted(shape):
    assert check(np.zeros(shape)).shape == shape


@pytest.mark.parametrize(
    ("X", "image_shape", "message"),
    [
        (np.zeros((2, 64)), (8, 9), r"image_shape=\(8, 9\) has 72 values, but X has rows of 64"),
        (np.zeros((2, 64)), (8, 8, 3), r"image_shape=\(8, 8, 3\) has 192 values"),
        (GRAY, (4, 16), r"images of shape \(8, 8\), but image_shape is \(4, 16\)"),
        (COLOR, (9, 12), r"images of shape \(9, 12, 3\), but image_shape is \(9, 12\)"),
        (LazyImages(GRAY), (4, 16), r"image_shape describes flat rows, and images do not need it"),
    ],
)
def test_wrong_image_shape(X, image_shape, message):
    with pytest.raises(ValueError, match=message):
        check(X, Anyone(image_shape))


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6, 10, 12, 3), r"10 x 12 pixels with 3 channel\(s\).*expecting 9 x 12 with 3.*ImageRes"),
        ((6, 9, 11, 3), r"9 x 11 pixels .* put an ImageResizer\(\(9, 12\)\) before it"),
        ((6, 12, 9, 3), r"12 x 9 pixels"),
        ((6, 9, 12), r"with 1 channel\(s\).*set the channels with ImageReader\(mode=...\)"),
        ((6, 9, 12, 4), r"with 4 channel\(s\).*convert them"),
        ((9, 12, 3), r"X of shape \(9, 12, 3\) looks like one image: .*X\[np.newaxis\]"),
        ((6, 9 * 12 * 3 + 1), "325 features, but Anyone is expecting 324 features"),
        ((6, 3, 9, 12), "looks like channels first"),
    ],
)
def test_other_images_than_in_fit(wrap, shape, message):
    estimator = Anyone()
    check(COLOR, estimator)
    with pytest.raises(ValueError, match=message):
        check(wrap(np.zeros(shape)), estimator, reset=False)
    assert estimator.image_shape_ == (9, 12, 3)


def test_one_gray_image_with_its_channel():
    estimator = Anyone()
    check(GRAY, estimator)
    with pytest.raises(ValueError, match="looks like one image"):
        check(GRAY[0][..., np.newaxis], estimator, reset=False)


def test_an_estimator_without_the_parameter():
    estimator = WithoutParameter()
    assert check(GRAY.reshape(6, -1), estimator).shape == (6, 8, 8, 1)
    assert check(GRAY, estimator).shape == (6, 8, 8, 1)
    with pytest.raises(ValueError, match="not a square number"):
        check(np.zeros((2, 65)), estimator)


def test_the_largest_float32_is_accepted():
    limit = float(np.finfo(np.float32).max)
    assert check(np.array([[[-limit, limit]]])).shape == (1, 1, 2, 1)


def test_float16_whose_sum_overflows_is_accepted():
    assert check(np.full((4, 8, 8), 60000.0, np.float16)).dtype == np.float16
