"""The parameter `adversary`: training images, robustness, options of training, bad input."""

import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skcnn import ImageNormalizer, LazyImages, TransferClassifier
from skcnn.robustness import APGD, FGSM, PGD, robust_score
from skcnn.training.adversarial import AdversarialTraining, evaluation_mode, training_range
from skcnn.training.loader import Batch, ImageDataset
from tests.robustness._classifiers import small_classifier

ADVERSARIES = [FGSM(10), FGSM(10, noise=2.0), PGD(10, n_steps=2), PGD(60, norm="l2", n_steps=2)]


def smooth_net(X, y, **parameters):
    """Return the net of a classifier without dropout, trained in float32."""
    options = {"precision": "float32", "dropout": 0.0, "max_epochs": 1} | parameters
    return small_classifier(**options).fit(X, y).net_


def test_fgsm_follows_the_loss_of_the_training(digits):
    X, y = digits[0][:60], digits[1][:60]
    net = smooth_net(X, y, label_smoothing=0.1)
    images = torch.from_numpy(X[:8, None].astype(np.float32))
    classes, weights = torch.arange(8), torch.linspace(0.5, 2, 8)
    mixed = [(0.3, classes, weights), (0.7, classes.flip(0), weights.flip(0))]
    batch = Batch(images, classes, weights, mixed)
    inputs = images.clone().requires_grad_()
    net._loss(net.module_.eval()(inputs), batch).backward()
    expected = (images + 10 * inputs.grad.sign()).clamp(0, 255)
    net.module_.train()
    found = AdversarialTraining(FGSM(10), (0.0, 255.0))(batch, net, None)
    assert_array_equal(found.images, expected)
    assert found.weighted_targets == batch.weighted_targets
    assert all(part.training for part in net.module_.modules())


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_noise_is_uniform_and_not_limited_to_epsilon(digits, noise):
    X, y = digits[0][:60], digits[1][:60]
    net = smooth_net(X, y)
    images = torch.full((60, 1, 8, 8), 120.0)
    batch = Batch(images, torch.arange(60) % 10)
    transform = AdversarialTraining(FGSM(10, noise=noise), (0.0, 255.0))
    torch.manual_seed(0)
    change = transform(batch, net, None).images - images
    size = change.abs()
    assert size.max() <= 10 * (1 + noise)
    if noise:
        assert size.max() > 9.9 * (1 + noise)
        # A step of 10 in either direction, plus uniform noise.
        assert_allclose(change.std(), np.sqrt(100 + (10 * noise) ** 2 / 3), rtol=0.1)
    else:
        assert_array_equal(size[change != 0], 10.0)
    assert transform(batch.replace(images=images * 2), net, None).images.max() <= 255


def test_pgd_makes_steps_within_epsilon(digits):
    X, y = digits[0][:60], digits[1][:60]
    net = smooth_net(X, y)
    images = torch.from_numpy(X[:16, None].astype(np.float32))
    classes = torch.from_numpy(np.searchsorted(np.unique(y), y[:16]))
    batch = Batch(images, classes)

    def loss(images):
        with torch.no_grad(), evaluation_mode(net.module_):
            return float(net._loss(net.module_(images), batch))

    losses = [loss(images)]
    for n_steps in (1, 3, 10):
        attack = PGD(20, n_steps=n_steps, random_start=False)
        found = AdversarialTraining(attack, (0.0, 255.0))(batch, net, None).images
        assert (found - images).abs().max() <= 20
        assert found.min() >= 0
        losses.append(loss(found))
    assert losses == sorted(losses)


def test_evaluation_mode_restores_each_layer():
    module = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm2d(2).eval())

    def fail():
        with evaluation_mode(module):
            assert not any(part.training for part in module.modules())
            raise RuntimeError("no gradient")

    with pytest.raises(RuntimeError, match="no gradient"):
        fail()
    assert [part.training for part in module.modules()] == [True, True, False]


def test_running_statistics_are_those_of_the_training_images(digits):
    X, y = digits[0][:64], digits[1][:64]
    updates = [
        small_classifier(adversary=adversary, max_epochs=1, batch_size=16)
        .fit(X, y)
        .module_.state_dict()
        for adversary in (None, PGD(10, n_steps=3))
    ]
    counts = [
        [value for name, value in state.items() if "num_batches" in name] for state in updates
    ]
    assert counts[0] == counts[1]


def test_range_of_training_images(digits):
    X = digits[0][:50]
    assert training_range(ImageDataset(X)) == (0, 255)
    assert training_range(ImageDataset(X / 255)) == (0, 1)
    assert training_range(ImageDataset(X / 120 - 1)) == (-1, 1)
    assert training_range(ImageDataset(X / 15)) == (0, 16)
    assert training_range(ImageDataset(LazyImages(X / 15))) == (0, 16)
    rows = np.array([0, 1])
    assert training_range(ImageDataset(X - 500.0, rows=rows)) == (-500, X[:2].max() - 500.0)


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=str)
def test_training_is_reproducible_and_changes_no_parameter(digits, adversary):
    X, y = digits[0][:100], digits[1][:100]
    before = repr(adversary)
    cnns = [small_classifier(adversary=adversary, max_epochs=2).fit(X, y) for _ in range(2)]
    assert_array_equal(cnns[0].predict_proba(X), cnns[1].predict_proba(X))
    assert cnns[0].adversary is adversary
    assert repr(adversary) == before
    plain = small_classifier(max_epochs=2).fit(X, y)
    assert abs(plain.predict_proba(X) - cnns[0].predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {"mixup": 0.5},
        {"early_stopping": True, "patience": 1},
        {"label_smoothing": 0.1, "class_weight": "balanced"},
        {"loss": "focal", "lookahead": True},
        {"precision": "bfloat16"},
        {
            "network": "fast",
            "channels": (8, 8, 8),
            "progressive_resizing": 0.5,
            "hidden_units": (128,),
        },
    ],
    ids=str,
)
def test_other_options_of_training(digits, options):
    X, y = digits[0][:100], digits[1][:100]
    cnn = small_classifier(adversary=FGSM(10, noise=2.0), **({"max_epochs": 2} | options)).fit(X, y)
    assert np.isfinite(cnn.predict_proba(X)).all()
    assert all(np.isfinite(record["train_loss"]) for record in cnn.history_)


def test_partial_fit_keeps_the_range_of_the_first_call(digits):
    X, y = digits[0][:100] / 15, digits[1][:100]
    cnn = small_classifier(adversary=FGSM(1))
    cnn.partial_fit(X, y, classes=np.unique(y))
    assert cnn.net_.options.adversary_range == (0, 16)
    cnn.partial_fit(X[:10] / 2, y[:10])
    assert cnn.net_.options.adversary_range == (0, 16)
    cnn.partial_fit(X[:1], y[:1])
    cnn.set_params(adversary=None).partial_fit(X, y)
    assert cnn.net_.options.adversary is None


def test_frozen_backbones_compute_features_again(digits):
    X, y = digits[0][:40], digits[1][:40]
    options = {"max_epochs": 1, "random_state": 0}
    transfer = TransferClassifier(input_size=32, adversary=FGSM(10, noise=2.0), **options).fit(X, y)
    before = [
        value
        for name, value in transfer.module_.state_dict().items()
        if name.startswith("network.") and "running" in name
    ]
    plain = TransferClassifier(input_size=32, **options).fit(X, y)
    after = [
        value
        for name, value in plain.module_.state_dict().items()
        if name.startswith("network.") and "running" in name
    ]
    for one, other in zip(before, after, strict=True):
        assert_array_equal(one, other)
    assert abs(transfer.predict_proba(X) - plain.predict_proba(X)).max() > 1e-4
    tuned = clone(transfer).set_params(fine_tune=1, head_epochs=1).fit(X, y)
    assert tuned.n_head_epochs_ == 1
    assert tuned.net_.options.adversary is not None


def test_a_search_over_epsilon(digits):
    X, y = digits[0][:100], digits[1][:100]
    cnn = small_classifier(adversary=FGSM(4), max_epochs=1)
    search = GridSearchCV(cnn, {"adversary__epsilon": [4, 8], "adversary__noise": [0.0, 2.0]}, cv=2)
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.adversary.epsilon == search.best_params_["adversary__epsilon"]


def test_adversarial_training_is_robust(digits):
    X, y = digits
    scores = [
        robust_score(
            small_classifier(adversary=adversary, max_epochs=8).fit(X[:800], y[:800]),
            X[1000:1200],
            y[1000:1200],
            APGD(40, n_steps=15),
            random_state=0,
        )
        for adversary in (None, FGSM(40, noise=1.0))
    ]
    assert scores[1] > scores[0] + 0.2


def test_noise_prevents_catastrophic_overfitting(digits):
    X, y = digits[0][:400], digits[1][:400]
    options = {
        "channels": (32, 64),
        "batch_norm": False,
        "dropout": 0.0,
        "weight_decay": 0.0,
        "batch_size": 32,
        "max_epochs": 25,
        "precision": "float32",
    }
    ratios = []
    for noise in (0.0, 2.0):
        cnn = small_classifier(adversary=FGSM(60, noise=noise), **options).fit(X, y)
        fgsm = robust_score(cnn, X, y, FGSM(60))
        ratios.append(robust_score(cnn, X, y, PGD(60, n_steps=20), random_state=0) / fgsm)
        assert fgsm > 0.4
    # The network without noise learns to withstand one step, and not several.
    assert ratios[0] < 0.45
    assert ratios[1] > 0.55


@pytest.mark.parametrize(
    ("adversary", "factor", "message"),
    [
        ("pgd", 1, "The 'adversary' parameter of CNNClassifier must be an attack of skcnn.robust"),
        (FGSM, 1, "The 'adversary' parameter of CNNClassifier must be an attack"),
        (APGD(8), 1, "The 'adversary' parameter of CNNClassifier must be an attack"),
        (FGSM(-8), 1, "The 'epsilon' parameter of FGSM must be a float in the range (0.0, inf)"),
        (FGSM(8 / 255), 1, "the pixel values are integers from 0 to 255, so no other image"),
        (FGSM(8), 1 / 255, "FGSM has epsilon=8, but the pixel values are from 0 to 1"),
        (PGD(9, norm="l2"), 1 / 255, "the pixel values are from 0 to 1, so any image is within"),
    ],
)
def test_bad_adversaries(digits, adversary, factor, message):
    X, y = digits[0][:20], digits[1][:20]
    X = X if factor == 1 else X * factor
    with pytest.raises(ValueError, match=re.escape(message)):
        small_classifier(adversary=adversary).fit(X, y)


def test_epsilon_in_the_units_of_the_original_pixels(digits):
    X, y = digits[0][:100], digits[1][:100]
    message = "that reach CNNClassifier, after the steps before it"
    with pytest.raises(ValueError, match=message):
        make_pipeline(ImageNormalizer("unit"), small_classifier(adversary=FGSM(8))).fit(X, y)
    with pytest.raises(ValueError, match=message):
        make_pipeline(ImageNormalizer(), small_classifier(adversary=FGSM(8))).fit(X, y)
    with pytest.warns(UserWarning, match="this is a very small change"):
        small_classifier(adversary=FGSM(8 / 255), max_epochs=1).fit(X.astype(float), y)
