"""The networks of four tutorials on their data: Keras as the tutorials use it, and ours.

    python tests/benchmarks/bench_tutorials.py --data DIR [--keras-python PYTHON] [--tasks ...]

DIR holds `fashion_mnist.npz` and `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`) and the
folders `caltech101/{train,validation}` and `blood_cells/train`. Keras trains each tutorial's
network with its optimizer, batches and epochs (but with a softmax for two classes), and reads
folders with `ImageDataGenerator`, in its one thread. Ours has the same layers, batches and epochs,
and as `examples/02_tutorials` has it: standardised input, normalised convolutions, AdamW with a
learning rate that rises and falls (Muon for the blood cells, with predictions averaged over mirror
images), and random variants of the images but for Fashion-MNIST. They run in turn, once with each
seed. The seconds run until a network is trained, reading included; accuracy is that on the test
images (on the validation folder for Caltech-101, on a random fifth of `blood_cells/train`, which
flatters both).
"""

import sys
import time
from functools import partial
from pathlib import Path

import _keras
import numpy as np
from _networks import get
from _tables import parse, parser, show
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, ImageReader, ImageResizer, load_image_folder

# the tutorial's network, its epochs, its optimizer in Keras
TASKS = {
    "Fashion-MNIST": ("dense-28", 10, "adam"),
    "CIFAR-10": ("dense-32", 20, "rmsprop"),
    "Caltech-101": ("conv-150", 5, "adam"),
    "blood cells": ("conv-200", 5, "adam"),
}
# what differs from the defaults, chosen on training images
OURS = {
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
AUGMENTED = {
    "CIFAR-10": {"horizontal_flip": True, "shift": 2},
    "Caltech-101": {"rotation": 5, "shift": 0.05},
    "blood cells": {"horizontal_flip": True, "vertical_flip": True},
}
FOLDERS = {"Caltech-101": "caltech101", "blood cells": "blood_cells"}
FILES = {"Fashion-MNIST": "fashion_mnist.npz", "CIFAR-10": "cifar10.npz"}


PAUSE = 0.5  # seconds in which the threads of the one before go to sleep


def main():
    """Train everything in turn, and print a row for each task and contender."""
    options = parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    _keras.add_option(options)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    options.add_argument("--seeds", type=int, default=3, help="(default: %(default)s)")
    arguments = parse(options)
    if arguments.quick:
        arguments.seeds = 1
    keras = _keras.start(arguments.keras_python)
    rows = [row for task in arguments.tasks for row in compare(task, keras, arguments)]
    show(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


def compare(task, keras, arguments):
    """Train with each seed, one after the other, and give the rows of a task."""
    key, epochs, optimizer = TASKS[task]
    network = get(key)
    work = (
        {"epochs": 1, "n_images": 640} if arguments.quick else {"epochs": epochs, "n_images": None}
    )
    contenders = {}
    if keras:
        contenders["Keras"] = partial(keras.ask, "tutorial", key=key, optimizer=optimizer, **work)
    contenders["skcnn"] = partial(ours, network=network, task=task, **work)
    results = {name: [] for name in contenders}
    for seed in range(arguments.seeds):
        data = sources(task, arguments.data, seed)
        for name in list(contenders)[:: 1 if seed % 2 else -1]:  # the first to start takes turns
            time.sleep(PAUSE)
            results[name].append(contenders[name](seed=seed, data=data))
            print(task, name, seed, results[name][-1], file=sys.stderr, flush=True)
    return [row(task, network, work["epochs"], name, found) for name, found in results.items()]


def sources(task, folder, seed):
    """Give what `_keras_worker.Worker.tutorial` takes as data."""
    if task in FILES:
        return [str(folder / FILES[task])]
    folder = folder / FOLDERS[task]
    if task == "Caltech-101":
        return [str(folder / "train"), str(folder / "validation")]
    paths, labels = load_image_folder(folder / "train", return_X_y=True)
    parts = train_test_split(paths, labels, test_size=0.2, stratify=labels, random_state=seed)
    return [part.tolist() for part in (parts[0], parts[2], parts[1], parts[3])]


def ours(network, epochs, n_images, task, seed, data):
    """Read, train, test."""
    start = time.perf_counter()
    if len(data) == 1:
        with np.load(data[0]) as file:
            X, y, X_test, y_test = (
                file[k][:n_images] for k in ("X_train", "y_train", "X_test", "y_test")
            )
    elif len(data) == 2:
        (X, y), (X_test, y_test) = (load_image_folder(path, return_X_y=True) for path in data)
    else:
        X, y, X_test, y_test = data
    steps = []
    if task in FOLDERS:
        steps += [ImageReader(), ImageResizer(network.shape[:2])]
    if task in AUGMENTED:
        steps += [ImageAugmenter(**AUGMENTED[task], random_state=seed)]
    steps += [
        CNNClassifier(
            channels=network.channels,
            padding=network.padding,
            dropout=(network.dropout, *(0.0 for _ in network.hidden_units)),  # before the first
            hidden_units=network.hidden_units,
            batch_size=network.batch_size,
            max_epochs=epochs,
            device="cpu",
            random_state=seed,
            **OURS[task],
        )
    ]
    model = make_pipeline(*steps).fit(X, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": model.score(X_test, y_test)}


def row(task, network, epochs, name, found):
    """Make a row of what was found with each seed."""
    accuracy = [100 * result["accuracy"] for result in found]
    return {
        "task": task,
        "network": f"{network.name}, {epochs} epochs",
        "what": name,
        "accuracy, %": f"{np.mean(accuracy):.2f}",
        "lowest to highest": f"{min(accuracy):.2f} to {max(accuracy):.2f}",
        "fit seconds": f"{np.mean([result['seconds'] for result in found]):.1f}",
    }


if __name__ == "__main__":
    main()
