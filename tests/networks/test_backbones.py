"""The backbones: the protocol, sizes of images, predictions, hooks, export and training."""

import copy
import pickle
import re
from collections import OrderedDict

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn import CNNClassifier, CNNRegressor
from skcnn.networks import BACKBONES, NetworkSpec, Standardize
from skcnn.networks.backbone import Backbone
from skcnn.networks.backbones import backbone_info
from skcnn.networks.blocks import StochasticDepth
from skcnn.networks.efficientnet_lite import SamePad2d
from skcnn.networks.inference import prediction_function
from skcnn.networks.pooling import MaxPool3x3
from tests.networks.make_fingerprints import seeded_state

# One of each kind, for what takes long.
KINDS = ["convnext_tiny", "efficientnet_b0", "efficientnet_lite0", "mobilenet_v2"]
KINDS += ["mobilenet_v3_small", "resnet18", "resnet50", "squeezenet1_0", "vgg11_bn"]
# All but most of the VGGs, each of half a gigabyte.
MOST = [*KINDS, *(name for name in BACKBONES if name not in KINDS and "vgg" not in name), "vgg13"]
N_OUTPUTS = 4


def build(name, in_channels=3, height=40, width=33):
    """Build a module in evaluation mode, with random weights and statistics."""
    with torch.device("meta"):  # which draws no weights
        network = BACKBONES[name].builder(in_channels, height, width, N_OUTPUTS)
    network.load_state_dict(seeded_state(network.state_dict()), assign=True)
    standardize = Standardize([100.0] * in_channels, [50.0] * in_channels)
    module = nn.Sequential(OrderedDict(standardize=standardize, network=network))
    return module.to(memory_format=torch.channels_last).eval()


@pytest.fixture(scope="module")
def built(request):
    """The name of a backbone, and its module for all tests, which do not change it."""
    return request.param, build(request.param)


most = pytest.mark.parametrize("built", MOST, indirect=True)
kinds = pytest.mark.parametrize("built", KINDS, indirect=True)


def draw(n_images, n_channels=3, height=40, width=33, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (n_images, height, width, n_channels), generator=generator)
    return images.permute(0, 3, 1, 2).to(dtype)


def assert_close(found, expected, tolerance):
    assert found.dtype == torch.float32
    assert_allclose(found, expected, rtol=0, atol=tolerance * expected.abs().max().item())


# ------------------------------------------------------------------------------------------------
# The table


@pytest.mark.parametrize("name", BACKBONES)
def test_the_table(name):
    info = BACKBONES[name]
    digits = re.fullmatch(r"[a-z0-9_-]+-([0-9a-f]{8})\.pth", info.file).group(1)
    assert re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}", info.sha256)
    assert info.sha256.startswith(digits)
    assert (info.url is None) != (info.package is None)
    assert info.url in (None, f"https://download.pytorch.org/models/{info.file}")
    assert info.statistics.scale == 255
    assert len(info.statistics.mean) == len(info.statistics.deviation) == 3
    assert info.license in ("Apache-2.0", "BSD-3-Clause")
    assert 50 < info.top_1 < 90
    assert info.least_size <= 32 < info.native_size <= 260


def test_pixels_of_efficientnet_lite():
    statistics = BACKBONES["efficientnet_lite1"].statistics
    pixels = np.array([0.0, 127.0, 255.0])
    found = (pixels / statistics.scale - statistics.mean) / statistics.deviation
    assert_allclose(found, (pixels - 127) / 128, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet-50", "'resnet-50' is unknown: did you mean 'resnet50', .* or 'resnet"),
        ("VGG16", r"did you mean 'vgg16', .*\?$"),
        ("mobilenetv2", "did you mean 'mobilenet_v2'"),
        ("xyz", "'xyz' is unknown: the backbones are 'convnext_tiny', .* or 'vgg19_bn'$"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        backbone_info(name)
    with pytest.raises(ValueError, match=message):
        NetworkSpec(name, 3, 40, 40, 2, weights="imagenet").build()


# ------------------------------------------------------------------------------------------------
# The protocol


@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_belongs_to_one_stage(name):
    with torch.device("meta"):
        network = BACKBONES[name].builder(5, 40, 33, N_OUTPUTS)
    assert isinstance(network, Backbone)
    assert network.statistics is None
    *stages, head = network.stages()
    assert head is network.output
    assert (head.in_features, head.out_features) == (BACKBONES[name].n_features, N_OUTPUTS)
    owned = [parameter for stage in (*stages, head) for parameter in stage.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == set(network.parameters())
    assert all(any(True for _ in stage.parameters()) for stage in stages)
    assert 5 <= len(stages) + 1 <= 10
    assert next(iter(network.parameters())).shape[1] == 5
    for layer_name, layer in network.named_modules():
        assert network.get_submodule(layer_name) is layer


@most
def test_stages_lead_from_the_images_to_the_outputs(built):
    name, network, maps = built[0], built[1].network, []
    handle = network.cam_layer.register_forward_hook(lambda _, args, output: maps.append(output))
    images = draw(2, dtype=torch.float32) / 100
    with torch.inference_mode():
        features, outputs = network.features(images), network(images)
        found = images
        for stage in network.stages()[:-1]:
            found = stage(found)
        assert torch.equal(found, features)
        assert torch.equal(network.output(found), outputs)
    handle.remove()
    assert features.shape == (2, BACKBONES[name].n_features)
    assert outputs.shape == (2, N_OUTPUTS)
    assert len(maps) == 3
    assert maps[0].ndim == 4
    assert torch.equal(maps[0], maps[1])


@kinds
def test_copies_are_independent(built):
    network = built[1].network
    other, images = copy.deepcopy(network), draw(2, dtype=torch.float32) / 100
    with torch.inference_mode():
        before = network(images)
        assert torch.equal(other(images), before)
        for parameter in other.parameters():
            parameter.zero_()
        assert torch.equal(network(images), before)
        assert not torch.equal(other(images), before)


# ------------------------------------------------------------------------------------------------
# Sizes of images


@pytest.mark.parametrize("name", ["convnext_tiny", "mobilenet_v3_large", "squeezenet1_1", *KINDS])
@pytest.mark.parametrize("in_channels", [1, 4])
def test_the_least_size(name, in_channels):
    least = BACKBONES[name].least_size
    module, images = build(name, in_channels, least, least), draw(3, in_channels, least, least)
    with torch.inference_mode():
        outputs = module(images)
    assert outputs.shape == (3, N_OUTPUTS)
    assert torch.isfinite(outputs).all()
    for height, width in [(least - 1, 40), (40, least - 1)] if least > 1 else []:
        with pytest.raises(ValueError, match=rf"images of {height} x {width} pixels are too small"):
            build(name, in_channels, height, width)


def test_overlapping_poolings():
    features = torch.rand(2, 3, 9, 8)
    expected = nn.MaxPool2d(3, stride=2, ceil_mode=True)(features)
    assert torch.equal(MaxPool3x3()(features), expected)
    for height, width in [(1, 1), (2, 1), (1, 3), (2, 2), (2, 5)]:
        part = features[:, :, :height, :width]
        found = MaxPool3x3()(part)
        assert found.shape == (2, 3, max(1, height // 2), max(1, width // 2))
        if max(height, width) <= 3:
            assert torch.equal(found, part.amax((2, 3), keepdim=True))


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [(8, 9), (1, 2), (5, 4)])
def test_padding_as_in_tensorflow(kernel_size, size):
    images = torch.rand(1, 2, *size)
    padded = SamePad2d(kernel_size, 2)(images)
    for axis in (2, 3):
        n_out = -(-images.shape[axis] // 2)
        missing = max(0, (n_out - 1) * 2 + kernel_size - images.shape[axis])
        before, after = missing // 2, missing - missing // 2
        assert padded.shape[axis] == images.shape[axis] + before + after
        inner = padded.narrow(axis, before, images.shape[axis])
        assert inner.sum() == pytest.approx(images.sum().item(), rel=1e-6)
    assert torch.nn.functional.max_pool2d(padded, kernel_size, 2).shape[2:] == tuple(
        -(-axis // 2) for axis in size
    )


# ------------------------------------------------------------------------------------------------
# Predictions


@most
def test_prediction_functions(built):
    module, images = built[1], draw(7)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.inference_mode():
        function = prediction_function(module)
        assert function is not module
        together = function(images)
        expected = copy.deepcopy(module.network).double()((images.double() - 100) / 50)
        error = (module(images) - expected).abs().max().item()
        assert_allclose(together, expected, rtol=1e-5, atol=1e-5 + 10 * error)
        for start, stop in [(0, 1), (6, 7), (2, 4), (1, 7)]:
            assert_close(function(images[start:stop]), together[start:stop], tolerance=5e-6)
        assert_close(function(images.float()), together, tolerance=1e-5)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


@kinds
def test_every_layer_calls_its_hooks_once(built):
    module, images, names = built[1], draw(2), []
    called = [
        (name, layer)
        for name, layer in module.named_modules()
        if not isinstance(layer, nn.ModuleList) and name != "network.features"
    ]
    handles = [
        layer.register_forward_hook(lambda *args, name=name: names.append(name))
        for name, layer in called
    ]
    with torch.inference_mode():
        assert prediction_function(module) is module
        module(images)
    assert sorted(names) == sorted(name for name, _ in called)
    for handle in handles:
        handle.remove()
    with torch.inference_mode():
        assert prediction_function(module) is not module


# ------------------------------------------------------------------------------------------------
# Export


@kinds
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch.onnx itself
def test_export(built):
    name, module = built
    shapes = ({0: torch.export.Dim("n_images")},)
    program = torch.export.export(module, (draw(3),), dynamic_shapes=shapes)
    with torch.inference_mode():
        expected = module(draw(7))
        for n_images in (1, 2, 7):
            assert_close(program.module()(draw(7)[:n_images]), expected[:n_images], 1e-5)
    if name not in ("efficientnet_lite0", "resnet18", "squeezenet1_0"):  # which takes long
        return
    onnx = torch.onnx.export(program, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(onnx.model_proto.SerializeToString())
    (graph_input,) = session.get_inputs()
    for n_images in (1, 7):
        images = np.ascontiguousarray(draw(7)[:n_images])
        (found,) = session.run(None, {graph_input.name: images})
        assert_close(torch.from_numpy(found), expected[:n_images], 1e-4)


# ------------------------------------------------------------------------------------------------
# Training from scratch


RNG = np.random.default_rng(0)


def halves(n_images, size, n_channels):
    """Images whose upper or lower half is bright."""
    y = np.arange(n_images) % 2
    X = RNG.integers(0, 100, (n_images, size, size, n_channels), dtype=np.uint8)
    for image, target in zip(X, y, strict=True):
        image[target * (size // 2) :][: size // 2] += 100
    return X, y


@pytest.mark.parametrize(
    ("name", "size", "n_channels"),
    [
        ("efficientnet_lite0", 12, 1),
        ("mobilenet_v2", 16, 4),
        ("mobilenet_v3_small", 17, 3),
        ("resnet18", 8, 1),
        ("squeezenet1_1", 16, 2),
    ],
)
def test_training_from_scratch(name, size, n_channels):
    X, y = halves(32, size, n_channels)
    cnn = CNNClassifier(name, max_epochs=5, batch_size=8, learning_rate=1e-3, random_state=0)
    cnn.fit(X, y)
    assert type(cnn.module_.network) is type(BACKBONES[name].builder(n_channels, 32, 32, 2))
    losses = [epoch["train_loss"] for epoch in cnn.history_]
    assert min(losses) < losses[0]
    probabilities = cnn.predict_proba(X)
    restored = pickle.loads(pickle.dumps(cnn))
    assert np.array_equal(restored.predict_proba(X), probabilities)
    assert_allclose(cnn.predict_proba(X[:1]), probabilities[:1], rtol=1e-5, atol=1e-6)


def test_regression():
    X, y = halves(16, 16, 3)
    cnn = CNNRegressor("squeezenet1_1", max_epochs=1, random_state=0).fit(X, y - 10.0)
    assert cnn.predict(X).shape == (16,)


def test_images_that_are_too_small():
    X, y = halves(8, 16, 3)
    message = r"images of 16 x 16 pixels are too small for ConvNeXt: give images of at least 32 x"
    with pytest.raises(ValueError, match=message):
        CNNClassifier("convnext_tiny", max_epochs=1).fit(X, y)


@pytest.mark.parametrize("name", KINDS)
def test_initial_weights(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = NetworkSpec(name, 3, 40, 40, N_OUTPUTS).build().network
    convs = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    conv = max(convs, key=lambda layer: layer.weight.numel())
    n_in, n_out = (conv.weight[:, 0].numel(), conv.weight[0].numel())
    deviation = {"convnext_tiny": 0.02, "squeezenet1_0": (2 / n_out) ** 0.5}.get(
        name, (2 / n_in) ** 0.5
    )
    assert conv.weight.std().item() == pytest.approx(deviation, rel=0.02)
    head = 0.02 if name == "convnext_tiny" else 0.01
    assert network.output.weight.std().item() == pytest.approx(head, rel=0.05)
    biases = [p for key, p in network.named_parameters() if key.endswith("bias")]
    assert all((bias == 0).all() for bias in biases)


def test_stochastic_depth():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer, features = StochasticDepth(0.25), torch.ones(4000, 2, 1, 1)
        dropped = layer(features)
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    assert layer.eval()(features) is features
