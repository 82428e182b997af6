"""False and missed alarms of the warnings about the scale of images and about single classes.

    python tests/benchmarks/bench_warnings.py --data DIR

DIR contains `fashion_mnist.npz`, `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and the
folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class; photos are resized to 64 x 64. A small network is trained on each set, once with pixel values
from 0 to 255, once from 0 to 1 and once from 0 to 65,535. It predicts the test images, as they are,
darker, and on the two other scales, in calls of 1, 8 and 64 images and of all. A cell has the
number of calls that warned, of all calls. The row "fits" counts the fits that warned about
anything: of complete sets, of small random parts, of the folds of a stratified cross-validation,
and of `partial_fit` with parts.
"""

import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table
from sklearn.model_selection import StratifiedKFold

from skcnn import CNNClassifier, ImageReader, ImageResizer, load_image_folder

FILES = {"Fashion-MNIST": "fashion_mnist", "CIFAR-10": "cifar10"}
FOLDERS = {"Caltech-101": ("caltech101", "validation"), "blood cells": ("blood_cells", "test")}
SCALES = {"0 to 255": 1.0, "0 to 1": 1 / 255, "0 to 65,535": 257.0}
DARKER = {"as in fit": 1.0, "half as bright": 0.5, "a quarter as bright": 0.25}
OTHER_SCALE = "on another scale"
CALL_SIZES = (1, 8, 64, None)
N_TRAIN = 2000


def load(name, data):
    """Return X_train, y_train, X_test: uint8 images, in random order."""
    rng = np.random.default_rng(0)
    if name in FILES:
        file = np.load(data / f"{FILES[name]}.npz")
        return file["X_train"][:N_TRAIN], file["y_train"][:N_TRAIN], file["X_test"]
    parts = []
    for part in ("train", FOLDERS[name][1]):
        folder = load_image_folder(data / FOLDERS[name][0] / part)
        rows = rng.permutation(len(folder.data))[: N_TRAIN if part == "train" else None]
        photos = ImageReader().fit_transform(folder.data[rows])
        parts += [ImageResizer((64, 64)).fit_transform(photos), folder.target[rows]]
    return parts[0], parts[1], parts[2]


def classifier():
    """Return a classifier that is fast, as warnings do not depend on the network."""
    return CNNClassifier(channels=(4,), hidden_units=(), max_epochs=1, random_state=0)


class Warned:
    """Number of calls, and of those that warned, and the beginnings of the messages."""

    def __init__(self):
        self.n_calls = self.n_warned = 0
        self.messages = Counter()

    def call(self, function, *arguments):
        """Call a function, and record its warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(*arguments)
        self.n_calls += 1
        self.n_warned += bool(caught)
        self.messages.update(
            f"{entry.category.__name__}: {str(entry.message)[:40]}" for entry in caught
        )

    def __str__(self):
        return f"{self.n_warned} of {self.n_calls}"


def count_predictions(warned, model, images, size, most):
    """Predict images in calls of `size` images, at most `most` calls, evenly spaced."""
    size = size or len(images)
    starts = range(0, len(images), size)
    for start in starts[:: -(-len(starts) // most)]:
        warned.call(model.predict, images[start : start + size])


def predict(data, most):
    """Return the recorded predictions for one data set, by what was given and the size of a call.

    Each count is the sum over networks trained on the three scales.
    """
    X, y, X_test = data
    found = {kind: {size: Warned() for size in CALL_SIZES} for kind in [*DARKER, OTHER_SCALE]}
    for fitted, factor in SCALES.items():
        model = classifier().fit(X * factor, y)
        given = [(kind, factor * dark) for kind, dark in DARKER.items()]
        given += [(OTHER_SCALE, other) for scale, other in SCALES.items() if scale != fitted]
        for kind, multiple in given:
            images = (X_test * multiple).astype(np.float32)
            for size, warned in found[kind].items():
                count_predictions(warned, model, images, size, most)
    return found


def count_fits(data, n_parts):
    """Fit complete sets, small parts, folds, and parts with `partial_fit`."""
    X, y, _ = data
    warned, rng = Warned(), np.random.default_rng(0)
    warned.call(classifier().fit, X, y)
    for n_images in (100, 300):
        for _ in range(n_parts):
            rows = rng.permutation(len(X))[:n_images]
            warned.call(classifier().fit, X[rows], y[rows])
    for rows, _ in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        warned.call(classifier().fit, X[rows], y[rows])
    model, classes = classifier(), np.unique(y)
    for start in range(0, len(X), 64):
        part = slice(start, start + 64)
        warned.call(model.partial_fit, X[part], y[part], classes)
    return warned


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    options.add_argument(
        "--calls", type=int, default=250, help="maximum calls of a kind (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    most, n_parts = (5, 1) if arguments.quick else (arguments.calls, 10)
    rows, false_alarms, missed, messages = [], 0, 0, Counter()
    for name in [*FILES, *FOLDERS]:
        print(name, file=sys.stderr, flush=True)
        data = load(name, arguments.data)
        fits = count_fits(data, n_parts)
        for kind, counts in {**predict(data, most), "fits": {None: fits}}.items():
            sizes = {size: f"calls of {size}" if size else "one call" for size in CALL_SIZES}
            cells = {sizes[size]: str(warned) for size, warned in counts.items()}
            rows.append({"data set": name, "images": kind, **cells})
            for warned in counts.values():
                if kind == OTHER_SCALE:
                    missed += warned.n_calls - warned.n_warned
                else:
                    false_alarms += warned.n_warned
                    messages.update(warned.messages)
    notes = [f"false alarms: {false_alarms} {dict(messages) or ''}", f"missed: {missed}"]
    print_table(rows, arguments, notes=notes)


if __name__ == "__main__":
    main()
