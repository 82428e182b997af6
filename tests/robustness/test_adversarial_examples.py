"""adversarial_examples and robust_score: forms of images, ranges, bad input, nothing changed."""

import copy
import re
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from skimage.io import imsave
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import (
    CNNRegressor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
    LazyImages,
    TransferClassifier,
)
from skcnn.robustness import FGSM, PGD, adversarial_examples, robust_score
from skcnn.robustness._batches import restore_dtype
from tests.robustness._classifiers import small_classifier

ATTACK = PGD(10, n_steps=3)


def attacked(estimator, X, y, attack=ATTACK, **options):
    return adversarial_examples(estimator, X, y, attack, random_state=0, **options)


def test_rows_views_and_frames_give_the_same_images(classifier, held_out):
    X, y = held_out
    expected = attacked(classifier, X, y)
    assert_array_equal(attacked(classifier, LazyImages(X), y), expected)
    assert_array_equal(attacked(classifier, X[..., None], y), expected[..., None])
    rows = X.reshape(len(X), -1)
    assert_array_equal(attacked(classifier, rows, y), expected.reshape(rows.shape))
    assert_array_equal(attacked(classifier, pd.DataFrame(rows), y), expected.reshape(rows.shape))
    assert_array_equal(attacked(classifier, list(X), list(y)), expected)


def test_the_images_are_those_before_the_pipeline(digits):
    X, y = digits
    large = np.kron(X[:300], np.ones((2, 2), np.uint8))
    pipe = make_pipeline(
        ImageResizer((8, 8)),
        ImageAugmenter(shift=0.1, random_state=0),
        ImageNormalizer(),
        ImageFlattener(),
        small_classifier(),
    ).fit(large, y[:300])
    X_adversarial = attacked(pipe, large, y[:300])
    assert X_adversarial.shape == large.shape
    assert X_adversarial.dtype == np.uint8
    assert abs(X_adversarial.astype(int) - large).max() == 10
    assert pipe.score(X_adversarial, y[:300]) < pipe.score(large, y[:300]) - 0.1


def test_paths_and_images_of_different_sizes(digits, tmp_path):
    X, y = digits[0][:40], digits[1][:40]
    images = [
        X[row] if row % 2 else np.kron(X[row], np.ones((2, 3), np.uint8)) for row in range(40)
    ]
    paths = [str(tmp_path / f"{row}.png") for row in range(40)]
    for path, image in zip(paths, images, strict=True):
        imsave(path, image, check_contrast=False)
    pipe = make_pipeline(
        ImageReader(mode="L"), ImageResizer((8, 8)), small_classifier(max_epochs=40)
    )
    pipe.fit(paths, y)
    X_adversarial = attacked(pipe, paths, y)
    assert [image.shape for image in X_adversarial] == [image.shape for image in images]
    for found, image in zip(X_adversarial, images, strict=True):
        assert found.dtype == np.uint8
        assert 0 < abs(found.astype(int) - image).max() <= 10
    strong = PGD(60, n_steps=3)
    score = robust_score(pipe, paths, y, strong, random_state=0)
    assert score < pipe.score(paths, y) - 0.5
    without_reader = make_pipeline(*(step for _, step in pipe.steps[1:]))
    ragged = attacked(without_reader, np.array(images, dtype=object), y)
    for found, expected in zip(ragged, X_adversarial, strict=True):
        assert_array_equal(found, expected)


def test_the_network_alone_is_attacked_after_a_step_without_conversion(digits):
    X, y = digits[0][:200], digits[1][:200]
    pipe = make_pipeline(FunctionTransformer(lambda images: images / 255), small_classifier())
    pipe.fit(X, y)
    message = (
        "FunctionTransformer cannot be converted to PyTorch. The network of the last step alone"
    )
    with pytest.warns(UserWarning, match=message):
        X_adversarial = attacked(pipe, X, y, PGD(0.1, n_steps=3))
    assert X_adversarial.shape == (*X.shape, 1)
    assert 0 < abs(X_adversarial[..., 0] - X / 255).max() <= 0.1
    assert pipe[-1].score(X_adversarial, y) < pipe.score(X, y) - 0.2
    with pytest.warns(UserWarning, match=message):
        score = robust_score(pipe, X, y, PGD(0.1, n_steps=3), random_state=0)
    assert score <= pipe[-1].score(X_adversarial, y) + 0.02


def test_test_time_augmentation_is_attacked(digits, held_out):
    X, y = held_out
    cnn = small_classifier(test_time_augmentation="flip").fit(digits[0][:500], digits[1][:500])
    plain = attacked(copy.copy(cnn).set_params(test_time_augmentation=None), X, y)
    assert cnn.score(attacked(cnn, X, y), y) < cnn.score(plain, y)


def test_range_of_the_pixel_values(classifier, held_out):
    X, y = held_out
    assert attacked(classifier, X, y).max() > 240
    assert attacked(classifier, X.astype(float), y).max() > 240  # 0 to 255 are usual
    assert attacked(classifier, X.astype(float), y, pixel_range=(0, 240)).max() <= 240
    cnn = small_classifier().fit(X / 15, y)
    assert attacked(cnn, X / 15, y, PGD(1, n_steps=3)).max() == 16  # the range of X
    unit = make_pipeline(ImageNormalizer("unit"), small_classifier()).fit(X / 15, y)
    assert attacked(unit, X[:5] / 30, y[:5], PGD(1, n_steps=3)).min() == 0
    options = {"max_epochs": 1, "precision": "float32", "random_state": 0}
    transfer = TransferClassifier("resnet18", weights=None, **options)
    transfer.fit(X / 255, y)
    assert attacked(transfer, X[:3] / 255, y[:3], FGSM(0.1)).max() > X[:3].max() / 255


def test_nothing_of_the_estimator_changes(classifier, held_out):
    X, y = held_out
    before = copy.deepcopy(classifier)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), X.copy()
    classifier.module_.train()
    try:
        attacked(classifier, X, y)
        assert all(part.training for part in classifier.module_.modules())
    finally:
        classifier.module_.eval()
    with torch.inference_mode():
        attacked(classifier, X, y)
    for name, parameter in classifier.module_.named_parameters():
        assert parameter.requires_grad
        assert parameter.grad is None or name
    for old, new in zip(
        before.module_.state_dict().values(), classifier.module_.state_dict().values(), strict=True
    ):
        assert_array_equal(old, new)
    assert torch.equal(states[0], torch.get_rng_state())
    assert_array_equal(states[1], np.random.get_state()[1])
    assert_array_equal(states[2], X)
    assert torch.is_grad_enabled()


def test_nothing_changes_after_an_exception(classifier, held_out, monkeypatch):
    X, y = held_out

    def fail(*args, **kwargs):
        raise RuntimeError("no step")

    monkeypatch.setattr("skcnn.robustness.attacks._ball.Ball.direction", fail)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no step"):
        attacked(classifier, X, y)
    assert torch.equal(state, torch.get_rng_state())
    assert not classifier.module_.training
    assert torch.is_grad_enabled()


def test_random_state(classifier, held_out):
    X, y = held_out
    expected = attacked(classifier, X, y)
    assert_array_equal(attacked(classifier, X, y), expected)
    other = adversarial_examples(classifier, X, y, ATTACK, random_state=1)
    assert (other != expected).any()


def test_threads_do_not_interfere(classifier, held_out):
    X, y = held_out
    expected, found = attacked(classifier, X, y), [None] * 4

    def work(row):
        found[row] = attacked(classifier, X, y)

    threads = [threading.Thread(target=work, args=(row,)) for row in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert_array_equal(one, expected)


def test_batches_of_any_size(classifier, held_out):
    X, y = held_out
    whole = attacked(classifier, X, y, FGSM(8), batch_size=100)
    assert_array_equal(attacked(classifier, X, y, FGSM(8), batch_size=7), whole)


def test_a_search(digits):
    X, y = digits[0][:200], digits[1][:200]
    search = GridSearchCV(small_classifier(), {"max_epochs": [1, 2]}, cv=2).fit(X, y)
    assert_array_equal(attacked(search, X, y), attacked(search.best_estimator_, X, y))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"attack": PGD(0.03)},
            ValueError,
            "epsilon=0.03, but the pixel values are integers from "
            "0 to 255, so no other image is within epsilon",
        ),
        ({"attack": PGD(300)}, ValueError, "so any image is within epsilon"),
        ({"attack": PGD(-1)}, ValueError, "'epsilon' parameter of"),
        ({"attack": PGD(1, norm="l1")}, ValueError, "'norm' parameter of"),
        ({"attack": PGD}, ValueError, "'attack' parameter of adversarial_examples must be"),
        ({"y": None}, ValueError, "y is None: pass the label"),
        ({"y": ["ten"] * 100}, ValueError, "labels that were not seen in fit, such as 'ten'"),
        ({"y": ["one"] * 9}, ValueError, "inconsistent numbers of samples"),
        ({"target": "ten"}, ValueError, "target contains labels that were not seen in fit"),
        ({"pixel_range": (1, 0)}, ValueError, "must be the smallest and the largest pixel value"),
        ({"X": np.zeros((0, 8, 8))}, ValueError, "X holds no images"),
        ({"X": np.full((100, 8, 8), 3.0)}, ValueError, "their range is not known"),
    ],
)
def test_bad_input(classifier, held_out, change, error, message):
    arguments = {"X": held_out[0], "y": held_out[1], "attack": ATTACK} | change
    with pytest.raises(error, match=re.escape(message)):
        adversarial_examples(classifier, **arguments)


def test_epsilon_in_the_units_of_integers_for_values_from_0_to_1(digits):
    X, y = digits[0][:100] / 240, digits[1][:100]
    cnn = small_classifier(max_epochs=1).fit(X, y)
    with pytest.raises(
        ValueError, match=re.escape("epsilon=8, but the pixel values are from 0 to 1")
    ):
        attacked(cnn, X, y, FGSM(8))
    with pytest.warns(UserWarning, match="this is a very small change"):
        attacked(cnn, X, y, FGSM(1e-5))


@pytest.mark.parametrize("value", [2**24 + 1, 2**64 - 1])
def test_unchanged_integers_are_exact(value):
    images = np.full((1, 2, 2), value, np.uint64)
    found = images.astype(np.float32)
    assert_array_equal(restore_dtype(found, images, 9.5, "l2"), images)


@pytest.mark.parametrize(
    ("X", "found"), [("cat.png", "one value"), (3.0, "one value"), (np.zeros(64), "one axis")]
)
def test_what_is_no_collection_of_images(classifier, X, found):
    with pytest.raises(ValueError, match=f"X has {found}, but images of shape"):
        attacked(classifier, X, ["one"])


def test_sparse_images(classifier):
    with pytest.raises(TypeError, match=r"X is sparse, but images must be dense: pass X\.toarray"):
        attacked(classifier, csr_array(np.zeros((2, 64))), ["one", "two"])


def test_other_estimators(digits):
    X, y = digits[0][:60], digits[1][:60]
    regressor = CNNRegressor(channels=(4,), max_epochs=1, random_state=0).fit(X, np.arange(60.0))
    with pytest.raises(TypeError, match="CNNRegressor predicts numbers: pass a classifier"):
        attacked(regressor, X, y)
    forest = RandomForestClassifier(n_estimators=2).fit(X.reshape(60, -1), y)
    with pytest.raises(TypeError, match="RandomForestClassifier"):
        attacked(forest, X, y)
    labels = np.eye(3, dtype=int)[np.arange(60) % 3] | np.eye(3, dtype=int)[0]
    multilabel = small_classifier(max_epochs=1).fit(X, labels)
    with pytest.raises(ValueError, match="indicators of several labels"):
        attacked(multilabel, X, y)
    with pytest.warns(UserWarning, match="one"):
        single = small_classifier(max_epochs=1).fit(X, ["one"] * 60)
    with pytest.raises(ValueError, match="was fitted to one"):
        attacked(single, X, ["one"] * 60)
