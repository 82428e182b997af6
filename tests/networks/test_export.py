"""Export of every network by `torch.export` and to ONNX, with any number of images."""

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcnn.networks import BACKBONES, NETWORKS, NetworkSpec
from skcnn.networks.activations import ACTIVATIONS

CASES = {
    "plain": ("plain", {}),
    "no batch norm": ("plain", {"batch_norm": False, "dropout": 0.5}),
    "kernel of 4": ("plain", {"kernel_size": 4, "pooling": "avg", "channels": (4,)}),
    "dense": ("plain", {"channels": (), "hidden_units": (7,)}),
    "fast": ("fast", {"channels": (5, 6)}),
} | {name: ("plain", {"activation": name, "channels": (4,)}) for name in ACTIVATIONS}
NUMBERS = (1, 2, 7)


class Networks(nn.Module):
    """The networks of all cases, because most of the time of an export is the same for any size."""

    def __init__(self):
        super().__init__()
        self.networks = nn.ModuleList(build(*case) for case in CASES.values())

    def forward(self, images):
        """Return the outputs of each."""
        return tuple(network(images) for network in self.networks)


def build(name, options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = NetworkSpec(name, 3, 9, 8, 4, options).build()
        module.standardize.set_statistics([100.0] * 3, [50.0] * 3)
        module(draw(16))
    return module


@pytest.fixture(scope="module")
def networks():
    return Networks().eval()


def draw(n_images, dtype=torch.float32):
    generator = torch.Generator().manual_seed(n_images)
    images = torch.randint(0, 256, (n_images, 9, 8, 3), generator=generator)
    return images.permute(0, 3, 1, 2).to(dtype)


@pytest.fixture(scope="module", params=[torch.float32, torch.uint8], ids=str)
def exported(request, networks):
    shapes = ({0: torch.export.Dim("n_images")},)
    images = draw(3, request.param)
    return torch.export.export(networks, (images,), dynamic_shapes=shapes), request.param


def test_every_network_has_a_case():
    assert {name for name, _ in CASES.values()} == set(NETWORKS) - set(BACKBONES)


def test_torch_export(networks, exported):
    program, dtype = exported
    for n_images in NUMBERS:
        images = draw(n_images, dtype)
        before = images.clone()
        with torch.no_grad():
            found, expected = program.module()(images), networks(images)
        for name, one, other in zip(CASES, found, expected, strict=True):
            assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=name)
        assert torch.equal(images, before)


@pytest.mark.parametrize("exported", [torch.float32], indirect=True)
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch.onnx itself
def test_onnx(networks, exported):
    program = torch.onnx.export(exported[0], dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (graph_input,) = session.get_inputs()
    for n_images in NUMBERS:
        images = draw(n_images)
        found = session.run(None, {graph_input.name: np.ascontiguousarray(images)})
        with torch.no_grad():
            expected = networks(images)
        for name, one, other in zip(CASES, found, expected, strict=True):
            assert_allclose(one, other, rtol=1e-4, atol=1e-4, err_msg=name)
