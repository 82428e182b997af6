"""ImageResizer against scikit-image, one image at a time."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.transform import resize
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)
from threadpoolctl import threadpool_info

from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageFlattener, ImageReader, ImageResizer
from skcnn.preprocessing._blas import one_blas_thread
from skcnn.preprocessing._ragged import RaggedImages
from skcnn.preprocessing._resize import axis_blocks, resize_images, scaled_axes

SIZES = [(16, 16), (33, 20), (7, 90), (150, 170), (1, 1)]


class Brighten:
    """A random operation, as an augmenter appends it."""

    random = True

    def __call__(self, batch, keys, epoch):
        return [image + np.uint8(epoch + 1) for image in batch]

    def output(self, shape, dtype):
        return shape, dtype


def reference(image, size):
    return resize(image, size, order=1, anti_aliasing=True, preserve_range=True)


def expected_failures(estimator):
    reason = "a lazy view is no array; np.asarray makes one of it"
    return {"check_array_api_input": reason} if estimator.lazy else {}


@parametrize_with_checks(
    [ImageResizer((8, 8)), ImageResizer((3, 5), aspect="pad"), ImageResizer((8, 8), lazy=True)],
    expected_failed_checks=expected_failures,
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_checks_called_by_name(check):
    check("ImageResizer", ImageResizer((8, 8)))


@pytest.mark.parametrize("n_in", [1, 2, 3, 10, 64, 301])
@pytest.mark.parametrize("n_out", [1, 2, 7, 64, 100])
def test_weights_are_those_of_scikit_image(n_in, n_out):
    expected = reference(np.eye(n_in), (n_out, n_in))
    weights = np.zeros((n_out, n_in))
    for target, source, block in axis_blocks(n_in, n_out, n_out, np.dtype(np.float64)):
        weights[target, source] = block
    assert_allclose(weights, expected, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_photos_agree_with_scikit_image(photos, size):
    resized = ImageResizer(size).fit_transform(photos)
    assert resized.shape == (4, *size, 3)
    assert resized.dtype == np.uint8
    for photo, image in zip(photos, resized, strict=True):
        assert np.abs(reference(photo, size) - image).max() < 0.501  # rounding and nothing else


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_dtypes_agree_with_scikit_image(stack, size, dtype):
    images = stack.astype(dtype) * (200 if dtype == np.uint16 else 0.01)
    images = images.astype(dtype)
    resized = ImageResizer(size).fit_transform(images)
    assert resized.dtype == dtype
    expected = [reference(image.astype(np.float64), size) for image in images]
    atol = {np.float32: 1e-5, np.float64: 1e-12, np.uint16: 0.55}[dtype]
    assert_allclose(resized, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint32, np.float16])
def test_other_dtypes_become_float32(dtype):
    images = np.arange(2 * 6 * 6).reshape(2, 6, 6).astype(dtype)
    resized = ImageResizer((3, 3)).fit_transform(images)
    assert resized.dtype == np.float32
    expected = [reference(image.astype(np.float64), (3, 3)) for image in images]
    assert_allclose(resized, expected, rtol=1e-5)


def test_white_stays_white():
    for dtype in (np.uint8, np.uint16):
        white = np.full((1, 301, 203), np.iinfo(dtype).max, dtype=dtype)
        assert_array_equal(ImageResizer((17, 400)).fit_transform(white), white[0, 0, 0])


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20), (31, 17), (5, 200)])
def test_pad_shows_the_whole_image_between_zeros(height, width):
    image = np.random.default_rng(0).uniform(1, 2, (height, width, 3))
    (padded,) = ImageResizer((24, 16), aspect="pad").fit_transform([image])
    ratio = min(24 / height, 16 / width)
    h, w = max(1, round(height * ratio)), max(1, round(width * ratio))
    top, left = (24 - h) // 2, (16 - w) // 2
    expected = np.zeros((24, 16, 3))
    expected[top : top + h, left : left + w] = reference(image, (h, w))
    assert_allclose(padded, expected, atol=1e-12)
    assert h == 24 or w == 16


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20), (31, 17), (5, 60)])
def test_crop_fills_the_result_with_the_middle(height, width):
    image = np.random.default_rng(0).uniform(1, 2, (height, width))
    (cropped,) = ImageResizer((24, 16), aspect="crop").fit_transform([image])
    ratio = max(24 / height, 16 / width)
    h, w = round(height * ratio), round(width * ratio)
    top, left = -((24 - h) // 2), -((16 - w) // 2)
    expected = reference(image, (h, w))[top : top + 24, left : left + 16]
    assert_allclose(cropped, expected, atol=1e-12)


@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_rounding_neither_overflows_nor_leaves_a_gap(aspect):
    for height in range(1, 40):
        for scaled in scaled_axes((height, 23), (10, 12), aspect):
            assert scaled[1] <= scaled[2] if aspect == "pad" else scaled[1] >= scaled[2]


def test_long_thin_images_need_little_memory():
    image = np.arange(20000, dtype=np.float32).reshape(1, 1, -1)
    assert ImageResizer((64, 64), aspect="crop").fit_transform(image).shape == (1, 64, 64)


def test_forms_give_the_same_pixels(stack):
    resizer = ImageResizer((8, 9))
    expected = resizer.fit_transform(stack)
    assert expected.shape == (6, 8, 9, 3)
    ragged = np.empty(6, dtype=object)
    ragged[:] = list(stack)
    rows = stack.reshape(6, -1)
    flat = ImageResizer((8, 9), image_shape=(48, 60, 3))
    for images in (list(stack), ragged, LazyImages(stack)):
        assert_array_equal(clone(resizer).fit_transform(images), expected)
        assert_array_equal(resizer.transform(images), expected)
    for images in (rows, pd.DataFrame(rows).rename(columns=str), LazyImages(rows)):
        assert_array_equal(clone(flat).fit_transform(images), expected)
    assert_array_equal(resizer.transform(rows), expected)


def test_gray_forms():
    images = np.arange(2 * 36, dtype=np.float64).reshape(2, 6, 6)
    expected = ImageResizer((3, 4)).fit_transform(images)
    assert expected.shape == (2, 3, 4)
    assert_array_equal(ImageResizer((3, 4)).fit_transform(images.reshape(2, 36)), expected)
    with_axis = ImageResizer((3, 4)).fit_transform(images[..., np.newaxis])
    assert_array_equal(with_axis, expected[..., np.newaxis])
    mixed = ImageResizer((3, 4)).fit_transform([images[0], images[1][:5, :, np.newaxis]])
    assert mixed.shape == (2, 3, 4)
    assert_array_equal(mixed[0], expected[0])


@pytest.mark.parametrize("n_jobs", ["auto", None, 1, 2, -1])
@pytest.mark.parametrize("form", ["array", "ragged", "paths", "view"])
def test_threads_change_nothing(stack, photos, photo_files, n_jobs, form, monkeypatch):
    monkeypatch.setattr("skcnn.preprocessing.resizer._WORTH_A_THREAD", 100)
    images = {
        "array": stack,
        "ragged": photos,
        "paths": ImageReader().fit_transform(photo_files),
        "view": LazyImages(stack),
    }[form]
    expected = [resize_images([image], (20, 21))[0] for image in images]
    assert_array_equal(ImageResizer((20, 21), n_jobs=n_jobs).fit_transform(images), expected)


def test_matrix_products_start_no_threads_and_may_again():
    def limits():
        return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    before = limits()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    assert limits() == {1}
    first.__exit__(None, None, None)
    assert limits() == {1}
    second.__exit__(None, None, None)
    assert limits() == before


class Photos:
    """A source of large photos that are made when they are asked for."""

    shape, dtype = (40, None, None, 3), np.dtype(np.uint8)

    def __getitem__(self, indices):
        return [np.ones((900, 1000 + index, 3), dtype=np.uint8) for index in indices]


def test_few_photos_are_in_memory_at_once():
    tracemalloc.start()
    resized = ImageResizer((64, 64), n_jobs=2).fit_transform(LazyImages(Photos()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert resized.shape == (40, 64, 64, 3)
    assert peak < 10 * 900 * 1000 * 3  # of 40; a photo as float32 is as large as four


def test_lazy_is_resized_when_read(stack, photos, photo_files):
    resizer = ImageResizer((10, 12), lazy=True)
    eager = ImageResizer((10, 12))
    for images in (stack, photos, ImageReader().fit_transform(photo_files)):
        view = resizer.fit_transform(images)
        assert isinstance(view, LazyImages)
        assert view.shape == (len(images), 10, 12, 3)
        assert view.dtype == np.uint8
        view = pickle.loads(pickle.dumps(view))
        assert_array_equal(view, eager.fit_transform(images))
        assert_array_equal(view[2], np.asarray(view)[2])
        assert_array_equal(view[[3, 1]], np.asarray(view)[[3, 1]])
        assert np.asarray(view[:0]).shape == (0, 10, 12, 3)
    gray = resizer.fit_transform(stack[..., 0])
    assert gray.shape == (6, 10, 12)
    assert_array_equal(gray, np.asarray(resizer.fit_transform(stack))[..., 0])


def test_after_random_operations(photos):
    source = LazyImages(RaggedImages(photos)).then(Brighten())
    assert source.shape == (4, None, None, 3)
    lazy = ImageResizer((9, 9), lazy=True).fit_transform(source)
    assert lazy.is_random
    assert not lazy.clean().is_random
    assert (np.asarray(lazy) != np.asarray(lazy.at_epoch(1))).any()
    plain = ImageResizer((9, 9)).fit_transform(source)
    assert isinstance(plain, np.ndarray)
    assert_array_equal(plain, lazy)


def test_images_of_the_right_size_are_not_copied(stack):
    assert np.shares_memory(ImageResizer((48, 60)).fit_transform(stack), stack)
    gray = stack[..., 0].copy()
    assert np.shares_memory(ImageResizer((48, 60), aspect="pad").fit_transform(gray), gray)
    copies = ImageResizer((48, 60)).fit_transform([stack[0], stack[1][:40]])
    assert_array_equal(copies[0], stack[0])


def test_other_sizes_are_welcome_in_transform(stack):
    resizer = ImageResizer((8, 8)).fit(stack)
    assert resizer.n_features_in_ == 48 * 60 * 3
    assert resizer.image_shape_ == (48, 60, 3)
    smaller = stack[:, :30, :30]
    assert_array_equal(resizer.transform(smaller), resize_images(smaller, (8, 8)))
    assert resizer.image_shape_ == (48, 60, 3)


def test_one_size_is_remembered_only_where_there_is_one(stack, photos):
    resizer = ImageResizer((8, 8)).fit(stack).fit(photos)
    assert not hasattr(resizer, "n_features_in_")
    assert not hasattr(resizer, "image_shape_")
    assert resizer.n_channels_ == 3
    with pytest.raises(ValueError, match="fitted on images of different sizes, which do not set"):
        resizer.transform(stack.reshape(6, -1))


def test_names_of_pixels_through_a_pipeline(photo_files):
    steps = [ImageReader("L"), ImageResizer((2, 2)), ImageFlattener(), DecisionTreeClassifier()]
    pipe = make_pipeline(*steps).fit(photo_files, [0, 1, 0, 1])
    names = ["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1"]
    assert pipe[:-1].get_feature_names_out().tolist() == names
    assert pipe[:-1].set_output(transform="pandas").transform(photo_files).columns.tolist() == names
    color = ImageResizer((1, 1)).fit(np.zeros((1, 2, 2, 3)))
    assert color.get_feature_names_out().tolist() == [f"pixel_0_0_{c}" for c in range(3)]


@pytest.mark.parametrize("size", [64, (64,), (8, 8, 3), (0, 8), (8, -1), (8.0, 8), "88", (True, 1)])
def test_size_is_a_pair(size):
    with pytest.raises(
        ValueError,
        match=r"'size' parameter of ImageResizer must be .*\(height, width\), such as \(32, 32\)\.",
    ):
        ImageResizer(size).fit(np.zeros((1, 4, 4)))


BAD = {
    "paths": (["a.png", "b.png"], ValueError, "put an ImageReader before it"),
    "channels of a list": (
        [np.zeros((4, 5)), np.zeros((6, 7, 3))],
        ValueError,
        r"X\[0\] is of shape \(4, 5\) and X\[1\] of shape \(6, 7, 3\): make all of them gray or",
    ),
    "channels first": (np.zeros((2, 3, 8, 8)), ValueError, "looks like channels first"),
    "channels first in a list": (
        [np.zeros((3, 8, 8)), np.zeros((3, 9, 9))],
        ValueError,
        r"X\[0\] of shape \(3, 8, 8\) looks like channels first",
    ),
    "NaN": (np.full((2, 4, 4), np.nan), ValueError, "contains NaN"),
    "NaN in a list": ([np.zeros((4, 4)), np.full((5, 5), np.inf)], ValueError, r"X\[1\].*infinity"),
    "NaN in a view": (LazyImages(np.full((2, 4, 4), np.nan)), ValueError, "contains NaN"),
    "no images": ([], ValueError, "minimum of 1"),
    "no images of a view": (
        ImageResizer((2, 2), lazy=True).fit_transform([np.ones((3, 3)), np.ones((4, 3))])[:0],
        ValueError,
        "minimum of 1",
    ),
    "no pixels": ([np.zeros((4, 0)), np.zeros((4, 4))], ValueError, r"X\[0\] is an image without"),
    "complex": (
        [np.zeros((4, 4), complex), np.zeros((4, 5))],
        ValueError,
        r"X\[0\] has dtype comp",
    ),
    "objects": (np.array([object(), 1], dtype=object), TypeError, "object of type object"),
    "lists of lists": ([[[1, 2]], [[1, 2, 3]]], ValueError, "pass each image as an array"),
    "many axes": (np.zeros((1, 2, 3, 4, 5)), ValueError, "5 axes"),
    "rows": (np.zeros((2, 70)), ValueError, "image_shape="),
}


@pytest.mark.parametrize(("X", "error", "match"), BAD.values(), ids=BAD)
def test_bad_input(X, error, match):
    for method in ("fit", "fit_transform"):
        if "view" in match or (isinstance(X, LazyImages) and method == "fit" and len(X)):
            continue  # what a view holds is known when it is read
        with pytest.raises(error, match=match):
            getattr(ImageResizer((2, 2)), method)(X)


@pytest.mark.parametrize("form", ["array", "ragged", "view"])
def test_other_channels_are_refused_in_transform(form):
    resizer = ImageResizer((2, 2)).fit(np.zeros((2, 4, 4, 3)))
    images = {
        "array": np.zeros((2, 5, 5)),
        "ragged": [np.zeros((4, 5)), np.zeros((6, 7))],
        "view": LazyImages(np.zeros((2, 5, 5, 1))),
    }[form]
    with pytest.raises(ValueError, match=r"images with 1 channel\(s\), but .* is expecting 3"):
        resizer.transform(images)


def test_rows_of_another_length_are_refused():
    resizer = ImageResizer((2, 2)).fit(np.zeros((2, 16)))
    with pytest.raises(ValueError, match="25 features, but ImageResizer is expecting 16"):
        resizer.transform(np.zeros((2, 25)))


def test_many_images_as_one_by_one(stack):
    images = np.tile(stack, (30, 1, 1, 1))
    resized = ImageResizer((32, 32), n_jobs=1).fit(images).transform(images)
    one_by_one = [reference(image, (32, 32)) for image in stack]
    assert_allclose(resized[: len(stack)], one_by_one, atol=0.501)
    assert_array_equal(resized, np.tile(resized[: len(stack)], (30, 1, 1, 1)))


@pytest.mark.parametrize("image_shape", [(16, 3), (3, 16, 16)])
def test_image_shape_says_what_the_axes_are_in_transform_too(image_shape):
    X = np.random.default_rng(0).random((2, *image_shape))
    resizer = ImageResizer((4, 4), image_shape=image_shape)
    assert_array_equal(resizer.fit(X).transform(X), resizer.fit_transform(X))
