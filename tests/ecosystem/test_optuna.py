"""Optuna: studies of cross-validated scores, pruning by epoch, and OptunaSearchCV."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skcnn import CNNClassifier
from tests.ecosystem._digits import X, forms, network, pipeline, y

pytest.importorskip("optuna")
pytest.importorskip("optuna_integration")

import optuna
from optuna.distributions import FloatDistribution
from optuna_integration import OptunaSearchCV, SkorchPruningCallback

RATE = FloatDistribution(1e-4, 1e-1, log=True)
X_train, X_val, y_train, y_val = X[:100], X[100:], y[:100], y[100:]
pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:`optuna.terminator` module:FutureWarning"),
]


@pytest.fixture(autouse=True)
def quiet():
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(verbosity)


def test_study():
    pipe = pipeline()

    def objective(trial):
        rate = trial.suggest_float("cnn__learning_rate", 1e-4, 1e-1, log=True)
        candidate = clone(pipe).set_params(cnn__learning_rate=rate)
        return cross_val_score(candidate, X, y, cv=3).mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=5)
    best = pipe.set_params(**study.best_params).fit(X, y)
    assert study.best_value == max(trial.value for trial in study.trials)
    assert study.best_value == cross_val_score(best, X, y, cv=3).mean()
    assert len({trial.value for trial in study.trials}) > 1


def test_pruning():
    def objective(trial):
        cnn = CNNClassifier(
            channels=(8,),
            max_epochs=4,
            learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
            callbacks=[SkorchPruningCallback(trial, "valid_loss")],
            random_state=0,
        )
        cnn.fit(X_train, y_train, X_val=X_val, y_val=y_val)
        return cnn.history_[-1]["valid_loss"]

    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.optimize(objective, n_trials=6)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    for trial in complete:
        cnn = CNNClassifier(channels=(8,), max_epochs=4, random_state=0, **trial.params)
        cnn.fit(X_train, y_train, X_val=X_val, y_val=y_val)
        losses = [record["valid_loss"] for record in cnn.history_]
        assert list(trial.intermediate_values.values()) == losses
        assert trial.value == losses[-1]
    assert len(complete) + len(pruned) == 6
    assert any(len(trial.intermediate_values) < 4 for trial in pruned)


def test_pruning_in_a_pipeline():
    pipe = pipeline(schedule=None, max_epochs=4)

    def objective(trial):
        candidate = clone(pipe).set_params(
            cnn__learning_rate=trial.suggest_float("cnn__learning_rate", 1e-5, 1e-1, log=True),
            cnn__early_stopping=True,
            cnn__callbacks=[SkorchPruningCallback(trial, "valid_score")],
        )
        return candidate.fit(X, y)["cnn"].best_score_

    sampler = optuna.samplers.TPESampler(seed=0)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=8)
    best = pipe.set_params(**study.best_params).fit(X, y)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert 2 <= len(complete) < len(study.trials) == 8
    for trial in complete:
        same = clone(pipe).set_params(**trial.params, cnn__early_stopping=True).fit(X, y)["cnn"]
        assert trial.value == same.best_score_
        scores = [record["valid_score"] for record in same.history_]
        assert list(trial.intermediate_values.values()) == scores
    assert best["cnn"].learning_rate == study.best_params["cnn__learning_rate"]
    assert best["cnn"].callbacks is None


def test_search():
    pipe = pipeline()
    search = OptunaSearchCV(
        pipe,
        {"cnn__learning_rate": FloatDistribution(1e-4, 1e-1, log=True)},
        n_trials=3,
        cv=3,
        random_state=0,
    )
    search.fit(X, y)
    rates = [trial.params["cnn__learning_rate"] for trial in search.trials_]
    grid = GridSearchCV(pipe, {"cnn__learning_rate": rates}, cv=3).fit(X, y)
    assert [trial.value for trial in search.trials_] == list(grid.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(X), grid.predict_proba(X))


def test_search_in_parallel_is_that_of_a_cached_pipeline(tmp_path):
    options = {"n_trials": 4, "cv": 2, "random_state": 0, "error_score": "raise"}
    distributions = {"cnn__learning_rate": RATE}
    cached = pipeline().set_params(memory=str(tmp_path))
    search = OptunaSearchCV(cached, distributions, n_jobs=2, **options).fit(X, y)
    scores = {
        trial.value: cross_val_score(pipeline().set_params(**trial.params), X, y, cv=2).mean()
        for trial in search.trials_
    }
    assert len(search.trials_) == 4
    assert list(scores) == list(scores.values())


def test_search_prunes_by_partial_fit():
    search = OptunaSearchCV(
        network(), {"learning_rate": RATE}, n_trials=2, cv=2, random_state=0,
        enable_pruning=True, max_iter=3,
    )  # fmt: skip
    search.fit(X, y)
    assert [len(trial.intermediate_values) for trial in search.trials_] == [3, 3]


def test_forms(tmp_path):
    scores = {}
    for form, (estimator, images) in forms(tmp_path).items():
        name = "learning_rate" if isinstance(estimator, CNNClassifier) else "cnn__learning_rate"
        search = OptunaSearchCV(
            estimator, {name: RATE}, n_trials=1, cv=2, random_state=0, error_score="raise"
        )
        scores[form] = search.fit(images, y).best_score_
    assert set(scores.values()) == {scores["images"]}
