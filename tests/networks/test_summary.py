"""Layers of networks: hand counts of the tutorials' networks, backbones, and networks of users."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from skcnn.networks import NetworkSpec, PlainNetwork
from skcnn.networks.summary import fold_layers, summarize_layers
from skcnn.networks.summary_table import NetworkSummary

CALTECH = {"channels": (16, 32, 64), "padding": "valid", "batch_norm": False}
BLOOD_CELLS = {"channels": (32, 32), "batch_norm": False}


def summarize(module, *image_shape, depth=None, **options):
    return NetworkSummary.of(module, image_shape, name="Net", depth=depth, **options)


def rows(module, *image_shape):
    return {layer.name: layer for layer in summarize_layers(module, image_shape)}


def plain(height, width, n_channels, n_outputs, **options):
    return NetworkSpec("plain", n_channels, height, width, n_outputs, options=options).build()


@pytest.mark.parametrize(
    ("shape", "n_outputs", "options", "n_parameters", "multiply_adds"),
    [
        ((28, 28, 1), 10, {"channels": (), "hidden_units": (256,)}, 203_530, 784 * 256 + 256 * 10),
        (
            (32, 32, 3),
            10,
            {"channels": (), "hidden_units": (512, 512)},
            1_841_162,
            3072 * 512 + 512 * 512 + 512 * 10,
        ),
        (
            (150, 150, 3),
            2,
            CALTECH,
            2_391_458,
            148**2 * 27 * 16 + 72**2 * 144 * 32 + 34**2 * 288 * 64 + 17**2 * 64 * 128 + 256,
        ),
        (
            (150, 150, 3),
            1,
            CALTECH,
            2_391_329,
            148**2 * 27 * 16 + 72**2 * 144 * 32 + 34**2 * 288 * 64 + 17**2 * 64 * 128 + 128,
        ),
        (
            (200, 200, 3),
            4,
            BLOOD_CELLS,
            896 + 9_248 + 10_240_128 + 516,
            200**2 * 27 * 32 + 100**2 * 288 * 32 + 80_000 * 128 + 512,
        ),
    ],
)
def test_hand_counts_of_the_networks_of_the_tutorials(
    shape, n_outputs, options, n_parameters, multiply_adds
):
    found = summarize(plain(*shape, n_outputs, **options), *shape)
    assert (found.n_parameters, found.n_trainable) == (n_parameters, n_parameters)
    assert found.multiply_adds == multiply_adds


def test_hand_counts_of_each_layer():
    layers = rows(plain(150, 150, 3, 1, **CALTECH), 150, 150, 3)
    shapes = {
        "standardize": (3, 150, 150),
        "network.blocks.0.0": (16, 148, 148),
        "network.blocks.0.1": (16, 74, 74),
        "network.blocks.2.2": (64, 17, 17),
        "network.flatten": (64 * 17 * 17,),
        "network.dense.0": (128,),
        "network.output": (1,),
    }
    for name, shape in shapes.items():
        assert layers[name].output_shape == shape
        n_bytes = 0 if name == "network.flatten" else 4 * np.prod(shape)  # the same values
        assert layers[name].activation_bytes == n_bytes
    assert layers["network.blocks.1"].output_shape == (32, 36, 36)
    assert layers["network.blocks.1"].activation_bytes == 0
    assert layers["network.blocks.1.0"].n_parameters == 9 * 16 * 32 + 32
    assert layers["network.dense.0"].weight_bytes == 4 * (18_496 * 128 + 128)


@pytest.mark.parametrize(
    "name", ["fast", "resnet50", "mobilenet_v3_small", "efficientnet_lite0", "convnext_tiny"]
)
def test_backbones_agree_with_pytorch(name):
    module = NetworkSpec(name, 3, 64, 64, 5).build().eval()
    found = summarize(module, 64, 64, 3)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        outputs = module(torch.zeros(1, 3, 64, 64))
    assert found.layers[-1].output_shape == tuple(outputs.shape[1:])
    assert 2 * found.multiply_adds == counter.get_total_flops()
    assert found.n_parameters == sum(p.numel() for p in module.parameters())
    assert found.n_trainable == sum(p.numel() for p in module.parameters() if p.requires_grad)
    tensors = [*module.parameters(), *module.buffers()]
    assert found.weight_bytes == sum(tensor.nbytes for tensor in tensors)


def test_sums_do_not_depend_on_the_depth():
    module = NetworkSpec("resnet18", 3, 32, 32, 5).build()
    layers = summarize_layers(module, (32, 32, 3))
    assert [layer.name for layer in layers] == [name for name, _ in module.named_modules()]
    assert [layer.name for layer in fold_layers(layers, 1)] == ["standardize", "network"]
    assert "network.layer1.0" in {layer.name for layer in fold_layers(layers, 3)}
    full = summarize(module, 32, 32, 3)
    for depth in (0, 1, 3, 50, "auto"):
        found = summarize(module, 32, 32, 3, depth=depth)
        for name in ("n_parameters", "multiply_adds", "activation_bytes", "weight_bytes"):
            assert getattr(found, name) == getattr(full, name) > 0
    assert len(summarize(module, 32, 32, 3, depth=0).layers) == 1
    assert max(layer.depth for layer in summarize(module, 32, 32, 3, depth="auto").layers) == 3


class Shared(nn.Module):
    """A layer called twice, one registered twice, tied weights, its own weights, and operations."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1, groups=2, dilation=1)
        self.again = self.conv
        self.first, self.second = nn.Linear(32, 32, bias=False), nn.Linear(32, 32, bias=False)
        self.second.weight = self.first.weight
        self.own = nn.Parameter(torch.ones(32, 5))
        self.relu = nn.ReLU(inplace=True)
        self.unused = nn.Linear(3, 3)

    def forward(self, images):
        maps = self.relu(self.again(self.conv(images))) + images
        return self.second(self.first(maps.flatten(1))) @ self.own


def test_shared_layers_and_operations_outside_of_layers():
    module = Shared()
    layers = rows(module, 4, 4, 2)
    assert list(layers) == ["", "conv", "first", "second", "relu", "unused"]
    assert layers["conv"].n_parameters == 2 * 9 + 2
    assert layers["conv"].multiply_adds == 2 * 16 * 2 * 9  # two calls of one input channel each
    assert layers["conv"].activation_bytes == 2 * 4 * 32
    assert (layers["first"].n_parameters, layers["second"].n_parameters) == (32 * 32, 0)
    assert layers["first"].multiply_adds == layers["second"].multiply_adds == 32 * 32
    assert (layers[""].n_parameters, layers[""].multiply_adds) == (32 * 5, 32 * 5)
    assert layers["relu"].activation_bytes == 0  # in place
    assert (layers["unused"].output_shape, layers["unused"].n_parameters) == (None, 12)
    found = summarize(module, 4, 4, 2)
    assert found.layers[0].name == ""
    assert found.n_parameters == sum(p.numel() for p in module.parameters())


class Attention(nn.Module):
    """Attention in three ways, on 16 tokens of 8 features."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        self.output = nn.Linear(8, 2)

    def forward(self, images):
        tokens = images.flatten(2).transpose(1, 2).repeat(1, 1, 8)
        tokens, _ = self.attention(self.encoder(tokens), tokens, tokens)
        tokens = functional.scaled_dot_product_attention(tokens, tokens, tokens)
        return self.output(tokens.mean(dim=1) + torch.arange(8))


@pytest.mark.parametrize("run", [False, True])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_attention(run, requires_grad):
    module = Attention().requires_grad_(requires_grad)
    projections, products = 16 * 8 * 8 * 4, 2 * 16 * 16 * 8
    found = summarize(module, 4, 4, 1, run=run)
    dense = 2 * 16 * 8 * 16
    assert found.multiply_adds == 2 * projections + 3 * products + dense + 16
    layers = {layer.name: layer for layer in found.layers}
    assert layers["attention"].output_shape == (16, 8)
    assert layers["attention"].multiply_adds == projections + products
    assert layers[""].multiply_adds == products


class Branches(nn.Module):
    """A network with a condition on values, and with a constant that is not a buffer."""

    def __init__(self, condition=True):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.constant = torch.ones(4, 1, 1)
        self.condition = condition

    def forward(self, images):
        maps = self.conv(images) * self.constant
        if self.condition and maps.sum().item() > 1e9:
            maps = maps + 1
        return maps.mean(dim=(2, 3))


def test_operations_that_need_values():
    expected, found = (summarize(Branches(condition), 6, 5, 1) for condition in (False, True))
    assert found == expected
    assert found.multiply_adds == 4 * 9 * 4 * 3


@pytest.mark.parametrize("name", ["fast", "plain", "mobilenet_v3_small"])
def test_running_the_network_gives_the_same_result(name):
    module = NetworkSpec(name, 1, 24, 20, 3).build()
    assert summarize(module, 24, 20, 1, run=True) == summarize(module, 24, 20, 1)


def test_the_network_stays_as_it_is():
    module = Shared()
    module.first.weight.requires_grad_(False)
    module.relu.eval()
    calls = []
    handles = [
        module.conv.register_forward_hook(lambda *_: calls.append("after")),
        module.conv.register_forward_pre_hook(lambda *_: calls.append("before")),
    ]
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    state = torch.get_rng_state()
    found = summarize(module, 4, 4, 2, frozen=[module.own])
    assert found.n_parameters - found.n_trainable == 32 * 32 + 32 * 5
    with pytest.raises(ValueError, match="failed on an image of 5 x 4 pixels with 2 channel"):
        summarize(module, 5, 4, 2)
    assert not calls
    assert [part.training for part in module.modules()] == modes
    assert [p.requires_grad for p in module.parameters()].count(False) == 1
    assert all(p.grad is None and p.device.type == "cpu" for p in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert len(module.conv._forward_hooks) == len(module.conv._forward_pre_hooks) == 1
    assert not module.relu._forward_hooks
    for handle in handles:
        handle.remove()


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_weight_norm_and_settings_of_the_caller(norm):
    module = nn.Sequential(norm(nn.Conv2d(1, 4, 3)), nn.Dropout(0.5), nn.Flatten())
    module(torch.zeros(1, 1, 6, 6))  # the weight is no leaf of the graph now
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = summarize(module, 6, 6, 1)
    assert found.multiply_adds == 4 * 9 * 16
    n_bytes = {layer.name: layer.activation_bytes for layer in found.layers}
    assert (n_bytes["0"], n_bytes["1"]) == (4 * 4 * 16, 0)  # the dropout is off


def test_text():
    text = str(summarize(PlainNetwork(1, 8, 8, 3, channels=(8,), hidden_units=(1000,)), 8, 8, 1))
    title, rule, header, _, *lines = text.splitlines()
    assert title == "Net: images of 8 x 8 pixels with 1 channel"
    assert header.split("  ")[0] == "Layer"
    assert all(len(line) == len(rule) for line in (header, *lines[:-5]))
    assert lines[-4:] == [
        "Parameters:    132,091 (528.4 kB)",
        "Trainable:     132,091",
        "Multiply-adds: 135,608 for one image",
        "Activations:   13.1 kB for one image",
    ]
    assert "129,000" in next(line for line in lines if line.startswith("dense.0 "))


def test_html_is_escaped():
    class Layer(nn.Identity):
        pass

    Layer.__name__ = "<b>&"
    module = nn.Sequential()
    module.add_module("<i>", Layer())
    found = NetworkSummary.of(module, (2, 2, 1), name="<script>")
    html = found._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<td>(1, 2, 2)</td>" in html
    assert not any(tag in html for tag in ("<b>", "<i>", "<script>"))


def test_frame():
    found = summarize(plain(150, 150, 3, 1, **CALTECH), 150, 150, 3, depth=2)
    frame = found.to_frame()
    assert frame.index.name == "layer"
    assert frame.loc["network.blocks", "output_shape"] == (64, 17, 17)
    assert frame.loc["network.output"].tolist() == ["Linear", (1,), 129, 129, 128, 4]
    assert frame["n_parameters"].sum() == 2_391_329
    assert frame["multiply_adds"].sum() == found.multiply_adds
