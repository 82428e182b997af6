"""The layers against naive numpy and plain PyTorch."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skcnn.networks import BatchNorm2d, Dropout, ResizeInput, Standardize
from skcnn.networks.pooling import FlattenChannelsLast, GlobalMaxPool2d, MaxPool2x2

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_random_numbers():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- Standardize -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "i4", "f2", "f4", "f8", "bool"])
def test_standardize(dtype):
    images = RNG.integers(0, 256, size=(5, 3, 4, 6)).astype(dtype)
    mean, scale = np.array([100.0, 0.0, -3.0]), np.array([50.0, 1.0, 0.25])
    found = Standardize(mean, scale)(torch.from_numpy(images))
    expected = (images.astype(float) - mean[:, None, None]) / scale[:, None, None]
    assert found.dtype == torch.float32
    assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_standardize_changes_neither_its_input_nor_its_layout():
    images = random(2, 3, 4, 5).to(memory_format=torch.channels_last)
    before = images.clone()
    found = Standardize([1.0] * 3, [2.0] * 3)(images)
    assert torch.equal(images, before)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_standardize_passes_gradients_on():
    images = random(2, 1, 3, 3).requires_grad_()
    Standardize([5.0], [4.0])(images).sum().backward()
    assert_allclose(images.grad, np.full((2, 1, 3, 3), 0.25))


def test_standardize_is_saved_and_not_trained():
    layer = Standardize([1.0, 2.0], [3.0, 4.0])
    assert list(layer.parameters()) == []
    assert_allclose(layer.state_dict()["mean"].flatten(), [1, 2])
    assert_allclose(layer.state_dict()["factor"].flatten(), [1 / 3, 1 / 4], rtol=1e-7)


def test_new_statistics_replace_those_before_and_are_restored():
    layer, images = Standardize([0.0, 0.0], [1.0, 1.0]), random(2, 2, 3, 3)
    layer.set_statistics(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert torch.equal(layer(images), Standardize([1.0, 2.0], [3.0, 4.0])(images))
    other = Standardize([5.0, 5.0], [5.0, 5.0])
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(images), layer(images))


# --- BatchNorm2d -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_batches", [1, 2, 3, 10, 11, 25])
def test_running_statistics_are_an_average_then_a_moving_one(n_batches):
    layer = BatchNorm2d(3)
    mean = variance = 0.0
    for number in range(1, n_batches + 1):
        batch = (number + random(4, 3, 5, 6, seed=number) * number).double()
        layer(batch.float())
        share = max(1 / number, 0.1)
        mean = (1 - share) * mean + share * batch.mean(dim=(0, 2, 3))
        variance = (1 - share) * variance + share * batch.var(dim=(0, 2, 3), unbiased=True)
    assert_allclose(layer.running_mean, mean, rtol=1e-4)
    assert_allclose(layer.running_var, variance, rtol=1e-4)


def test_ten_batches_are_averaged_evenly():
    layer = BatchNorm2d(1)
    batches = [random(3, 1, 2, 2, seed=seed) + seed for seed in range(10)]
    for batch in batches:
        layer(batch)
    assert_allclose(layer.running_mean, [np.mean([batch.mean() for batch in batches])], rtol=1e-6)


def test_training_normalises_by_the_batch():
    batch = random(6, 3, 5, 4) * 3 + 7
    found = BatchNorm2d(3)(batch)
    deviation = (batch - batch.mean((0, 2, 3), keepdim=True)).numpy()
    expected = deviation / np.sqrt(batch.numpy().var((0, 2, 3), keepdims=True) + 1e-5)
    assert_allclose(found.detach(), expected, atol=1e-5)


def test_evaluation_normalises_by_the_running_statistics_and_leaves_them():
    layer, plain = BatchNorm2d(3), nn.BatchNorm2d(3)
    layer(random(6, 3, 5, 4) * 3 + 7)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    plain.load_state_dict(before)
    batch = random(2, 3, 5, 4, seed=1)
    assert torch.equal(layer.eval()(batch), plain.eval()(batch))
    assert layer.num_batches_tracked == 1
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


# --- Dropout -----------------------------------------------------------------------------------

FORMATS = [torch.contiguous_format, torch.channels_last]


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(500, 401), (50, 3, 37, 36)])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_what_is_dropped(p, shape, memory_format):
    features = random(*shape).abs() + 1
    if features.ndim == 4:
        features = features.contiguous(memory_format=memory_format)
    before = features.clone()
    found = Dropout(p)(features)
    kept = found != 0
    share = round((1 - p) * 2**16) / 2**16
    assert_allclose(found, features * kept / share, rtol=1e-6)
    assert torch.equal(features, before)
    deviation = (share * (1 - share) / features.numel()) ** 0.5
    assert_allclose(kept.double().mean(), share, atol=5 * deviation)
    assert_allclose(found.mean() / features.mean(), 1, atol=8 * deviation / share)
    for axis in range(features.ndim):  # no row, column or channel is favoured
        others = [other for other in range(features.ndim) if other != axis]
        spread = (share * (1 - share) * features.shape[axis] / features.numel()) ** 0.5
        assert_allclose(kept.double().mean(others), share, atol=6 * spread)


@pytest.mark.parametrize("n_features", [0, 1, 2, 3, 5, 8])
def test_few_features(n_features):
    found = Dropout(0.5)(torch.ones(n_features))
    assert found.shape == (n_features,)
    assert set(found.tolist()) <= {0.0, 2.0}


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.5])
def test_nothing_is_dropped_outside_training_nor_where_p_is_zero(p):
    features = random(300, 20)
    assert torch.equal(Dropout(p).eval()(features), features)
    if p < 1e-6:
        assert_allclose(Dropout(p)(features), features)


def test_everything_is_dropped_where_p_is_one():
    assert not Dropout(1.0)(torch.ones(100)).any()


def test_the_gradient_is_the_mask():
    features = random(40, 30).requires_grad_()
    found = Dropout(0.4)(features)
    found.sum().backward()
    assert_array_equal(features.grad, (found != 0) * (2**16 / round(0.6 * 2**16)))
    assert_allclose(found.detach(), features.detach() * features.grad, rtol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_seed_decides(n_threads):
    layer, features = Dropout(0.3), random(1000, 50)
    found = []
    with threads(n_threads):
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            found.append(layer(features))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    with threads(1):
        torch.manual_seed(0)
        assert torch.equal(layer(features), found[0])
    assert not torch.equal(layer(features), layer(features))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dropout_in_other_precisions(dtype):
    found = Dropout(0.25)(torch.ones(100, 100, dtype=dtype))
    assert found.dtype == dtype
    scale = torch.tensor(2**16 / round(0.75 * 2**16), dtype=dtype).item()
    assert set(found.unique().tolist()) == {0.0, scale}
    assert_allclose((found != 0).double().mean(), 0.75, atol=0.03)


# --- pooling and flattening --------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (2, 3), (7, 8)])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_max_pool_of_pairs(size, memory_format):
    features = random(3, 4, *size).contiguous(memory_format=memory_format)
    expected = features.numpy()
    for axis in (2, 3):
        if expected.shape[axis] > 1:
            pairs = expected.shape[axis] // 2
            first, second = (
                expected.take(range(start, 2 * pairs, 2), axis=axis) for start in (0, 1)
            )
            expected = np.maximum(first, second)
    assert_array_equal(MaxPool2x2()(features), expected)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_global_max_pool_and_flatten(memory_format):
    features = random(3, 4, 5, 2).contiguous(memory_format=memory_format)
    assert_array_equal(GlobalMaxPool2d()(features), features.numpy().max((2, 3)))
    rows = features.numpy().transpose(0, 2, 3, 1).reshape(3, -1)
    assert_array_equal(FlattenChannelsLast()(features), rows)


@pytest.mark.parametrize("size", [(5, 3), (7, 3), (10, 12), (9, 7)])
def test_resize_input_interpolates_at_pixel_centers(size):
    ramp = 10 * np.arange(5.0)[:, None] + np.arange(6.0)
    resized = ResizeInput(*size)(torch.tensor(ramp)[None, None])[0, 0].numpy()
    positions, inside = [], []
    for new, old in zip(size, ramp.shape, strict=True):
        position = (np.arange(new) + 0.5) * old / new - 0.5
        reach = max(1, old / new)  # of the filter, which weights all pixels evenly at the border
        positions.append(position)
        inside.append((position >= reach) & (position <= old - 1 - reach))
    expected = 10 * positions[0][:, None] + positions[1]
    inside = np.ix_(*inside)
    assert_allclose(resized[inside], expected[inside], atol=1e-4)


def test_resize_input_keeps_images_of_its_size():
    images = torch.rand(2, 3, 4, 5)
    assert ResizeInput(4, 5)(images) is images
