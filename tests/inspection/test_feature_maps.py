"""FeatureMapDisplay: outputs of a layer for one image in any form."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcnn import CNNClassifier, ImageReader, ImageResizer
from skcnn.inspection import FeatureMapDisplay

matplotlib.use("agg", force=True)

RNG = np.random.default_rng(0)
X, y = RNG.integers(0, 256, (24, 8, 6, 3), dtype=np.uint8), np.arange(24) % 2
SMALL = {"channels": (5, 7), "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(**SMALL).fit(X, y)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def expected_maps(model, image, name):
    outputs = []
    part = model.module_.eval().get_submodule(name)
    with part.register_forward_hook(lambda *args: outputs.append(args[2].clone())), torch.no_grad():
        model.module_(torch.from_numpy(image[np.newaxis]).permute(0, 3, 1, 2))
    return outputs[0][0].numpy()


@pytest.mark.parametrize(
    "layer", ["standardize", "network.blocks.0.0", "network.blocks.0.1", "network.blocks.0"]
)
def test_maps_are_the_outputs_of_the_layer(cnn, layer):
    before = [(part.training, len(part._forward_hooks)) for part in cnn.module_.modules()]
    display = FeatureMapDisplay.from_estimator(cnn, X[3:4], layer=layer)
    after = [(part.training, len(part._forward_hooks)) for part in cnn.module_.modules()]
    assert before == after
    expected = expected_maps(cnn, X[3], layer)
    assert_allclose(display.maps, expected, atol=1e-5)
    assert_array_equal(display.image, X[3])
    assert display.indices.tolist() == list(range(len(expected)))
    titles = [axes.get_title() for axes in display.ax_.flat if axes.get_visible()]
    assert titles == ["image", *map(str, range(len(expected)))]
    for image, values in zip(display.images_, expected, strict=True):
        assert_allclose(image.get_array(), values, atol=1e-5)
        assert_allclose(image.get_clim(), (values.min(), values.max()), atol=1e-5)


def test_layer_of_class_activation_maps_and_common_contrast(cnn):
    display = FeatureMapDisplay.from_estimator(cnn, X[:1], max_maps=2, contrast="common")
    assert display.layer == "network.blocks.1"
    maps = expected_maps(cnn, X[0], "network.blocks.1")
    indices = np.sort(np.argsort(maps.mean(axis=(1, 2)))[-2:])
    assert display.indices.tolist() == indices.tolist()
    assert_allclose(display.maps, maps[indices], atol=1e-5)
    limits = display.maps.min(), display.maps.max()
    assert [image.get_clim() for image in display.images_] == [limits] * 2
    assert display.colorbar_.vmax == limits[1]
    text = "network.blocks.1\n2 of 7 feature maps of 2 x 1"
    assert display.figure_.get_suptitle() == text


def test_flat_rows(cnn):
    rows = X.reshape(24, -1)
    model = CNNClassifier(**SMALL, image_shape=(8, 6, 3)).fit(rows, y)
    display = FeatureMapDisplay.from_estimator(model, rows[:1])
    assert_allclose(display.maps, FeatureMapDisplay.from_estimator(cnn, X[:1]).maps, atol=1e-5)
    assert_array_equal(display.image, X[0])


def test_rows_that_are_scaled_before_they_reach_the_network():
    rows = X.reshape(24, -1)
    pipe = make_pipeline(StandardScaler(), CNNClassifier(**SMALL, image_shape=(8, 6, 3)))
    display = FeatureMapDisplay.from_estimator(pipe.fit(rows, y), rows[:1])
    scaled = pipe[0].transform(rows[:1]).reshape(8, 6, 3)
    assert_allclose(display.maps, expected_maps(pipe[-1], scaled, "network.blocks.1"), atol=1e-5)


def test_photos_of_different_sizes_and_paths(tmp_path):
    photos = [RNG.integers(0, 256, (9 + n, 12, 3), dtype=np.uint8) for n in range(8)]
    paths = [tmp_path / f"{n}.png" for n in range(8)]
    for path, photo in zip(paths, photos, strict=True):
        imsave(path, photo)
    pipe = make_pipeline(ImageResizer((8, 6)), CNNClassifier(**SMALL)).fit(photos, y[:8])
    expected = expected_maps(pipe[-1], pipe[:-1].transform(photos[2:3])[0], "network.blocks.1")
    display = FeatureMapDisplay.from_estimator(pipe, photos[2:3])
    assert_allclose(display.maps, expected, atol=1e-5)
    assert_array_equal(display.image, photos[2])
    reading = make_pipeline(ImageReader(), *pipe).fit(paths, y[:8])
    expected = FeatureMapDisplay.from_estimator(reading[1:], photos[2:3]).maps
    for path in (paths[2], str(paths[2]), paths[2:3]):
        display = FeatureMapDisplay.from_estimator(reading, path)
        assert_allclose(display.maps, expected, atol=1e-5)
        assert_array_equal(display.image, photos[2])


class Branch(nn.Module):
    """A network without `cam_layer`, with a layer in place and one that is not called."""

    def __init__(self, n_outputs):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.activation = nn.ReLU(inplace=True)
        self.output = nn.Linear(4, n_outputs)
        self.unused = nn.Identity()

    def forward(self, images):
        return self.output(self.activation(self.conv(images)).mean(dim=(2, 3)))


def test_networks_of_the_user():
    model = CNNClassifier(lambda c, h, w, n: Branch(n), max_epochs=1, random_state=0).fit(X, y)
    display = FeatureMapDisplay.from_estimator(model, X[:1])
    assert display.layer == "network.conv"
    assert display.maps.min() < 0  # before the activation in place
    activated = FeatureMapDisplay.from_estimator(model, X[:1], layer="network.activation").maps
    assert_array_equal(activated, display.maps.clip(0))
    with pytest.raises(ValueError, match=r"does not call the layer 'network.unused'"):
        FeatureMapDisplay.from_estimator(model, X[:1], layer="network.unused")


def test_axes_of_the_user(cnn):
    figure, ax = plt.subplots(1, 2, figsize=(4, 2), layout="constrained")
    display = FeatureMapDisplay.from_estimator(cnn, X[:1], ax=ax[0], contrast="common")
    figure.draw_without_rendering()
    assert display.figure_ is figure
    assert all(axes.get_position().x1 < 0.5 for axes in display.ax_.flat)
    assert display.colorbar_.ax.get_position().x1 < 0.55


def test_errors(cnn):
    for images in (X[:2], X[0]):
        with pytest.raises(ValueError, match=r"X has . images.*pass a collection of one image"):
            FeatureMapDisplay.from_estimator(cnn, images)
    with pytest.raises(ValueError, match=r"'network.dense.0' for one image are \(14,\)"):
        FeatureMapDisplay.from_estimator(cnn, X[:1], layer="network.dense.0")
    with pytest.raises(ValueError, match=r"did you mean 'network.blocks.1'"):
        FeatureMapDisplay.from_estimator(cnn, X[:1], layer="network.block.1")
    with pytest.raises(ValueError, match="'layer' parameter"):
        FeatureMapDisplay.from_estimator(cnn, X[:1], layer=3)
    dense = CNNClassifier(channels=(), max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"no convolution.*FilterDisplay"):
        FeatureMapDisplay.from_estimator(dense, X[:1])
