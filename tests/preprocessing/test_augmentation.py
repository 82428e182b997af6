"""What augmentation does to each image, against naive references, and how its draws spread."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, pearsonr
from skimage.transform import AffineTransform
from skimage.transform import warp as skimage_warp

from skcnn.preprocessing.augmentation.draws import generators, initial_states, normal, uniform
from skcnn.preprocessing.augmentation.geometry import affine_maps, flip, warp
from skcnn.preprocessing.augmentation.operation import Augment
from skcnn.preprocessing.augmentation.photometry import change_values
from skcnn.preprocessing.augmentation.variants import (
    FUNCTION,
    MIN_ASPECT,
    NOISE,
    Ranges,
    draw_rectangles,
    draw_variants,
)

SHAPES = [(9, 9, 1), (12, 7, 3), (1, 6, 1), (5, 1, 2), (1, 1, 1), (32, 40, 3)]
ALL_GEOMETRY = Ranges(True, True, rotation=180, shift=0.4, zoom=0.5)
EVERYTHING = Ranges(True, True, 30, 0.2, 0.3, brightness=0.2, contrast=0.5, noise=0.1, erase=0.5)


def photos(shape, n=12, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(dtype)


def keys_of(n, seed=0, epoch=0):
    return initial_states(seed, epoch, np.arange(n))


def at(variants, row):
    return type(variants)(*(values[row] for values in variants))


# ------------------------------------------------------------------------------------------------
# Random numbers


def splitmix64(state):
    """The published generator, one number after the other."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def test_numbers_are_those_of_splitmix64():
    keys = keys_of(5)
    for row, key in enumerate(keys):
        sequence = splitmix64(int(key))
        expected = [(next(sequence) >> 11) / 2**53 for _ in range(4)]
        assert [uniform(keys, k)[row] for k in range(4)] == expected


def test_splitmix64_itself_has_its_published_first_output():
    assert next(splitmix64(0)) == 0xE220A8397B1DCDAF


def test_keys_depend_on_seed_epoch_and_row_only():
    rows = np.array([7, 3, 3, 100000])
    keys = initial_states(5, 2, rows)
    assert keys[1] == keys[2]
    assert_array_equal(keys, [initial_states(5, 2, [row])[0] for row in rows])
    everything = {
        int(k) for s in range(9) for e in range(9) for k in initial_states(s, e, range(50))
    }
    assert len(everything) == 9 * 9 * 50
    assert initial_states(-1, np.int64(3), rows).shape == (4,)


def test_normal_values_are_normal_and_have_prefixes():
    keys = keys_of(200)
    values = normal(keys, NOISE, 301)
    assert values.dtype == np.float32
    assert values.shape == (200, 301)
    assert kstest(values.ravel(), norm.cdf).pvalue > 0.01
    assert abs(pearsonr(values[:, :150].ravel(), values[:, 151:].ravel()[: 150 * 200])[0]) < 0.02
    assert_array_equal(values[3:4], normal(keys[3:4], NOISE, 301))


def test_generators_are_one_an_image():
    drawn = [generator.random() for generator in generators(keys_of(4), FUNCTION)]
    again = [generator.random() for generator in generators(keys_of(4)[::-1], FUNCTION)]
    assert drawn == again[::-1]
    assert len(set(drawn)) == 4


# ------------------------------------------------------------------------------------------------
# What is drawn


N = 4000


@pytest.mark.parametrize(
    ("name", "parameter", "reach", "middle"),
    [
        ("rotation", "rotation", 30, 0),
        ("shift_y", "shift", 0.2, 0),
        ("shift_x", "shift", 0.2, 0),
        ("zoom", "zoom", 0.3, 1),
        ("brightness", "brightness", 0.4, 0),
        ("contrast", "contrast", 0.5, 1),
    ],
)
def test_draws_are_uniform_over_their_range(name, parameter, reach, middle):
    ranges = Ranges(**{parameter: reach})
    values = getattr(draw_variants(keys_of(N), ranges), name)
    assert values.min() >= middle - reach
    assert values.max() <= middle + reach
    assert kstest(values, "uniform", args=(middle - reach, 2 * reach)).pvalue > 0.01
    assert (getattr(draw_variants(keys_of(N), Ranges()), name) == middle).all()


def test_flips_happen_to_half_of_the_images():
    drawn = draw_variants(keys_of(N), EVERYTHING)
    for flipped in (drawn.horizontal_flip, drawn.vertical_flip):
        assert flipped.dtype == bool
        assert abs(flipped.mean() - 0.5) < 0.03
    off = draw_variants(keys_of(N), Ranges(horizontal_flip=True))
    assert not off.vertical_flip.any()
    assert_array_equal(off.horizontal_flip, drawn.horizontal_flip)  # whatever else is on


def test_draws_are_independent_of_each_other_and_between_rows_epochs_and_seeds():
    here = np.array(draw_variants(keys_of(N), EVERYTHING), dtype=float)
    correlation = np.corrcoef(here) - np.eye(len(here))
    assert np.abs(correlation).max() < 0.06
    for there in (keys_of(N, epoch=1), keys_of(N, seed=1), np.roll(keys_of(N), 1)):
        other = np.array(draw_variants(there, EVERYTHING), dtype=float)
        assert max(abs(pearsonr(a, b)[0]) for a, b in zip(here, other, strict=True)) < 0.06


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 60), (1, 50), (50, 1), (200, 20)])
@pytest.mark.parametrize("largest", [0.3, 1.0])
def test_rectangles_fit_and_have_the_areas_asked_for(height, width, largest):
    rectangles = draw_rectangles(keys_of(N), largest, height, width)
    top, left, rows, columns = rectangles.T
    assert rectangles.min() >= 0
    assert (top + rows <= height).all()
    assert (left + columns <= width).all()
    untouched = (rows * columns == 0).mean()
    assert 0.45 < untouched < (0.55 if min(height, width) > 1 else 0.65)
    area = (rows * columns)[rows * columns > 0] / (height * width)
    assert area.max() <= largest + (rows + columns + 1).max() / (height * width)
    assert abs(area.mean() - largest / 2) < 0.06
    if height == width == 40 and largest == 0.3:
        large = (rows > 8) & (columns > 8)
        ratio = rows[large] / columns[large]
        assert MIN_ASPECT * 0.9 < ratio.min() < ratio.max() < 1.1 / MIN_ASPECT
        assert abs(np.log(ratio).mean()) < 0.05
        assert abs(top[large].sum() / (height - rows)[large].sum() - 0.5) < 0.03
        assert abs(left[large].sum() / (width - columns)[large].sum() - 0.5) < 0.03


# ------------------------------------------------------------------------------------------------
# Geometry


def naive_warp(image, one):
    """Flip, rotate, zoom and shift one image with scikit-image, a step after the other."""
    height, width, _ = image.shape
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    mirror = [-1 if one.horizontal_flip else 1, -1 if one.vertical_flip else 1]
    forward = AffineTransform(translation=-center)
    forward += AffineTransform(matrix=np.diag([*mirror, 1]))
    # scikit-image's angle turns x into y, and y points down.
    forward += AffineTransform(rotation=-np.deg2rad(one.rotation))
    forward += AffineTransform(scale=one.zoom)
    forward += AffineTransform(translation=center)
    forward += AffineTransform(translation=(one.shift_x * width, one.shift_y * height))
    return skimage_warp(
        image.astype(float), forward.inverse, order=1, mode="edge", preserve_range=True
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "ranges",
    [
        Ranges(rotation=90),
        Ranges(shift=0.5),
        Ranges(zoom=0.6),
        ALL_GEOMETRY,
    ],
    ids=["rotation", "shift", "zoom", "all"],
)
def test_warp_agrees_with_scikit_image(shape, ranges):
    images = photos(shape)
    drawn = draw_variants(keys_of(len(images)), ranges)
    expected = np.stack([naive_warp(image, at(drawn, row)) for row, image in enumerate(images)])
    assert_allclose(warp(images, *affine_maps(drawn, *shape[:2])), expected, atol=0.02)
    operation = Augment(ranges, None, (0, 255), seed=0)
    whole = operation(images, np.arange(len(images)), 0)
    assert whole.dtype == np.uint8
    assert_allclose(whole, expected, atol=0.52)
    unit = operation(images / 255, np.arange(len(images)), 0)
    assert unit.dtype == np.float64
    assert_allclose(unit, expected / 255, atol=2e-5)


def test_rotation_turns_counter_clockwise_about_the_centre():
    images = photos((9, 9, 3), n=1)
    still = draw_variants(keys_of(1), Ranges())
    turned = warp(images, *affine_maps(still._replace(rotation=np.array([90.0])), 9, 9))
    assert_allclose(turned, np.rot90(images, axes=(1, 2)), atol=0.01)


def test_shift_moves_down_and_right_and_zoom_above_one_enlarges():
    image = np.zeros((1, 9, 9, 1))
    image[0, 4, 4] = 1
    still = draw_variants(keys_of(1), Ranges())
    moved = still._replace(shift_y=np.array([2 / 9]), shift_x=np.array([1 / 9]))
    moved = warp(image, *affine_maps(moved, 9, 9))
    assert_allclose(moved[0, 6, 5], 1, atol=1e-5)
    assert_allclose(moved.sum(), 1, atol=1e-4)
    larger = warp(image, *affine_maps(still._replace(zoom=np.array([2.0])), 9, 9))
    assert_allclose(larger.sum(), 4, atol=1e-4)


def test_nothing_drawn_is_the_same_image():
    images = photos((12, 7, 3))
    still = draw_variants(keys_of(len(images)), Ranges())
    assert_allclose(warp(images, *affine_maps(still, 12, 7)), images, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_flips_alone_are_exact(shape, dtype):
    images = photos(shape, dtype=dtype)
    drawn = draw_variants(keys_of(len(images)), Ranges(True, True))
    operation = Augment(Ranges(True, True), None, (0, 255), seed=0)
    flipped = operation(images, np.arange(len(images)), 0)
    assert flipped.dtype == dtype
    for row, image in enumerate(images):
        image = image[:, ::-1] if drawn.horizontal_flip[row] else image
        image = image[::-1] if drawn.vertical_flip[row] else image
        assert_array_equal(flipped[row], image)


def test_flips_exchange_what_their_names_say():
    images = photos((4, 5, 1), n=2)
    flipped = flip(images, np.array([True, False]), np.array([False, True]))
    assert_array_equal(flipped[0], np.fliplr(images[0]))
    assert_array_equal(flipped[1], np.flipud(images[1]))


# ------------------------------------------------------------------------------------------------
# Values


def naive_change_values(image, row, keys, ranges, low, high):
    """Contrast, brightness, noise and erasing of one image, a pixel after the other."""
    height, width, n_channels = image.shape
    one = at(draw_variants(keys, ranges), row)
    noise = normal(keys, NOISE, image.size)[row].reshape(image.shape)
    top, left, rows, columns = draw_rectangles(keys, ranges.erase, height, width)[row]
    mean = image.mean(dtype=float)
    changed = np.empty(image.shape)
    erased = np.zeros(image.shape, dtype=bool)
    for y in range(height):
        for x in range(width):
            for c in range(n_channels):
                value = mean + one.contrast * (float(image[y, x, c]) - mean)
                value += one.brightness * (high - low)
                value += ranges.noise * (high - low) * noise[y, x, c]
                changed[y, x, c] = min(max(value, low), high)
                erased[y, x, c] = top <= y < top + rows and left <= x < left + columns
    return changed, erased


@pytest.mark.parametrize("shape", SHAPES[:4])
@pytest.mark.parametrize(
    "ranges",
    [
        Ranges(brightness=0.5),
        Ranges(contrast=1.0),
        Ranges(noise=0.3),
        Ranges(erase=0.8),
        Ranges(brightness=0.3, contrast=0.5, noise=0.1, erase=0.5),
    ],
    ids=["brightness", "contrast", "noise", "erase", "all"],
)
def test_changed_values_agree_with_a_loop_over_pixels(shape, ranges):
    images = photos(shape)
    keys, rows = keys_of(len(images)), np.arange(len(images))
    whole = Augment(ranges, None, (0, 255), seed=0)(images, rows, 0)
    floats = Augment(ranges, None, (0.0, 1.0), seed=0)(images / 255, rows, 0)
    n_erased = 0
    for row, image in enumerate(images):
        expected, erased = naive_change_values(image, row, keys, ranges, 0, 255)
        assert_allclose(whole[row][~erased], expected[~erased], atol=0.51)
        assert_allclose(floats[row][~erased], expected[~erased] / 255, atol=1e-6)
        n_erased += erased.sum()
    assert (n_erased > 0) == (ranges.erase > 0)


def test_erased_pixels_are_uniform_over_the_range():
    images = np.full((300, 16, 16, 3), 1000.0)  # outside of the range: what is erased shows
    ranges, keys = Ranges(erase=0.5), keys_of(300)
    changed = change_values(
        images.astype(np.float32), keys, draw_variants(keys, ranges), ranges, (2, 6)
    )
    filled = changed[changed != 1000]
    assert kstest(filled, "uniform", args=(2, 4)).pvalue > 0.01
    expected = [rows * columns for *_, rows, columns in draw_rectangles(keys, 0.5, 16, 16)]
    assert_array_equal((changed != 1000).all(axis=3).sum(axis=(1, 2)), expected)


def test_values_of_a_row_do_not_leave_the_range_nor_wrap_around():
    images = np.tile(np.array([0, 255], dtype=np.uint8), (64, 8, 8, 1))
    ranges = Ranges(brightness=1.0, contrast=1.0, noise=0.5)
    whole = Augment(ranges, None, (0, 255), seed=0)(images, np.arange(64), 0)
    floats = Augment(ranges, None, (0, 255), seed=0)(images.astype(float), np.arange(64), 0)
    assert_allclose(whole, floats, atol=0.51)
    assert floats.min() == 0
    assert floats.max() == 255


# ------------------------------------------------------------------------------------------------
# The operation


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("shape", [(9, 9, 1), (33, 20, 3)])
def test_a_variant_is_the_same_bits_in_every_batch(shape, dtype):
    images = photos(shape, n=130, dtype=dtype)
    operation = Augment(EVERYTHING, _add_own_noise, (0, 255), seed=4)
    together = operation(images, np.arange(130), 3)
    for size in (1, 7, 64):
        for rows in np.array_split(np.random.default_rng(size).permutation(130), 130 // size):
            assert_array_equal(operation(images[rows], rows, 3), together[rows])


def test_large_batches_are_worked_on_in_parts(monkeypatch):
    images, rows = photos((9, 9, 3)), np.arange(12)
    operation = Augment(EVERYTHING, _add_own_noise, (0, 255), seed=0)
    together = operation(images, rows, 0)
    for chunk in (1, 5 * 9 * 9 * 3):
        monkeypatch.setattr("skcnn.preprocessing.augmentation.operation._CHUNK", chunk)
        assert_array_equal(operation(images, rows, 0), together)


def _add_own_noise(images, generators):
    for image, generator in zip(images, generators, strict=True):
        image += generator.normal(size=image.shape).astype(np.float32)
    return images


@pytest.mark.parametrize("ranges", [EVERYTHING, Ranges(True), Ranges(shift=0.3), Ranges(noise=0.1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_batch_is_not_changed(ranges, dtype):
    images = photos((9, 8, 3), dtype=dtype)
    images.flags.writeable = False
    before = images.copy()
    Augment(ranges, _add_own_noise, (0, 255), seed=0)(images, np.arange(len(images)), 0)
    Augment(ranges, None, (0, 255), seed=0)(images, np.arange(len(images)), 0)
    assert_array_equal(images, before)


def test_variants_do_not_depend_on_how_the_batch_lies_in_memory():
    images = photos((9, 8, 3), dtype=np.float32)
    operation, rows = Augment(EVERYTHING, None, (0, 255), seed=0), np.arange(len(images))
    expected = operation(images, rows, 0)
    assert_array_equal(operation(np.asfortranarray(images), rows, 0), expected)
    assert_array_equal(operation(images[:, :, ::-1].copy()[:, :, ::-1], rows, 0), expected)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(bool, np.float32), (np.uint8, np.uint8), (np.int16, np.int16), (np.float16, np.float16)],
)
def test_output_tells_the_dtype(dtype, expected):
    images = photos((5, 5, 1), dtype=dtype)
    for ranges in (Ranges(True), Ranges(rotation=10), Ranges(noise=0.1)):
        operation = Augment(ranges, None, (0, 1), seed=0)
        assert operation.output((5, 5, 1), np.dtype(dtype)) == ((5, 5, 1), np.dtype(expected))
        assert operation(images, np.arange(len(images)), 0).dtype == expected


def test_whole_numbers_give_the_same_variants_whatever_their_dtype():
    rows = np.arange(12)
    variants = [
        Augment(EVERYTHING, None, (0, 255), seed=0)(photos((9, 9, 1), dtype=dtype), rows, 0)
        for dtype in (np.uint8, np.uint16, np.int64)
    ]
    assert_array_equal(variants[0], variants[1])
    assert_array_equal(variants[0], variants[2])


def test_an_empty_batch_stays_empty():
    empty = np.empty((0, 5, 5, 1), dtype=np.uint8)
    assert Augment(EVERYTHING, None, (0, 255), 0)(empty, np.empty(0, int), 0).shape == (0, 5, 5, 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda images, generators: images[:, 1:], r"shape \(12, 4, 5, 1\) for images of shape"),
        (lambda images, generators: images.mean(), r"of shape \(\)"),
        (
            lambda images, generators: images * np.nan,
            "not finite real numbers, .* position 0",
        ),
        (
            lambda images, generators: images.astype(str),
            "dtype <U.*must be a real number",
        ),
        (lambda images, generators: None, r"of shape \(\)"),
        (lambda images, generators: images * 1j, "dtype complex64, .*must be a real number"),
        (lambda images, generators: images.astype(object), "dtype object, .*must be a real number"),
        (lambda images, generators: np.ma.masked_less(images, 100), "function is a masked array"),
    ],
)
def test_what_a_function_gives_is_checked(function, message):
    with pytest.raises(ValueError, match=message):
        Augment(Ranges(), function, (0, 255), 0)(photos((5, 5, 1)), np.arange(12), 0)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "i8", "longdouble"])
def test_the_dtype_that_a_function_gives_makes_no_difference(dtype):
    images, keys = photos((5, 5, 1)), np.arange(12)
    found = Augment(Ranges(), lambda images, _: images.astype(dtype), (0, 255), 0)(images, keys, 0)
    assert found.dtype == np.uint8
    assert_array_equal(found, images)


def test_what_a_function_gives_is_clipped_even_where_float32_would_be_infinite():
    operation = Augment(Ranges(), lambda images, _: images.astype(float) + 1e39, (0, 255), 0)
    with np.errstate(all="raise"):
        assert (operation(photos((5, 5, 1)), np.arange(12), 0) == 255).all()


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_the_largest_integers_do_not_overflow(dtype):
    limits = np.iinfo(dtype)
    images = np.array([limits.min, limits.max], dtype).reshape(1, 1, 2, 1).repeat(4, axis=2)
    operation = Augment(Ranges(rotation=1e-9), None, (limits.min, limits.max), 0)
    found = operation(images, np.arange(1), 0)
    assert found.dtype == dtype
    assert_allclose(found.astype(float), images.astype(float), rtol=2.0**-23)


def test_repr_says_what_is_enabled():
    operation = Augment(Ranges(True, rotation=15), None, (0, 255), 3)
    assert repr(operation) == "Augment(horizontal_flip=True, rotation=15, seed=3)"
