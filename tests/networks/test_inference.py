"""The prediction function against the module it is made from."""

import copy
from contextlib import contextmanager

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.networks import NetworkSpec, inference
from skcnn.networks.activations import ACTIVATIONS
from skcnn.networks.inference import feature_function, prediction_function

SHAPES = [(3, 1, 1), (1, 2, 5), (1, 28, 28), (3, 9, 7), (3, 31, 32)]
CASES = {
    "plain": ("plain", {}),
    "pooling, 3": ("plain", {"pool_size": 3}),
    "average pooling": ("plain", {"pooling": "avg"}),
    "no pooling": ("plain", {"pooling": None, "channels": (4, 5)}),
    "kernel of 4": ("plain", {"kernel_size": 4, "stride": 2, "channels": (5, 6)}),
    "no batch norm": ("plain", {"batch_norm": False, "dropout": 0.5}),
    "dense": ("plain", {"channels": (), "hidden_units": (31, 20)}),
    "linear": ("plain", {"channels": (), "hidden_units": ()}),
    "fast": ("fast", {"channels": (8, 16)}),
} | {name: ("plain", {"activation": name, "channels": (6, 7)}) for name in ACTIVATIONS}
EXACT = {"elu", "fast", "gelu", "silu"}.symmetric_difference(CASES)
HAS_ONEDNN = inference._HAS_ONEDNN_LINEAR


def build(case, shape=(3, 9, 7), seed=0):
    """A module in evaluation mode with random statistics, scales and shifts."""
    name, options = CASES[case]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = NetworkSpec(name, *shape, 4, options).build()
        module.standardize.set_statistics([100.0] * shape[0], [50.0] * shape[0])
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
                nn.init.normal_(layer.running_mean)
                nn.init.uniform_(layer.running_var, 0.5, 2)
        nn.init.normal_(module.network.output.bias)
    return module.eval()


def draw(n_images, shape=(3, 9, 7), dtype=torch.uint8, seed=1):
    """Images as they are in memory when estimators predict."""
    n_channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n_images, height, width, n_channels), generator=generator)
    return images.to(dtype).permute(0, 3, 1, 2)


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(params=["oneDNN", "fallback"])
def kernels(request, monkeypatch):
    """Run with the kernels of oneDNN, and without them."""
    if request.param == "fallback":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        monkeypatch.setattr(inference, "_HAS_ONEDNN_LINEAR", False)
    return request.param


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_are_those_of_the_module(case, shape, kernels):
    module = build(case, shape)
    images = draw(40, shape)
    before, state = images.clone(), copy.deepcopy(module.state_dict())
    with torch.inference_mode():
        function = prediction_function(module)
        assert function is not module
        for n_images, dtype in ((1, torch.uint8), (3, torch.float32), (40, torch.uint8)):
            some = images[:n_images].to(dtype)
            standardized = (some.double() - 100) / 50
            expected = copy.deepcopy(module.network).double()(standardized)
            found = function(some)
            assert found.dtype == torch.float32
            assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())
            assert torch.equal(some.to(torch.uint8), before[:n_images])
            assert_allclose(module(some), found, rtol=1e-4, atol=1e-4 * expected.abs().max())
    assert not module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_image_does_not_depend_on_the_others(case, shape, n_threads, kernels):
    images, exact = draw(40, shape), case in EXACT and kernels == "oneDNN" and HAS_ONEDNN
    with torch.inference_mode(), threads(n_threads):
        function = prediction_function(build(case, shape))
        together = function(images)
        for start, stop in [(0, 1), (39, 40), (3, 4), (0, 2), (5, 12), (0, 17), (1, 40)]:
            found = function(images[start:stop])
            if exact:
                assert torch.equal(found, together[start:stop])
            tolerance = 1e-6 * max(1.0, together.abs().max().item())
            assert_allclose(found, together[start:stop], rtol=1e-6, atol=5 * tolerance)


@pytest.mark.parametrize("n_features", [1, 5, 31, 300, 2048])
@pytest.mark.parametrize("n_outputs", [1, 2, 10, 128])
@pytest.mark.skipif(not HAS_ONEDNN, reason="the product of oneDNN is missing")
def test_rows_of_a_product_do_not_depend_on_their_number(n_features, n_outputs):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(256, n_features, generator=generator)
    weight = torch.randn(n_outputs, n_features, generator=generator)
    bias = torch.randn(n_outputs, generator=generator)
    expected = features.double() @ weight.double().T + bias.double()
    together = inference._matrix_product(weight, bias, features)
    assert_allclose(together, expected, rtol=1e-4, atol=1e-4)
    for n_rows in (1, 2, 3, 7, 15, 16, 17, 33):
        for rows in (slice(n_rows), slice(256 - n_rows, 256)):
            found = inference._matrix_product(weight, bias, features[rows])
            assert torch.equal(found, together[rows])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(64, 65), (65, 64), (1, 4099), (4099, 1)])
@pytest.mark.parametrize("case", ["plain", "fast", "pooling, 3"])
def test_large_images(memory_format, size, case):
    module, images = build(case, (3, *size)), draw(3, (3, *size), torch.float32)
    images = images.contiguous(memory_format=memory_format)
    with torch.inference_mode():
        expected = module(images)
        found = prediction_function(module)(images)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


# --- where the module itself predicts ----------------------------------------------------------


@pytest.mark.parametrize("case", ["plain", "no batch norm", "dense", "fast"])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_on_every_layer_fire(case, kind):
    module, images = build(case), draw(3)
    for name, layer in list(module.named_modules()):
        if type(layer) is nn.Sequential and len(layer) == 0:
            continue
        names = []
        handle = getattr(layer, kind)(lambda *args, name=name, names=names: names.append(name))
        with torch.inference_mode():
            prediction_function(module)(images)
        assert names == [name]
        handle.remove()
        assert prediction_function(module) is not module


def test_global_hooks_fire():
    module, seen = build("plain"), []
    for register in (
        nn.modules.module.register_module_forward_hook,
        nn.modules.module.register_module_forward_pre_hook,
    ):
        handle = register(lambda layer, *args: seen.append(type(layer).__name__))
        try:
            with torch.inference_mode():
                prediction_function(module)(draw(2))
        finally:
            handle.remove()
        assert {"BatchNorm2d", "Conv2d", "Linear", "ReLU"} <= set(seen)
        seen.clear()


def test_modules_that_are_not_ours_and_other_modes():
    module = build("plain")
    assert prediction_function(module.network) is not module.network
    for other in (
        nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval(),
        nn.Sequential(module.standardize, nn.Sequential(module.network)).eval(),
        copy.deepcopy(module).double(),
        copy.deepcopy(module).to("meta"),
        copy.deepcopy(module).train(),
    ):
        assert prediction_function(other) is other
    module.network.blocks[0][0].train()
    assert prediction_function(module) is module


def test_layers_that_were_replaced():
    module, images = build("plain"), draw(3)
    block = module.network.blocks[0]
    (conv, *_), n_out = block, block[0].out_channels
    block[0] = nn.Conv2d(3, n_out, 3, padding="same", padding_mode="circular", bias=False)
    module.network.blocks[1][0] = nn.Conv2d(n_out, 128, 3, padding="same", bias=False)
    module.network.blocks[1][2] = nn.MaxPool2d(2, ceil_mode=True)
    module.network.blocks[1][1] = nn.BatchNorm2d(128)
    module.network.output = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool1d(5))
    module.network.flatten = nn.Sequential(nn.AdaptiveAvgPool2d(2), module.network.flatten)
    module.eval()
    module.network.dense[0] = nn.Linear(512, 128)
    module.eval()
    with torch.inference_mode():
        assert_allclose(prediction_function(module)(images), module(images), atol=1e-4)
    assert conv.weight.shape == block[0].weight.shape


def test_weights_of_any_layout():
    module, images = build("plain"), draw(3)
    with torch.inference_mode():
        expected = prediction_function(module)(images)
    for parameter in module.parameters():
        parameter.data = torch.stack([parameter.data] * 2, dim=-1)[..., 0]
    with torch.inference_mode():
        assert_allclose(prediction_function(module)(images), expected, rtol=1e-4, atol=1e-3)


def test_a_function_computes_with_the_weights_of_its_time():
    module, images = build("plain"), draw(3)
    with torch.inference_mode():
        before = prediction_function(module)(images)
        module.network.output.bias.add_(1)
        assert_allclose(prediction_function(module)(images), before + 1, atol=1e-4)


@pytest.mark.parametrize("case", sorted(CASES))
def test_layout_of_the_weights_changes_only_the_last_bits(case):
    module = build(case)
    with torch.no_grad():
        for n_images in (1, 2, 7):
            images = draw(n_images)
            once, repeated = (
                prediction_function(module, repeated=repeated)(images) for repeated in (False, True)
            )
            assert_allclose(repeated, once, rtol=1e-5, atol=1e-6 * once.abs().max())


@pytest.mark.parametrize("case", sorted(CASES))
def test_features_are_the_input_of_the_head(case):
    module, images = build(case), draw(5)
    head = module.network.output
    with torch.no_grad():
        features = feature_function(module)(images)
        assert features.shape == (5, head.in_features)
        expected = module.network.features(module.standardize(images))
    assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


def test_features_of_a_module_with_hooks():
    module, images, calls = build("plain"), draw(5), []
    module.network.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        features = feature_function(module)(images)
        assert_allclose(features, module.network.features(module.standardize(images)), rtol=1e-6)
