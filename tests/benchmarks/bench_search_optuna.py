"""Time of Optuna with pruning until its score is that of a full grid.

    python tests/benchmarks/bench_search_optuna.py [--seeds 5]

Both search the learning rate, the dropout and the weight decay of a network for scikit-learn's
digits. Fits are on 900 images, and scores on 600 others. The grid has 5 x 3 x 2 candidates of 12
epochs. Optuna draws from the same ranges with its TPE sampler, stops trials below the median of the
others after two epochs, and runs until a trial has the same score as the best candidate of the
grid, with the same seed of the network. The time to a score that is lower by at most half of the
standard error of the accuracy is also reported. The time should be at most 40 % of that of the
grid. A study that takes longer than the grid is ended, and its time is that of the grid. It takes
about five minutes.
"""

import time
from statistics import median

import numpy as np
import optuna
from _tables import make_parser, parse_arguments, print_table
from optuna_integration import SkorchPruningCallback
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

GOAL = 0.4
GRID = {
    "learning_rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
    "dropout": [0.0, 0.25, 0.5],
    "weight_decay": [0.0, 0.05],
}


def network(seed, max_epochs):
    """Return the network of both searches."""
    return CNNClassifier(channels=(16, 32), max_epochs=max_epochs, device="cpu", random_state=seed)


def search_grid(cnn, grid, X, y, train, valid):
    """Return the score and the seconds of a grid search."""
    search = GridSearchCV(cnn, grid, cv=[(train, valid)], refit=False)
    start = time.perf_counter()
    results = search.fit(X, y).cv_results_
    return results["mean_test_score"].max(), time.perf_counter() - start


def search_optuna(cnn, X, y, train, valid, seed, goals, most_seconds):
    """Run a study until it reaches the last of some scores, and return it and the times of all."""
    seconds = [most_seconds] * len(goals)

    def objective(trial):
        cnn.set_params(
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            weight_decay=trial.suggest_float("weight_decay", 0.0, 0.05),
            callbacks=[SkorchPruningCallback(trial, "valid_score")],
        )
        cnn.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
        return cnn.score(X[valid], y[valid])

    def stop(study, trial):
        now = time.perf_counter() - start
        if trial.state.name == "COMPLETE":
            for number, goal in enumerate(goals):
                if trial.value >= goal:
                    seconds[number] = min(seconds[number], now)
        if seconds[-1] < most_seconds or now > most_seconds:
            study.stop()

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(n_startup_trials=5, seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    start = time.perf_counter()
    study.optimize(objective, callbacks=[stop])
    return study, seconds


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--seeds", type=int, default=5, help="number of seeds")
    arguments = parse_arguments(options)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    n_train, n_valid, max_epochs, grid = 900, 600, 12, GRID
    if arguments.quick:
        arguments.seeds, n_train, n_valid, max_epochs = 1, 200, 100, 3
        grid = {"learning_rate": GRID["learning_rate"]}
    rows, shares = [], []
    for seed in range(arguments.seeds):
        order = np.random.default_rng(seed).permutation(len(images))[: n_train + n_valid]
        X, y = images[order], labels[order]
        train, valid = np.arange(n_train), np.arange(n_train, n_train + n_valid)
        cnn = network(seed, max_epochs)
        best, seconds = search_grid(cnn, grid, X, y, train, valid)
        tolerance = 0.5 * np.sqrt(best * (1 - best) / n_valid)
        cnn = network(seed, max_epochs)
        goals = (best - tolerance, best)
        study, times = search_optuna(cnn, X, y, train, valid, seed, goals, seconds)
        complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
        shares.append([own / seconds for own in times])
        rows.append(
            {
                "seed": str(seed),
                "grid, accuracy": f"{best:.4f}",
                "tolerance": f"{tolerance:.4f}",
                "Optuna, accuracy": f"{max(trial.value for trial in complete):.4f}",
                "grid, fits": str(np.prod([len(values) for values in grid.values()])),
                "Optuna, trials": str(len(study.trials)),
                "pruned": str(len(study.trials) - len(complete)),
                "grid, s": f"{seconds:.1f}",
                "Optuna, s": f"{times[-1]:.1f}",
                "Optuna / grid, same score": f"{shares[-1][1]:.0%}",
                "with tolerance": f"{shares[-1][0]:.0%}",
            }
        )
    close, same = map(median, zip(*shares, strict=True))
    rows.append(
        {
            "seed": "median",
            "Optuna / grid, same score": f"{same:.0%}",
            "with tolerance": f"{close:.0%}",
            "goal": f"<= {GOAL:.0%}",
        }
    )
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
