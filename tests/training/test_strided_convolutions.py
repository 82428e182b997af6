"""Gradients in bfloat16 of convolutions whose stride reaches the size of the feature maps."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skcnn import CNNClassifier
from skcnn.networks.blocks import conv_norm
from skcnn.training.device import autocast

SIZES = [(1, 1), (9, 1), (1, 9), (2, 2), (6, 2), (2, 6), (3, 3), (5, 4), (8, 8)]


def fill_freed_memory():
    """Leave values in memory that a kernel which forgets to write would return."""
    for n_values in (18, 36, 64, 72, 144, 256, 1024, 4096):
        for _ in range(20):
            torch.full((n_values,), 1e30)


class OwnPadding(nn.Conv2d):
    """A convolution with a method of its own, as some packages have it."""

    def forward(self, images):
        images = functional.pad(images, [self.padding[1]] * 2 + [self.padding[0]] * 2)
        return functional.conv2d(images, self.weight, self.bias, self.stride)


def gradient(weight, run, context):
    weight = weight.clone().requires_grad_()
    fill_freed_memory()
    with context:
        outputs = run(weight)
    outputs.float().sum().backward()
    return outputs.detach().float(), weight.grad


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [2, 3, 50])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize(
    ("n_in", "n_out", "kind"),
    [(1, 32, nn.Conv2d), (3, 2, nn.Conv2d), (3, 8, OwnPadding), (64, 64, nn.Conv2d)],
)
def test_gradients_in_bfloat16_are_those_in_float32(n_in, n_out, kind, kernel_size, stride, size):
    images = torch.randint(0, 7, (8, n_in, *size)).float()
    images = images.contiguous(memory_format=torch.channels_last)
    conv = kind(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False)
    context = autocast(torch.device("cpu"), "bfloat16", conv)
    weight = torch.randint(-2, 3, conv.weight.shape).float()
    weight = weight.contiguous(memory_format=torch.channels_last)

    def by_layer(weight):
        return torch.func.functional_call(conv, {"weight": weight}, images)

    def by_torch(weight):
        return functional.conv2d(images, weight, None, stride, kernel_size // 2)

    outputs, expected = gradient(weight, by_torch, nullcontext())
    for _ in range(3):
        ours, found = gradient(weight, by_layer, context)
        torch.testing.assert_close(ours, outputs, rtol=0.02, atol=0.5)
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.5)

    assert not conv._forward_hooks


def test_hooks_of_the_user_change_the_outputs():
    conv = nn.Conv2d(1, 4, 3, stride=2, padding=1)
    conv.register_forward_hook(lambda layer, inputs, outputs: outputs * 0 + 7)
    with autocast(torch.device("cpu"), "bfloat16", conv):
        assert (conv(torch.rand(2, 1, 2, 2)) == 7).all()
    assert len(conv._forward_hooks) == 1


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (2, 1), (3, 3)])
def test_gradients_of_depthwise_convolutions(kernel_size, size):
    conv = conv_norm(32, 32, kernel_size, 2, groups=32, activation=None)[0]
    context = autocast(torch.device("cpu"), "bfloat16", conv)
    conv.to(memory_format=torch.channels_last)
    images = torch.randn(8, 32, *size, generator=torch.Generator().manual_seed(0))
    weight = conv.weight.detach().double().requires_grad_()
    options = {"stride": 2, "padding": kernel_size // 2, "groups": 32}
    functional.conv2d(images.double(), weight, **options).square().sum().backward()
    for _ in range(5):
        unused = [torch.full((32 * kernel_size**2,), torch.nan) for _ in range(20)]
        del unused  # memory that an undefined gradient would show
        conv.weight.grad = None
        with context:
            outputs = conv(images.to(memory_format=torch.channels_last))
        outputs.float().square().sum().backward()
        largest = weight.grad.abs().max().item()
        torch.testing.assert_close(
            conv.weight.grad.double(), weight.grad, rtol=0, atol=0.02 * largest
        )


def strided_network(in_channels, height, width, n_outputs):
    conv = nn.Conv2d(in_channels, 16, 3, stride=3, padding=1)
    return nn.Sequential(conv, nn.Flatten(), nn.LazyLinear(n_outputs))


@pytest.mark.parametrize("network", [strided_network, "plain", "resnet18", "squeezenet1_1"])
def test_networks_are_trained_with_defined_gradients(network):
    rng = np.random.default_rng(0)
    size = 32 if network == "squeezenet1_1" else 3
    X, y = rng.normal(size=(8, size, size)), np.arange(8) % 2
    fill_freed_memory()
    options = {"channels": (4,), "stride": 3} if network == "plain" else {}
    cnn = CNNClassifier(network, max_epochs=2, precision="bfloat16", random_state=0, **options)
    cnn.fit(X, y)
    assert max(p.abs().max() for p in cnn.module_.parameters()) < 100
    assert not any(part._forward_hooks for part in cnn.module_.modules())
