"""The plain network against a naive one with the same weights."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from skcnn.networks import NETWORKS, BatchNorm2d, PlainNetwork, automatic_channels
from skcnn.networks.plain import ACTIVATIONS, POOLINGS

FUNCTIONS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: functional.gelu(torch.as_tensor(x)).numpy(),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def build(*args, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PlainNetwork(*args, **options)
        # Statistics and offsets of their own, so that none can be mixed up or left out.
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.Conv2d, nn.Linear)):
                if module.bias is not None:
                    nn.init.normal_(module.bias)
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.normal_(module.weight)
                    nn.init.normal_(module.running_mean)
                    nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def parameters(module):
    return [None if p is None else p.detach().double() for p in (module.weight, module.bias)]


def naive(network, images, *, stride, padding, pooling, pool_size, activation):
    """Convolve, normalise, activate, pool, flatten, multiply: each as a textbook has it."""
    activate = FUNCTIONS[activation]
    x = images.double()
    for block in network.blocks:
        (convolution,) = [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]
        weight, bias = parameters(convolution)
        kernel = weight.shape[-1]
        if padding == "same":
            near, far = (kernel - 1) // 2, kernel // 2
            x = torch.from_numpy(np.pad(x, [(0, 0), (0, 0), (near, far), (near, far)]))
        x = functional.conv2d(x, weight, bias, stride=stride)
        for layer in block.modules():
            if isinstance(layer, nn.BatchNorm2d):
                weight, bias = (p[:, None, None] for p in parameters(layer))
                mean = layer.running_mean.double()[:, None, None]
                variance = layer.running_var.double()[:, None, None]
                x = (x - mean) / (variance + layer.eps).sqrt() * weight + bias
        x = torch.from_numpy(activate(x.numpy()))
        if pooling is not None:
            step = [pool_size if axis >= pool_size else 1 for axis in x.shape[2:]]
            x = x.unfold(2, step[0], step[0]).unfold(3, step[1], step[1])
            x = x.amax((-2, -1)) if pooling == "max" else x.mean((-2, -1))
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    for layer in network.dense:
        if isinstance(layer, nn.Linear):
            weight, bias = parameters(layer)
            x = torch.from_numpy(activate((x @ weight.T + bias).numpy()))
    weight, bias = parameters(network.output)
    return x @ weight.T + bias


def check(in_channels, height, width, n_images=3, **options):
    structure = {
        "stride": 1,
        "padding": "same",
        "pooling": "max",
        "pool_size": 2,
        "activation": "relu",
    }
    structure.update({name: options[name] for name in structure if name in options})
    network = build(in_channels, height, width, 4, **options)
    images = random(n_images, in_channels, height, width, seed=1)
    with torch.no_grad():
        found = network(images)
        copied = network.to(memory_format=torch.channels_last)(
            images.to(memory_format=torch.channels_last)
        )
    expected = naive(network, images, **structure)
    assert found.shape == (n_images, 4)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert_allclose(copied, expected, rtol=1e-4, atol=1e-4)
    return network


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("pooling", [*POOLINGS, None])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_activation_and_pooling(activation, pooling, batch_norm):
    check(2, 9, 7, channels=(5, 6), activation=activation, pooling=pooling, batch_norm=batch_norm)


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (9, 1), (2, 3), (7, 7), (13, 8)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_every_size_with_padding(size, stride, kernel_size):
    for pooling in ("max", None):
        check(1, *size, channels=(3, 4), stride=stride, kernel_size=kernel_size, pooling=pooling)


@pytest.mark.parametrize("size", [(17, 17), (19, 24), (31, 18)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pooling", ["avg", None])
def test_every_size_without_padding(size, kernel_size, stride, pooling):
    check(
        3,
        *size,
        channels=(3, 4),
        stride=stride,
        kernel_size=kernel_size,
        pooling=pooling,
        padding="valid",
    )


@pytest.mark.parametrize("pool_size", [1, 2, 3, 5])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pool_size(pool_size, pooling):
    check(1, 11, 4, channels=(3, 4, 5), pool_size=pool_size, pooling=pooling)


@pytest.mark.parametrize("hidden_units", [(), (7,), [7, 5, 3], np.array([6, 2])])
@pytest.mark.parametrize("channels", [(), (3,), [3, 4], np.array([4, 3])])
def test_every_depth(channels, hidden_units):
    network = check(2, 6, 5, channels=channels, hidden_units=hidden_units)
    assert len(network.blocks) == len(channels)
    assert len([m for m in network.modules() if isinstance(m, nn.Linear)]) == len(hidden_units) + 1


@pytest.mark.parametrize(("height", "width"), list(product([1, 8, 15], [1, 8, 31])))
def test_an_odd_and_an_even_kernel_keep_the_size(height, width):
    for kernel_size in range(1, 7):
        network = PlainNetwork(
            1, height, width, 2, channels=(3,), kernel_size=kernel_size, pooling=None
        )
        assert network.blocks(random(2, 1, height, width)).shape == (2, 3, height, width)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_short_axis_is_not_pooled(pooling):
    network = PlainNetwork(1, 1, 16, 2, channels=(3, 3, 3), pooling=pooling)
    assert network.blocks(random(2, 1, 1, 16)).shape == (2, 3, 1, 2)


# --- dropout -----------------------------------------------------------------------------------


def test_dropout_stands_before_every_dense_layer():
    network = PlainNetwork(1, 8, 8, 2, channels=(4,), hidden_units=(6, 5), dropout=0.5)
    layers = [*network.dense, network.output]
    for before, layer in zip([None, *layers], layers, strict=False):
        assert isinstance(before, nn.Dropout) == isinstance(layer, nn.Linear)


def test_each_dense_layer_may_have_a_dropout_of_its_own():
    shape = {"channels": (4,), "hidden_units": (6, 5)}
    network = PlainNetwork(1, 8, 8, 2, dropout=(0.5, 0, 0.25), **shape)
    kinds = [type(layer).__name__ for layer in network.dense]
    assert kinds == ["Dropout", "Linear", "ReLU", "Linear", "ReLU", "Dropout"]
    assert [network.dense[0].p, network.dense[-1].p] == [0.5, 0.25]
    with pytest.raises(ValueError, match=r"dropout=\(0.5, 0\) is 2, and there are 3 dense layers"):
        PlainNetwork(1, 8, 8, 2, dropout=(0.5, 0), **shape)


def test_dropout_is_for_training_only():
    network = build(1, 8, 8, 2, channels=(4,), dropout=0.5)
    images = random(3, 1, 8, 8)
    with torch.random.fork_rng(devices=[]):
        assert torch.equal(network(images), network(images))
        network.train()
        assert not torch.equal(network(images), network(images))
    assert not any(isinstance(module, nn.Dropout) for module in PlainNetwork(1, 8, 8, 2).modules())


# --- the automatic depth -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1, 1, (64, 128)),
        (1, 64, (64, 128)),
        (8, 8, (64, 128)),
        (16, 16, (64, 128)),
        (28, 28, (32, 64, 128)),
        (32, 32, (32, 64, 128)),
        (64, 64, (16, 32, 64, 128)),
        (32, 128, (16, 32, 64, 128)),
        (128, 32, (16, 32, 64, 128)),
        (96, 96, (16, 16, 32, 64, 128)),
        (128, 128, (16, 16, 32, 64, 128)),
        (224, 224, (16, 16, 16, 32, 64, 128)),
        (512, 512, (16, 16, 16, 16, 32, 64, 128)),
    ],
)
def test_automatic_channels(height, width, expected):
    assert automatic_channels(height, width) == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (28, 28), (65, 33)])
def test_automatic_network_takes_its_images(size):
    network = PlainNetwork(3, *size, 5)
    channels = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(channels) == automatic_channels(*size)
    assert network(random(2, 3, *size)).shape == (2, 5)


# --- images too small --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "options", "number", "left"),
    [
        ((2, 9), {"channels": (3,)}, 1, "2 x 9"),
        ((8, 8), {"channels": (3, 3, 3)}, 3, "1 x 1"),
        ((8, 20), {"channels": (3, 3), "kernel_size": 5}, 2, "2 x 8"),
        ((9, 9), {"channels": (3, 3), "stride": 4, "pooling": None}, 2, "2 x 2"),
    ],
)
def test_images_too_small_for_unpadded_convolutions(size, options, number, left):
    message = (
        rf"images of {size[0]} x {size[1]} pixels are too small .*convolution {number} is left "
        rf'with {left}, less than its kernel_size=\d; use padding="same"'
    )
    with pytest.raises(ValueError, match=message):
        PlainNetwork(1, *size, 2, padding="valid", **options)
    PlainNetwork(1, *size, 2, padding="same", **options)


# --- the first weights -------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_have_the_scale_of_he(activation):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PlainNetwork(
            3,
            8,
            8,
            100,
            channels=(100, 200),
            hidden_units=(300,),
            activation=activation,
            batch_norm=False,
        )
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            factor = 0.1 if module is network.output else 1.0
            assert_allclose(module.weight.std().item(), factor * np.sqrt(2 / fan_in), rtol=0.05)
            assert abs(module.weight.mean().item()) < 0.05 * module.weight.std().item()
            assert not module.bias.any()


def test_signals_keep_their_size_at_first():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PlainNetwork(
            3, 16, 16, 2, channels=(256,) * 4, pooling=None, batch_norm=False, hidden_units=()
        )
    with torch.no_grad():
        features = network.blocks(random(8, 3, 16, 16))[:, :, 4:-4, 4:-4]
    assert 0.5 < features.pow(2).mean().item() < 2


def test_batch_norm_takes_the_place_of_the_bias():
    for batch_norm in (True, False):
        network = PlainNetwork(1, 8, 8, 2, batch_norm=batch_norm)
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert len(convolutions) == 2
        assert all((layer.bias is None) == batch_norm for layer in convolutions)
        n_layers = sum(isinstance(module, BatchNorm2d) for module in network.modules())
        assert n_layers == (2 if batch_norm else 0)


def test_the_table_of_names():
    assert NETWORKS["plain"] is PlainNetwork
    assert all(
        isinstance(m, nn.Linear) for m in PlainNetwork(1, 8, 8, 2).dense if hasattr(m, "bias")
    )
