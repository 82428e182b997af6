"""LogitAdjustedClassifier against Bayes' rule, its errors, and scikit-learn's checks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn import CNNClassifier
from skcnn.imbalance import LogitAdjustedClassifier

RNG = np.random.default_rng(0)
CLASSES = np.repeat([0, 1, 2], [150, 40, 10])
LABELS = np.array(["cat", "dog", "owl"])[CLASSES]
X = RNG.normal(CLASSES[:, None] * [1.0, 0.5], 1.0, (200, 2))


class Known(ClassifierMixin, BaseEstimator):
    """Classifier without predict_log_proba that predicts given probabilities."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.asarray(X)


@parametrize_with_checks([LogitAdjustedClassifier(LogisticRegression())])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("weights", [None, RNG.uniform(0, 2, size=200)])
def test_probabilities_are_divided_by_the_frequencies(tau, weights):
    frozen = FrozenEstimator(LogisticRegression().fit(X, LABELS))
    adjusted = LogitAdjustedClassifier(frozen, tau=tau).fit(X, LABELS, sample_weight=weights)
    w = np.ones(200) if weights is None else weights
    prior = np.array([w[label == LABELS].sum() for label in ("cat", "dog", "owl")]) / w.sum()
    assert_allclose(adjusted.class_prior_, prior)
    expected = frozen.predict_proba(X) / prior**tau
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(adjusted.predict_proba(X), expected)
    assert_allclose(adjusted.predict_log_proba(X), np.log(expected), atol=1e-12)
    assert_array_equal(adjusted.predict(X), adjusted.classes_[expected.argmax(axis=1)])


def test_naive_bayes_with_adjusted_prior_is_naive_bayes_with_equal_priors():
    model = LogitAdjustedClassifier(GaussianNB()).fit(X, LABELS)
    equal = GaussianNB(priors=[1 / 3] * 3).fit(X, LABELS)
    assert_allclose(model.predict_proba(X), equal.predict_proba(X), atol=1e-10)
    plain = model.estimator_
    scores = [balanced_accuracy_score(LABELS, m.predict(X)) for m in (plain, model)]
    assert scores[1] > scores[0] + 0.05


def test_probabilities_of_zero_and_classes_without_images():
    proba = np.array([[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.3, 0.3, 0.4]])
    known = Known().fit(proba, ["a", "b", "c"])
    model = LogitAdjustedClassifier(FrozenEstimator(known)).fit(np.zeros((5, 3)), list("aaaab"))
    expected = np.array([[0.9 / 0.8, 0.1 / 0.2, 0], [0, 0, 1], [0.3 / 0.8, 0.3 / 0.2, 0.4]])
    assert_allclose(model.predict_proba(proba), expected / expected.sum(axis=1, keepdims=True))
    assert model.class_prior_.tolist() == [0.8, 0.2, 0]


def test_networks_and_images():
    images = np.clip(RNG.normal(80 + 30 * CLASSES[:, None, None], 30, (200, 4, 4)), 0, 255)
    images = images.astype(np.uint8)
    cnn = CNNClassifier(channels=(), hidden_units=(), max_epochs=3, random_state=0)
    model = LogitAdjustedClassifier(FrozenEstimator(cnn.fit(images, LABELS))).fit(images, LABELS)
    assert model.estimator_.estimator is cnn
    n_owls = [(m.predict(images) == "owl").sum() for m in (cnn, model)]
    assert n_owls[1] > n_owls[0]
    assert model.n_features_in_ == 16
    whole = LogitAdjustedClassifier(cnn).fit(images, LABELS)
    assert_allclose(whole.predict_proba(images), model.predict_proba(images))


def test_tau_can_be_searched():
    search = GridSearchCV(
        LogitAdjustedClassifier(LogisticRegression()),
        {"tau": [0.0, 1.0], "estimator__C": [1.0]},
        scoring="balanced_accuracy",
    )
    assert search.fit(X, LABELS).best_params_["tau"] == 1.0


def test_errors():
    frozen = FrozenEstimator(LogisticRegression().fit(X, LABELS))
    with pytest.raises(ValueError, match=r"labels that the classifier does not know: \['emu'\]"):
        LogitAdjustedClassifier(frozen).fit(X, np.where(LABELS == "owl", "emu", LABELS))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LogitAdjustedClassifier(frozen).fit(X, LABELS[:9])
    with pytest.raises(ValueError, match="at least one"):
        LogitAdjustedClassifier(frozen).fit(X, LABELS, np.zeros(200))
    with pytest.raises(ValueError, match="should be a 1d array"):
        LogitAdjustedClassifier(frozen).fit(X, np.eye(3, dtype=int)[CLASSES])
    with pytest.raises(ValueError, match="'tau' parameter of LogitAdjustedClassifier"):
        LogitAdjustedClassifier(frozen, tau=-1).fit(X, LABELS)
    with pytest.raises(ValueError, match="'estimator' parameter of LogitAdjustedClassifier"):
        LogitAdjustedClassifier("net").fit(X, LABELS)
