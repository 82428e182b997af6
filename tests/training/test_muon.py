"""Muon against singular values in double precision, and PyTorch's Adam."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.training import muon
from skcnn.training.muon import Muon, orthogonal

SHAPES = [(8, 9), (64, 64), (16, 144), (144, 16), (64, 576), (3, 500), (200, 7), (1, 9), (5, 1)]


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def polynomial(values):
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return values


def exact_orthogonal(matrix):
    """Apply the polynomial of the iteration to the singular values, in double precision."""
    u, values, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return u @ torch.diag(polynomial(values / values.norm())) @ v


# --- orthogonalization -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("native", [True, False])
def test_orthogonal_is_a_polynomial_of_the_singular_values(monkeypatch, shape, scale, native):
    monkeypatch.setattr(muon, "has_bfloat16", lambda device: native)
    matrix = random(*shape) * scale
    found = orthogonal(matrix)
    assert (found.shape, found.dtype) == (matrix.shape, matrix.dtype)
    error = (found - exact_orthogonal(matrix)).norm() / exact_orthogonal(matrix).norm()
    # bfloat16 has 8 bits of precision; the matrix is divided by its norm plus 1e-7
    assert error < (0.06 if native else max(1e-5, 1e-6 / scale))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if max(shape) > 2 * min(shape)])
def test_orthogonal_keeps_singular_vectors_and_sets_values_near_one(shape):
    matrix = random(*shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    rotated = (u.T @ orthogonal(matrix) @ v.T).numpy()
    values = np.diag(rotated)
    assert values.min() > 0.3
    assert values.max() < 1.3
    assert abs(rotated - np.diag(values)).max() < 0.05


def test_orthogonal_of_zeros():
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_orthogonal_does_not_change_its_input():
    for matrix in (random(3, 5).bfloat16(), random(5, 3)):
        before = matrix.clone()
        orthogonal(matrix)
        assert torch.equal(matrix, before)


# --- steps -------------------------------------------------------------------------------------


class SmallNetwork(nn.Module):
    """A network with parameters of 1, 2 and 4 dimensions."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.second = nn.Conv2d(16, 4, 3, bias=False)
        self.dense = nn.Linear(4, 5)
        self.frozen = nn.Parameter(torch.ones(2, 2, 1, 1), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(3))
        for number, parameter in enumerate(self.parameters()):
            parameter.data = random(*parameter.shape, seed=number)

    def forward(self, images):
        return self.dense(self.second(self.first(images).relu()).mean((2, 3)))


def set_gradients(module, step):
    """Set a random gradient for every trainable parameter that is used."""
    for number, parameter in enumerate(module.parameters()):
        if parameter.requires_grad and parameter is not module.unused:
            parameter.grad = random(*parameter.shape, seed=100 * step + number)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("options", [{}, {"lr": 0.05, "momentum": 0.9}], ids=str)
def test_steps_of_filters_equal_a_naive_loop(memory_format, options):
    module = SmallNetwork().to(memory_format=memory_format)
    optimizer = Muon(module.parameters(), **options)
    lr, decay = options.get("lr", 0.24), options.get("momentum", 0.6)
    expected = {name: p.detach().double() for name, p in module.named_parameters() if p.ndim == 4}
    norms = {name: weight.norm() for name, weight in expected.items()}
    momenta = dict.fromkeys(expected, 0.0)
    for step in range(4):
        set_gradients(module, step)
        optimizer.step()
        for name in ("first.weight", "second.weight"):
            gradient = module.get_parameter(name).grad.double()
            momenta[name] = decay * momenta[name] + gradient
            direction = exact_orthogonal((gradient + decay * momenta[name]).flatten(1))
            size = lr * norms[name] / len(gradient) ** 0.5
            moved = expected[name] - size * direction.view_as(gradient)
            expected[name] = moved * norms[name] / moved.norm()
    for name, weight in expected.items():
        found = module.get_parameter(name)
        assert found.is_contiguous(memory_format=memory_format)
        assert (found - weight).norm() < 0.02 * weight.norm()
        assert_allclose(found.detach().norm(), norms[name], rtol=1e-5)
    assert torch.equal(module.frozen, SmallNetwork().frozen)


@pytest.mark.parametrize("adam_ratio", [0.04, 1.0])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_of_other_weights_equal_adam(adam_ratio, weight_decay):
    module = SmallNetwork()
    other = copy.deepcopy(module)
    muon = Muon(module.parameters(), lr=0.1, adam_ratio=adam_ratio, weight_decay=weight_decay)
    adam = torch.optim.Adam(
        [p for p in other.parameters() if p.ndim != 4],
        lr=0.1 * adam_ratio,
        betas=(0.9, 0.95),
        weight_decay=weight_decay,
        fused=True,
    )
    for step in range(5):
        for one, optimizer in ((module, muon), (other, adam)):
            set_gradients(one, step)
            optimizer.step()
    for name, parameter in module.named_parameters():
        if parameter.ndim != 4:
            assert torch.equal(parameter, other.get_parameter(name))
    assert torch.equal(module.unused, SmallNetwork().unused)
    assert module.unused not in muon.state


def test_learning_rate_can_change_between_steps():
    module = SmallNetwork()
    optimizer = Muon(module.parameters(), lr=0.1)
    before = copy.deepcopy(module.state_dict())
    optimizer.param_groups[0]["lr"] = 0.0
    set_gradients(module, 0)
    optimizer.step()
    for name, value in module.state_dict().items():
        assert_allclose(value, before[name], rtol=1e-5)


def test_loaded_state_continues_equally():
    module = SmallNetwork()
    optimizer = Muon(module.parameters(), momentum=0.8)
    for step in range(3):
        set_gradients(module, step)
        optimizer.step()
    copied = copy.deepcopy(module)
    loaded = Muon(copied.parameters())
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(3, 6):
        for one, steps in ((module, optimizer), (copied, loaded)):
            set_gradients(one, step)
            steps.step()
    for name, value in module.state_dict().items():
        assert torch.equal(value, copied.state_dict()[name])


def test_state_is_loaded_to_the_device_of_the_parameters():
    module = SmallNetwork()
    optimizer = Muon(module.parameters())
    set_gradients(module, 0)
    optimizer.step()
    module.to("meta")
    moved = Muon(module.parameters())
    moved.load_state_dict(optimizer.state_dict())
    devices = {value.device.type for state in moved.state.values() for value in state.values()}
    assert devices == {"meta"}


def test_step_with_a_closure():
    module, images = SmallNetwork(), random(2, 3, 8, 8)
    optimizer = Muon(module.parameters())

    def loss():
        optimizer.zero_grad()
        loss = module(images).square().mean()
        loss.backward()
        return loss

    with torch.no_grad():
        losses = [optimizer.step(loss).item() for _ in range(10)]
        assert_allclose(losses[0], SmallNetwork()(images).square().mean(), rtol=1e-6)
    assert losses[-1] < losses[0]
    assert optimizer.step() is None


def test_filters_of_zeros_are_trained():
    filters = nn.Parameter(torch.zeros(8, 4, 3, 3))
    filters.grad = random(8, 4, 3, 3)
    Muon([filters]).step()
    # He initialization: 288 weights of variance 2 / 36
    assert_allclose(filters.detach().norm(), 4.0, rtol=1e-5)
