"""Channel statistics and pixel ranges, against numpy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcnn.lazy import LazyImages
from skcnn.operations import Operation
from skcnn.pixels import ValueRange, channel_statistics, pixel_range

RNG = np.random.default_rng(0)
MAX_IMAGES = 2048


class Unclean(Operation):
    """A random operation that would change every statistic."""

    random = True

    def __call__(self, batch, keys, epoch):
        return batch * 0 + 99


def naive(images):
    images = np.asarray(images, np.float64)
    return images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))


def skewed(n_images, n_channels=3, dtype=np.float64):
    images = RNG.gamma(2.0, 20.0, size=(n_images, 5, 4, n_channels)) * np.arange(1, n_channels + 1)
    return images.clip(0, 255).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f4", "f8", "bool"])
@pytest.mark.parametrize("n_images", [1, 2, 63, 64, 65, 300])
@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_all_images(dtype, n_images, wrap):
    images = skewed(n_images, dtype=dtype)
    mean, scale = channel_statistics(wrap(images))
    expected = naive(images)
    assert mean.dtype == scale.dtype == np.float64
    assert_allclose(mean, expected[0], rtol=1e-12)
    assert_allclose(scale, np.where(expected[1] == 0, 1, expected[1]), rtol=1e-9)


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_some_rows(wrap):
    images, rows = skewed(200), RNG.permutation(200)[:90]
    for found, expected in zip(
        channel_statistics(wrap(images), rows=rows), naive(images[rows]), strict=True
    ):
        assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("rows", [None, np.arange(100)[::3]])
def test_weights_are_repetitions(rows):
    images, weights = skewed(100), RNG.integers(1, 5, size=100)
    chosen = np.arange(100) if rows is None else rows
    repeated = np.repeat(images[chosen], weights[chosen], axis=0)
    for factor in (1.0, 1e-6, 1e6):
        found = channel_statistics(images, weights * factor, rows)
        for one, expected in zip(found, naive(repeated), strict=True):
            assert_allclose(one, expected, rtol=1e-10)


@pytest.mark.parametrize("offset", [1e9, -1e8])
def test_an_offset_that_float32_cannot_hold_is_refused(offset):
    images = RNG.normal(size=(150, 6, 6, 2))
    with pytest.raises(ValueError, match=r"channel 0 of X varies by .* put an ImageNormalizer"):
        channel_statistics(images + offset, float32=True)
    mean, scale = channel_statistics(images + offset)
    assert_allclose(mean, images.mean(axis=(0, 1, 2)) + offset, rtol=1e-14)
    assert_allclose(scale, images.std(axis=(0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("offset", [1e4, -1e5])
def test_an_offset_costs_no_digits(offset):
    images = RNG.normal(size=(150, 6, 6, 2))
    mean, scale = channel_statistics(images + offset)
    assert_allclose(mean, images.mean(axis=(0, 1, 2)) + offset, rtol=1e-15)
    assert_allclose(scale, images.std(axis=(0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-20, 1e-3, 1e20])
def test_the_unit_does_not_matter(factor):
    images = RNG.normal(size=(20, 6, 6, 2))
    mean, scale = channel_statistics(images * factor)
    assert_allclose(mean, images.mean(axis=(0, 1, 2)) * factor, rtol=1e-9)
    assert_allclose(scale, images.std(axis=(0, 1, 2)) * factor, rtol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 255.0, -1e9 / 3])
@pytest.mark.parametrize("weights", [None, RNG.uniform(size=70)])
def test_a_constant_channel_has_scale_one(constant, weights):
    images = RNG.normal(size=(70, 3, 3, 2))
    images[..., 0] = constant
    mean, scale = channel_statistics(images, weights)
    assert_allclose(mean[0], constant, rtol=1e-15)
    assert scale[0] == 1
    assert scale[1] < 1.2
    assert scale[1] != 1


def test_one_pixel_that_stands_out_first():
    images = RNG.normal(size=(100, 8, 8, 1))
    images[0, 0, 0] = 1e6
    mean, scale = channel_statistics(images)
    assert_allclose([mean, scale], naive(images), rtol=1e-6)


@pytest.mark.parametrize("n_images", [MAX_IMAGES, MAX_IMAGES + 1, 5000])
def test_of_many_images_evenly_spaced_ones_are_read(n_images):
    images = np.arange(n_images, dtype=float).reshape(-1, 1, 1, 1)
    mean, scale = channel_statistics(images, max_images=MAX_IMAGES)
    assert_allclose(mean, (n_images - 1) / 2, rtol=1e-3)
    assert_allclose(scale, n_images / np.sqrt(12), rtol=1e-3)

    class Source:
        shape, dtype, seen = images.shape, images.dtype, []

        def __getitem__(self, rows):
            self.seen.extend(rows)
            return images[rows]

    found = channel_statistics(LazyImages(Source()), max_images=MAX_IMAGES)
    assert_array_equal(found, [mean, scale])
    assert len(set(Source.seen)) == MAX_IMAGES
    assert {0, n_images - 1} < set(Source.seen)


def test_weights_go_with_the_images_that_are_read():
    n_images = 3000
    images = np.arange(n_images, dtype=float).reshape(-1, 1, 1, 1)
    weights = np.where(np.arange(n_images) < 1000, 3.0, 1e-9)
    mean, scale = channel_statistics(images, weights, max_images=MAX_IMAGES)
    assert_allclose([mean, scale], [[499.5], [1000 / np.sqrt(12)]], rtol=2e-3)


def test_a_random_view_is_read_clean():
    images = skewed(30)
    found = channel_statistics(LazyImages(images).then(Unclean()))
    assert_allclose(found, naive(images), rtol=1e-10)


@pytest.mark.parametrize("chunk", [1, 60, 100, 10**9])
def test_chunks_change_nothing(chunk, monkeypatch):
    images, weights = skewed(50), RNG.uniform(size=50)
    whole = channel_statistics(images, weights)
    monkeypatch.setattr("skcnn.pixels._CHUNK", chunk)
    assert_allclose(channel_statistics(images, weights), whole, rtol=1e-13)


def test_images_of_weight_zero_do_not_count():
    images, weights = skewed(50), np.arange(50) % 3 == 0
    images[~weights] = 1e6
    assert_allclose(channel_statistics(images, weights), naive(images[weights]), rtol=1e-8)


def test_rounding_errors_are_no_variation():
    images = np.full((50, 4, 4, 1), 0.1)
    images[::2] = np.nextafter(0.1, 1)
    mean, scale = channel_statistics(images)
    assert_allclose(mean, 0.1)
    assert scale == 1


@pytest.mark.parametrize("rows", [None, np.arange(10)])
def test_nan_of_a_view_is_refused_and_names_the_image(rows):
    images = skewed(20)
    images[7, 0, 0, 0] = np.nan
    for function in (
        lambda view: channel_statistics(view, rows=rows),
        pixel_range,
    ):
        with pytest.raises(ValueError, match="X contains NaN, in image 7 of the source"):
            function(LazyImages(images))


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages, lambda X: LazyImages(X).then(Unclean())])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("u1", (0, 255)), ("u2", (0, 65535)), ("i8", (3, 200)), ("f4", (3, 200)), ("f8", (3, 200))],
)
def test_pixel_range(wrap, dtype, expected):
    images = RNG.integers(3, 201, size=(90, 7, 8, 3)).astype(dtype)
    assert (images.min(), images.max()) == (3, 200)
    found = pixel_range(wrap(images))
    assert found == expected
    assert all(type(value) is (float if "f" in dtype else int) for value in found)


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([0, 1], (0, 1)),
        ([0.2, 0.9], (0, 1)),
        ([-1, 0.5], (-1, 1)),
        ([0, 16], None),
        ([0.1, 0.5], None),
        ([0, 128], (0, 255)),
        ([-0.2, 0.7], None),
        ([0, 1.01], None),
        ([17, 255], (0, 255)),
        ([-0.1, 2], None),
        ([0, 256], None),
    ],
)
def test_usual_range_of_values(values, limits):
    found = ValueRange()
    found.add(np.array(values)[:1])
    found.add(np.array(values, np.float32)[1:])
    assert found.usual() == limits
