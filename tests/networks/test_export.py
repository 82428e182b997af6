"""Export of every network by `torch.export` and to ONNX, with any number of images."""

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose

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


@pytest.fixture(params=CASES)
def module(request):
    name, options = CASES[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = NetworkSpec(name, 3, 9, 8, 4, options).build()
        module.standardize.set_statistics([100.0] * 3, [50.0] * 3)
        module(draw(16))
    return module.eval()


def draw(n_images, dtype=torch.float32):
    generator = torch.Generator().manual_seed(n_images)
    images = torch.randint(0, 256, (n_images, 9, 8, 3), generator=generator)
    return images.permute(0, 3, 1, 2).to(dtype)


def export(module, dtype):
    shapes = ({0: torch.export.Dim("n_images")},)
    return torch.export.export(module, (draw(3, dtype),), dynamic_shapes=shapes)


def test_every_network_has_a_case():
    assert {name for name, _ in CASES.values()} == set(NETWORKS) - set(BACKBONES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_torch_export(module, dtype):
    exported = export(module, dtype).module()
    for n_images in NUMBERS:
        images = draw(n_images, dtype)
        before = images.clone()
        with torch.no_grad():
            assert_allclose(exported(images), module(images), rtol=1e-5, atol=1e-5)
        assert torch.equal(images, before)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch.onnx itself
def test_onnx(module):
    program = torch.onnx.export(export(module, torch.float32), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (graph_input,) = session.get_inputs()
    for n_images in NUMBERS:
        images = draw(n_images)
        (found,) = session.run(None, {graph_input.name: np.ascontiguousarray(images)})
        with torch.no_grad():
            assert_allclose(found, module(images), rtol=1e-4, atol=1e-4)
