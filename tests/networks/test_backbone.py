"""The backbone protocol as the networks of this package follow it."""

import pytest
import torch
from torch import nn

from skcnn.networks import BACKBONES, NETWORKS, FastNetwork, PlainNetwork
from skcnn.networks.backbone import Backbone, Statistics

NETWORKS_BUILT = {
    "plain": lambda: PlainNetwork(3, 9, 8, 4, channels=(5, 6), hidden_units=(7,)),
    "without batch norm": lambda: PlainNetwork(3, 9, 8, 4, batch_norm=False, dropout=0.5),
    "dense": lambda: PlainNetwork(3, 9, 8, 4, channels=(), hidden_units=(7, 6)),
    "linear": lambda: PlainNetwork(3, 9, 8, 4, channels=(), hidden_units=()),
    "fast": lambda: FastNetwork(3, 9, 8, 4, channels=(5, 6)),
    "fast without blocks": lambda: FastNetwork(3, 9, 8, 4, channels=()),
}


@pytest.fixture(params=NETWORKS_BUILT)
def network(request):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS_BUILT[request.param]().eval()


@pytest.fixture
def images():
    return torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))


def test_every_network_has_a_case():
    with torch.random.fork_rng(devices=[]):
        own = {kind for name, kind in NETWORKS.items() if name not in BACKBONES}
        assert {type(build()) for build in NETWORKS_BUILT.values()} == own


def test_the_networks_are_backbones(network):
    assert isinstance(network, Backbone)
    assert network.statistics is None
    assert not isinstance(nn.Linear(2, 2), Backbone)


def test_stages_lead_from_the_images_to_the_outputs(network, images):
    with torch.no_grad():
        features, outputs = network.features(images), network(images)
        *stages, head = network.stages()
        found = images
        for stage in stages:
            found = stage(found)
        assert torch.equal(found, features)
        assert torch.equal(head(found), outputs)
    assert head is network.output
    assert features.shape == (2, head.in_features)


def test_every_parameter_belongs_to_one_stage(network):
    owned = [parameter for stage in network.stages() for parameter in stage.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == set(network.parameters())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("plain", (2, 6, 2, 2)),
        ("without batch norm", (2, 128, 2, 2)),
        ("dense", None),
        ("linear", None),
        ("fast", (2, 6, 2, 1)),
        ("fast without blocks", (2, 24, 8, 7)),
    ],
)
def test_the_cam_layer_computes_the_last_maps(name, shape, images):
    with torch.random.fork_rng(devices=[]):
        network, shapes = NETWORKS_BUILT[name]().eval(), []
    if shape is None:
        assert network.cam_layer is None
        return
    network.cam_layer.register_forward_hook(lambda _, args, maps: shapes.append(maps.shape))
    network(images)
    assert shapes == [shape]


def test_statistics_are_plain_data():
    assert Statistics(255.0, (0.5,), (0.25,)) == (255.0, (0.5,), (0.25,))
