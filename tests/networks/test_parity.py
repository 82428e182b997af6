"""The backbones against reference implementations, or against their stored fingerprints."""

import json

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.networks import BACKBONES
from tests.networks.make_fingerprints import (
    N_OUTPUTS,
    N_STORED,
    PATH,
    SIZE,
    description,
    reference,
    reference_outputs,
    seeded_images,
    seeded_network,
)

FINGERPRINTS = json.loads(PATH.read_text())


def build(name, n_outputs=N_OUTPUTS):
    return BACKBONES[name].builder(3, SIZE, SIZE, n_outputs)


def is_importable(module):
    try:
        __import__(module)
    except (ImportError, RuntimeError):  # RuntimeError: torchvision of another version of torch
        return False
    return True


HAS_REFERENCE = {
    "efficientnet_lite_pytorch": is_importable("efficientnet_lite_pytorch"),
    "torchvision": is_importable("torchvision"),
}


def assert_same(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=0, atol=tolerance * expected.abs().max().item())


def test_every_backbone_has_a_fingerprint():
    assert sorted(FINGERPRINTS) == sorted(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_fingerprints(name):
    network, stored = seeded_network(lambda: build(name)), FINGERPRINTS[name]
    assert description(network.state_dict()) == {
        key: stored[key] for key in ("sha256", "n_parameters")
    }
    with torch.inference_mode():
        outputs = network.double()(seeded_images().double())
    expected = torch.tensor(stored["outputs"], dtype=torch.float64)
    assert_same(outputs[:, :N_STORED], expected, tolerance=1e-6)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("size", [SIZE, 75])
def test_reference(name, size):
    package = "efficientnet_lite_pytorch" if "lite" in name else "torchvision"
    if not HAS_REFERENCE[package]:
        pytest.skip(f"{package} is not installed")
    theirs = seeded_network(lambda: reference(name, n_outputs=7, size=size))
    ours = build(name, n_outputs=7).eval()
    state, images = theirs.state_dict(), seeded_images(size=size)
    ours.load_state_dict(state)
    assert set(state) == set(ours.state_dict())
    with torch.no_grad():
        assert_same(ours(images), reference_outputs(theirs, images))
        for network in (ours, theirs.train()):
            without_randomness(network)
        assert_same(ours.train()(images), reference_outputs(theirs, images))


def without_randomness(network):
    """Turn dropout and stochastic depth off in train mode."""
    if hasattr(network, "_global_params"):
        network._global_params = network._global_params._replace(drop_connect_rate=0.0)
    for layer in network.modules():
        if isinstance(layer, nn.Dropout) or type(layer).__name__ == "StochasticDepth":
            layer.p = 0.0
