"""Maps of a trained network find a known object, and depend on what the network learned."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skcnn import CNNClassifier
from skcnn.inspection import class_activation_map
from tests.inspection import map_quality as quality

METHODS = (
    "grad_cam",
    "grad_cam++",
    "cam",
    "score_cam",
    "occlusion",
    "saliency",
    "integrated_gradients",
)
SIDE = 32


@pytest.fixture(scope="module")
def trained():
    """Return a trained classifier, and test images, labels and masks."""
    X, y, _ = quality.make_images(240, SIDE, seed=0)
    options = {"max_epochs": 8, "learning_rate": 0.01, "batch_size": 32, "random_state": 0}
    cnn = CNNClassifier(quality.PooledNetwork, **options).fit(X, y)
    X, y, masks = quality.make_images(40, SIDE, seed=1)
    assert cnn.score(X, y) > 0.9
    return cnn, X, y, masks


def maps_of(cnn, X, y, method):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The maps of .* are 0 everywhere")
        return class_activation_map(cnn, X, y, method=method)


def test_images_have_one_object_anywhere():
    X, y, masks = quality.make_images(200, SIDE)
    assert X.shape == masks.shape == (200, SIDE, SIDE)
    assert np.bincount(np.searchsorted(np.sort(quality.CLASSES), y)).tolist() == [50] * 4
    sizes = masks.mean(axis=(1, 2))
    assert sizes.min() < 0.06
    assert sizes.max() > 0.15
    assert masks.mean(axis=0).max() < 0.35


def test_measures_have_known_values():
    maps = np.zeros((3, 4, 4))
    maps[0, 0, :2] = 1, 3
    maps[1, 3, 3] = 2
    maps[1, 0, 0] = -5
    masks = np.zeros((3, 4, 4), bool)
    masks[:, 0, 1:3] = True
    assert_allclose(quality.mass_accuracy(maps, masks), [0.75, 0, 0])
    assert quality.rank_accuracy(maps[:1], masks[:1]) == 0.5
    assert quality.pointing_game(maps, masks, tolerance=0).tolist() == [True, False, False]
    assert quality.pointing_game(maps, masks, tolerance=0.8).tolist() == [True, True, False]
    assert_allclose(quality.similarity(maps[:1], maps[:1]), 1)
    assert_allclose(quality.similarity(maps[:1], -maps[:1]), -1)
    chance = quality.rank_accuracy(np.zeros((500, 4, 4)), np.repeat(masks[:1], 500, axis=0))
    assert_allclose(chance.mean(), 2 / 16, atol=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_maps_find_the_object(trained, method):
    cnn, X, y, masks = trained
    maps = maps_of(cnn, X, y, method)
    n_images = len(X)
    others = quality.random_maps(n_images, SIDE), quality.gaussian_maps(n_images, SIDE)
    for other in others:
        for measure in (quality.mass_accuracy, quality.rank_accuracy):
            assert measure(maps, masks).mean() > 2 * measure(other, masks).mean()
        assert quality.pointing_game(other, masks).mean() < 0.5
    assert quality.pointing_game(maps, masks).mean() >= 0.9


@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_pixels_of_large_relevance_decide(trained, method):
    cnn, X, y, _ = trained
    deletion, insertion = quality.deletion_and_insertion(cnn, X, y, maps_of(cnn, X, y, method))
    gaussian = quality.deletion_and_insertion(cnn, X, y, quality.gaussian_maps(len(X), SIDE))
    assert deletion.mean() < gaussian[0].mean() - 0.1
    assert insertion.mean() > gaussian[1].mean() + 0.1


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_when_weights_become_random(trained, method):
    cnn, *data = trained
    X, y, masks = (part[:16] for part in data)
    maps = maps_of(cnn, X, y, method)
    n_layers = len(quality.layers_with_weights(cnn))
    similarities, accuracies = [], []
    for n_random in (0, 1, n_layers):
        found = [
            maps_of(quality.randomized(cnn, n_random, seed), X, y, method)
            for seed in range(2 if n_random else 1)
        ]
        similarities.append(np.mean([quality.similarity(maps, one) for one in found]))
        accuracies.append(np.mean([quality.rank_accuracy(one, masks) for one in found]))
    assert_allclose(similarities[0], 1)
    assert similarities[1] < 0.995  # of a random last layer
    assert similarities[2] < 0.6
    assert accuracies[2] < 0.75 * accuracies[0]
