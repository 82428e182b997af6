"""Test accuracy of transfer learning, and the time of fits with a frozen backbone.

    python tests/benchmarks/bench_transfer.py --data DIR --table caltech101
    python tests/benchmarks/bench_transfer.py --data DIR --table cifar10 --device cuda
    python tests/benchmarks/bench_transfer.py --data DIR --table blood_cells --device cuda
    python tests/benchmarks/bench_transfer.py --data DIR --table shift --device cuda
    python tests/benchmarks/bench_transfer.py --data DIR --table input_size
    python tests/benchmarks/bench_transfer.py --data DIR --table time

DIR contains `cifar10.npz` and `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and
the folders `caltech101/{train,validation}` and `blood_cells/{train,test}`, with one subfolder per
class. Accuracies are means and standard deviations over seeds, which select the training images
and the random numbers of training. Each table is for its own part of docs/benchmarks/transfer.rst.
"""

import sys
import time
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table
from PIL import Image
from scipy.ndimage import gaussian_filter
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


@cache
def cifar10(data):
    """Return the images and labels of the training set, and of the test set."""
    with np.load(data / "cifar10.npz") as file:
        return tuple(file[key] for key in ("X_train", "y_train", "X_test", "y_test"))


@cache
def folder(path, size):
    """Return the images of a folder, resized, and their labels; images of cells from a file."""
    saved = path.with_name(f"{path.parent.name}_{path.name}_{size[0]}.npz")
    if saved.exists():  # resized before, where the folder is too large to copy
        with np.load(saved) as file:
            return np.array([_decode(photo) for photo in file["photos"]]), file["y"]
    files = load_image_folder(path, shuffle=False)
    resizer = ImageResizer(size, aspect="stretch")
    return make_pipeline(ImageReader(), resizer).fit_transform(files.data), files.target


def _decode(photo):
    return np.asarray(Image.open(BytesIO(photo)))


def draw(y, n_per_class, seed):
    """Return the rows of `n_per_class` random images of each class, in random order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(y == label))[:n_per_class] for label in np.unique(y)]
    return rng.permutation(np.concatenate(rows))


def corrupted(images, kind):
    """Return images with noise, blur or the artifacts of JPEG."""
    if kind == "noise":
        noise = np.random.default_rng(0).normal(0, 0.08 * 255, size=images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)
    if kind == "blur":
        sigma = images.shape[1] / 40
        return gaussian_filter(images, (0, sigma, sigma, 0))
    return np.array([_jpeg(image) for image in images]) if kind == "JPEG" else images


def _jpeg(image):
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=15)
    return np.asarray(Image.open(buffer))


def log(*values):
    print(*values, file=sys.stderr, flush=True)


def summary(scores):
    """Return the mean and the standard deviation of accuracies, in percent."""
    scores = 100 * np.array(scores)
    return f"{scores.mean():.2f} ± {scores.std(ddof=1) if len(scores) > 1 else 0:.2f}"


def fit(model, X, y):
    """Fit, and return the seconds."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def table_of_caltech101(arguments):
    """Frozen features of photos of 224 x 224 pixels, by the number of training images."""
    X, y = folder(arguments.data / "caltech101/train", (224, 224))
    X_test, y_test = folder(arguments.data / "caltech101/validation", (224, 224))
    for n_per_class, goal in ((5, "96"), (20, "99.8"), (10**6, "100")):
        scores, seconds = [], []
        for seed in range(arguments.rounds):
            rows = draw(y, n_per_class, seed)
            model = TransferClassifier(device=arguments.device, random_state=seed)
            seconds.append(fit(model, X[rows], y[rows]))
            scores.append(model.score(X_test, y_test))
            log(n_per_class, seed, scores[-1], seconds[-1])
        yield {
            "training images": f"{len(rows)}",
            "accuracy": summary(scores),
            "goal": goal,
            "seconds of fit": f"{np.median(seconds):.1f}",
        }


def table_of_cifar10(arguments):
    """500 images a class: from scratch, frozen and fine-tuned; the 10,000 test images."""
    X, y, X_test, y_test = cifar10(arguments.data)
    models = {"network='fast' from scratch": CNNClassifier("fast")}
    models |= {name: TransferClassifier(**options) for name, options in METHODS.items()}
    yield from compare(models, X, y, 500, X_test, y_test, arguments)


def table_of_blood_cells(arguments):
    """Four types of cells: from scratch, frozen and fine-tuned; photos of other patients."""
    size = (120, 160)
    X, y = folder(arguments.data / "blood_cells/train", size)
    X_test, y_test = folder(arguments.data / "blood_cells/test", size)
    flips = ImageAugmenter(horizontal_flip=True, vertical_flip=True, random_state=0)
    models = {"network='fast' from scratch": CNNClassifier("fast")}
    models |= {name: TransferClassifier(**options) for name, options in METHODS.items()}
    for name in ("network='fast' from scratch", "fine-tuned after the head"):
        models[f"{name}, flips"] = make_pipeline(flips, models[name])
    yield from compare(models, X, y, 10**6, X_test, y_test, arguments)


def compare(models, X, y, n_per_class, X_test, y_test, arguments):
    """Yield a row for each model."""
    for name, model in models.items():
        if arguments.models and name not in arguments.models:
            continue
        scores, seconds = [], []
        final = model[-1] if hasattr(model, "steps") else model
        for seed in range(arguments.rounds):
            rows = draw(y, n_per_class, seed)
            final.set_params(random_state=seed, device=arguments.device)
            seconds.append(fit(model, X[rows], y[rows]))
            scores.append(model.score(X_test, y_test))
            log(name, seed, scores[-1], seconds[-1])
        yield {
            "model": name,
            "accuracy": summary(scores),
            "lowest": f"{100 * min(scores):.2f}",
            "seconds of fit": f"{np.median(seconds):.0f}",
        }


def table_of_shift(arguments):
    """Accuracy on corrupted test images."""
    X, y, X_test, y_test = cifar10(arguments.data)
    photos, labels = folder(arguments.data / "caltech101/train", (128, 128))
    test_photos, test_labels = folder(arguments.data / "caltech101/validation", (128, 128))
    sets = {
        "CIFAR-10, 500 a class": (X, y, 500, X_test, y_test),
        "Caltech-101, 20 a class": (photos, labels, 20, test_photos, test_labels),
    }
    for set_name, (X, y, n_per_class, X_test, y_test) in sets.items():
        tests = {kind: corrupted(X_test, kind) for kind in ("clean", "noise", "blur", "JPEG")}
        for name, options in METHODS.items():
            scores = {kind: [] for kind in tests}
            for seed in range(arguments.rounds):
                rows = draw(y, n_per_class, seed)
                model = TransferClassifier(**options, random_state=seed, device=arguments.device)
                model.fit(X[rows], y[rows])
                for kind, images in tests.items():
                    scores[kind].append(model.score(images, y_test))
                log(set_name, name, seed, {kind: values[-1] for kind, values in scores.items()})
            shifted = np.mean([scores[kind] for kind in ("noise", "blur", "JPEG")], axis=0)
            yield {
                "data": set_name,
                "model": name,
                **{kind: summary(values) for kind, values in scores.items()},
                "mean of the three": summary(shifted),
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
    arguments = parse_arguments(options)
    notes = []
    if torch.cuda.is_available() and arguments.device != "cpu":
        notes = [f"GPU: {torch.cuda.get_device_name()}"]
    print_table(list(TABLES[arguments.table](arguments)), arguments, notes=notes)


if __name__ == "__main__":
    main()
