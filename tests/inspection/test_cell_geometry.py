"""The positions of cells of feature maps in the input of a network."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.nn import functional

from skcnn.inspection._cell_geometry import cell_geometry
from skcnn.inspection._network import recorded_feature_maps
from skcnn.networks import NetworkSpec
from skcnn.networks.layers import Standardize


class Functional(nn.Module):
    """Operations that are not layers, with a residual connection and a concatenation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 4, stride=3)
        self.second = nn.Conv2d(2, 2, 3, padding="same", dilation=2)
        self.last = nn.Conv2d(4, 3, (1, 3), stride=(2, 1))

    def forward(self, images):
        maps = functional.relu(self.first(functional.pad(images, (1, 0, 2, 2))))
        maps = maps + torch.sigmoid(self.second(maps)) * maps.detach().mean(
            dim=(2, 3), keepdim=True
        )
        return self.last(torch.cat([maps, maps[:, :, :]], dim=1)[:, :, 1:, 2:])


NETWORKS = {
    "unpadded": nn.Sequential(nn.Conv2d(1, 2, 5), nn.AvgPool2d(2), nn.Conv2d(2, 2, 2)),
    "padded": nn.Sequential(nn.Conv2d(1, 2, 7, 2, 3), nn.AvgPool2d(3, 2, 1), nn.ReLU()),
    "leaves out": nn.Sequential(nn.AvgPool2d(3), nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d(4)),
    "transposed": nn.Sequential(nn.Conv2d(1, 2, 4, 4), nn.ConvTranspose2d(2, 2, 3, 2, 1)),
    "one side": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 2, 3, 2)),
    "reflected": nn.Sequential(nn.ReflectionPad2d((3, 0, 1, 2)), nn.Conv2d(1, 2, 3)),
    "interpolated": nn.Sequential(
        nn.Conv2d(1, 2, 2, 2), nn.Upsample(scale_factor=2, mode="bilinear")
    ),
    "functional": Functional(),
}


def measured_centers(network, layer, image_shape, cells):
    """Return the centroids of the gradients of cells, with all weights of convolutions equal."""
    height, width, n_channels = image_shape
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                part.weight.fill_(1 / part.weight[0].numel())
                if part.bias is not None:
                    part.bias.zero_()
    image = torch.ones((1, n_channels, height, width), requires_grad=True)
    grid = np.stack(np.indices((height, width)), axis=-1)
    found = []
    with torch.enable_grad():
        output = []
        with layer.register_forward_hook(lambda _layer, _inputs, maps: output.append(maps)):
            network(image)
        for row, column in cells:
            (gradient,) = torch.autograd.grad(
                output[-1][0, :, row, column].sum(), image, retain_graph=True
            )
            weights = gradient[0].abs().sum(dim=0).numpy()
            found.append((grid * weights[..., None]).sum(axis=(0, 1)) / weights.sum())
    return np.array(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_cells_are_in_the_center_of_what_they_depend_on(name):
    network, shape = NETWORKS[name].eval(), (61, 53, 1)
    with recorded_feature_maps(network) as maps:
        network(torch.zeros(1, 1, *shape[:2]))
    middle = np.array(maps[0].shape[2:]) // 2
    cells = [middle, middle - 1, middle + (1, -1)]
    expected = measured_centers(network, network, shape, cells)
    module = nn.Sequential(Standardize([0.0], [1.0]), network)
    assert_allclose(cell_geometry(module, network, shape)(cells), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "layer", "cell"),
    [("efficientnet_lite0", "_blocks.4", 8), ("mobilenet_v3_small", "features.3", 16)],
)
def test_backbones(name, layer, cell):
    module = NetworkSpec(name, 3, 256, 256, n_outputs=2).build().eval()
    layer = module.network.get_submodule(layer)
    expected = measured_centers(module, layer, (256, 256, 3), [(cell, cell)])
    assert_allclose(cell_geometry(module, layer, (256, 256, 3))([(cell, cell)]), expected, atol=0.5)


@pytest.mark.parametrize(
    ("name", "options", "layer", "step", "first"),
    [
        ("plain", {"channels": (4, 4)}, "blocks", 4, 1.5),
        ("plain", {"channels": (4, 4), "padding": "valid", "kernel_size": 5}, "blocks", 4, 7.5),
        ("fast", {"channels": (4, 4)}, "blocks", 4, 2),
        ("resnet18", {}, "layer1", 4, 0),
        ("mobilenet_v3_small", {}, "features.1", 4, 0),
        ("efficientnet_lite0", {}, "_blocks.2", 4, 3),
        ("convnext_tiny", {}, "features.0", 4, 1.5),
    ],
)
def test_known_positions(name, options, layer, step, first):
    module = NetworkSpec(name, 3, 64, 64, n_outputs=2, options=options).build().eval()
    found = cell_geometry(module, module.network.get_submodule(layer), (64, 64, 3))
    assert_allclose(found.matrix, np.eye(2) * step)
    assert_allclose(found.offset, (first, first))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v3_small"])
def test_positions_are_measured_if_the_receptive_field_exceeds_the_image(name):
    module = NetworkSpec(name, 3, 64, 96, n_outputs=2).build().eval().requires_grad_(False)
    layer, shape = module.network.cam_layer, (64, 96, 3)
    found = cell_geometry(module, layer, shape)
    assert_allclose(found.matrix, np.eye(2) * 32)
    middle = np.array([31.5, 47.5])
    assert_allclose(found([(0.5, 1)]), [middle], atol=8)  # a quarter of a cell
    state = torch.get_rng_state()
    assert cell_geometry(module, layer, shape) == found
    assert_array_equal(torch.get_rng_state(), state)


def test_known_positions_are_kept_without_gradients():
    network = nn.Sequential(nn.Conv2d(1, 1, 9, 2, 4), nn.Conv2d(1, 1, 15, 1, 7), nn.ReLU())
    module = nn.Sequential(Standardize([0.0], [1.0]), network).requires_grad_(False)
    network[1].bias.fill_(-1e6)
    assert cell_geometry(module, network, (32, 24, 1)).offset == (0, 0)


class Refuses(nn.Module):
    """A network that does not run while its operations are followed."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(4)

    def forward(self, images):
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise RuntimeError("not in this mode")
        return self.pool(images)


def test_unknown_positions_are_stretched_over_the_image():
    network = nn.Sequential(Standardize([0.0], [1.0]), Refuses(), nn.Conv2d(1, 1, 3))
    found = cell_geometry(network.eval(), network[1].pool, (16, 24, 1))
    assert_allclose(found([(0, 0), (3, 5)]), [(1.5, 1.5), (13.5, 21.5)])


def test_errors_of_the_network_are_raised():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(7, 2))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        cell_geometry(network, network[0], (16, 24, 1))
