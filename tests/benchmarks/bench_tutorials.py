"""Test accuracy and training time of the models of four tutorials, and of Keras.

    python tests/benchmarks/bench_tutorials.py --data DIR [--tasks ...] [--models ...]
    python tests/benchmarks/bench_tutorials.py --data DIR --models tutorial --keras-python PYTHON

DIR contains `fashion_mnist.npz` and `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`) and
the folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class. The blood cells are tested on `test`, and on parts of `train`: a random fifth, another one,
and a fifth of the clusters of photos. A random fifth is too optimistic (see `_tutorial_data.py`).

The models are those of `_tutorial_models.py`. Networks are fitted once per seed, other models once.
Keras trains the network of each tutorial with the tutorial's optimizer, batches and epochs (but a
softmax for two classes), and reads folders with `ImageDataGenerator` in one thread, its default.
Keras and skcnn run in turn. The seconds of a fit include reading and resizing files, and those of
Keras also loading arrays.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import _keras
import _tutorial_data
import _tutorial_models
import numpy as np
from _tables import make_parser, parse_arguments, print_table
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from skcnn import CNNClassifier

PAUSE = 0.5  # seconds, until the threads of the previous contender are idle
N_QUICK = 200  # images with --quick, about


@dataclass(frozen=True)
class Task:
    """A data set, a split of it, and the models.

    `load` is called with the path of the data. `keras` has the name of the network, the number of
    epochs and the optimizer of the tutorial.
    """

    path: str
    load: Callable
    models: Callable
    keras: tuple[str, int, str]


def blood_cells(load):
    return Task("blood_cells", load, _tutorial_models.blood_cells, ("conv-200", 5, "adam"))


TASKS = {
    "fashion_mnist": Task(
        "fashion_mnist.npz",
        _tutorial_data.load_arrays,
        _tutorial_models.fashion_mnist,
        ("dense-28", 10, "adam"),
    ),
    "cifar10": Task(
        "cifar10.npz",
        _tutorial_data.load_arrays,
        _tutorial_models.cifar10,
        ("dense-32", 20, "rmsprop"),
    ),
    "caltech101": Task(
        "caltech101",
        partial(_tutorial_data.load_folders, test="validation"),
        _tutorial_models.caltech101,
        ("conv-150", 5, "adam"),
    ),
    "blood_cells_random_fifth": blood_cells(partial(_tutorial_data.random_fifth, seed=0)),
    "blood_cells_other_fifth": blood_cells(partial(_tutorial_data.random_fifth, seed=1)),
    "blood_cells_clusters": blood_cells(_tutorial_data.fifth_of_clusters),
    "blood_cells_test": blood_cells(partial(_tutorial_data.load_folders, test="test")),
}


def main():
    """Fit and test, and print one row for each task and model."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    _keras.add_option(options)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    options.add_argument(
        "--models",
        nargs="+",
        metavar="WORD",
        default=[""],
        help="only models whose names contain one of these words (default: all)",
    )
    options.add_argument(
        "--seeds", type=int, default=3, help="number of fits of a network (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.seeds = 1
    keras = _keras.start(arguments.keras_python)
    rows = [row for task in arguments.tasks for row in compare(task, keras, arguments)]
    if not rows:
        options.error(f"no model's name contains {' or '.join(arguments.models)}")
    print_table(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


def compare(name, keras, arguments):
    """Fit and test the models of a task in turn, once per seed, and return their rows."""
    task = TASKS[name]
    path = arguments.data / task.path
    data = task.load(path)
    if arguments.quick:
        data = [part[:: max(1, len(part) // N_QUICK)] for part in data]
    models = {
        model: fitted
        for model, fitted in task.models().items()
        if any(word in model for word in arguments.models)
    }
    networks = {model for model, fitted in models.items() if isinstance(fitted[-1], CNNClassifier)}
    if arguments.quick:
        for model in networks:
            models[model][-1].set_params(max_epochs=1)
    contenders = {model: partial(fit_and_test, models[model], data) for model in models}
    if keras and "tutorial's network" in models:
        contenders["Keras"] = partial(fit_keras, keras, task, path, data, arguments.quick)
    results = {contender: [] for contender in contenders}
    for seed in range(arguments.seeds):
        for contender in list(contenders)[:: -1 if seed % 2 else 1]:  # alternate the order
            if seed and contender not in {*networks, "Keras"}:
                continue
            time.sleep(PAUSE)
            results[contender].append(contenders[contender](seed))
            print(name, contender, seed, results[contender][-1], file=sys.stderr, flush=True)
    return [row(name, contender, found) for contender, found in results.items()]


def fit_and_test(model, data, seed):
    """Fit a model with a seed, and return the seconds and the scores."""
    X, y, X_test, y_test = data
    start = time.perf_counter()
    _tutorial_models.seeded(model, seed).fit(X, y)
    fitted = time.perf_counter()
    predicted = model.predict(X_test)
    return {
        "accuracy": accuracy_score(y_test, predicted),
        "balanced accuracy": balanced_accuracy_score(y_test, predicted),
        "macro F1": f1_score(y_test, predicted, average="macro"),
        "fit seconds": fitted - start,
        "predict seconds": time.perf_counter() - fitted,
    }


def fit_keras(keras, task, path, data, quick, seed):
    """Fit the network of a tutorial in Keras, and return the seconds and the accuracy."""
    key, epochs, optimizer = task.keras
    n_images = N_QUICK if quick else None
    if path.suffix == ".npz":
        files = [str(path)]
    elif path.name == "caltech101":
        files = [str(path / "train"), str(path / "validation")]
    else:
        files = [np.asarray(part).tolist() for part in data]
    found = keras.call(
        "tutorial",
        key=key,
        n_images=n_images,
        epochs=1 if quick else epochs,
        seed=seed,
        optimizer=optimizer,
        data=files,
    )
    return {"accuracy": found["accuracy"], "fit seconds": found["seconds"]}


def row(task, contender, found):
    """Return the means over all seeds, and the lowest and highest accuracy."""
    accuracy = [result["accuracy"] for result in found]
    means = {key: np.mean([result[key] for result in found]) for key in found[0]}
    return {
        "task": task,
        "model": contender,
        "seeds": str(len(found)),
        **{key: format(mean, ".2f" if "seconds" in key else ".4f") for key, mean in means.items()},
        "lowest": f"{min(accuracy):.4f}",
        "highest": f"{max(accuracy):.4f}",
    }


if __name__ == "__main__":
    main()
