"""corrupt: all forms of images and dtypes, pixel ranges, determinism and bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave
from sklearn.base import clone

from skcnn import ImageAugmenter, ImageReader, ImageResizer, LazyImages
from skcnn.robustness import corrupt
from skcnn.robustness.corruptions import KINDS

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (4, 16, 12, 3), np.uint8)
RAGGED = [RNG.integers(0, 256, (9 + n, 14 - n, 3), np.uint8) for n in range(3)]


@pytest.fixture
def paths(tmp_path):
    """Paths of files of three photos of different sizes."""
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    for name, image in zip(names, RAGGED, strict=True):
        imsave(name, image, check_contrast=False)
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_corrupted_one_by_one(kind):
    found = corrupt(COLOR, kind, 5, random_state=0)
    assert found.shape == COLOR.shape
    assert found.dtype == np.uint8
    assert all(np.any(one != image) for one, image in zip(found, COLOR, strict=True))
    np.testing.assert_array_equal(corrupt(COLOR, kind, 5, random_state=0), found)
    view = corrupt(LazyImages(COLOR), kind, 5, random_state=0)
    assert isinstance(view, LazyImages)
    for rows in ([2], [3, 1], [1, 1, 0]):
        np.testing.assert_array_equal(np.asarray(view[rows]), found[rows])
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(view))), found)
    np.testing.assert_array_equal(corrupt(COLOR[:2], kind, 5, random_state=0), found[:2])


def test_random_numbers_differ_by_seed_kind_and_image_but_not_by_severity():
    gray = np.full((2, 40, 40), 0.5)
    options = {"pixel_range": (0, 1), "random_state": 0}
    noise = corrupt(gray, "gaussian_noise", 1, **options) - 0.5
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1
    other = corrupt(gray, "gaussian_noise", 1, pixel_range=(0, 1), random_state=1) - 0.5
    assert abs(np.corrcoef(noise[0].ravel(), other[0].ravel())[0, 1]) < 0.1
    more = corrupt(gray, "gaussian_noise", 2, **options) - 0.5
    assert np.corrcoef(noise.ravel(), more.ravel())[0, 1] > 0.99


def test_none_draws_from_the_global_random_state():
    np.random.seed(0)
    first, second = (corrupt(COLOR, "shot_noise") for _ in range(2))
    assert np.any(first != second)
    np.random.seed(0)
    np.testing.assert_array_equal(corrupt(COLOR, "shot_noise"), first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 0, 255),
        (np.uint16, 0, 65535),
        (np.float32, 0, 1),
        (np.float64, -1, 1),
        (np.float16, 0, 255),
        (np.int64, 0, 255),
        (bool, 0, 1),
    ],
)
def test_dtype_and_range_are_kept(kind, dtype, low, high):
    images = (low + (high - low) * RNG.random((2, 10, 9))).round(2).astype(dtype)
    found = corrupt(images, kind, 5, random_state=0)
    assert found.dtype == dtype
    assert found.shape == images.shape
    assert found.min() >= low
    assert found.max() <= high


def test_values_do_not_depend_on_dtype_and_scale():
    expected = corrupt(COLOR, "fog", 2, random_state=0)
    scaled = corrupt(COLOR / 255, "fog", 2, random_state=0)
    np.testing.assert_allclose(255 * scaled, expected, atol=0.5 + 1e-6)
    centered = corrupt(COLOR / 127.5 - 1, "fog", 2, random_state=0)
    np.testing.assert_allclose(centered, 2 * scaled - 1, atol=1e-6)


def test_gray_images_and_images_of_one_channel():
    gray = COLOR[..., 0]
    expected = corrupt(gray, "snow", random_state=0)
    np.testing.assert_array_equal(
        corrupt(gray[..., np.newaxis], "snow", random_state=0)[..., 0], expected
    )


def test_flat_rows():
    expected = corrupt(COLOR, "pixelate", 5, random_state=0).reshape(4, -1)
    rows = COLOR.reshape(4, -1)
    found = corrupt(rows, "pixelate", 5, image_shape=(16, 12, 3), random_state=0)
    np.testing.assert_array_equal(found, expected)
    frame = corrupt(pd.DataFrame(rows), "pixelate", 5, image_shape=(16, 12, 3), random_state=0)
    np.testing.assert_array_equal(frame, expected)
    lazy = corrupt(LazyImages(rows), "pixelate", 5, image_shape=(16, 12, 3), random_state=0)
    assert lazy.shape == rows.shape
    np.testing.assert_array_equal(np.asarray(lazy), expected)


def test_images_of_different_sizes():
    found = corrupt(RAGGED, "motion_blur", 4, random_state=0)
    assert isinstance(found, list)
    array = np.empty(3, dtype=object)
    array[:] = RAGGED
    as_array = corrupt(array, "motion_blur", 4, random_state=0)
    assert as_array.dtype == object
    for one, other, image in zip(found, as_array, RAGGED, strict=True):
        assert (one.shape, one.dtype) == (image.shape, image.dtype)
        np.testing.assert_array_equal(one, other)
    alone = corrupt(RAGGED[:1], "motion_blur", 4, random_state=0)
    np.testing.assert_array_equal(alone[0], found[0])


def test_paths(paths):
    view = corrupt(paths, "jpeg_compression", 4, random_state=0)
    assert isinstance(view, LazyImages)
    expected = corrupt(RAGGED, "jpeg_compression", 4, random_state=0)
    for found, image in zip(view, expected, strict=True):
        np.testing.assert_array_equal(found, image)
    resized = ImageResizer((8, 8)).fit_transform(view)
    assert resized.shape == (3, 8, 8, 3)
    gray = corrupt(ImageReader("L").fit_transform(paths), "shot_noise", random_state=0)
    assert gray[0].shape == RAGGED[0].shape[:2]


def test_a_view_is_corrupted_in_every_epoch_and_without_augmentation():
    view = ImageAugmenter(horizontal_flip=True, random_state=0).fit_transform(COLOR)
    corrupted = corrupt(view, "brightness", 3, random_state=0)
    expected = corrupt(COLOR, "brightness", 3, random_state=0)
    np.testing.assert_array_equal(np.asarray(corrupted.clean()), expected)
    flipped = np.any(np.asarray(view) != COLOR, axis=(1, 2, 3))
    assert flipped.any()
    found = np.asarray(corrupted)
    np.testing.assert_array_equal(found[flipped], expected[flipped][:, :, ::-1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((COLOR, "snowfall"), ValueError, "kind"),
        ((COLOR, "snow", 0), ValueError, "severity"),
        ((COLOR, "snow", 2.5), ValueError, "severity"),
        ((COLOR[0], "snow"), ValueError, "looks like one image"),
        ((np.moveaxis(COLOR, -1, 1), "snow"), ValueError, "corrupt takes channels last"),
        ((np.zeros((2, 5)), "snow", 1), ValueError, "pass pixel_range"),
        ((np.full((2, 5, 5), np.nan), "snow"), ValueError, "NaN"),
        ((np.zeros((2, 100)) + [[0], [1]], "snow"), None, ""),
        ((np.zeros((2, 99)) + [[0], [1]], "snow"), ValueError, "image_shape"),
        (([object()], "snow"), TypeError, "which is not an image"),
    ],
)
def test_bad_input(arguments, error, message):
    if error is None:
        assert corrupt(*arguments, random_state=0).shape == arguments[0].shape
        return
    with pytest.raises(error, match=message):
        corrupt(*arguments, random_state=0)


@pytest.mark.parametrize("pixel_range", [(1, 0), (0,), (0, 0), ("0", "1"), (0, np.inf)])
def test_bad_pixel_range(pixel_range):
    with pytest.raises(ValueError, match="must be the smallest and the largest pixel value"):
        corrupt(COLOR, "snow", pixel_range=pixel_range)


def test_pixels_outside_of_the_given_range():
    with pytest.raises(ValueError, match=r"pixel values from \d+ to \d+, outside of the pixel"):
        corrupt(COLOR, "snow", pixel_range=(0, 1))


# ------------------------------------------------------------------------------------------------
# Training


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_augmenter_corrupts(dtype):
    images = np.repeat(COLOR, 30, axis=0).astype(dtype)
    kinds = ["gaussian_noise", "pixelate"]
    augmenter = ImageAugmenter(corruption=kinds, random_state=0)
    view = augmenter.fit_transform(images)
    first, second = np.asarray(view), np.asarray(view.at_epoch(1))
    assert first.dtype == dtype
    assert first.min() >= 0
    assert first.max() <= 255
    unchanged = np.mean((first == images).all(axis=(1, 2, 3)))
    assert 0.05 < unchanged < 0.3  # one of six severities
    assert np.mean((first == second).all(axis=(1, 2, 3))) < 0.2
    np.testing.assert_array_equal(np.asarray(view[[7, 3]]), first[[7, 3]])
    np.testing.assert_array_equal(augmenter.transform(images), images)
    assert "corruption" in repr(view.operations[0])
    again = clone(augmenter).fit_transform(pickle.loads(pickle.dumps(images)))
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(again))), first)


def test_augmenter_corrupts_before_it_calls_function():
    view = ImageAugmenter(
        corruption="contrast", function=lambda images, generators: images + 10, random_state=0
    ).fit_transform(COLOR)
    plain = ImageAugmenter(corruption="contrast", random_state=0).fit_transform(COLOR)
    found, expected = np.asarray(view).astype(int), np.asarray(plain).astype(int) + 10
    np.testing.assert_allclose(found, expected.clip(max=255), atol=1)


def test_augmenter_of_constant_images():
    images = np.ones((3, 5, 5))
    view = ImageAugmenter(corruption=KINDS, random_state=0).fit_transform(images)
    np.testing.assert_array_equal(np.asarray(view), images)


@pytest.mark.parametrize("corruption", ["rain", [], ["fog", "fog"], ["fog", 3]])
def test_augmenter_with_unknown_kinds(corruption):
    with pytest.raises(ValueError, match="corruption"):
        ImageAugmenter(corruption=corruption).fit(COLOR)
