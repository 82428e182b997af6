"""The table of activation functions."""

import pytest
import torch
from torch.nn import functional

from skcnn.networks.activations import ACTIVATIONS, MONOTONE

FUNCTIONS = {
    "elu": functional.elu,
    "gelu": functional.gelu,
    "leaky_relu": functional.leaky_relu,
    "relu": torch.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}


def test_the_table():
    assert set(ACTIVATIONS) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_monotony(name):
    features = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    values = ACTIVATIONS[name]()(features)
    assert torch.equal(values, FUNCTIONS[name](features))
    assert bool((values.diff() >= 0).all()) == (name in MONOTONE)
