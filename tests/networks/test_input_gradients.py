"""speed_up_input_gradients: the same outputs and gradients, and which layers are replaced."""

import copy

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skcnn.networks import NetworkSpec
from skcnn.networks.input_gradients import FewChannelConv2d, speed_up_input_gradients

LAYERS = [
    (nn.Conv2d(1, 9, 3, padding=1), (7, 8)),
    (nn.Conv2d(1, 12, 3, bias=False), (3, 3)),
    (nn.Conv2d(3, 27, 3, stride=2, padding=2), (8, 5)),
    (nn.Conv2d(2, 16, (2, 3), stride=(1, 3), dilation=(2, 1), padding=(0, 1)), (9, 9)),
]
OTHERS = [
    nn.Conv2d(1, 8, 3),  # 9 values in a window
    nn.Conv2d(2, 32, 3, groups=2),
    nn.Conv2d(1, 16, 3, padding=1, padding_mode="reflect"),
    nn.Conv2d(1, 16, 3, padding="same"),
]


def outputs_and_gradient(module, images):
    images = images.clone().requires_grad_()
    outputs = module(images)
    outputs.square().sum().backward()
    return outputs.detach(), images.grad


@pytest.mark.parametrize(("layer", "size"), LAYERS, ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients_are_the_same(layer, size, memory_format):
    module = nn.Sequential(copy.deepcopy(layer), nn.ReLU()).requires_grad_(False)
    images = torch.randn(4, layer.in_channels, *size).to(memory_format=memory_format)
    expected = outputs_and_gradient(module, images)
    speed_up_input_gradients(module.to(memory_format=memory_format))
    assert isinstance(module[0], FewChannelConv2d)
    found = outputs_and_gradient(module, images)
    assert_array_equal(found[0], expected[0])
    assert_allclose(found[1], expected[1], atol=1e-5 * expected[1].abs().max())


@pytest.mark.parametrize("name", ["plain", "fast", "resnet18"])
def test_networks(name):
    module = NetworkSpec(name, 3, 32, 32, 4).build().eval().requires_grad_(False)
    images = torch.randn(2, 3, 32, 32)
    expected = outputs_and_gradient(module, images)
    speed_up_input_gradients(module)
    found = outputs_and_gradient(module, images)
    assert_array_equal(found[0], expected[0])
    assert_allclose(found[1], expected[1], atol=1e-4 * expected[1].abs().max())


@pytest.mark.parametrize("layer", OTHERS, ids=str)
def test_other_layers_are_kept(layer):
    module = nn.Sequential(copy.deepcopy(layer)).requires_grad_(False)
    speed_up_input_gradients(module)
    assert type(module[0]) is nn.Conv2d


def test_layers_that_are_trained_or_have_hooks_are_kept():
    module = nn.Sequential(nn.Conv2d(1, 16, 3))
    speed_up_input_gradients(module)
    assert type(module[0]) is nn.Conv2d
    module.requires_grad_(False)[0].register_forward_hook(lambda *arguments: None)
    speed_up_input_gradients(module)
    assert type(module[0]) is nn.Conv2d


def test_one_image_without_an_axis_of_images():
    module, images = nn.Sequential(nn.Conv2d(1, 16, 3)).requires_grad_(False), torch.randn(1, 6, 6)
    expected = outputs_and_gradient(module, images)
    speed_up_input_gradients(module)
    for found, value in zip(outputs_and_gradient(module, images), expected, strict=True):
        assert_allclose(found, value, atol=1e-5)


class Bfloat16(nn.Module):
    """A network that computes its layers in bfloat16."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)

    def forward(self, images):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.conv(images).relu().float()


def test_a_network_with_an_autocast_of_its_own():
    module, images = Bfloat16().requires_grad_(False), torch.randn(3, 1, 6, 6)
    expected = outputs_and_gradient(module, images)
    speed_up_input_gradients(module)
    assert isinstance(module.conv, FewChannelConv2d)
    found = outputs_and_gradient(module, images)
    assert_array_equal(found[0], expected[0])
    assert found[1].dtype == torch.float32
    assert_allclose(found[1], expected[1], atol=0.02 * expected[1].abs().max())
