"""Networks of the user as backbones."""

import copy
import pickle
import threading
import time

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skcnn import TransferClassifier
from skcnn.networks import (
    BACKBONES,
    Backbone,
    NetworkSpec,
    PlainNetwork,
    Statistics,
    as_backbone,
)

SIZES = (3, 12, 10, 4)  # in_channels, height, width, n_outputs


def convolution(n_in, n_out):
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU())


def sequential():
    return nn.Sequential(
        nn.Dropout(0.5),
        convolution(3, 5),
        nn.MaxPool2d(2),
        convolution(5, 6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )


def nested():
    classifier = nn.Sequential(nn.Dropout(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 4))
    return nn.Sequential(sequential()[:-1], classifier)


class Residual(nn.Module):
    """A network whose layers are not called in the order in which they are defined."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(5, 4))
        self.last = nn.Linear(4, 4)
        self.body = nn.Sequential(convolution(3, 5), convolution(5, 5))
        self.unused = nn.Linear(5, 4)

    def forward(self, images):
        first = self.body[0](images)
        maps = first + self.scale * self.body[1](first)
        return self.head(maps.mean((2, 3)))


NETWORKS = {"sequential": sequential, "nested": nested, "residual": Residual}
N_FEATURES = {"sequential": 6, "nested": 7, "residual": 5}
N_STAGES = {"sequential": 3, "nested": 3, "residual": 2}
CAM_LAYERS = {"sequential": "3", "nested": "0.3", "residual": "body.1"}


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture
def network(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = NETWORKS[name]()
        network.train()(torch.rand(8, 3, 12, 10))  # statistics of batch normalization
    return network


@pytest.fixture
def images():
    return torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def n_hooks(network):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_features_and_outputs(name, network, images):
    expected = network.eval()(images)
    backbone = as_backbone(network, *SIZES)
    assert isinstance(backbone, Backbone)
    assert backbone.statistics is None
    features = backbone.features(images)
    assert features.shape == (2, N_FEATURES[name])
    assert torch.equal(backbone.output(features), expected)
    assert torch.equal(backbone(images), expected)
    assert features.requires_grad
    assert n_hooks(backbone) == 0
    assert as_backbone(backbone, *SIZES) is backbone


def test_stages(name, network, images):
    backbone = as_backbone(network.eval(), *SIZES)
    stages = backbone.stages()
    assert len(stages) == N_STAGES[name]
    assert stages[-1] is backbone.output
    owned = [parameter for stage in stages for parameter in stage.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == set(backbone.parameters())
    assert all(list(stage.parameters()) for stage in stages)
    if name != "residual":
        features = images
        for stage in stages[:-1]:
            features = stage(features)
        assert torch.equal(features, backbone.features(images))
    for stage in stages[:-1]:
        stage.requires_grad_(False)
        stage.train()
    untrained = [
        layer for layer in backbone.modules() if not (layer.training or [*layer.children()])
    ]
    assert untrained == [backbone.output]
    assert [p for p in backbone.parameters() if p.requires_grad] == list(
        backbone.output.parameters()
    )


def test_cam_layer(name, network):
    assert as_backbone(network, *SIZES).cam_layer is network.get_submodule(CAM_LAYERS[name])


def test_networks_without_maps():
    network = nn.Sequential(nn.Flatten(), nn.Linear(360, 4))
    backbone = as_backbone(network, *SIZES)
    assert backbone.cam_layer is None
    assert len(backbone.stages()) == 2


def test_the_network_does_not_change(network):
    network[0].eval() if isinstance(network, nn.Sequential) else network.body.eval()
    modes = [layer.training for layer in network.modules()]
    state = copy.deepcopy(network.state_dict())
    backbone = as_backbone(network, *SIZES)
    assert backbone.network is network
    assert [layer.training for layer in network.modules()] == modes
    found = backbone.state_dict()
    assert list(found) == [f"network.{key}" for key in state]
    assert all(torch.equal(found[f"network.{key}"], value) for key, value in state.items())


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda backbone: pickle.loads(pickle.dumps(backbone))]
)
def test_copies(network, images, copied):
    backbone = as_backbone(network.eval(), *SIZES)
    other = copied(backbone)
    with torch.no_grad():
        other.output.weight.zero_()
    assert torch.equal(other.features(images), backbone.features(images))
    assert other.stages()[-1] is other.output is not backbone.output


class Slow(nn.Module):
    def forward(self, images):
        time.sleep(0.001)
        return images


def test_threads():
    network = nn.Sequential(nn.Flatten(), nn.Linear(360, 5), Slow(), nn.Linear(5, 4)).eval()
    backbone, found = as_backbone(network, *SIZES), {}
    images = {number: torch.full((2, 3, 12, 10), float(number)) for number in range(4)}
    expected = {number: backbone.features(some) for number, some in images.items()}

    def compute(number):
        found[number] = [backbone.features(images[number]) for _ in range(20)]

    threads = [threading.Thread(target=compute, args=(number,)) for number in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in images:
        assert all(torch.equal(features, expected[number]) for features in found[number])
    assert n_hooks(backbone) == 0


def test_backbones_are_returned():
    for network in (PlainNetwork(*SIZES), BACKBONES["squeezenet1_1"].builder(3, 32, 32, 4)):
        assert as_backbone(network, *SIZES) is network


class WithStatistics(Residual):
    def __init__(self, statistics):
        super().__init__()
        self.statistics = statistics


def test_statistics():
    statistics = Statistics(255.0, (0.5,) * 3, (0.25,) * 3)
    assert as_backbone(WithStatistics(statistics), *SIZES).statistics == statistics
    assert as_backbone(WithStatistics(None), *SIZES).statistics is None
    with pytest.raises(TypeError, match=r"statistics of the network is \(1, 2\), but must be a"):
        as_backbone(WithStatistics((1, 2)), *SIZES)
    with pytest.raises(ValueError, match="a mean of 1 channels, but the images have 3 channels"):
        as_backbone(WithStatistics(Statistics(1.0, (0.5,), (0.5,))), *SIZES)


class Twice(Residual):
    def forward(self, images):
        return 2 * super().forward(images)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(sequential(), nn.Softmax(1)),
        nn.Sequential(sequential(), nn.ReLU(inplace=True)),
        nn.Sequential(*sequential()[:-1], nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
        nn.Sequential(nn.Conv2d(3, 4, (12, 10)), nn.Flatten()),
        Twice(),
    ],
)
def test_networks_without_a_head(network):
    message = r"not those of a torch.nn.Linear layer with 4 outputs, .*: end the network with such"
    with pytest.raises(ValueError, match=message):
        as_backbone(network, *SIZES)
    assert n_hooks(network) == 0
    assert all(layer.training for layer in network.modules())


# ------------------------------------------------------------------------------------------------
# Specs and estimators


def build(in_channels, height, width, n_outputs):
    return nn.Sequential(
        nn.LazyConv2d(5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.LazyLinear(6), nn.Tanh(), nn.Linear(6, n_outputs),
    )  # fmt: skip


def test_specs():
    spec = NetworkSpec(build, *SIZES, backbone=True)
    network = spec.build().network
    assert isinstance(network, Backbone)
    assert network.features(torch.zeros(2, 3, 12, 10)).shape == (2, 6)
    assert not isinstance(NetworkSpec(build, *SIZES).build().network, Backbone)
    assert pickle.loads(pickle.dumps(spec)) == spec
    named = NetworkSpec("plain", *SIZES, backbone=True)
    assert isinstance(named.build().network, PlainNetwork)
    with pytest.raises(ValueError, match=r"^network\(in_channels=3, .* failed: the outputs of the"):
        NetworkSpec(
            lambda *_: nn.Sequential(sequential(), nn.Tanh()), *SIZES, backbone=True
        ).build()


def test_transfer_from_a_network_of_the_user():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(20, 12, 10, 3)).astype(np.uint8), np.arange(20) % 2
    X[y == 1] //= 4
    classifier = TransferClassifier(build, fine_tune=1, input_size=None, random_state=0).fit(X, y)
    network = classifier.module_.network
    assert len(network.stages()) == 3
    with torch.random.fork_rng(devices=[]):
        assert set(network.network.state_dict()) == set(build(*SIZES).state_dict())
    restored = pickle.loads(pickle.dumps(classifier))
    assert_array_equal(restored.predict_proba(X), classifier.predict_proba(X))
