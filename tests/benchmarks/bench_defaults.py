"""Test accuracy of candidate default parameters on five data sets.

    python tests/benchmarks/bench_defaults.py DATA [--candidates NAME ...] [--sets NAME ...]
    python tests/benchmarks/bench_defaults.py DATA --table networks
    python tests/benchmarks/bench_defaults.py DATA --table early_stopping --seeds 3

DATA contains `fashion_mnist.npz`, `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and the
folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class. The digits are those of scikit-learn. The sets are reduced to sizes that train in about a
minute; `--fraction 0.5` takes half of their training images, and of the folds of the digits.

The table of networks compares the plain network, the fast network with its automatic options, and
the fast network with the recipe for all 50,000 images of CIFAR-10.
"""

import argparse
import csv
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

from skcnn import CNNClassifier, ImageReader, ImageResizer, load_image_folder

# Each candidate changes one parameter of a common start. The defaults have more weight decay.
START = {"weight_decay": 0.05}
CANDIDATES = {
    "defaults": {"weight_decay": 0.5},
    "start": {},
    "learning_rate=0.001": {"learning_rate": 0.001},
    "learning_rate=0.01": {"learning_rate": 0.01},
    "schedule=None": {"schedule": None},
    "schedule=cosine": {"schedule": "cosine"},
    "weight_decay=0": {"weight_decay": 0.0},
    "weight_decay=0.2": {"weight_decay": 0.2},
    "dropout=0": {"dropout": 0.0},
    "dropout=0.5": {"dropout": 0.5},
    "batch_size=32": {"batch_size": 32},
    "batch_size=128": {"batch_size": 128},
    "batch_norm=False": {"batch_norm": False},
    "hidden_units=()": {"hidden_units": ()},
    "channels=(32, 64)": {"channels": (32, 64)},
    "channels=(32, 64, 128)": {"channels": (32, 64, 128)},
    "activation=gelu": {"activation": "gelu"},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "max_epochs=10": {"max_epochs": 10},
    "max_epochs=40": {"max_epochs": 40},
}
RECIPE = {
    "network": "fast",
    "optimizer": "muon",
    "learning_rate": 0.17,
    "schedule": "linear",
    "batch_size": 500,
    "max_epochs": 12,
    "label_smoothing": 0.2,
    "progressive_resizing": 0.6,
    "test_time_augmentation": "flip_shift",
}
TABLES = {
    "defaults": {name: START | changes for name, changes in CANDIDATES.items()},
    "networks": {
        "plain": {},
        "fast": {"network": "fast"},
        "fast, with the recipe for 50,000 images": RECIPE,
    },
    "early_stopping": {
        "early_stopping=False": {},
        "early_stopping=True": {"early_stopping": True},
    },
}
SETS = ("digits", "fashion", "cifar10", "caltech101", "blood_cells")


@cache
def load(name, data):
    """Return a list of (X_train, y_train, X_test, y_test)."""
    rng = np.random.default_rng(0)
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return [(X[a], y[a], X[b], y[b]) for a, b in KFold(5).split(X)]
    if name in ("fashion", "cifar10"):
        file = np.load(data / f"{name.replace('fashion', 'fashion_mnist')}.npz")
        X, y, X_test, y_test = (file[key] for key in ("X_train", "y_train", "X_test", "y_test"))
        rows = rng.permutation(len(X_test))[:2000]  # Fashion-MNIST has them sorted by class
        return [(X[:4000], y[:4000], X_test[rows], y_test[rows])]
    size, held_out = {"caltech101": (80, "validation"), "blood_cells": (64, "test")}[name]
    parts = []
    for part, most in (("train", 1200), (held_out, 1000)):
        folder = load_image_folder(data / name / part, shuffle=False)
        rows = rng.permutation(len(folder.data))[:most]
        photos = ImageReader().fit_transform(folder.data[rows])
        parts += [ImageResizer((size, size)).fit_transform(photos), folder.target[rows]]
    return [tuple(parts)]


def reduce(parts, fraction):
    """Return a fraction of the folds, or of the training images of a single one."""
    if len(parts) > 1:
        return parts[: max(1, round(fraction * len(parts)))]
    return [
        (X[: round(fraction * len(X))], y[: round(fraction * len(X))], X_test, y_test)
        for X, y, X_test, y_test in parts
    ]


def main():
    """Fit every candidate on every data set, and print one row per candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--table", default="defaults", choices=TABLES)
    parser.add_argument("--candidates", nargs="+", metavar="NAME")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--fast-channels", nargs="+", type=int, help="channels of the fast network")
    arguments = parser.parse_args()
    candidates = TABLES[arguments.table]
    if arguments.fast_channels:
        for parameters in candidates.values():
            if parameters.get("network") == "fast":
                parameters["channels"] = tuple(arguments.fast_channels)
    table = csv.writer(sys.stdout)
    table.writerow(["", *arguments.sets, "mean", "epochs", "CPU seconds of fit"])
    for name in arguments.candidates or candidates:
        results = [measure(candidates[name], set_name, arguments) for set_name in arguments.sets]
        scores, epochs, seconds = zip(*results, strict=True)
        scores = [f"{100 * score:.1f}" for score in (*scores, np.mean(scores))]
        table.writerow([name, *scores, f"{np.mean(epochs):.1f}", f"{sum(seconds):.0f}"])
        sys.stdout.flush()


def measure(parameters, set_name, arguments):
    """Return the mean accuracy, the mean number of epochs and the CPU seconds of all fits."""
    scores, epochs, seconds = [], [], 0.0
    for seed in range(arguments.seeds):
        for X, y, X_test, y_test in reduce(load(set_name, arguments.data), arguments.fraction):
            cnn = CNNClassifier(**parameters, random_state=seed)
            start = time.process_time()
            cnn.fit(X, y)
            seconds += time.process_time() - start
            scores.append(cnn.score(X_test, y_test))
            epochs.append(cnn.n_epochs_)
    print(set_name, parameters, scores, epochs, f"{seconds:.0f}", file=sys.stderr, flush=True)
    return np.mean(scores), np.mean(epochs), seconds


if __name__ == "__main__":
    main()
