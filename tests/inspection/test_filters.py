"""FilterDisplay: weights of convolutions and dense layers as images."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import CNNClassifier, ImageEmbedder, ImageResizer
from skcnn.inspection import FilterDisplay

matplotlib.use("agg", force=True)

RNG = np.random.default_rng(0)
X, y = RNG.integers(0, 256, (24, 8, 6, 3), dtype=np.uint8), np.arange(24) % 2
QUICK = {"max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(channels=(5, 7), **QUICK).fit(X, y)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def weights(model, name):
    return model.module_.get_submodule(name).weight.detach().numpy()


def test_the_first_convolution_in_color(cnn):
    display = FilterDisplay.from_estimator(cnn)
    assert display.layer == "network.blocks.0.0"
    expected = weights(cnn, display.layer).transpose(0, 2, 3, 1)
    assert_array_equal(display.filters, expected)
    assert display.figure_.get_suptitle() == "network.blocks.0.0\n5 filters of 3 x 3"
    assert [axes.get_title() for axes in display.ax_.flat][:5] == list("01234")
    for image, values in zip(display.images_, expected, strict=True):
        assert_allclose(image.get_array(), 0.5 + values / (2 * np.abs(values).max()), atol=1e-6)
    display.plot(contrast="common", n_columns=5)
    assert display.ax_.shape == (1, 5)
    largest = np.abs(expected).max()
    for image, values in zip(display.images_, expected, strict=True):
        assert_allclose(image.get_array(), 0.5 + values / (2 * largest), atol=1e-6)


def test_other_layers_and_channels_in_gray(cnn):
    expected = weights(cnn, "network.blocks.1.0")
    display = FilterDisplay.from_estimator(cnn, layer="network.blocks.1.0", cmap="cividis")
    assert_allclose(display.filters, expected.mean(axis=1), atol=1e-7)
    assert display.images_[0].get_cmap().name == "cividis"
    display = FilterDisplay.from_estimator(cnn, layer="network.blocks.1.0", channel=4)
    assert_array_equal(display.filters, expected[:, 4])
    display = FilterDisplay.from_estimator(cnn, channel=2)
    assert_array_equal(display.filters, weights(cnn, "network.blocks.0.0")[:, 2])


def test_the_largest_filters(cnn):
    display = FilterDisplay.from_estimator(cnn, layer="network.blocks.1.0", max_filters=3)
    norms = np.linalg.norm(weights(cnn, "network.blocks.1.0").reshape(7, -1), axis=1)
    assert display.indices.tolist() == sorted(np.argsort(norms)[-3:])
    assert display.figure_.get_suptitle().endswith("3 of 7 filters of 3 x 3")


class Flattened(nn.Module):
    """Dense layers on pixels with the channels first, registered in another order."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.output = nn.Linear(4, n_outputs)
        self.unused = nn.Conv2d(3, 4, 3)
        self.hidden = nn.Linear(n_features, 4)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, images):
        return self.output(self.activation(self.hidden(images.flatten(1))))


@pytest.mark.parametrize(
    ("parameters", "layer"),
    [
        ({"channels": (), "hidden_units": (4,), "dropout": 0.2}, "network.dense.1"),
        ({"channels": (), "hidden_units": ()}, "network.output"),
        ({"network": lambda c, h, w, n: Flattened(c * h * w, n)}, "network.hidden"),
    ],
)
def test_dense_layers_that_get_the_pixels(parameters, layer):
    model = CNNClassifier(**parameters, **QUICK).fit(X, y)
    display = FilterDisplay.from_estimator(model)
    assert display.layer == layer
    assert display.filters.shape[1:] == (8, 6, 3)
    part = model.module_.get_submodule(layer)
    outputs = []
    with part.register_forward_hook(lambda *args: outputs.append(args[2].clone())), torch.no_grad():
        model.module_.eval()(torch.from_numpy(X[:5]).permute(0, 3, 1, 2))
        standardized = model.module_.standardize(torch.from_numpy(X[:5]).permute(0, 3, 1, 2))
    images = standardized.permute(0, 2, 3, 1).numpy()
    expected = np.einsum("nhwc,fhwc->nf", images, display.filters) + part.bias.detach().numpy()
    assert_allclose(outputs[0].numpy(), expected, atol=1e-4)


def test_pipelines_and_searches():
    pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(**QUICK))
    search = GridSearchCV(pipe, {"cnnclassifier__channels": [(3,)]}, cv=2).fit(X, y)
    display = FilterDisplay.from_estimator(search)
    best = search.best_estimator_[-1]
    assert_array_equal(display.filters, weights(best, display.layer).transpose(0, 2, 3, 1))


def test_axes_of_the_user(cnn):
    figure, ax = plt.subplots(1, 2, figsize=(3, 2))
    display = FilterDisplay.from_estimator(cnn, ax=ax[1])
    assert display.figure_ is figure
    (text,) = [text for axes in figure.axes for text in axes.texts]
    assert text.get_text().endswith("\n5 filters of 3 x 3")
    assert all(axes.get_position().x0 > 0.5 for axes in display.ax_.flat)


def test_zeros_are_gray():
    display = FilterDisplay(np.zeros((2, 3, 3))).plot()
    assert all(np.all(image.get_array() == 0.5) for image in display.images_)
    assert display.figure_.get_suptitle() == "\n2 filters of 3 x 3"


def test_errors(cnn):
    with pytest.raises(ValueError, match=r"did you mean .network.blocks.0"):
        FilterDisplay.from_estimator(cnn, layer="network.blocks.0.O")
    with pytest.raises(ValueError, match=r"'network.blocks.0' is a Sequential: filters are"):
        FilterDisplay.from_estimator(cnn, layer="network.blocks.0")
    with pytest.raises(ValueError, match=r"gets features and not pixels.*'network.blocks.0.0'"):
        FilterDisplay.from_estimator(cnn, layer="network.output")
    with pytest.raises(ValueError, match="have 3 input channels, which are counted from 0"):
        FilterDisplay.from_estimator(cnn, channel=3)
    with pytest.raises(ValueError, match=r"'contrast' parameter of FilterDisplay.plot must be"):
        FilterDisplay.from_estimator(cnn, contrast="map")
    with pytest.raises(ValueError, match="'max_filters' parameter"):
        FilterDisplay.from_estimator(cnn, max_filters=0)
    with pytest.raises(TypeError, match="ImageEmbedder has no trained network"):
        FilterDisplay.from_estimator(ImageEmbedder(cnn).fit(X))
