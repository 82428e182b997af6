"""Test accuracy and training time of four tutorials' networks in Keras and in skcnn.

    python tests/benchmarks/bench_tutorials.py --data DIR [--keras-python PYTHON] [--tasks ...]

DIR contains `fashion_mnist.npz` and `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`) and
the folders `caltech101/{train,validation}` and `blood_cells/train`. Keras trains the network of
each tutorial with the tutorial's optimizer, batches and epochs (but a softmax for two classes), and
reads folders with `ImageDataGenerator` in one thread, its default. skcnn has the same layers,
batches and epochs, and the settings of `examples/02_tutorials`: standardized input, batch
normalization, AdamW with the one-cycle schedule (Muon for the blood cells, with predictions
averaged over mirror images), and data augmentation except for Fashion-MNIST. Keras and skcnn run in
turn, once per seed. The seconds are those of reading and training. The accuracy is measured on the
test images: for Caltech-101 on the validation folder, for the blood cells on a random fifth of
`blood_cells/train`, which is too optimistic for both.
"""

import sys
import time
from functools import partial
from pathlib import Path

import _keras
import numpy as np
from _networks import get_network
from _tables import make_parser, parse_arguments, print_table
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, ImageReader, ImageResizer, load_image_folder

# network, epochs and Keras optimizer of each tutorial
TASKS = {
    "Fashion-MNIST": ("dense-28", 10, "adam"),
    "CIFAR-10": ("dense-32", 20, "rmsprop"),
    "Caltech-101": ("conv-150", 5, "adam"),
    "blood cells": ("conv-200", 5, "adam"),
}
# parameters that differ from the defaults, chosen on training images
PARAMETERS = {
    "Fashion-MNIST": {"learning_rate": 0.002, "weight_decay": 0.05},
    "CIFAR-10": {"learning_rate": 0.002, "weight_decay": 0.05},
    "Caltech-101": {"learning_rate": 0.001, "weight_decay": 0.05},
    "blood cells": {
        "optimizer": "muon",
        "learning_rate": 0.06,
        "schedule": "linear",
        "test_time_augmentation": "flip",
    },
}
AUGMENTATION = {
    "CIFAR-10": {"horizontal_flip": True, "shift": 2},
    "Caltech-101": {"rotation": 5, "shift": 0.05},
    "blood cells": {"horizontal_flip": True, "vertical_flip": True},
}
FOLDERS = {"Caltech-101": "caltech101", "blood cells": "blood_cells"}
FILES = {"Fashion-MNIST": "fashion_mnist.npz", "CIFAR-10": "cifar10.npz"}


PAUSE = 0.5  # seconds, until the threads of the previous contender are idle


def main():
    """Train with each seed, and print one row for each task and package."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    _keras.add_option(options)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    options.add_argument(
        "--seeds", type=int, default=3, help="number of seeds (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.seeds = 1
    keras = _keras.start(arguments.keras_python)
    rows = [row for task in arguments.tasks for row in compare(task, keras, arguments)]
    print_table(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


def compare(task, keras, arguments):
    """Train with each seed, Keras and skcnn in turn, and return the rows of a task."""
    key, epochs, optimizer = TASKS[task]
    network = get_network(key)
    work = (
        {"epochs": 1, "n_images": 640} if arguments.quick else {"epochs": epochs, "n_images": None}
    )
    contenders = {}
    if keras:
        contenders["Keras"] = partial(keras.call, "tutorial", key=key, optimizer=optimizer, **work)
    contenders["skcnn"] = partial(train_and_test, network=network, task=task, **work)
    results = {name: [] for name in contenders}
    for seed in range(arguments.seeds):
        data = data_of(task, arguments.data, seed)
        for name in list(contenders)[:: 1 if seed % 2 else -1]:  # alternate the order
            time.sleep(PAUSE)
            results[name].append(contenders[name](seed=seed, data=data))
            print(task, name, seed, results[name][-1], file=sys.stderr, flush=True)
    return [row(task, network, work["epochs"], name, found) for name, found in results.items()]


def data_of(task, folder, seed):
    """Return the argument `data` of `_keras_worker.Worker.tutorial`."""
    if task in FILES:
        return [str(folder / FILES[task])]
    folder = folder / FOLDERS[task]
    if task == "Caltech-101":
        return [str(folder / "train"), str(folder / "validation")]
    paths, labels = load_image_folder(folder / "train", shuffle=False, return_X_y=True)
    parts = train_test_split(paths, labels, test_size=0.2, stratify=labels, random_state=seed)
    return [part.tolist() for part in (parts[0], parts[2], parts[1], parts[3])]


def train_and_test(network, epochs, n_images, task, seed, data):
    """Read the data, train and test with skcnn."""
    start = time.perf_counter()
    if len(data) == 1:
        with np.load(data[0]) as file:
            X, y, X_test, y_test = (
                file[k][:n_images] for k in ("X_train", "y_train", "X_test", "y_test")
            )
    elif len(data) == 2:
        (X, y), (X_test, y_test) = (
            load_image_folder(path, shuffle=False, return_X_y=True) for path in data
        )
    else:
        X, y, X_test, y_test = data
    steps = []
    if task in FOLDERS:
        steps += [ImageReader(), ImageResizer(network.shape[:2])]
    if task in AUGMENTATION:
        steps += [ImageAugmenter(**AUGMENTATION[task], random_state=seed)]
    steps += [
        CNNClassifier(
            channels=network.channels,
            padding=network.padding,
            dropout=(
                network.dropout,
                *(0.0 for _ in network.hidden_units),
            ),  # before the first layer
            hidden_units=network.hidden_units,
            batch_size=network.batch_size,
            max_epochs=epochs,
            device="cpu",
            random_state=seed,
            **PARAMETERS[task],
        )
    ]
    model = make_pipeline(*steps).fit(X, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": model.score(X_test, y_test)}


def row(task, network, epochs, name, found):
    """Return a row of the results of all seeds."""
    accuracy = [100 * result["accuracy"] for result in found]
    return {
        "task": task,
        "network": f"{network.name}, {epochs} epochs",
        "measurement": name,
        "accuracy, %": f"{np.mean(accuracy):.2f}",
        "range": f"{min(accuracy):.2f} to {max(accuracy):.2f}",
        "fit seconds": f"{np.mean([result['seconds'] for result in found]):.1f}",
    }


if __name__ == "__main__":
    main()
