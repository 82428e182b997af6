"""ColorHistogramExtractor against numpy's histograms of scikit-image's colors."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.color import rgb2hsv, rgb2lab
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skcnn.lazy import LazyImages
from skcnn.preprocessing import (
    ColorHistogramExtractor,
    ImageAugmenter,
    ImageReader,
    ImageResizer,
)

CONVERT = {"hsv": rgb2hsv, "lab": rgb2lab, "rgb": np.asarray}
RANGES = {
    "hsv": [(0, 1)] * 3,
    "lab": [(0, 100), (-87, 99), (-108, 95)],
    "rgb": [(0, 1)] * 3,
}


def by_numpy(images, n_bins, color_space="rgb", joint=True):
    """Count the colors of images with values from 0 to 1, one image after the other."""
    rows = []
    for image in images:
        pixels = CONVERT[color_space](image).reshape(-1, 3)
        if joint:
            counts = np.histogramdd(pixels, n_bins, RANGES[color_space])[0]
        else:
            channels = zip(pixels.T, n_bins, RANGES[color_space], strict=True)
            counts = np.concatenate([np.histogram(*channel)[0] for channel in channels])
        rows.append(counts.ravel() / len(pixels))
    return np.stack(rows)


# ------------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("n_bins", [(8, 8, 8), (5, 2, 3), (1, 4, 1)], ids=str)
@pytest.mark.parametrize("color_space", ["hsv", "lab", "rgb"])
def test_values_are_those_of_numpy(color_space, n_bins, joint):
    images = np.random.default_rng(0).random((4, 9, 11, 3))
    images[0, 0, :2] = [[0, 0, 0], [1, 1, 1]]  # the range of the values
    extractor = ColorHistogramExtractor(n_bins, color_space=color_space, joint=joint)
    result = extractor.fit_transform(images)
    assert result.dtype == np.float32
    assert_allclose(result, by_numpy(images, n_bins, color_space, joint), atol=1e-7)
    assert extractor.n_bins_ == n_bins


@pytest.mark.parametrize("color_space", ["hsv", "lab"])
def test_values_of_photographs(stack, color_space):
    result = ColorHistogramExtractor(color_space=color_space).fit_transform(stack)
    assert result.shape == (6, 512)
    expected = by_numpy(stack / 255, (8, 8, 8), color_space)
    # a value on the edge of two bins may be rounded into either
    assert np.abs(result - expected).sum(axis=1).max() < 0.01
    assert_allclose(result.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("n_bins", [1, 2, 3, 5, 8, 16, 51, 256])
def test_gray_images_of_8_bits(stack, n_bins):
    gray = stack[..., 0]
    for color_space in CONVERT:
        extractor = ColorHistogramExtractor(n_bins, color_space=color_space)
        expected = [np.histogram(image, n_bins, (0, 255))[0] / image.size for image in gray]
        assert_allclose(extractor.fit_transform(gray), expected, rtol=1e-6)
        assert_array_equal(
            extractor.fit_transform(gray[..., np.newaxis]), extractor.transform(gray)
        )
    assert extractor.pixel_range_ == (0, 255)


def test_every_value_of_8_bits_has_a_bin_of_its_own():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    result = ColorHistogramExtractor(256).fit_transform(images)
    assert_array_equal(result, np.full((1, 256), 1 / 256))


def test_known_colors():
    red, blue, white = [255, 0, 0], [0, 0, 255], [255, 255, 255]
    images = np.array([[[red, red], [red, blue]], [[white] * 2] * 2], dtype=np.uint8)
    extractor = ColorHistogramExtractor((6, 2, 2)).set_output(transform="pandas")
    result = extractor.fit_transform(images)
    assert result["hue_0_saturation_1_value_1"].tolist() == [0.75, 0]
    assert result["hue_4_saturation_1_value_1"].tolist() == [0.25, 0]
    assert result["hue_0_saturation_0_value_1"].tolist() == [0, 1]
    assert_array_equal(result.sum(axis=1), 1)


def test_places_do_not_matter(stack):
    turned = np.rot90(stack, axes=(1, 2))
    expected = ColorHistogramExtractor().fit_transform(stack)
    assert_array_equal(ColorHistogramExtractor().fit_transform(turned), expected)


def test_all_colors_lie_in_the_ranges_of_lab():
    steps = np.linspace(0, 1, 18)
    colors = rgb2lab(np.stack(np.meshgrid(steps, steps, steps), axis=-1))
    for channel, (low, high) in enumerate(RANGES["lab"]):
        assert low - 1e-3 <= colors[..., channel].min() < low + 1
        assert high - 1 < colors[..., channel].max() <= high + 1e-3


# ------------------------------------------------------------------------------------------------
# The range of the values


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.uint8, (0, 255)), (np.uint16, (0, 65535)), (np.int64, (20, 100)), (float, (20, 100))],
)
def test_pixel_range(dtype, expected):
    images = np.array([[[20, 60]], [[60, 100]]], dtype=dtype)
    extractor = ColorHistogramExtractor(4).fit(images)
    assert extractor.pixel_range_ == expected
    low, high = expected
    counts = [np.histogram(image, 4, (low, high))[0] / 2 for image in images]
    assert_array_equal(extractor.transform(images), counts)


@pytest.mark.parametrize("color_space", ["hsv", "lab", "rgb"])
def test_values_beyond_the_range_count_as_its_ends(color_space):
    train = np.random.default_rng(0).random((3, 4, 4, 3))
    extractor = ColorHistogramExtractor(color_space=color_space).fit(train)
    low, high = extractor.pixel_range_
    images = 5 * train - 2
    expected = extractor.transform(np.clip(images, low, high))
    assert_array_equal(extractor.transform(images), expected)


@pytest.mark.parametrize("value", [0, 5, -0.1, 2**60])
@pytest.mark.parametrize("color_space", ["hsv", "lab", "rgb"])
def test_constant_images_are_black(value, color_space):
    images = np.full((2, 3, 3, 3), value, dtype=type(value))
    extractor = ColorHistogramExtractor(2, color_space=color_space)
    black = extractor.fit_transform(images)
    low, high = extractor.pixel_range_
    assert low == value < high
    assert_array_equal(black, extractor.fit(np.zeros((1, 3, 3, 3), np.uint8)).transform(images * 0))


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("color_space", ["hsv", "lab", "rgb"])
def test_dtype_changes_nothing_in_transform(stack, dtype, color_space):
    extractor = ColorHistogramExtractor(color_space=color_space).fit(stack)
    expected = extractor.transform(stack)
    assert_array_equal(extractor.transform(stack.astype(dtype)), expected, strict=True)


def test_dtype_changes_nothing_where_the_values_fill_it(stack):
    images = stack.copy()
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    expected = ColorHistogramExtractor().fit_transform(images)
    for dtype in (np.int64, np.float32, np.float64):
        assert_array_equal(ColorHistogramExtractor().fit_transform(images.astype(dtype)), expected)


# ------------------------------------------------------------------------------------------------
# Forms and threads


def test_forms_agree(stack):
    expected = ColorHistogramExtractor().fit_transform(stack)
    rows = stack.reshape(6, -1)
    flat = ColorHistogramExtractor(image_shape=(48, 60, 3))
    assert_array_equal(flat.fit_transform(rows), expected)
    assert_array_equal(flat.transform(stack), expected)
    assert_array_equal(ColorHistogramExtractor().fit_transform(list(stack)), expected)
    assert_array_equal(ColorHistogramExtractor().fit_transform(LazyImages(stack)), expected)
    assert_array_equal(flat.fit_transform(LazyImages(rows)), expected)


@pytest.mark.parametrize("form", [np.asarray, LazyImages])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_threads_and_parts_change_nothing(stack, form, dtype, monkeypatch):
    images = stack.astype(dtype)
    expected = ColorHistogramExtractor(n_jobs=1).fit_transform(images)
    monkeypatch.setattr("skcnn.preprocessing._features._PART", 10_000)  # one image at a time
    for n_jobs in (None, 1, 3, -1):
        result = ColorHistogramExtractor(n_jobs=n_jobs).fit_transform(form(images))
        assert_array_equal(result, expected)


def test_random_view(stack):
    images = stack / 255
    view = ImageAugmenter(brightness=0.5, random_state=0).fit_transform(images)
    extractor = ColorHistogramExtractor()
    rows = extractor.fit_transform(view)
    assert extractor.pixel_range_ == (images.min(), images.max())  # of the clean images
    assert_array_equal(rows, extractor.transform(np.asarray(view)))
    assert_array_equal(rows, ColorHistogramExtractor().fit_transform(view))
    assert not np.array_equal(rows, extractor.transform(images))


@pytest.mark.parametrize("lazy", [False, True])
def test_paths_through_reader_and_resizer(photo_files, lazy):
    images = make_pipeline(ImageReader(), ImageResizer((40, 30))).fit_transform(photo_files)
    resizer = ImageResizer((40, 30), lazy=lazy)
    pipe = make_pipeline(ImageReader(), resizer, ColorHistogramExtractor())
    expected = ColorHistogramExtractor().fit_transform(images)
    assert_array_equal(pipe.fit_transform(photo_files), expected)


# ------------------------------------------------------------------------------------------------
# scikit-learn


@pytest.mark.parametrize(
    ("n_channels", "parameters", "first", "last"),
    [
        (3, {"n_bins": 2}, "hue_0_saturation_0_value_0", "hue_1_saturation_1_value_1"),
        (3, {"n_bins": 2, "color_space": "lab"}, "lightness_0_a_0_b_0", "lightness_1_a_1_b_1"),
        (3, {"n_bins": (2, 4, 3), "joint": False}, "hue_0", "value_2"),
        (3, {"color_space": "rgb", "joint": False}, "red_0", "blue_7"),
        (1, {}, "gray_0", "gray_7"),
        (
            2,
            {"color_space": "rgb", "n_bins": 3},
            "channel_0_0_channel_1_0",
            "channel_0_2_channel_1_2",
        ),
        (4, {"color_space": "rgb", "joint": False}, "channel_0_0", "channel_3_7"),
    ],
    ids=str,
)
def test_names(n_channels, parameters, first, last):
    extractor = ColorHistogramExtractor(**parameters).set_output(transform="pandas")
    names = extractor.fit_transform(np.zeros((2, 3, 3, n_channels))).columns.tolist()
    assert (names[0], names[-1]) == (first, last)
    assert len(set(names)) == len(names)
    assert extractor.get_feature_names_out().tolist() == names


def test_frames():
    values = np.random.default_rng(0).random((3, 12))
    frame = pd.DataFrame(values, index=list("xyz")).add_prefix("pixel")
    extractor = ColorHistogramExtractor(2, image_shape=(2, 2, 3)).set_output(transform="pandas")
    result = extractor.fit_transform(frame)
    assert result.index.tolist() == list("xyz")
    polars = clone(extractor).set_output(transform="polars").fit_transform(frame)
    assert_array_equal(polars.to_numpy(), result.to_numpy())


def test_a_pickle_and_a_clone_give_the_same(stack):
    extractor = ColorHistogramExtractor((4, 2, 3), color_space="lab").fit(stack)
    expected = extractor.transform(stack)
    assert_array_equal(pickle.loads(pickle.dumps(extractor)).transform(stack), expected)
    assert_array_equal(clone(extractor).fit_transform(stack), expected)


def test_colors_are_learned():
    random = np.random.default_rng(0)
    y = np.arange(40) % 2
    images = random.integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    images[y == 1, ..., 0] //= 2  # half the red
    model = make_pipeline(ColorHistogramExtractor(4), LogisticRegression(C=100))
    assert model.fit(images[:30], y[:30]).score(images[30:], y[30:]) == 1


# ------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_bins": 0}, "'n_bins' parameter of ColorHistogramExtractor must be an int"),
        ({"n_bins": (8, 0, 8)}, "'n_bins' .* tuple of positive integers"),
        ({"n_bins": (8, 8)}, r"n_bins=\(8, 8\) has 2 number\(s\), but .* 3 channel\(s\)"),
        ({"color_space": "cmyk"}, "'color_space' parameter .* must be a str among"),
        ({"n_bins": 200}, "makes 8000000 features of the 3 channel.* joint=False"),
    ],
)
def test_bad_parameters(parameters, match):
    with pytest.raises(ValueError, match=match):
        ColorHistogramExtractor(**parameters).fit(np.zeros((2, 4, 4, 3)))


@pytest.mark.parametrize("color_space", ["hsv", "lab"])
@pytest.mark.parametrize("n_channels", [2, 4])
def test_color_spaces_are_of_three_channels(color_space, n_channels):
    with pytest.raises(ValueError, match=r"channel\(s\): use color_space"):
        ColorHistogramExtractor(color_space=color_space).fit(np.zeros((2, 4, 4, n_channels)))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.full((2, 8, 8), np.nan), "contains NaN"),
        (LazyImages(np.full((2, 8, 8), np.nan)), "contains NaN, in image 0 of the source"),
        ([np.zeros((4, 5)), np.zeros((6, 5))], "put an ImageResizer before it"),
        (["a.png"], "put an ImageReader and an ImageResizer before it"),
        (np.zeros((0, 4, 4)), "minimum of 1"),
    ],
)
def test_bad_images(X, match):
    with pytest.raises(ValueError, match=match):
        ColorHistogramExtractor().fit_transform(X)


def test_a_lazy_view_is_checked_in_transform_too():
    extractor = ColorHistogramExtractor().fit(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="contains infinity"):
        extractor.transform(LazyImages(np.full((2, 4, 4), np.inf)))


def test_other_size_is_refused_in_transform(stack):
    with pytest.raises(ValueError, match="is expecting 48 x 60 with 3, as in fit"):
        ColorHistogramExtractor().fit(stack).transform(stack[:, :40])


def test_values_far_above_a_tiny_range_are_in_the_last_bin():
    extractor = ColorHistogramExtractor(2, color_space="rgb")
    extractor.fit(np.arange(16).reshape(1, 4, 4) * 1e-310)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(extractor.transform(np.full((1, 4, 4), 200.0)), [[0, 1]])
