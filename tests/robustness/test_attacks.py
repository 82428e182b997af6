"""FGSM, PGD and APGD: distances, loss, targets, and reference implementations."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch.nn import functional

from skcnn.pipeline_graph import torch_pipeline
from skcnn.robustness import APGD, FGSM, PGD, adversarial_examples, robust_score
from skcnn.robustness.attacks._ball import Ball
from skcnn.robustness.attacks._problem import Problem
from skcnn.robustness.attacks.apgd import _checkpoints, targeted_dlr

ATTACKS = [
    FGSM(8),
    FGSM(7.5, noise=2.0),
    PGD(8, n_steps=5, n_restarts=2),
    APGD(8, n_steps=8),
    APGD(8, n_steps=8, loss="targeted_dlr", n_targets=3),
]
ATTACKS += [clone(attack).set_params(norm="l2", epsilon=60.5) for attack in ATTACKS]


def distances(X_adversarial, X, norm):
    change = (X_adversarial.astype(float) - X.astype(float)).reshape(len(X), -1)
    return abs(change).max(axis=1) if norm == "linf" else np.sqrt(np.square(change).sum(axis=1))


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_images_stay_within_epsilon_and_the_range(classifier, held_out, attack, dtype):
    X, y = held_out
    X_adversarial = adversarial_examples(
        classifier, X.astype(dtype), y, attack, pixel_range=(0, 255), random_state=0
    )
    assert X_adversarial.dtype == dtype
    assert X_adversarial.shape == X.shape
    assert X_adversarial.min() >= 0
    assert X_adversarial.max() <= 255
    found = distances(X_adversarial, X, attack.norm)
    assert found.max() <= attack.epsilon
    assert np.median(found) > 0.9 * attack.epsilon - 1
    assert classifier.score(X_adversarial, y) < classifier.score(X, y)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_uneven_values_of_floats_stay_within_epsilon(classifier, held_out, attack):
    X, y = held_out
    X = X / 255 + np.random.default_rng(0).uniform(0, 1e-3, X.shape)
    small = clone(attack).set_params(epsilon=attack.epsilon / 255)
    with pytest.warns(UserWarning, match="times smaller than those of the images in fit"):
        X_adversarial = adversarial_examples(classifier, X, y, small, random_state=0)
    assert distances(X_adversarial, X, attack.norm).max() <= small.epsilon


def losses(estimator, X, y):
    return -estimator.predict_log_proba(X)[
        np.arange(len(y)), np.searchsorted(estimator.classes_, y)
    ]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_stronger_attacks_reach_higher_losses(classifier, held_out, norm):
    X, y = held_out[0].astype(np.float32), held_out[1]  # rounding would add noise
    epsilon = 12 if norm == "linf" else 60
    attacks = (
        FGSM(epsilon, norm=norm),
        PGD(epsilon, norm=norm, n_steps=20, random_start=False),
        APGD(epsilon, norm=norm, n_steps=60, random_start=False),
    )
    found = [X, *(adversarial_examples(classifier, X, y, attack) for attack in attacks)]
    clean, fgsm, pgd, apgd = (losses(classifier, images, y) for images in found)
    assert (fgsm > clean).all()
    assert (pgd >= fgsm - 1e-5).all()  # the step of FGSM is one of those that it tries
    assert (apgd >= fgsm - 1e-5).all()  # its first step is that of FGSM
    assert (apgd >= pgd - 2e-2).all()  # they may find different maxima, which are as high
    assert (apgd >= pgd - 1e-5).mean() > 0.75
    assert apgd.mean() > pgd.mean() > fgsm.mean()


def test_fgsm_is_the_sign_of_the_gradient(classifier, held_out):
    X, y = held_out
    X = X.astype(np.float32)
    graph = torch_pipeline(classifier, X.shape[1:], X.dtype)
    images = torch.from_numpy(X[:, None]).requires_grad_()
    targets = torch.from_numpy(np.searchsorted(classifier.classes_, y))
    functional.cross_entropy(graph.module(images), targets, reduction="sum").backward()
    expected = (X + 8 * images.grad[:, 0].sign().numpy()).clip(0, 255)
    found = adversarial_examples(classifier, X, y, FGSM(8), pixel_range=(0, 255))
    assert_array_equal(found, expected)


def test_pgd_follows_the_definition(classifier, held_out):
    X, y = held_out
    X = X.astype(np.float32)
    graph = torch_pipeline(classifier, X.shape[1:], X.dtype)
    targets = torch.from_numpy(np.searchsorted(classifier.classes_, y))
    start = images = torch.from_numpy(X[:, None])
    best, best_key = images, None
    for step in range(7):
        images.requires_grad_()
        logits = graph.module(images)
        loss = functional.cross_entropy(logits, targets, reduction="none")
        key = loss.detach() + 1000 * (logits.argmax(dim=1) != targets)
        if step != 1:  # which is that of FGSM
            (gradient,) = torch.autograd.grad(loss.sum(), images)
        better = torch.ones(len(X), dtype=bool) if best_key is None else key > best_key
        best = torch.where(better[:, None, None, None], images.detach(), best)
        best_key = key if best_key is None else torch.maximum(key, best_key)
        images = (start if step == 1 else images.detach()) + (
            8 if step == 0 else 3
        ) * gradient.sign()
        images = torch.clamp(images, start - 8, start + 8).clamp(0, 255)
    attack = PGD(8, n_steps=5, step_size=3, random_start=False)
    found = adversarial_examples(classifier, X, y, attack, pixel_range=(0, 255))
    differs = abs(found - best[:, 0].detach().numpy()) > 1e-4
    assert differs.mean() < 1e-3  # the sign of a gradient near 0 depends on the kernels of the CPU


def test_checkpoints_are_those_of_the_paper():
    # p_1 = 0.22, p_2 = 0.22 + max(0.22 - 0.03, 0.06), ... times 100 steps
    assert sorted(_checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]


@pytest.mark.parametrize("n_classes", [2, 3, 4, 10])
def test_targeted_dlr(n_classes):
    logits = torch.randn(5, n_classes, dtype=torch.float64)
    y, target = torch.arange(5) % n_classes, (torch.arange(5) + 1) % n_classes
    found = targeted_dlr(logits, Problem(None, None, y, target, (0, 1)))
    for row, one in enumerate(logits.tolist()):
        ordered = sorted(one, reverse=True)
        scale = 1.0 if n_classes == 2 else ordered[0] - np.mean(ordered[2:4])
        expected = (one[target[row]] - one[y[row]]) / scale
        assert_allclose(found[row], expected, rtol=1e-8)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_targeted_attacks_reach_their_target(classifier, held_out, attack):
    X, y = held_out
    strong = clone(attack).set_params(epsilon=60 if attack.norm == "linf" else 400)
    found = adversarial_examples(classifier, X, y, strong, target="three", random_state=0)
    before = (classifier.predict(X) == "three").mean()
    gain = (classifier.predict(found) == "three").mean() - before
    assert gain > (0.1 if isinstance(attack, FGSM) else 0.4)


def test_more_restarts_are_stronger(classifier, held_out):
    X, y = held_out
    scores = [
        robust_score(classifier, X, y, PGD(10, n_steps=1, n_restarts=n), random_state=0)
        for n in (1, 8)
    ]
    assert scores[1] < scores[0]


def test_images_that_are_fooled_are_preferred(classifier, held_out):
    X, y = held_out
    attack = APGD(6, n_steps=10)
    X_adversarial = adversarial_examples(classifier, X, y, attack, random_state=0)
    assert classifier.score(X_adversarial, y) == pytest.approx(
        robust_score(classifier, X, y, attack, random_state=0), abs=0.03
    )


def test_ball_rounds_within_the_distance():
    generator = torch.Generator().manual_seed(0)
    center = torch.randint(0, 256, (50, 1, 6, 6), generator=generator).float()
    for epsilon in (1.0, 2.5, 7.3, 40.0):
        ball = Ball(center, epsilon, "l2", (0, 255), is_integer=True)
        images = ball.snap(ball.project(ball.random(generator, 3.0)))
        assert_array_equal(images, images.round())
        lengths = (images - center).flatten(1).norm(dim=1)
        assert lengths.max() <= epsilon
        assert lengths.mean() > 0.7 * epsilon or epsilon < 7
        assert images.min() >= 0
        assert images.max() <= 255


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_images_fill_the_ball(norm):
    center = torch.full((2000, 1, 2, 2), 100.0)
    ball = Ball(center, 10.0, norm, (0.0, 255.0))
    change = (ball.random(torch.Generator().manual_seed(0)) - center).flatten(1)
    lengths = change.norm(dim=1) if norm == "l2" else change.abs().amax(dim=1)
    # In a ball of dimension 4, the distance has the distribution function (r / epsilon) ** 4.
    assert_allclose(
        np.quantile(lengths, [0.1, 0.5, 0.9]) / 10, np.array([0.1, 0.5, 0.9]) ** 0.25, atol=0.02
    )
    assert abs(change.mean()) < 0.2


def test_attacks_are_parameters():
    attack = PGD(8, n_steps=3)
    assert repr(attack) == "PGD(epsilon=8, n_steps=3)"
    assert clone(attack).get_params() == attack.get_params()
    assert attack.set_params(epsilon=4).epsilon == 4
