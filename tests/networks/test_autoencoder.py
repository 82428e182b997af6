"""The autoencoder's network against a naive one with the same weights."""

import pickle

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.nn import functional

from skcnn.networks import AutoencoderNetwork, NetworkSpec
from skcnn.networks.inference import feature_function, head_function, prediction_function
from skcnn.networks.pooling import FlattenChannelsLast, UnflattenChannelsLast

# Channels, height and width of images; sizes of the feature maps, from the input to the code.
SHAPES = {
    (1, 28, 28): [(28, 28), (14, 14), (7, 7)],
    (3, 9, 7): [(9, 7), (5, 4), (3, 2)],
    (2, 1, 5): [(1, 5), (1, 3), (1, 2)],
    (1, 1, 1): [(1, 1), (1, 1), (1, 1)],
}
OPTIONS = {"channels": (6, 5)}


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomize(module):
    """Give each layer statistics and offsets of its own, so that none can be left out."""
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm2d, nn.Conv2d, nn.Linear)):
            if layer.bias is not None:
                nn.init.normal_(layer.bias)
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.running_mean)
                nn.init.uniform_(layer.running_var, 0.5, 2)
    return module.eval()


def build(shape, n_components, **options):
    channels, height, width = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return randomize(
            AutoencoderNetwork(
                *shape,
                n_outputs=channels * height * width,
                n_components=n_components,
                **{**OPTIONS, **options},
            )
        )


def of_type(module, kind):
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def convolve(conv, norm, x, stride):
    """Sum over windows of 3 x 3 pixels, with zeros around the maps; normalize; cut at zero."""
    windows = functional.pad(x, (1, 1, 1, 1)).unfold(2, 3, stride).unfold(3, 3, stride)
    x = torch.einsum("nchwij,ocij->nohw", windows, conv.weight.double())
    if conv.bias is not None:
        x = x + conv.bias.double()[:, None, None]
    if norm is None:
        return x
    mean, variance, weight, bias = (
        part.double()[:, None, None]
        for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return ((x - mean) / (variance + norm.eps).sqrt() * weight + bias).clamp_min(0)


def naive(network, images, sizes):
    """Return the codes, and the values of the reconstructed images."""
    convs, norms = of_type(network, nn.Conv2d), of_type(network, nn.BatchNorm2d)
    n_blocks = len(sizes) - 1
    x = images.double()
    for block in range(n_blocks):
        x = convolve(convs[block], norms[block], x, stride=2)
        assert tuple(x.shape[2:]) == sizes[block + 1]
    shape = x.shape
    codes = x.permute(0, 2, 3, 1).flatten(1)
    dense = of_type(network, nn.Linear)
    x = codes
    if dense:
        encode, decode = dense
        codes = codes @ encode.weight.double().T + encode.bias.double()
        x = (codes @ decode.weight.double().T + decode.bias.double()).clamp_min(0)
    x = x.reshape(len(x), *shape[2:], shape[1]).permute(0, 3, 1, 2)
    for block in range(n_blocks, 2 * n_blocks):
        height, width = sizes[2 * n_blocks - 1 - block]
        rows = torch.arange(height) * x.shape[2] // height  # the nearest pixel
        columns = torch.arange(width) * x.shape[3] // width
        x = convolve(convs[block], norms[block], x[:, :, rows][:, :, :, columns], stride=1)
    x = convolve(convs[-1], None, x, stride=1)
    return codes, x.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize("n_components", [3, None])
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_the_network_computes_what_a_naive_one_computes(shape, n_components):
    network, images = build(shape, n_components), random(4, *shape)
    codes, values = naive(network, images, SHAPES[shape])
    assert codes.shape[1] == network.n_components
    assert_allclose(network.features(images), codes, rtol=1e-4, atol=1e-4)
    assert_allclose(network(images), values, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("n_components", [3, None])
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_fast_functions_compute_what_the_module_computes(shape, n_components):
    spec = NetworkSpec(
        "autoencoder",
        *shape,
        n_outputs=shape[0] * shape[1] * shape[2],
        options={"n_components": n_components, **OPTIONS},
    )
    module = randomize(spec.build())
    module.standardize.set_statistics([100.0] * shape[0], [50.0] * shape[0])
    images = (100 + 50 * random(5, *shape)).contiguous(memory_format=torch.channels_last)
    codes = feature_function(module)(images)
    outputs = head_function(module)(codes)
    assert_allclose(codes, module.network.features(module.standardize(images)), atol=1e-4)
    assert_allclose(outputs, module(images), rtol=1e-4, atol=1e-3)
    assert_allclose(outputs, prediction_function(module)(images), rtol=1e-5, atol=1e-5)
    # An image has the same code and reconstruction in every batch.
    assert_array_equal(feature_function(module)(images[2:3]), codes[2:3])
    assert_array_equal(head_function(module)(codes[2:3]), outputs[2:3])


@torch.no_grad()
def test_functions_of_a_module_with_hooks():
    module = NetworkSpec("autoencoder", 1, 8, 8, 64, {"n_components": 3}).build().eval()
    images, called = random(2, 1, 8, 8), []
    module.network.register_forward_hook(lambda *_: called.append(True))
    codes = module.network.features(images)
    assert_array_equal(head_function(module)(codes), module.network.decoder(codes))


def test_automatic_channels_depend_on_the_code():
    def channels(**options):
        network = AutoencoderNetwork(1, 28, 28, 784, **options)
        return [conv.out_channels for conv in of_type(network.encoder, nn.Conv2d)]

    assert channels() == channels(n_components=5) == [32, 64, 128]
    assert channels(n_components=None) == [64, 64]
    assert AutoencoderNetwork(1, 28, 28, 784, n_components=None).n_components == 64 * 7 * 7


def test_images_of_another_number_of_channels():
    network = AutoencoderNetwork(1, 8, 6, n_outputs=3 * 8 * 6)
    assert network(random(2, 1, 8, 6)).shape == (2, 144)


def test_a_spec_is_plain_data():
    spec = NetworkSpec("autoencoder", 1, 8, 8, 64, {"channels": [4], "n_components": None})
    loaded = pickle.loads(pickle.dumps(spec))
    assert loaded == spec
    assert loaded.build().network.n_components == 64


def test_unflatten_is_the_inverse_of_flatten():
    maps = random(3, 5, 2, 4)
    rows = FlattenChannelsLast()(maps)
    assert_array_equal(UnflattenChannelsLast(2, 4, 5)(rows), maps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_outputs": 65}, "n_outputs=65 must be a multiple of the number of pixels, 8 x 8"),
        ({"channels": ()}, r"channels=\(\) leaves no layer: give the channels of at least one"),
        ({"channels": (0,)}, "The 'channels' parameter of AutoencoderNetwork.* must be"),
        ({"n_components": 0}, "The 'n_components' parameter of AutoencoderNetwork.* must be"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderNetwork(1, 8, 8, **{"n_outputs": 64, **options})
