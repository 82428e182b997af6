"""Statistics of an image against naive references."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage
from scipy.stats import entropy
from skimage import data

from skcnn.quality._image_set import to_bytes
from skcnn.quality._statistics import FACTS, blur_ratio, measure

RNG = np.random.default_rng(0)
PHOTO = data.chelsea()[:100, 100:220]


def facts(image):
    """Return the statistics of an image by name."""
    return np.array(measure(np.ascontiguousarray(image)), FACTS)


@pytest.mark.parametrize("image", [PHOTO, PHOTO[..., 1]], ids=["color", "gray"])
def test_against_naive_references(image):
    found = facts(image)
    gray = np.asarray(Image.fromarray(image).convert("L"))
    assert (found["height"], found["width"]) == image.shape[:2]
    assert found["gray"] == (image.ndim == 2)
    assert not found["constant"]
    channels = np.atleast_3d(image).reshape(-1, 3 if image.ndim == 3 else 1)
    low, high = np.percentile(channels, [1, 99], axis=0, method="inverted_cdf")
    assert found["spread"] == pytest.approx((high - low).max() / 255)
    ends = np.percentile(gray, [5, 95], method="inverted_cdf") / 255
    assert [found["dark_end"], found["light_end"]] == pytest.approx(ends)
    assert found["entropy"] == pytest.approx(entropy(np.bincount(gray.ravel()), base=2), rel=1e-5)
    means = np.atleast_3d(image).reshape(4, 25, 4, 30, -1).mean(axis=(1, 3))
    assert abs(found["thumbnail"].astype(float) - means).max() <= 1


def test_blur_ratio_against_a_filter():
    values = RNG.integers(0, 256, (40, 60)).astype(np.uint8)
    expected = []
    for axis in (0, 1):
        blurred = ndimage.uniform_filter1d(values.astype(float), 5, axis=axis, mode="constant")
        inside = np.diff(np.take(blurred, np.arange(2, values.shape[axis] - 2), axis), axis=axis)
        sharp = np.diff(values.astype(float), axis=axis)
        expected.append((inside**2).mean() / (sharp**2).mean())
    assert blur_ratio(Image.fromarray(values)) == pytest.approx(max(expected), rel=1e-4)


def test_blur_ratio_increases_with_blur():
    photo = Image.fromarray(data.astronaut()).convert("L")
    ratios = [blur_ratio(photo.filter(ImageFilter.GaussianBlur(r))) for r in (0, 2, 4, 8, 16)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.35
    assert ratios[-1] > 0.8
    smeared = ndimage.uniform_filter1d(np.asarray(photo), 40, axis=1)
    assert blur_ratio(Image.fromarray(smeared)) > 0.6


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 3), (50, 2), (2000, 30)])
def test_any_shape(shape):
    found = facts(RNG.integers(0, 256, (*shape, 3)).astype(np.uint8))
    assert np.isfinite([found[name].item() for name in ("spread", "entropy", "blur")]).all()


def test_large_images_give_the_same():
    small, large = facts(PHOTO), facts(PHOTO.repeat(10, axis=0).repeat(10, axis=1))
    for name in ("spread", "dark_end", "light_end", "entropy"):
        assert small[name] == pytest.approx(large[name], abs=0.05)


def test_constant_and_colorless_images():
    assert facts(np.full((9, 9, 3), [1, 2, 3], np.uint8))["constant"]
    image = np.full((1200, 1200, 3), 7, np.uint8)
    image[600, 600, 1] = 8  # lost when the image is reduced
    assert not facts(image)["constant"]
    gray = PHOTO[..., :1].repeat(3, axis=2)
    assert facts(gray)["gray"]
    assert not facts(gray + np.uint8([0, 0, 20]))["gray"]


@pytest.mark.parametrize(
    ("image", "limits", "expected"),
    [
        ([[0, 255]], (0, 255), [[0, 255]]),
        ([[0.0, 0.5, 1.0, 2.0]], (0, 1), [[0, 128, 255, 255]]),
        ([[-1.0, 1.0]], (-1, 1), [[0, 255]]),
        ([[[65535], [257]]], (0, 65535), [[255, 1]]),
        ([[[10, 20, 30, 255], [10, 20, 30, 0]]], (0, 255), [[[10, 20, 30], [255, 255, 255]]]),
        ([[[10, 20]]], (0, 255), [[15]]),
    ],
)
def test_to_bytes(image, limits, expected):
    dtype = np.uint8 if limits[1] == 255 else np.float64
    found = to_bytes(np.array(image, dtype), (float(limits[0]), float(limits[1])))
    assert found.dtype == np.uint8
    assert found.tolist() == expected
