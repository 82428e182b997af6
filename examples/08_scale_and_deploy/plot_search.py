"""
Grid search, successive halving and Optuna
==========================================

A search spends most of its time on bad candidates. Successive halving and Optuna stop them after a
few epochs. This example searches for the learning rate and the dropout of a network on the digits
of scikit-learn with four methods, and compares the time that they need. It needs the extra
``skcnn[optuna]``.
"""

# %%
# The network and the candidates
# ------------------------------
#
# All methods fit on the same 600 images, and score on the same 300 others. A full training has 8
# epochs.

# sphinx_gallery_thumbnail_number = 1

import time

import matplotlib.pyplot as plt
import numpy as np
import optuna
from optuna_integration import SkorchPruningCallback
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

from skcnn import CNNClassifier

digits = load_digits()
X, y = digits.images[:900], digits.target[:900]
train, valid = np.arange(600), np.arange(600, 900)
cnn = CNNClassifier(channels=(16,), max_epochs=8, random_state=0)
grid = {"learning_rate": np.geomspace(1e-5, 1e-1, 9), "dropout": [0.0, 0.3]}
distributions = {"learning_rate": loguniform(1e-5, 1e-1), "dropout": uniform(0, 0.5)}
common = {"cv": [(train, valid)], "refit": False}

# %%
# Searches of scikit-learn
# ------------------------
#
# Successive halving trains 16 candidates for one epoch, the better half of them for two epochs, and
# so on. For each method, ``curves`` contains the time at the end of each candidate, and the best
# score of a full training up to this time.

searches = {
    "grid": GridSearchCV(cnn, grid, **common),
    "random": RandomizedSearchCV(cnn, distributions, n_iter=10, random_state=0, **common),
    "halving": HalvingRandomSearchCV(
        cnn,
        distributions,
        n_candidates=16,
        resource="max_epochs",
        min_resources=1,
        max_resources=8,
        factor=2,
        random_state=0,
        **common,
    ),
}
curves = {}
for name, search in searches.items():
    results = search.fit(X, y).cv_results_
    seconds = np.cumsum(results["mean_fit_time"] + results["mean_score_time"])
    scores = results["mean_test_score"].copy()
    if name == "halving":
        scores[results["n_resources"] < 8] = np.nan
    curves[name] = (seconds, np.fmax.accumulate(scores))

# %%
# Optuna
# ------
#
# A callback reports the validation score of each epoch to Optuna. After the first four trials,
# Optuna stops a trial whose score is below the median of the previous trials in the same epoch.


def objective(trial):
    """Return the score of a candidate that Optuna suggests."""
    candidate = clone(cnn).set_params(
        learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        callbacks=[SkorchPruningCallback(trial, "valid_score")],
    )
    candidate.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    return candidate.score(X[valid], y[valid])


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(n_startup_trials=4, seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
)
start = time.time()
study.optimize(objective, n_trials=12)
ends = [trial.datetime_complete.timestamp() - start for trial in study.trials]
scores = [np.nan if trial.state.name == "PRUNED" else trial.value for trial in study.trials]
curves["Optuna"] = (np.array(ends), np.fmax.accumulate(scores))
print(sum(np.isnan(scores)), "of", len(scores), "trials were stopped early")

# %%
# Score by time
# -------------

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, (seconds, best) in curves.items():
    ax.step(seconds, best, where="post", label=name)
    ax.plot(seconds[-1], best[-1], "o", color=ax.lines[-1].get_color())
ax.set(xlabel="Time (s)", ylabel="Best accuracy of a full training so far", ylim=(0.8, 1.0))
ax.legend(title="Search", loc="lower right")

# %%
# The best candidates of all methods have similar scores, and the grid takes the most time. It
# begins with the smallest learning rate, which is far from the best one. In a real search, estimate
# the score of the best candidate with other images, because the scores above were used to choose
# it. :doc:`/user_guide/search` describes how to choose a search, and how to use several workers.

for name, (_, best) in curves.items():
    print(f"{name}: {best[-1]:.3f}")
