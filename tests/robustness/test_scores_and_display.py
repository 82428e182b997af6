"""robust_score, make_robust_scorer and RobustnessDisplay."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_validate

from skcnn.robustness import (
    FGSM,
    PGD,
    AutoAttack,
    RobustnessDisplay,
    adversarial_examples,
    corruption_report,
    make_robust_scorer,
    robust_score,
)
from tests.robustness._classifiers import small_classifier


@pytest.fixture
def plt():
    """matplotlib.pyplot without a screen; all figures are closed at the end."""
    pytest.importorskip("matplotlib").use("agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_score_is_the_accuracy_for_the_adversarial_images(classifier, held_out):
    X, y = held_out
    X_adversarial = adversarial_examples(classifier, X, y, FGSM(8))
    assert robust_score(classifier, X, y, FGSM(8)) == classifier.score(X_adversarial, y)
    weights = np.random.default_rng(0).uniform(size=len(X))
    found = robust_score(classifier, X, y, FGSM(8), sample_weight=weights)
    assert_allclose(found, classifier.score(X_adversarial, y, weights))


def test_scorer_in_searches_and_cross_validation(digits):
    X, y = digits[0][:300], digits[1][:300]
    scorer = make_robust_scorer(PGD(10, n_steps=3))
    scorer = pickle.loads(pickle.dumps(scorer))
    scoring = {"clean": "accuracy", "robust": scorer}
    cnn = small_classifier()
    results = cross_validate(cnn, X, y, cv=2, scoring=scoring, return_estimator=True)
    assert (results["test_robust"] < results["test_clean"]).all()
    scorer = make_robust_scorer(PGD(40, n_steps=5))
    search = GridSearchCV(
        small_classifier(max_epochs=10),
        {"adversary": [None, FGSM(40, noise=1.0)]},
        scoring=scorer,
        cv=2,
    ).fit(X, y)
    assert search.best_params_["adversary"] is not None
    assert search.score(X, y) == scorer(search.best_estimator_, X, y)


def test_scorer_keeps_its_attack():
    attack = PGD(10)
    scorer = make_robust_scorer(attack)
    attack.set_params(epsilon=3)
    assert scorer.attack.epsilon == 10
    assert make_robust_scorer(8).attack.get_params() == AutoAttack(8).get_params()


@pytest.mark.parametrize("attack", ["pgd", -1, PGD])
def test_bad_attacks(classifier, held_out, attack):
    with pytest.raises(ValueError, match="'attack' parameter of"):
        make_robust_scorer(attack)
    with pytest.raises(ValueError, match="'attack' parameter of"):
        robust_score(classifier, *held_out, attack)


def test_display(plt, classifier, held_out):
    X, y = held_out
    attack = PGD(1, n_steps=3)
    display = RobustnessDisplay.from_estimator(
        {"first $x$": classifier, "second": classifier}, X, y, attack, epsilons=[8, 4]
    )
    assert_array_equal(display.levels, [0, 4, 8])
    expected = [classifier.score(X, y)]
    expected += [
        robust_score(classifier, X, y, PGD(epsilon, n_steps=3), random_state=0)
        for epsilon in (4, 8)
    ]
    assert attack.epsilon == 1
    for line, scores in zip(display.lines_, display.scores.values(), strict=True):
        assert_array_equal(scores, expected)
        assert_array_equal(line.get_xdata(), [0, 4, 8])
        assert_array_equal(line.get_ydata(), expected)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == [r"first \$x\$", "second"]
    assert display.ax_.get_xlabel() == "epsilon (largest change of a pixel value)"
    _, ax = plt.subplots()
    assert display.plot(ax).ax_ is ax


def test_display_of_corruptions(plt, classifier, held_out):
    pytest.importorskip("pandas")
    X, y = held_out
    options = {"kinds": ["gaussian_noise", "contrast"], "severities": [1, 5]}
    display = RobustnessDisplay.from_corruptions(classifier, X, y, **options)
    report = corruption_report(classifier, X, y, **options)
    assert_array_equal(display.levels, [0, 1, 5])
    expected = [classifier.score(X, y), *report.accuracy.mean(axis=0)]
    assert_allclose(display.scores["CNNClassifier"], expected)
    assert display.ax_.get_xlabel() == "severity"
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("epsilons", [[], [-1], 8, ["a"], [[1, 2]]])
def test_bad_epsilons(plt, classifier, held_out, epsilons):
    with pytest.raises(ValueError, match="must be a list of distances"):
        RobustnessDisplay.from_estimator(classifier, *held_out, PGD(1), epsilons=epsilons)


def test_bad_arguments_of_the_display(plt, classifier, held_out):
    with pytest.raises(TypeError, match="must be an attack"):
        RobustnessDisplay.from_estimator(classifier, *held_out, 8, epsilons=[8])
    with pytest.raises(ValueError, match="empty dict"):
        RobustnessDisplay.from_estimator({}, *held_out, PGD(1), epsilons=[8])
