"""ImageFlattener against numpy's reshape."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageAugmenter, ImageFlattener

NAMED_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
]


@parametrize_with_checks([ImageFlattener()])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("check", NAMED_CHECKS)
def test_checks_called_by_name(check):
    getattr(estimator_checks, check)("ImageFlattener", ImageFlattener())


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 4, 6, 1), (5, 4, 6, 3), (5, 16)])
def test_rows_and_back(dtype, shape):
    images = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    flattener = ImageFlattener()
    rows = flattener.fit_transform(images)
    assert_array_equal(rows, images.reshape(5, -1))
    assert rows.dtype == dtype
    assert np.shares_memory(rows, images)
    back = flattener.inverse_transform(rows)
    assert back.dtype == dtype
    assert_array_equal(back, images, strict=True)
    assert_array_equal(flattener.inverse_transform(images), images)
    assert_array_equal(flattener.transform(rows), rows)
    assert flattener.form_ == shape[1:]


def test_lazy_is_read():
    images = np.arange(5 * 12).reshape(5, 3, 4)
    flattener = ImageFlattener()
    rows = flattener.fit_transform(LazyImages(images))
    assert isinstance(rows, np.ndarray)
    assert_array_equal(rows, images.reshape(5, 12))
    assert_array_equal(flattener.inverse_transform(rows), images)


def test_random_view_gives_one_realization(stack):
    view = ImageAugmenter(horizontal_flip=True, random_state=0).fit_transform(stack)
    rows = ImageFlattener().fit_transform(view)
    assert isinstance(rows, np.ndarray)
    assert_array_equal(rows, np.asarray(view).reshape(6, -1))
    assert_array_equal(ImageFlattener().fit_transform(view), rows)


def test_image_shape_of_flat_rows():
    rows = np.arange(140).reshape(2, 70)
    flattener = ImageFlattener(image_shape=(7, 10)).fit(rows)
    assert flattener.image_shape_ == (7, 10, 1)
    assert_array_equal(flattener.inverse_transform(rows), rows)
    with pytest.raises(ValueError, match="set their layout with image_shape"):
        clone(flattener).set_params(image_shape=None).fit(rows)


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (np.zeros((2, 1, 2)), ["pixel_0_0", "pixel_0_1"]),
        (np.zeros((2, 2, 1, 1)), ["pixel_0_0", "pixel_1_0"]),
        (np.zeros((2, 1, 1, 2)), ["pixel_0_0_0", "pixel_0_0_1"]),
        (pd.DataFrame({"left": [1, 2], "right": [3, 4]}), ["left", "right"]),
    ],
)
def test_names(images, names):
    flattener = ImageFlattener().set_output(transform="pandas")
    assert flattener.fit_transform(images).columns.tolist() == names
    assert flattener.get_feature_names_out().tolist() == names
    assert flattener.get_feature_names_out(names).tolist() == names
    with pytest.raises(ValueError, match="input_features"):
        flattener.get_feature_names_out(["one"])


def test_other_size_is_refused_in_transform():
    flattener = ImageFlattener().fit(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="is expecting 4 x 4 with 1, as in fit"):
        flattener.transform(np.zeros((2, 4, 5)))
    with pytest.raises(ValueError, match="20 features, but ImageFlattener is expecting 16"):
        flattener.inverse_transform(np.zeros((2, 20)))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ([np.zeros((4, 5)), np.zeros((6, 5))], "put an ImageResizer before it"),
        (["a.png"], "put an ImageReader and an ImageResizer before it"),
        (np.full((2, 4, 4), np.inf), "infinity"),
        (np.zeros((0, 4, 4)), "minimum of 1"),
    ],
)
def test_bad_input(X, match):
    with pytest.raises(ValueError, match=match):
        ImageFlattener().fit(X)
