"""Features of a dataset, against the layers of the module."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skcnn import ImageAugmenter, LazyImages
from skcnn.networks import NetworkSpec
from skcnn.networks.inference import feature_function
from skcnn.training import features as features_module
from skcnn.training.features import choose_precision, compute_features, count_features
from skcnn.training.loader import ImageDataset

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
SOME = ("vgg11_bn", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1")
SOME += ("efficientnet_b0", "efficientnet_lite0", "convnext_tiny")
IMAGES = RNG.integers(0, 256, (11, 24, 20, 3), dtype=np.uint8)


def build(name="resnet18", size=(24, 20), seed=0, **options):
    """Build a module in eval mode with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = NetworkSpec(name, 3, *size, 4, **options).build()
    module.standardize.set_statistics([120.0] * 3, [70.0] * 3)
    return module.eval()


@torch.no_grad()
def naive(module, images):
    """Compute features in float64, one image at a time."""
    network = copy.deepcopy(module[1:]).double()
    standardized = torch.from_numpy((images.astype(np.float64) - 120) / 70).permute(0, 3, 1, 2)
    rows = []
    for image in standardized:
        inputs = image[np.newaxis].repeat(2, 1, 1, 1)
        rows.append(network[-1].features(network[:-1](inputs))[0])
    return torch.stack(rows).numpy()


@pytest.fixture(scope="module")
def resizing():
    """A module that resizes images, and the features of `IMAGES`."""
    module = build(input_size=(40, 33))
    return module, naive(module, IMAGES)


@pytest.mark.parametrize("batch_size", [None, 1, 4, 100])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rows", [None, np.array([9, 2, 2, 7, 0])])
def test_features_are_the_input_of_the_head(resizing, batch_size, lazy, rows):
    module, expected = resizing
    state = copy.deepcopy(module.state_dict())
    dataset = ImageDataset(LazyImages(IMAGES) if lazy else IMAGES, rows=rows)
    out = np.full((len(dataset), 512), np.nan, np.float32)
    options = {"device": CPU, "precision": "float32", "batch_size": batch_size}
    found = compute_features(module, dataset, **options, out=out)
    assert found is out
    expected = expected if rows is None else expected[rows]
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())
    assert_array_equal(compute_features(module, dataset, **options), found)
    assert not module.training
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_random_operations_are_left_out():
    module = build("squeezenet1_1")
    augmented = ImageAugmenter(rotation=90, random_state=0).fit_transform(IMAGES)
    found, expected = (
        compute_features(module, ImageDataset(images), device=CPU, precision="auto")
        for images in (augmented, IMAGES)
    )
    assert_array_equal(found, expected)


class OwnNetwork(nn.Module):
    """Network of a user, whose features are computed by its own layers."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 40, 3, stride=2)
        self.norm = nn.BatchNorm2d(40)
        self.output = nn.Linear(40, n_outputs)

    def features(self, images):
        return self.norm(self.conv(images)).relu().mean(dim=(2, 3))

    def forward(self, images):
        return self.output(self.features(images))


@pytest.mark.parametrize("name", [*SOME, "plain", "fast", OwnNetwork])
def test_bfloat16_changes_features_by_few_percent(name):
    size = (64, 64) if "vgg" in str(name) or "squeeze" in str(name) else (33, 40)
    module = build(name, size)
    images = RNG.integers(0, 256, (5, *size, 3), dtype=np.uint8)
    batch = ImageDataset(images).batch(np.arange(5)).images
    before = copy.deepcopy(module.state_dict())
    with torch.inference_mode():
        exact, fast = (
            feature_function(module, kind)(batch) for kind in (torch.float32, torch.bfloat16)
        )
        function = feature_function(module, torch.bfloat16)
        one_by_one = torch.cat([function(batch[row : row + 1]) for row in range(5)])
    assert exact.dtype == fast.dtype == torch.float32
    errors = (fast - exact).norm(dim=1) / exact.norm(dim=1)
    assert errors.max() < 0.04
    assert errors.max() > 1e-5  # it was computed in bfloat16
    assert_allclose(one_by_one, fast, rtol=1e-5, atol=1e-5 * fast.abs().max())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_bfloat16_is_chosen_if_it_changes_features_little(monkeypatch):
    module, dataset = build(OwnNetwork), ImageDataset(IMAGES)
    monkeypatch.setattr(features_module, "has_bfloat16", lambda device: True)
    assert choose_precision(module, dataset, CPU) == "bfloat16"
    monkeypatch.setattr(features_module, "_TOLERANCE", 1e-4)
    assert choose_precision(module, dataset, CPU) == "float32"
    monkeypatch.undo()
    monkeypatch.setattr(features_module, "has_bfloat16", lambda device: False)
    assert choose_precision(module, dataset, CPU) == "float32"


@pytest.mark.parametrize(
    ("size", "input_size", "n_images"),
    [
        ((32, 32), None, 128),
        ((224, 224), None, 4),
        ((64, 64), (224, 224), 4),
        ((1, 8), None, 512),
        ((2000, 2000), None, 4),
    ],
)
def test_batches_have_a_constant_number_of_pixels(size, input_size, n_images):
    module = nn.Sequential(*build("plain", size=(8, 8), input_size=input_size))
    assert features_module._batch_size(module, size, CPU) == n_images


@pytest.mark.parametrize("name", ["vgg11", "plain", "squeezenet1_0"])
def test_the_number_of_features_is_that_of_the_head(name):
    module = build(name, size=(64, 64))
    expected = {"vgg11": 4096, "plain": 128, "squeezenet1_0": 512}[name]
    assert count_features(module, (64, 64, 3)) == expected


def test_a_network_without_features_is_one_sentence():
    module = nn.Sequential(nn.Identity(), nn.Linear(3, 2))
    with pytest.raises(TypeError, match="the network Linear has no method features"):
        count_features(module, (4, 4, 3))
    network = nn.Identity()
    network.features = lambda images: images
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 4\) for 2 images: it must"):
        count_features(nn.Sequential(nn.Identity(), network), (4, 4, 3))
