"""Gradients of strided convolutions that a kernel of oneDNN computes wrongly."""

import os
import subprocess
import sys
import textwrap
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skcnn import CNNClassifier
from skcnn.networks.blocks import conv_norm
from skcnn.networks.convolutions import DefinedGradients

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


def bfloat16():
    return torch.autocast("cpu", torch.bfloat16, cache_enabled=False)


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
def test_gradients(n_in, n_out, kind, kernel_size, stride, size):
    images = torch.randint(0, 7, (8, n_in, *size)).float()
    conv = kind(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False)
    weight = torch.randint(-2, 3, conv.weight.shape).float()

    def by_layer(weight):
        weight = weight.contiguous(memory_format=torch.channels_last)
        channels_last = images.contiguous(memory_format=torch.channels_last)
        return torch.func.functional_call(conv, {"weight": weight}, channels_last)

    def by_torch(weight):
        return functional.conv2d(images, weight, None, stride, kernel_size // 2)

    outputs, expected = gradient(weight, by_torch, nullcontext())
    context = DefinedGradients(conv)
    for precision in (nullcontext(), bfloat16(), bfloat16()):
        with precision:
            ours, found = gradient(weight, by_layer, context)
        torch.testing.assert_close(ours, outputs, rtol=0.02, atol=0.5)
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.5)

    assert not conv._forward_hooks


def test_backward_does_not_need_the_context():
    conv = nn.Conv2d(3, 4, 1, stride=2).to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    with DefinedGradients(conv):
        outputs = conv(images)
    outputs.sum().backward()
    torch.testing.assert_close(conv.bias.grad, torch.full((4,), 18.0))
    expected = images[:, :, ::2, ::2].sum((0, 2, 3)).expand(4, 3)
    torch.testing.assert_close(conv.weight.grad.flatten(1), expected)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("padding", [0, (2, 1), "valid"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("stride", [(2, 1), (1, 3), (2, 2)])
def test_1x1_convolutions(stride, padding_mode, padding, groups):
    conv = nn.Conv2d(6, 9, 1, stride, padding, 2, groups, padding_mode=padding_mode)
    images = torch.rand(2, 6, 8, 7)
    expected = conv(images)
    with DefinedGradients(conv):
        torch.testing.assert_close(conv(images), expected)
        torch.testing.assert_close(conv(images[0]), expected[0])


def test_kernels_of_cpus_without_avx512():
    """A kernel that writes past its memory ends the process or changes a gradient."""
    code = """
        import torch
        from torch.nn import functional
        from skcnn.networks.convolutions import DefinedGradients

        torch.manual_seed(0)
        for n_in in (2, 3, 4, 7):
            for stride, *size in ((2, 8, 8), (3, 12, 9), (2, 32, 32)):
                conv = torch.nn.Conv2d(n_in, 8, 1, stride).to(memory_format=torch.channels_last)
                images = torch.randn(8, n_in, *size)
                weight = conv.weight.detach().double().requires_grad_()
                outputs = functional.conv2d(images.double(), weight, None, stride)
                outputs.square().sum().backward()
                torch.nn.init.zeros_(conv.bias)
                for _ in range(5):
                    conv.weight.grad = None
                    with DefinedGradients(conv):
                        outputs = conv(images.to(memory_format=torch.channels_last))
                    outputs.square().sum().backward()
                    expected = weight.grad.float()
                    torch.testing.assert_close(conv.weight.grad, expected, rtol=1e-4, atol=1e-3)
        print("done")
    """
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (found.stdout, found.returncode) == ("done\n", 0), found.stderr


def test_hooks_of_the_user_change_the_outputs():
    conv = nn.Conv2d(1, 4, 3, stride=2, padding=1)
    conv.register_forward_hook(lambda layer, inputs, outputs: outputs * 0 + 7)
    with bfloat16(), DefinedGradients(conv):
        assert (conv(torch.rand(2, 1, 2, 2)) == 7).all()
    assert len(conv._forward_hooks) == 1


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (2, 1), (3, 3)])
def test_gradients_of_depthwise_convolutions(kernel_size, size):
    conv = conv_norm(32, 32, kernel_size, 2, groups=32, activation=None)[0]
    context = DefinedGradients(conv)
    conv.to(memory_format=torch.channels_last)
    images = torch.randn(8, 32, *size, generator=torch.Generator().manual_seed(0))
    weight = conv.weight.detach().double().requires_grad_()
    options = {"stride": 2, "padding": kernel_size // 2, "groups": 32}
    functional.conv2d(images.double(), weight, **options).square().sum().backward()
    for _ in range(5):
        unused = [torch.full((32 * kernel_size**2,), torch.nan) for _ in range(20)]
        del unused  # memory that an undefined gradient would show
        conv.weight.grad = None
        with bfloat16(), context:
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
