"""The fast network against a naive one with the same weights."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from skcnn.networks import NETWORKS, FastNetwork

SHAPES = [(3, 1, 1), (1, 2, 5), (1, 8, 8), (3, 9, 7), (1, 28, 28), (3, 32, 32)]
FORMATS = [torch.contiguous_format, torch.channels_last]


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def build(in_channels, height, width, channels=(8, 16), n_outputs=4, seed=0):
    """A network with statistics of its own, as after some training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FastNetwork(in_channels, height, width, n_outputs, channels=channels)
        nn.init.normal_(network.output.weight)
        nn.init.normal_(network.output.bias)
        network(random(32, in_channels, height, width, seed=9))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.bias)
    return network.eval()


def naive(network, images):
    """Convolve, pool, normalise, activate: each as a textbook has it, in double precision."""

    def normalised(x, norm):
        mean, variance, shift = (
            tensor.double()[:, None, None]
            for tensor in (norm.running_mean, norm.running_var, norm.bias)
        )
        return (x - mean) / (variance + norm.eps).sqrt() + shift

    def gelu(x):
        return x * (1 + torch.special.erf(x / 2**0.5)) / 2

    x = gelu(functional.conv2d(images.double(), network.whitening.weight.double()))
    for block in network.blocks:
        x = functional.conv2d(x, block.conv1.weight.double(), padding=1)
        for axis in (2, 3):
            if x.shape[axis] > 1:
                x = x.unfold(axis, 2, 2).amax(-1)
        x = gelu(normalised(x, block.norm1))
        x = functional.conv2d(x, block.conv2.weight.double(), padding=1)
        x = gelu(normalised(x, block.norm2))
    x = x.flatten(2).amax(-1)
    return (x @ network.output.weight.double().T + network.output.bias.double()).detach()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(8,), (8, 16), (4, 5, 6), ()])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_outputs_with_and_without_gradients(shape, channels, memory_format):
    network = build(*shape, channels=channels).to(memory_format=memory_format)
    images = random(3, *shape, seed=1).contiguous(memory_format=memory_format)
    expected = naive(network, images)
    with torch.no_grad():
        found = network(images)
    assert found.shape == (3, 4)
    assert_allclose(found, expected, rtol=1e-5, atol=2e-5)
    with_gradients = network(images).detach()
    assert_allclose(with_gradients, expected, rtol=1e-5, atol=2e-5)
    assert_allclose(with_gradients, found, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("size", [(24, 24), (48, 40), (31, 2), (2, 2)])
def test_images_of_another_size(size):
    network = build(3, 32, 32)
    images = random(3, 3, *size, seed=1)
    with torch.no_grad():
        assert_allclose(network(images), naive(network, images), rtol=1e-5, atol=2e-5)
    network.train()(images).sum().backward()


@pytest.mark.parametrize("channels", ["auto", (64, 256, 256), [5], (3, 4, 5, 6)])
def test_channels(channels):
    network = FastNetwork(3, 32, 32, 10, channels=channels)
    expected = [64, 256, 256] if isinstance(channels, str) else list(channels)
    assert [block.conv1.out_channels for block in network.blocks] == expected
    assert [block.conv2.in_channels for block in network.blocks] == expected
    assert network.blocks[0].conv1.in_channels == network.whitening.out_channels == 24
    assert network.output.in_features == expected[-1]


def test_filters_pass_their_inputs_on_at_first():
    network = FastNetwork(1, 8, 8, 3, channels=(16,))
    for conv, n_in in ((network.blocks[0].conv1, 8), (network.blocks[0].conv2, 16)):
        images = random(2, n_in, 5, 5)
        assert_allclose(conv(images)[:, :n_in].detach(), images, atol=1e-6)
    assert not network.output.bias.any()
    assert network.output.weight.abs().max() < 0.5


def test_what_is_trained():
    network = FastNetwork(3, 8, 8, 3, channels=(16,))
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {
        "blocks.0.conv1.weight", "blocks.0.norm1.bias",
        "blocks.0.conv2.weight", "blocks.0.norm2.bias",
        "output.weight", "output.bias",
    }  # fmt: skip
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.5)
    images = random(6, 3, 8, 8)
    for _ in range(2):
        optimizer.zero_grad()
        network(images).square().sum().backward()
        optimizer.step()
    for name, value in network.named_parameters():
        changed = not torch.equal(value, before[name])
        assert changed == (name in trained or name == "whitening.weight")


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]
)
def test_a_copy_computes_the_same(copied):
    network = build(3, 9, 7)
    images = random(5, 3, 9, 7, seed=1)
    with torch.no_grad():
        assert torch.equal(copied(network)(images), network(images))
        fresh = FastNetwork(3, 9, 7, 4, channels=(8, 16))
        fresh.load_state_dict(network.state_dict())
        assert torch.equal(fresh.eval()(images), network(images))


def test_it_learns_in_bfloat16():
    network, images = FastNetwork(1, 8, 8, 1, channels=(16,)), random(64, 1, 8, 8)
    y = images.mean((1, 2, 3))[:, None] * 8
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            loss = (network(images).float() - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_the_table():
    assert NETWORKS["fast"] is FastNetwork
