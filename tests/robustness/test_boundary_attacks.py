"""FAB, DeepFool, SquareAttack and AutoAttack, and the projection onto hyperplanes."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier

from skcnn.robustness import (
    APGD,
    FAB,
    PGD,
    AutoAttack,
    DeepFool,
    SquareAttack,
    adversarial_examples,
    auto_attack,
    robust_score,
)
from skcnn.robustness.attacks._hyperplane import project_onto_hyperplane
from skcnn.robustness.attacks._square_l2 import _window
from tests.robustness._classifiers import small_classifier

EPSILON = {"linf": 12, "l2": 60}
ATTACKS = [
    FAB(12, n_steps=5, n_targets=3),
    FAB(60, n_steps=5, n_targets=3, norm="l2"),
    DeepFool(12, norm="linf"),
    DeepFool(60),
    SquareAttack(12, n_queries=100),
    SquareAttack(60.5, n_queries=100, norm="l2"),
    AutoAttack(12, n_steps=5, n_queries=50, n_targets=2),
    AutoAttack(60.5, n_steps=5, n_queries=50, n_targets=2, norm="l2"),
]


def distances(X_adversarial, X, norm):
    change = (X_adversarial.astype(float) - X.astype(float)).reshape(len(X), -1)
    return abs(change).max(axis=1) if norm == "linf" else np.sqrt(np.square(change).sum(axis=1))


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_stay_within_epsilon_and_the_range(classifier, held_out, attack, dtype):
    X, y = held_out[0][:40], held_out[1][:40]
    X_adversarial = adversarial_examples(
        classifier, X.astype(dtype), y, attack, pixel_range=(0, 255), random_state=0
    )
    assert X_adversarial.dtype == dtype
    assert X_adversarial.min() >= 0
    assert X_adversarial.max() <= 255
    assert distances(X_adversarial, X, attack.norm).max() <= attack.epsilon
    assert classifier.score(X_adversarial, y) <= classifier.score(X, y)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projections_are_optimal(norm):
    rng = np.random.default_rng(0)
    n_images, n_values = 20, 6
    low, high = np.zeros((n_images, n_values)), np.ones((n_images, n_values))
    images = rng.uniform(size=(n_images, n_values))
    normal = rng.normal(size=(n_images, n_values))
    normal[:, 0] = 0
    inside = rng.uniform(size=(n_images, n_values))
    excess = (normal * (images - inside)).sum(axis=1)  # the hyperplane meets the range
    arrays = (images, normal, excess, low, high)
    change = project_onto_hyperplane(*map(torch.from_numpy, arrays), norm).numpy()
    assert_allclose((normal * change).sum(axis=1), -excess, atol=1e-9)
    assert (images + change >= -1e-12).all()
    assert (images + change <= 1 + 1e-12).all()
    for row in range(n_images):
        expected = smallest_change(images[row], normal[row], excess[row], norm)
        found = abs(change[row]).max() if norm == "linf" else np.linalg.norm(change[row])
        assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def smallest_change(image, normal, excess, norm):
    """Solve the problem of the projection with scipy."""
    bounds = [(-value, 1 - value) for value in image]
    if norm == "l2":
        condition = {"type": "eq", "fun": lambda change: normal @ change + excess}
        options = {"ftol": 1e-14, "maxiter": 500}
        found = minimize(
            lambda change: change @ change,
            np.zeros_like(image),
            jac=lambda change: 2 * change,
            bounds=bounds,
            constraints=[condition],
            method="SLSQP",
            options=options,
        )
        return np.sqrt(found.fun)
    n = len(image)  # minimize t such that |change| <= t
    sides = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
    return linprog(
        [0] * n + [1],
        A_ub=sides,
        b_ub=np.zeros(2 * n),
        A_eq=[[*normal, 0]],
        b_eq=[-excess],
        bounds=[*bounds, (0, None)],
    ).fun


def test_a_hyperplane_beyond_the_range_leads_to_the_closest_corner():
    images, normal = torch.full((1, 3), 0.5), torch.tensor([[1.0, -2.0, 0.5]])
    arrays = images, normal, torch.tensor([-9.0]), torch.zeros(1, 3), torch.ones(1, 3)
    for norm in ("linf", "l2"):
        change = project_onto_hyperplane(*arrays, norm)
        assert_allclose(images + change, [[1.0, 0.0, 1.0]])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_smallest_changes_agree_with_the_robust_score(classifier, held_out, norm):
    X, y = held_out[0].astype(np.float32), held_out[1]
    options = {"pixel_range": (0, 255), "random_state": 0}
    fab = adversarial_examples(classifier, X, y, FAB(norm=norm, n_steps=20), **options)
    deepfool = adversarial_examples(classifier, X, y, DeepFool(norm=norm), **options)
    assert classifier.score(fab, y) == 0
    assert classifier.score(deepfool, y) == 0
    fab, deepfool = (distances(found, X, norm) for found in (fab, deepfool))
    assert (fab[classifier.predict(X) != y] == 0).all()
    assert (deepfool[classifier.predict(X) != y] == 0).all()
    assert (fab <= deepfool + 1e-3).mean() > 0.95
    assert fab.mean() > 0.7 * deepfool.mean()
    attack = APGD(EPSILON[norm], norm=norm, loss="targeted_dlr", n_steps=30)
    score = robust_score(classifier, X, y, attack, **options)
    assert (fab > EPSILON[norm]).mean() == pytest.approx(score, abs=0.03)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fab_reaches_its_targets(classifier, held_out, norm):
    X, y = held_out[0][:30].astype(np.float32), held_out[1][:30]
    attack = FAB(norm=norm, n_steps=30)
    X_adversarial = adversarial_examples(classifier, X, y, attack, target="three")
    assert (classifier.predict(X_adversarial) == "three").mean() > 0.8


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_attack_without_gradients_agrees(classifier, held_out, norm):
    X, y = held_out
    epsilon = 3 * EPSILON[norm]
    square = SquareAttack(epsilon, norm=norm, n_queries=300)
    scores = [
        robust_score(classifier, X, y, attack, random_state=0)
        for attack in (square, APGD(epsilon, norm=norm, n_steps=30))
    ]
    assert scores[0] < classifier.score(X, y) - 0.4
    assert scores[1] <= scores[0] + 0.06


def test_square_attack_can_aim_at_a_target(classifier, held_out):
    X, y = held_out[0][:30], held_out[1][:30]
    attack = SquareAttack(60, n_queries=300)
    found = adversarial_examples(classifier, X, y, attack, target="three", random_state=0)
    assert (classifier.predict(found) == "three").mean() > 0.5


def test_windows_have_length_1_and_two_halves():
    for side in (1, 3, 5, 8):
        window = _window(side, False)
        assert_allclose(window.norm(), 1, rtol=1e-6)
        assert (window[: side // 2] > 0).all()
        assert (window[side // 2 :] < 0).all()
        assert_array_equal(_window(side, True), window.T)


def test_auto_attack_fools_a_network_that_was_trained_plainly(digits):
    # Within 40 of 255, digits remain recognizable: 1-nearest-neighbor classification, which was
    # not attacked, still assigns most of the attacked images to their classes.
    X, y = np.kron(digits[0], np.ones((2, 2), np.uint8)), digits[1]
    cnn = small_classifier(channels=(8, 16), max_epochs=6).fit(X[:1000], y[:1000])
    neighbor = KNeighborsClassifier(1).fit(X[:1000].reshape(1000, -1), y[:1000])
    X, y = X[1000:1100], y[1000:1100]
    assert cnn.score(X, y) > 0.9
    ensemble = auto_attack(cnn, X, y, 40, n_steps=20, n_queries=100, random_state=0)
    square = adversarial_examples(cnn, X, y, SquareAttack(40, n_queries=1000), random_state=0)
    assert cnn.score(ensemble, y) < 0.03
    assert cnn.score(square, y) < 0.06  # without gradients, so these are not masked
    for images in (ensemble, square):
        assert neighbor.score(images.reshape(len(images), -1), y) > 0.8


def test_auto_attack_is_at_least_as_strong_as_its_parts(classifier, held_out):
    X, y = held_out
    ensemble = AutoAttack(12, n_steps=10, n_queries=50, n_targets=2)
    X_adversarial = adversarial_examples(classifier, X, y, ensemble, random_state=0)
    unchanged = (X_adversarial == X).all(axis=(1, 2))
    is_right = classifier.predict(X) == y
    assert_array_equal(classifier.predict(X_adversarial) == y, unchanged & is_right)
    score = robust_score(classifier, X, y, ensemble, random_state=0)
    assert score == classifier.score(X_adversarial, y)
    for attack in ensemble._attacks():
        assert score <= robust_score(classifier, X, y, attack, random_state=0) + 0.02


def test_a_number_is_the_epsilon_of_auto_attack(classifier, held_out):
    X, y = held_out[0][:10], held_out[1][:10]
    expected = robust_score(classifier, X, y, AutoAttack(100), random_state=0)
    assert robust_score(classifier, X, y, 100, random_state=0) == expected


@pytest.mark.parametrize("attack", [AutoAttack(8), DeepFool()], ids=str)
def test_attacks_without_targets(classifier, held_out, attack):
    with pytest.raises(ValueError, match="cannot aim at a target class"):
        adversarial_examples(classifier, *held_out, attack, target="three")


def test_two_classes(digits):
    X, y = digits
    rows = np.isin(y, ["three", "eight"])
    X, y = X[rows][:200], y[rows][:200]
    cnn = small_classifier(max_epochs=6).fit(X, y)
    for attack in (*ATTACKS, PGD(12), APGD(12, loss="targeted_dlr", n_steps=10)):
        strong = clone(attack).set_params(epsilon=8 * attack.epsilon)
        assert robust_score(cnn, X, y, strong, random_state=0) < 0.4
