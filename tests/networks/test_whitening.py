"""Whitening against eigenvalues from numpy."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.networks import Whitening, whitening


@pytest.fixture(autouse=True)
def same_random_numbers():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


FORMATS = [torch.contiguous_format, torch.channels_last]


def correlated(n_images, n_channels, height=9, width=8, seed=0):
    """Images whose neighbouring pixels and channels are alike."""
    images = random(n_images, n_channels, height + 1, width + 1, seed=seed)
    images = images[:, :, 1:, 1:] + 0.7 * images[:, :, :-1, 1:] + 0.7 * images[:, :, 1:, :-1]
    mixing = torch.eye(n_channels) + 0.5
    return torch.einsum("ij,njhw->nihw", mixing, images)


def patches_of(images, height=2, width=2):
    windows = np.lib.stride_tricks.sliding_window_view(images.double(), (height, width), (2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1] * height * width)


@pytest.mark.parametrize("n_channels", [1, 3, 4])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_whitened_patches_are_uncorrelated(n_channels, memory_format):
    layer = Whitening(n_channels).to(memory_format=memory_format)
    images = correlated(64, n_channels).contiguous(memory_format=memory_format)
    features = layer(images)
    n_patch = 4 * n_channels
    assert features.shape == (64, 2 * n_patch, 8, 7)
    assert_allclose(features[:, n_patch:], -features[:, :n_patch], atol=1e-6)
    rows = features[:, :n_patch].permute(0, 2, 3, 1).reshape(-1, n_patch).double()
    patches = patches_of(images)
    variances = np.linalg.eigvalsh(patches.T @ patches / len(patches))[::-1]
    assert_allclose(rows.T @ rows / len(rows), np.diag(variances / (variances + 5e-4)), atol=1e-3)
    assert_allclose(rows.T @ rows / len(rows), np.eye(n_patch), atol=0.05)


@pytest.mark.parametrize("kernel_size", [(1, 1), (1, 2), (2, 1), (2, 3)])
def test_whitening_of_other_patches(kernel_size):
    layer, images = Whitening(3, kernel_size), correlated(64, 3)
    n_patch = 3 * kernel_size[0] * kernel_size[1]
    rows = layer(images)[:, :n_patch].permute(0, 2, 3, 1).reshape(-1, n_patch).double()
    assert_allclose(rows.T @ rows / len(rows), np.eye(n_patch), atol=0.05)


def test_whitening_is_learned_once_and_in_training_only():
    layer = Whitening(3)
    before = layer.weight.clone()
    layer.eval()(correlated(8, 3))
    assert torch.equal(layer.weight, before)
    assert not layer.is_learned
    layer.train()(correlated(8, 3))
    learned = layer.weight.clone()
    assert not torch.equal(learned, before)
    assert layer.is_learned
    layer(correlated(8, 3, seed=1) * 5)
    layer.eval()(correlated(8, 3, seed=2))
    assert torch.equal(layer.weight, learned)


def test_whitening_is_not_trained():
    layer = Whitening(3)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1.0, weight_decay=0.5)
    images = correlated(8, 3).requires_grad_()
    layer(images).square().sum().backward()
    learned = layer.weight.clone()
    optimizer.step()
    assert layer.weight.grad is None
    assert images.grad.abs().sum() > 0
    assert torch.equal(layer.weight, learned)


def loaded(layer):
    other = Whitening(3)
    other(correlated(8, 3, seed=5))
    other.load_state_dict(layer.state_dict())
    return other


@pytest.mark.parametrize(
    "copied", [loaded, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))]
)
@pytest.mark.parametrize("learned", [True, False])
def test_a_copy_knows_whether_it_has_learned(copied, learned):
    layer = Whitening(3)
    if learned:
        layer(correlated(8, 3))
    other = copied(layer)
    assert torch.equal(other.weight, layer.weight)
    images = correlated(8, 3, seed=1)
    assert torch.equal(other.train()(images), layer(images))
    assert torch.equal(other.weight, layer.weight)


def test_whitening_is_learned_in_full_precision():
    expected, layer, images = Whitening(3), Whitening(3), correlated(8, 3)
    expected(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer.weight, expected.weight)


def test_whitening_is_learned_from_so_many_patches_and_no_more(monkeypatch):
    monkeypatch.setattr(whitening, "_MAX_PATCHES", 5 * 9 * 8)
    expected, layer = Whitening(3), Whitening(3)
    expected(correlated(5, 3))
    layer(torch.cat([correlated(5, 3), 100 * random(5, 3, 9, 8)]))
    assert torch.equal(layer.weight, expected.weight)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e4, 1e6])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("n_images", [1, 64])
def test_whitening_of_constant_and_of_bright_images_is_finite(value, n_channels, n_images):
    layer = Whitening(n_channels)
    assert layer(torch.full((n_images, n_channels, 8, 8), value)).isfinite().all()
    layer, images = Whitening(n_channels), random(n_images, n_channels, 8, 8)
    images[0] = value
    assert layer(images).isfinite().all()
