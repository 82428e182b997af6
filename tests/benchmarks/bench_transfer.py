"""Test accuracy of transfer learning, and the time of fits with a frozen backbone.

    python tests/benchmarks/bench_transfer.py --data DIR --table caltech101
    python tests/benchmarks/bench_transfer.py --data DIR --table cifar10 --jobs 6
    python tests/benchmarks/bench_transfer.py --data DIR --table blood_cells --jobs 6
    python tests/benchmarks/bench_transfer.py --data DIR --table shift --jobs 6
    python tests/benchmarks/bench_transfer.py --data DIR --table input_size
    python tests/benchmarks/bench_transfer.py --data DIR --table time

DIR contains `cifar10.npz` and `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and
the folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class. Accuracies are means and standard deviations over seeds, which select the training images
and the random numbers of training. Each table is for its own part of docs/benchmarks/transfer.rst.
"""

import time
from pathlib import Path

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table
from _transfer_data import Sets, cifar10, clean, draw, fit, folders, log, score_fit, shifted
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline

from skcnn import (
    CNNClassifier,
    ImageAugmenter,
    ImageReader,
    ImageResizer,
    TransferClassifier,
    load_image_folder,
)
from skcnn.estimators._backbone import build_module
from skcnn.training.features import compute_features
from skcnn.training.loader import ImageDataset

METHODS = {
    "frozen features": {"fine_tune": False},
    "fine-tuned at once": {"fine_tune": True, "head_epochs": 0},
    "fine-tuned after the head": {"fine_tune": True},
}


def summary(scores):
    """Return the mean and the standard deviation of accuracies, in percent."""
    scores = 100 * np.array(scores)
    return f"{scores.mean():.2f} ± {scores.std(ddof=1) if len(scores) > 1 else 0:.2f}"


def compare(models, sets, n_per_class, arguments):
    """Yield the name, the accuracies by test set, the seconds and the number of images."""
    names = [name for name in models if not arguments.models or name in arguments.models]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.rounds)
    tasks = [(name, seed) for name in names for seed in seeds]
    results = Parallel(arguments.jobs)(
        delayed(score_fit)(models[name], sets, n_per_class, seed, arguments.device)
        for name, seed in tasks
    )
    for name in names:
        own = [result for task, result in zip(tasks, results, strict=True) if task[0] == name]
        scores, seconds, n_images = zip(*own, strict=True)
        yield name, {kind: [s[kind] for s in scores] for kind in scores[0]}, seconds, n_images[0]


def table_of_caltech101(arguments):
    """Frozen features of photos of 224 x 224 pixels, by the number of training images."""
    path = arguments.data / "caltech101"
    sets = Sets(clean, folders, path, "validation", (224, 224))
    for n_per_class, goal in ((5, "96"), (20, "99.8"), (10**6, "100")):
        results = compare({"": TransferClassifier()}, sets, n_per_class, arguments)
        for _, scores, seconds, n_images in results:
            yield {
                "training images": f"{n_images}",
                "accuracy": summary(scores["clean"]),
                "goal": goal,
                "seconds of fit": f"{np.median(seconds):.1f}",
            }


def table_of_cifar10(arguments):
    """500 images a class from scratch and transferred; all test images, also corrupted."""
    models = {"network='fast' from scratch": CNNClassifier("fast")}
    models |= {name: TransferClassifier(**options) for name, options in METHODS.items()}
    sets = Sets(shifted, cifar10, arguments.data)
    yield from rows_of_shift("CIFAR-10", compare(models, sets, 500, arguments))


def table_of_shift(arguments):
    """Photos of Caltech-101, 20 a class, corrupted test images."""
    models = {name: TransferClassifier(**options) for name, options in METHODS.items()}
    sets = Sets(shifted, folders, arguments.data / "caltech101", "validation", (128, 128))
    yield from rows_of_shift("Caltech-101", compare(models, sets, 20, arguments))


def rows_of_shift(name_of_data, results):
    """Yield a row for each model."""
    for name, scores, seconds, _ in results:
        mean = np.mean([scores[kind] for kind in ("noise", "blur", "JPEG")], axis=0)
        yield {
            "data": name_of_data,
            "model": name,
            **{kind: summary(values) for kind, values in scores.items()},
            "mean of the three": summary(mean),
            "seconds of fit": f"{np.median(seconds):.0f}",
        }


def table_of_blood_cells(arguments):
    """Four types of cells, from scratch and transferred; test images of other photos."""
    augmenter = ImageAugmenter(
        horizontal_flip=True, vertical_flip=True, rotation=90, zoom=0.2, random_state=0
    )
    models = {name: TransferClassifier(**options) for name, options in METHODS.items()}
    name = "fine-tuned after the head"
    models[f"{name}, augmented"] = make_pipeline(augmenter, models[name])
    sets = Sets(clean, folders, arguments.data / "blood_cells", "test", (240, 320))
    for name, scores, seconds, _ in compare(models, sets, 10**6, arguments):
        yield {
            "model": name,
            "accuracy": summary(scores["clean"]),
            "lowest": f"{100 * min(scores['clean']):.2f}",
            "seconds of fit": f"{np.median(seconds):.0f}",
        }


def table_of_input_size(arguments):
    """Frozen features of enlarged images, 200 images a class, 2,000 test images."""
    for name in ("cifar10", "fashion_mnist"):
        with np.load(arguments.data / f"{name}.npz") as file:
            X, y, X_test, y_test = (file[k] for k in ("X_train", "y_train", "X_test", "y_test"))
        test = draw(y_test, 200, 0)
        for factor in (1, 2, 3, 4, 5, 6, 7):
            scores, size = [], factor * X.shape[1]
            for seed in range(arguments.rounds):
                rows = draw(y, 200, seed)
                model = TransferClassifier(
                    input_size=size, random_state=seed, device=arguments.device
                )
                seconds = fit(model, X[rows], y[rows])
                scores.append(model.score(X_test[test], y_test[test]))
                log(name, size, scores[-1], seconds)
            row = {"data": name, "input_size": f"{size}", "accuracy": summary(scores)}
            yield {**row, "ms per image in fit": f"{1000 * seconds / len(rows):.1f}"}


def table_of_time(arguments):
    """Seconds of a fit of 250 photos with reading, and a frozen fit against a forward pass."""
    files = load_image_folder(arguments.data / "caltech101/train", shuffle=True, random_state=0)
    times = {"250 photos, reading included": [], "5,000 images of 128 x 128": [], "forward": []}
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(5000, 128, 128, 3), dtype=np.uint8), np.arange(5000) % 10
    for _ in range(arguments.rounds):
        pipe = make_pipeline(
            ImageReader(), ImageResizer((224, 224)), TransferClassifier(device=arguments.device)
        )
        times["250 photos, reading included"].append(
            fit(pipe, files.data[:250], files.target[:250])
        )
        model = TransferClassifier(device=arguments.device)
        times["5,000 images of 128 x 128"].append(fit(model, X, y))
        spec = model._network_spec(model.image_shape_, 10)
        device = torch.device(model.net_.device)
        module = build_module(spec, X[:100])[0].to(device).eval()
        start = time.perf_counter()
        compute_features(module, ImageDataset(X), device=device, precision="auto")
        times["forward"].append(time.perf_counter() - start)
        log({name: values[-1] for name, values in times.items()})
    forward = times.pop("forward")
    for name, values in times.items():
        row = {"fit": name, "seconds": f"{np.median(values):.1f}"}
        if name.startswith("5,000"):
            row["forward pass, seconds"] = f"{np.median(forward):.1f}"
            row["ratio"] = f"{np.median(np.divide(values, forward)):.2f}"
        yield row


TABLES = {
    "blood_cells": table_of_blood_cells,
    "caltech101": table_of_caltech101,
    "cifar10": table_of_cifar10,
    "input_size": table_of_input_size,
    "shift": table_of_shift,
    "time": table_of_time,
}


def main():
    """Print a table."""
    options = make_parser(__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="DIR")
    options.add_argument("--table", required=True, choices=TABLES)
    options.add_argument("--models", nargs="+", metavar="NAME", help="only these rows")
    options.add_argument("--device", default="auto")
    options.add_argument("--first-seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=1, help="number of fits at a time")
    arguments = parse_arguments(options)
    notes = []
    if torch.cuda.is_available() and arguments.device != "cpu":
        notes = [f"GPU: {torch.cuda.get_device_name()}"]
    print_table(list(TABLES[arguments.table](arguments)), arguments, notes=notes)


if __name__ == "__main__":
    main()
