"""fold_batch_norms: the same outputs and gradients, and what is not folded."""

import copy

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.networks import NetworkSpec
from skcnn.networks.folding import fold_batch_norms


def gradient(module, images):
    images = images.clone().requires_grad_()
    module(images).square().sum().backward()
    return images.grad


@pytest.mark.parametrize("name", ["plain", "fast", "resnet18", "mobilenet_v2", "convnext_tiny"])
def test_outputs_and_gradients_are_the_same(name):
    torch.manual_seed(0)
    module = NetworkSpec(name, 3, 32, 32, 4).build()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    module.eval()
    folded = copy.deepcopy(module)
    fold_batch_norms(folded)
    images = torch.randn(3, 3, 32, 32)
    expected = module(images).detach()
    assert_allclose(folded(images).detach(), expected, atol=1e-4 * expected.abs().max())
    expected = gradient(module, images)
    assert_allclose(gradient(folded, images), expected, atol=1e-3 * expected.abs().max())


def test_hooks_and_train_mode_are_kept():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    fold_batch_norms(module)  # in train mode
    assert isinstance(module[1], nn.BatchNorm2d)
    module.eval()[0].register_forward_hook(lambda *arguments: None)
    fold_batch_norms(module)
    assert isinstance(module[1], nn.BatchNorm2d)
