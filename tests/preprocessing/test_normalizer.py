"""ImageNormalizer against numpy's own mean and standard deviation."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageNormalizer
from skcnn.preprocessing._ragged import RaggedImages

METHODS = ["standardize", "unit"]
NAMED_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
]


class Darken:
    """A random operation, as an augmenter appends it."""

    random = True

    def __call__(self, batch, keys, epoch):
        return batch // 2

    def output(self, shape, dtype):
        return shape, dtype


@parametrize_with_checks([ImageNormalizer(method) for method in METHODS])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("check", NAMED_CHECKS)
def test_checks_called_by_name(check, method):
    getattr(estimator_checks, check)("ImageNormalizer", ImageNormalizer(method))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_standardize_gives_each_channel_mean_0_and_variance_1(stack, dtype):
    images = stack.astype(dtype)
    normalizer = ImageNormalizer().fit(images)
    assert_allclose(normalizer.mean_, stack.mean(axis=(0, 1, 2)))
    assert_allclose(normalizer.scale_, stack.std(axis=(0, 1, 2)))
    result = normalizer.transform(images)
    assert result.dtype == (np.float64 if dtype == np.float64 else np.float32)
    expected = (stack - stack.mean(axis=(0, 1, 2))) / stack.std(axis=(0, 1, 2))
    assert_allclose(result, expected, atol=1e-5)


def test_standardize_is_a_standard_scaler_of_the_channels(stack):
    expected = StandardScaler().fit_transform(stack.reshape(-1, 3).astype(float))
    result = ImageNormalizer().fit_transform(stack.astype(float))
    assert_allclose(result.reshape(-1, 3), expected)


def test_chunks_change_nothing(stack, monkeypatch):
    whole = ImageNormalizer().fit(stack)
    monkeypatch.setattr("skcnn.pixels._CHUNK", 10_000)
    pieces = ImageNormalizer().fit(stack)
    assert_allclose(pieces.mean_, whole.mean_, rtol=1e-13)
    assert_allclose(pieces.scale_, whole.scale_, rtol=1e-13)


@pytest.mark.parametrize("value", [0, 7, 0.1, 1e6 + 0.1])
def test_constant_channel_is_left_at_zero(value):
    images = np.zeros((5, 6, 7, 2))
    images[..., 0] = value
    images[..., 1] = np.arange(7)
    normalizer = ImageNormalizer().fit(images)
    assert normalizer.scale_[0] == 1
    assert_allclose(normalizer.transform(images)[..., 0], 0, atol=1e-14 * max(1, value))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_unit_divides_by_the_largest_value_of_the_dtype(dtype):
    images = np.array([[[0, 51, 255]]], dtype=dtype)
    normalizer = ImageNormalizer("unit").fit(images)
    assert_allclose(normalizer.transform(images), images / np.iinfo(dtype).max, rtol=1e-6)
    assert normalizer.scale_.tolist() == [np.iinfo(dtype).max]


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_unit_scales_other_dtypes_by_the_training_range(dtype):
    images = np.array([[[[-4, 0], [6, 2]]]], dtype=dtype)
    normalizer = ImageNormalizer("unit").fit(images)
    assert_allclose(normalizer.transform(images), (images + 4) / 10, rtol=1e-6)
    assert_allclose(normalizer.transform(images + 10)[0, 0, 1, 0], 2, rtol=1e-6)
    assert_array_equal(ImageNormalizer("unit").fit_transform(np.full((2, 3, 3), 5.0)), 0)


@pytest.mark.parametrize("method", METHODS)
def test_form_is_kept(stack, method):
    gray = stack[..., 0]
    rows = gray.reshape(6, -1)
    expected = ImageNormalizer(method).fit_transform(gray)
    assert expected.shape == gray.shape
    flat = ImageNormalizer(method, image_shape=(48, 60))
    assert_array_equal(flat.fit_transform(rows), expected.reshape(6, -1))
    assert_array_equal(flat.fit_transform(rows.tolist()).shape, (6, 48 * 60))
    with_axis = ImageNormalizer(method).fit_transform(gray[..., np.newaxis])
    assert_array_equal(with_axis, expected[..., np.newaxis])
    fitted = ImageNormalizer(method).fit(gray)
    assert_array_equal(fitted.transform(rows), expected.reshape(6, -1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_lazy_stays_lazy_and_learns_from_clean_images(stack, method, dtype):
    images = stack.astype(dtype)
    expected = ImageNormalizer(method).fit(images)
    view = LazyImages(images, [Darken()])
    normalizer = ImageNormalizer(method)
    result = normalizer.fit_transform(view)
    assert isinstance(result, LazyImages)
    assert result.is_random
    assert_array_equal(normalizer.mean_, expected.mean_)
    assert result.shape == images.shape
    assert result.dtype == np.asarray(result).dtype
    assert_array_equal(pickle.loads(pickle.dumps(result)), expected.transform(images // 2))
    assert_array_equal(result.clean(), expected.transform(images))


@pytest.mark.parametrize("method", METHODS)
def test_inverse_transform(stack, method):
    normalizer = ImageNormalizer(method)
    assert_allclose(normalizer.inverse_transform(normalizer.fit_transform(stack)), stack, atol=1e-4)
    view = normalizer.inverse_transform(normalizer.transform(LazyImages(stack)))
    assert isinstance(view, LazyImages)
    assert_allclose(view, stack, atol=1e-4)


def test_names(stack):
    normalizer = ImageNormalizer().fit(np.zeros((2, 1, 2, 2)))
    expected = ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_1_0", "pixel_0_1_1"]
    assert normalizer.get_feature_names_out().tolist() == expected
    frame = pd.DataFrame(np.eye(4), columns=list("abcd"), index=list("wxyz"))
    result = ImageNormalizer().set_output(transform="pandas").fit_transform(frame)
    assert result.columns.tolist() == list("abcd")
    assert result.index.tolist() == list("wxyz")


def test_method_is_one_of_two():
    with pytest.raises(ValueError, match=r"'method' parameter of ImageNormalizer must be a str"):
        ImageNormalizer("zscore").fit(np.zeros((2, 2, 2)))


@pytest.mark.parametrize("shape", [4, (2,), (2, 2, 2, 2), (0, 4), "ab"])
def test_image_shape_is_two_or_three_numbers(shape):
    with pytest.raises(
        ValueError, match=r"'image_shape' parameter .* must be a tuple of positive integers"
    ):
        ImageNormalizer(image_shape=shape).fit(np.zeros((2, 4)))


BAD = {
    "NaN": (np.full((2, 4, 4), np.nan), "contains NaN"),
    "NaN in a view": (LazyImages(np.full((2, 4, 4), np.nan)), "contains NaN"),
    "sizes": ([np.zeros((4, 5)), np.zeros((6, 5))], "put an ImageResizer before it"),
    "sizes of a view": (
        LazyImages(RaggedImages([np.ones((3, 3)), np.ones((4, 3))])),
        "put an ImageResizer before it",
    ),
    "paths": (["a.png"], "put an ImageReader and an ImageResizer before it"),
    "channels first": (np.zeros((2, 3, 8, 8)), "looks like channels first"),
    "no images": (np.zeros((0, 4, 4)), "minimum of 1"),
}


@pytest.mark.parametrize(("X", "match"), BAD.values(), ids=BAD)
def test_bad_input(X, match):
    with pytest.raises(ValueError, match=match):
        ImageNormalizer().fit(X)


def test_other_size_is_refused_in_transform(stack):
    with pytest.raises(ValueError, match="is expecting 48 x 60 with 3, as in fit"):
        ImageNormalizer().fit(stack).transform(stack[:, :40])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_integers_with_a_large_offset(stack, dtype):
    offset = stack.astype(dtype) + dtype(1_000_000_000)
    expected = ImageNormalizer().fit_transform(stack)
    assert_allclose(ImageNormalizer().fit_transform(offset), expected, atol=1e-5)


def test_a_fit_that_fails_leaves_what_was_learned(stack):
    normalizer = ImageNormalizer().fit(stack)
    expected = normalizer.transform(stack)
    bad = LazyImages(np.full((3, 5, 5, 4), np.nan))  # lazy images are checked when they are read
    with pytest.raises(ValueError, match="NaN"):
        normalizer.fit(bad)
    assert_array_equal(normalizer.transform(stack), expected)
    with pytest.raises(ValueError, match="NaN"):
        (fresh := ImageNormalizer()).fit(bad)
    with pytest.raises(NotFittedError):
        fresh.transform(stack)
