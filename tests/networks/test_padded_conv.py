"""Gradients of convolutions whose stride reaches the size of the feature maps."""

import pytest
import torch
from torch.nn import functional

from skcnn.networks import BACKBONES, PlainNetwork
from skcnn.networks.blocks import PaddedConv2d

SIZES = [(1, 1), (9, 1), (1, 9), (2, 2), (6, 2), (2, 6), (3, 3), (5, 4), (8, 8)]


def fill_freed_memory():
    """Leave values in memory that a kernel which forgets to write would return."""
    for n_values in (18, 36, 64, 72, 144, 256, 1024, 4096):
        for _ in range(20):
            torch.full((n_values,), 1e30)


def gradient(weight, run, bfloat16):
    weight = weight.clone().requires_grad_()
    fill_freed_memory()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        outputs = run(weight)
    outputs.float().sum().backward()
    return outputs.detach().float(), weight.grad


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [2, 3, 50])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize(("n_in", "n_out"), [(1, 32), (3, 2), (3, 8), (64, 64)])
def test_gradients_in_bfloat16_are_those_in_float32(n_in, n_out, kernel_size, stride, size):
    images = torch.randint(0, 7, (8, n_in, *size)).float()
    images = images.contiguous(memory_format=torch.channels_last)
    conv = PaddedConv2d(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False)
    weight = torch.randint(-2, 3, conv.weight.shape).float()
    weight = weight.contiguous(memory_format=torch.channels_last)

    def by_layer(weight):
        return torch.func.functional_call(conv, {"weight": weight}, images)

    def by_torch(weight):
        return functional.conv2d(images, weight, None, stride, kernel_size // 2)

    outputs, expected = gradient(weight, by_torch, bfloat16=False)
    for _ in range(3):
        ours, found = gradient(weight, by_layer, bfloat16=True)
        torch.testing.assert_close(ours, outputs, rtol=0.02, atol=0.5)
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.5)


@pytest.mark.parametrize("stride", [1, 2])
def test_plain_networks_use_it_for_strides(stride):
    network = PlainNetwork(1, 8, 8, 2, channels=(4,), stride=stride)
    assert isinstance(network.blocks[0][0], PaddedConv2d) == (stride > 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "squeezenet1_0", "squeezenet1_1"])
def test_backbones_that_are_trained_in_bfloat16_use_it_for_strides(name):
    with torch.device("meta"):
        network = BACKBONES[name].builder(3, 64, 64, 2)
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    strided = [part for part in convolutions if max(part.stride) > 1]
    assert strided
    assert all(isinstance(part, PaddedConv2d) for part in strided)
