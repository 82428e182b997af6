"""The activation functions against PyTorch's, in double precision."""

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.networks.activations import ACTIVATIONS

PYTORCH = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
FORMATS = [torch.contiguous_format, torch.channels_last]


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_table():
    assert set(ACTIVATIONS) == set(PYTORCH)


@pytest.mark.parametrize("name", PYTORCH)
def test_values(name):
    features = torch.cat([torch.linspace(-30, 30, 2001), torch.tensor([0.0, -200.0, 200.0, 1e-20])])
    before = features.clone()
    expected = PYTORCH[name]()(features.double())
    with torch.no_grad():
        assert_allclose(ACTIVATIONS[name]().eval()(features), expected, rtol=1e-6, atol=2e-6)
    assert torch.equal(features, before)


@pytest.mark.parametrize("name", PYTORCH)
@pytest.mark.parametrize("mode", ["training", "gradients"])
def test_where_there_are_gradients_they_are_those_of_pytorch(name, mode):
    layer, found = ACTIVATIONS[name]().train(mode == "training"), []
    for activate in (layer, PYTORCH[name]()):
        features = random(3, 4, 5, 6).requires_grad_()
        outputs = activate(features)
        outputs.square().sum().backward()
        found.append((outputs, features.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("name", PYTORCH)
@pytest.mark.parametrize("shape", [(3, 1, 1), (8, 1, 2), (5, 5, 4), (8, 7, 7), (24, 31, 31), (10,)])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_an_image_does_not_depend_on_the_others(name, shape, n_threads, memory_format):
    features, activate = random(20, *shape), ACTIVATIONS[name]().eval()
    if features.ndim == 4:
        features = features.contiguous(memory_format=memory_format)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with torch.no_grad():
            together = activate(features)
            for start, stop in [(0, 1), (19, 20), (3, 4), (1, 3), (5, 12), (0, 19)]:
                assert torch.equal(activate(features[start:stop]), together[start:stop])
    finally:
        torch.set_num_threads(before)
    assert together.isfinite().all()
