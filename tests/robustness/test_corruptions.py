"""The corruption of one image: each kind against a naive reference, and its severities."""

import itertools
from io import BytesIO
from math import log

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import resize

from skcnn.robustness import CORRUPTIONS
from skcnn.robustness.corruptions import KINDS, blur, clutter, digital, noise, weather
from skcnn.robustness.corruptions._filters import convolve, motion_kernel, zoom
from skcnn.robustness.corruptions._textures import frost_texture, plasma
from skcnn.robustness.corruptions.kinds import check_kinds, corrupt_image, generator
from skcnn.robustness.corruptions.levels import Levels

GRAY = np.full((224, 224, 3), 0.5)


@pytest.fixture(scope="module")
def photos():
    """A photo of 32 x 32, 64 x 64 and 224 x 224 pixels, by its side."""
    photo = astronaut()[:300, 100:400]
    return {side: resize(photo, (side, side), anti_aliasing=True) for side in (32, 64, 224)}


def rng(seed=0):
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------
# Severities


def test_groups():
    assert list(CORRUPTIONS) == ["noise", "blur", "weather", "digital", "objects"]
    assert tuple(kind for group in CORRUPTIONS.values() for kind in group) == KINDS
    assert len(KINDS) == 15 + 2


def test_levels_are_the_published_ones_at_32_and_224_pixels():
    levels = Levels((1, 2, 3, 4, 5), (10, 20, 30, 40, 50))
    assert [levels.number(severity, (32, 40, 3)) for severity in (1, 5)] == [1, 5]
    assert [levels.length(severity, (40, 32)) for severity in (1, 5)] == [1, 5]
    assert [levels.number(severity, (224, 224)) for severity in (1, 5)] == [10, 50]
    assert levels.length(3, (300, 224)) == pytest.approx(30)


def test_levels_of_other_sizes():
    levels = Levels((1, 2, 3, 4, 5), (10, 20, 30, 40, 50))
    assert levels.number(2, (8, 8)) == 2
    assert levels.length(2, (8, 8)) == 2 * 8 / 32
    assert levels.number(2, (500, 600)) == 20
    assert levels.length(2, (448, 448)) == pytest.approx(40)
    weight = log(64 / 32) / log(224 / 32)
    assert levels.number(4, (64, 64)) == pytest.approx(4 + weight * (40 - 4))
    assert levels.length(4, (64, 64)) == pytest.approx(64 * (4 / 32 + weight * (40 / 224 - 4 / 32)))


def quality(kind, photo, severity):
    """Return the peak signal-to-noise ratio; for fog and frost, the squared correlation.

    Fog and frost change the range of the values, which the correlation ignores.
    """
    found, changes_range = [], kind in ("fog", "frost")
    for key in range(4 if changes_range or len(photo) < 224 else 1):
        changed = corrupt_image(photo, kind, severity, generator(0, kind, key), (0, 1))
        if changes_range:
            found.append(np.corrcoef(photo.ravel(), changed.ravel())[0, 1] ** 2)
        else:
            found.append(peak_signal_noise_ratio(photo, changed, data_range=1))
    return np.mean(found)


@pytest.mark.parametrize("side", [32, 64, 224])
@pytest.mark.parametrize("kind", KINDS)
def test_quality_falls_with_severity(photos, kind, side):
    if kind == "elastic_transform" or (kind == "glass_blur" and side < 224):
        # The published parameters trade one effect for another, so that only severities of the
        # same sort compare: coarse and fine deformations, one and two rounds of exchanges.
        groups = {32: ((), ()), 64: ((1, 2), ()), 224: ((1, 2), (3, 4, 5))}[side]
        groups = groups if kind == "elastic_transform" else ((3, 5), (2, 4))
    else:
        groups = ((1, 2, 3, 4, 5),)
    for severities in groups:
        values = [quality(kind, photos[side], severity) for severity in severities]
        # severities 3 and 4 of motion blur hardly differ at 32 pixels
        assert np.all(np.diff(values) < (0.01 if kind == "motion_blur" else 0)), values


# ------------------------------------------------------------------------------------------------
# Noise


@pytest.mark.parametrize(("side", "deviation"), [(32, 0.08), (224, 0.18)])
def test_gaussian_noise(side, deviation):
    found = noise.gaussian_noise(np.full((side, side, 30), 0.5), 3, rng())
    assert found.mean() == pytest.approx(0.5, abs=0.005)
    assert found.std() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("value", [0.2, 0.8])
def test_shot_noise(value):
    found = noise.shot_noise(np.full((224, 224, 3), value), 4, rng())
    assert found.mean() == pytest.approx(value, rel=0.01)
    assert found.var() == pytest.approx(value / 5, rel=0.02)


def test_impulse_noise():
    found = noise.impulse_noise(GRAY, 5, rng())
    assert np.mean(found == 0) == pytest.approx(0.27 / 2, rel=0.03)
    assert np.mean(found == 1) == pytest.approx(0.27 / 2, rel=0.03)
    assert np.all((found == 0.5) | (found == 0) | (found == 1))


# ------------------------------------------------------------------------------------------------
# Blur


def test_convolution(photos):
    kernel = rng().random((5, 5))
    expected = np.stack(
        [
            ndimage.convolve(channel, kernel, mode="nearest")
            for channel in photos[32].transpose(2, 0, 1)
        ],
        axis=2,
    )
    np.testing.assert_allclose(convolve(photos[32], kernel), expected)


def test_defocus_blur_of_a_point_is_a_disk():
    point = np.zeros((224, 224, 1))
    point[100, 100] = 1
    found = blur.defocus_blur(point, 1, rng())[:, :, 0]  # its edge is softened by 0.1 pixel only
    y, x = np.mgrid[-100:124, -100:124]
    disk = np.clip(3.5 - np.hypot(y, x), 0, 1)
    np.testing.assert_allclose(found, disk / disk.sum(), atol=1e-6)


def test_glass_blur_exchanges_pixels_in_turn():
    image = np.arange(12 * 10.0).reshape(12, 10, 1)
    found = blur._exchange_pixels(image, 2, rng())
    expected = image.copy()
    rows, columns = range(10, 2, -1), range(8, 2, -1)
    down, right = rng().integers(-2, 2, (2, len(rows), len(columns)))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            other = y + down[i, j], x + right[i, j]
            expected[y, x], expected[other] = expected[other].copy(), expected[y, x].copy()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 1), (2, 3, 1), (5, 1, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_tiny_images(kind, shape):
    image = rng().random(shape)
    for severity in (1, 5):
        found = corrupt_image(image, kind, severity, rng(), (0, 1))
        assert found.shape == shape
        assert found.min() >= 0
        assert found.max() <= 1


def test_motion_to_the_right_is_half_of_a_gaussian():
    kernel = motion_kernel(radius=3, sigma=2, angle=0)
    weights = np.exp(-(np.arange(7) ** 2) / 8)
    reach = len(kernel) // 2
    np.testing.assert_allclose(kernel[reach, reach:][:7], weights / weights.sum())
    assert kernel.sum() == pytest.approx(1)
    assert np.count_nonzero(kernel) == 7


def test_motion_in_another_direction_has_the_same_center_of_mass():
    y, x = np.mgrid[-16:17, -16:17]
    right = motion_kernel(radius=7.5, sigma=6, angle=0)
    down_right = motion_kernel(radius=7.5, sigma=6, angle=30)
    assert right.shape == down_right.shape == (35, 35)
    y, x = np.mgrid[-17:18, -17:18]
    length = (right * x).sum()
    assert (down_right * x).sum() == pytest.approx(length * np.cos(np.pi / 6))
    assert (down_right * y).sum() == pytest.approx(length * np.sin(np.pi / 6))


def test_motion_blur_moves_a_point_up_to_45_degrees_from_the_horizontal():
    point = np.zeros((64, 64, 1))
    point[32, 32] = 1
    for seed in range(20):
        y, x = ndimage.center_of_mass(blur.motion_blur(point, 3, rng(seed))[:, :, 0])
        assert x > 32
        assert abs(y - 32) <= x - 32


@pytest.mark.parametrize("factor", [1, 1.1, 1.37])
def test_zoom(photos, factor):
    photo = photos[64][:50]
    y, x = np.mgrid[:50, :64]
    positions = [24.5 + (y - 24.5) / factor, 31.5 + (x - 31.5) / factor]
    expected = np.stack(
        [ndimage.map_coordinates(photo[:, :, channel], positions, order=1) for channel in range(3)],
        axis=2,
    )
    np.testing.assert_allclose(zoom(photo, factor), expected)


def test_zoom_blur_keeps_the_center_and_blurs_the_edge(photos):
    stripes = np.zeros((224, 224, 1))
    stripes[::8] = 1
    found = blur.zoom_blur(stripes, 5, rng())
    assert found[108:116].std() > 2 * found[:8].std()


# ------------------------------------------------------------------------------------------------
# Weather


def test_brightness_adds_to_the_value(photos):
    hsv = rgb2hsv(photos[64])
    found = corrupt_image(photos[64], "brightness", 2, rng(), (0, 1))
    hsv[:, :, 2] = np.clip(hsv[:, :, 2] + weather._ADDED.number(2, (64, 64)), 0, 1)
    np.testing.assert_allclose(found, hsv2rgb(hsv), atol=1e-12)


def test_brightness_of_gray_and_black_pixels():
    image = np.array([0, 0.2, 0.9]).reshape(1, 3, 1)
    found = weather.brightness(image, 2, rng())
    np.testing.assert_allclose(found.ravel(), [0.1, 0.3, 1])


def test_plasma():
    values = plasma((60, 100), 1.5, rng())
    assert values.shape == (60, 100)
    assert values.min() >= 0
    assert values.max() <= 1
    rough = [np.abs(np.diff(plasma((64, 64), decay, rng()))).mean() for decay in (3, 2, 1.4)]
    assert np.all(np.diff(rough) > 0)


def test_fog_keeps_black_below_white(photos):
    found = weather.fog(photos[224], 3, rng())
    layer = plasma((224, 224), 1.7, rng())
    white = photos[224].max()
    expected = (photos[224] + 2.5 * layer[:, :, np.newaxis]) * white / (white + 2.5)
    np.testing.assert_allclose(found, expected)
    assert found.max() <= white


def test_frost_texture():
    texture = frost_texture((48, 64, 3), rng())
    assert texture.shape == (48, 64, 3)
    assert texture.min() >= 0
    assert texture.max() <= 1
    assert texture[:, :, 2].mean() > texture[:, :, 0].mean()  # bluish
    gray = frost_texture((48, 64, 1), rng())
    np.testing.assert_allclose(gray[:, :, 0], texture[:, :, 2])


def test_frost_overlays_the_texture(photos):
    texture = frost_texture((224, 224, 3), rng())
    expected = 0.7 * photos[224] + 0.7 * texture
    np.testing.assert_allclose(weather.frost(photos[224], 3, rng()), expected)


def test_snow_whitens(photos):
    found = weather.snow(photos[64], 3, rng())
    assert found.mean() > photos[64].mean() + 0.1
    spread = [np.ptp(image, axis=2).mean() for image in (photos[64], found)]
    assert spread[1] < spread[0]  # less color


# ------------------------------------------------------------------------------------------------
# Digital


def test_contrast(photos):
    found = digital.contrast(photos[224], 2, rng())
    mean = photos[224].mean(axis=(0, 1))
    np.testing.assert_allclose(found - mean, 0.3 * (photos[224] - mean))


def test_elastic_transform_moves_pixels_smoothly():
    y, x = np.mgrid[:224, :224] / 224
    ramps = np.stack([y, x], axis=2)
    found = digital.elastic_transform(ramps, 5, rng())
    moved = 224 * (found - ramps)[30:-30, 30:-30]  # in pixels
    flat = moved - np.stack([_plane(moved[:, :, axis]) for axis in (0, 1)], axis=2)
    # alpha / (2 sqrt(3 pi) sigma) = 29.28 / (2 sqrt(3 pi) 2.44)
    assert flat.std() == pytest.approx(1.954, rel=0.1)
    assert abs(moved).max() < 30


def _plane(values):
    """Return the plane of least squares."""
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    columns = np.stack([y.ravel(), x.ravel(), np.ones(values.size)], axis=1)
    return (columns @ np.linalg.lstsq(columns, values.ravel(), rcond=None)[0]).reshape(values.shape)


def test_pixelate_averages_blocks():
    image = rng().random((224, 448, 3))
    found = digital.pixelate(image, 2, rng())  # half of the size
    blocks = image.reshape(112, 2, 224, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks.repeat(2, axis=0).repeat(2, axis=1), atol=1e-6)


@pytest.mark.parametrize(("side", "quality"), [(32, 58), (224, 15)])
@pytest.mark.parametrize("n_channels", [3, 1])
def test_jpeg_is_that_of_pillow(photos, side, quality, n_channels):
    values = np.rint(255 * photos[side][:, :, :n_channels]).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(values if n_channels == 3 else values[:, :, 0]).save(
        buffer, "JPEG", quality=quality
    )
    expected = np.asarray(Image.open(buffer)).reshape(values.shape)
    found = corrupt_image(values, "jpeg_compression", 3, rng(), (0, 255))
    np.testing.assert_allclose(found, expected)


# ------------------------------------------------------------------------------------------------
# Objects


def test_occlusion_covers_a_fraction():
    covered = [clutter.occlusion(GRAY - 1, severity, rng()) != -0.5 for severity in range(1, 6)]
    fractions = [mask.all(axis=2).mean() for mask in covered]
    np.testing.assert_allclose(fractions, [0.1, 0.2, 0.3, 0.4, 0.5], atol=0.04)
    assert all(np.all(less <= more) for less, more in itertools.pairwise(covered))


def test_clutter_is_made_of_pixels_of_the_image():
    image = np.arange(32 * 32.0).reshape(32, 32, 1)
    changed = [clutter.clutter(image, severity, rng()) for severity in range(1, 6)]
    assert all(np.isin(one, image).all() for one in changed)
    assert np.all(np.diff([np.mean(one != image) for one in changed]) > 0)


def test_images_are_not_changed_in_place(photos):
    for kind in KINDS:
        before = photos[32].copy()
        corrupt_image(photos[32], kind, 5, rng(), (0, 1))
        np.testing.assert_array_equal(photos[32], before)


@pytest.mark.parametrize(
    ("kinds", "error", "message"),
    [
        (np.dtype("uint8"), TypeError, "must be the name of a corruption, or a sequence"),
        ("fogg", ValueError, "'fogg', but the kinds are"),
        ([["fog"]], ValueError, r"\['fog'\], but the kinds are"),
        ([], ValueError, "at least one kind"),
        (["fog", "fog"], ValueError, "none twice"),
    ],
)
def test_kinds_that_do_not_exist(kinds, error, message):
    with pytest.raises(error, match=message):
        check_kinds(kinds, "kinds")
