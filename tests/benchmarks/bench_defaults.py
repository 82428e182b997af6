"""Test accuracy of candidate default parameters on five data sets.

    python tests/benchmarks/bench_defaults.py DATA [--candidates NAME ...] [--sets NAME ...]

DATA contains `fashion_mnist.npz`, `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and the
folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class. The digits are those of scikit-learn. The sets are reduced to sizes that train in about a
minute.
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
        return [(X[:4000], y[:4000], X_test[:2000], y_test[:2000])]
    size, held_out = {"caltech101": (80, "validation"), "blood_cells": (64, "test")}[name]
    parts = []
    for part, most in (("train", 1200), (held_out, 1000)):
        folder = load_image_folder(data / name / part, shuffle=False)
        rows = rng.permutation(len(folder.data))[:most]
        photos = ImageReader().fit_transform(folder.data[rows])
        parts += [ImageResizer((size, size)).fit_transform(photos), folder.target[rows]]
    return [tuple(parts)]


def main():
    """Fit every candidate on every data set, and print one row per candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=CANDIDATES)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    table = csv.writer(sys.stdout)
    table.writerow(["candidate", *arguments.sets, "mean", "fit seconds"])
    for candidate in arguments.candidates:
        row, start = [], time.perf_counter()
        for name in arguments.sets:
            scores = [
                CNNClassifier(**START | CANDIDATES[candidate], random_state=seed)
                .fit(X, y)
                .score(Xt, yt)
                for seed in range(arguments.seeds)
                for X, y, Xt, yt in load(name, arguments.data)
            ]
            row.append(np.mean(scores))
        seconds = time.perf_counter() - start
        table.writerow([candidate, *(f"{x:.4f}" for x in (*row, np.mean(row))), f"{seconds:.0f}"])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
