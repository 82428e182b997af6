"""network_summary of estimators, pipelines, searches and modules."""

import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skcnn import CNNClassifier, ImageEmbedder, ImageResizer, TransferClassifier
from skcnn.inspection import network_summary

X, y = load_digits(return_X_y=True)
X, y = X[:40].reshape(-1, 8, 8), y[:40] % 2
SMALL = {"channels": (4,), "hidden_units": (), "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(**SMALL).fit(X, y)


def test_estimator(cnn):
    before = cnn.predict_proba(X)
    found = network_summary(cnn, depth=None)
    assert found.name == "CNNClassifier"
    assert found.image_shape == (8, 8, 1)
    assert found.n_parameters == found.n_trainable == 36 + 8 + 64 * 2 + 2
    assert found.multiply_adds == 64 * 36 + 128 == cnn.net_.multiply_adds
    assert {layer.name for layer in found.layers} < dict(cnn.module_.named_modules()).keys()
    assert_array_equal(cnn.predict_proba(X), before)


def test_pipelines_and_searches_end_in_a_network():
    pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(**SMALL))
    search = GridSearchCV(pipe, {"cnnclassifier__channels": [(3,)]}, cv=2).fit(X, y)
    found = network_summary(search)
    assert found.image_shape == (6, 6, 1)
    assert found == network_summary(search.best_estimator_)
    assert found == network_summary(make_pipeline(search.best_estimator_))
    assert found.layers[-1].n_parameters == 3 * 9 * 2 + 2


def test_the_parameters_that_were_trained():
    parameters = {"weights": "imagenet", "input_size": None, "max_epochs": 1, "random_state": 0}

    def backbone(in_channels, height, width, n_outputs):
        conv = nn.Conv2d(in_channels, 3, 3)
        return nn.Sequential(conv, nn.Flatten(), nn.Linear(108, 5), nn.Linear(5, n_outputs))

    model = TransferClassifier(backbone, **parameters).fit(X, y)
    found = network_summary(model)
    assert (found.n_parameters, found.n_trainable) == (30 + 545 + 12, 12)
    assert model.module_.network.network[0].weight.requires_grad
    partly = TransferClassifier(backbone, **parameters, fine_tune=1, head_epochs=0).fit(X, y)
    assert network_summary(partly).n_trainable == 545 + 12
    everything = TransferClassifier(backbone, **parameters, fine_tune=True).fit(X, y)
    assert network_summary(everything).n_trainable == 30 + 545 + 12


def test_embedder(cnn):
    found = network_summary(ImageEmbedder(cnn).fit(X))
    assert found.name == "ImageEmbedder"
    assert found.layers == network_summary(cnn).layers


def test_module():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    found = network_summary(module, image_shape=(5, 4))
    assert found.layers[0].output_shape == (2, 3, 2)
    with pytest.raises(ValueError, match="image_shape is missing"):
        network_summary(module)
    with pytest.raises(ValueError, match="failed on an image of 5 x 4 pixels with 3 channel"):
        network_summary(module, image_shape=(5, 4, 3))


def test_errors(cnn):
    with pytest.raises(NotFittedError, match="CNNClassifier instance is not fitted"):
        network_summary(CNNClassifier())
    with pytest.raises(NotFittedError):
        network_summary(make_pipeline(ImageResizer((6, 6)), CNNClassifier()))
    with pytest.raises(TypeError, match="DecisionTreeClassifier has no network"):
        network_summary(DecisionTreeClassifier().fit(X.reshape(40, 64), y))
    with pytest.raises(ValueError, match="CNNClassifier was fitted on images"):
        network_summary(cnn, image_shape=(8, 8))
    for depth in (-1, 1.5, "all"):
        with pytest.raises(ValueError, match="'depth' parameter of network_summary"):
            network_summary(cnn, depth=depth)
    with pytest.raises(ValueError, match="'image_shape' parameter"):
        network_summary(nn.Identity(), image_shape=8)
