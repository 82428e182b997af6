"""Accuracy for corrupted test images, by the augmentation in training, and time of corruptions.

    python tests/benchmarks/bench_corruptions.py --data DIR --csv FILE
    python tests/benchmarks/bench_corruptions.py --data DIR --csv FILE --sets fashion_mnist \
        --network small --train 2000 --epochs 50
    python tests/benchmarks/bench_corruptions.py --data DIR --csv FILE --train 20000 \
        --epochs 30 --device cuda --jobs 5 --rounds 1
    python tests/benchmarks/bench_corruptions.py --data DIR --table time

DIR contains `cifar10.npz` and `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`). A
line of FILE is a fit, written as soon as it ends. Lines that are there already are not computed
again, so that an interrupted run can be continued. The table has the means over the seeds, which
select the training images and the random numbers of training. The test images of all models have
the same corruptions of all severities.
"""

import csv
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table
from _transfer_data import draw, log
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, ImageResizer
from skcnn.robustness import CORRUPTIONS, corrupt
from skcnn.robustness.corruptions import KINDS, SEVERITIES

# Every model but the first is trained with flips and shifts.
MODELS = {
    "nothing": None,
    "flip, shift": ({}, {}),
    "erase": ({"erase": 0.4}, {}),
    "noise": ({"noise": 0.1}, {}),
    "mixup": ({}, {"mixup": 0.4}),
    "cutmix": ({}, {"cutmix": 1.0}),
    "corruption: noise": ({"corruption": CORRUPTIONS["noise"]}, {}),
    "corruption: all but weather": (
        {"corruption": [kind for kind in KINDS if kind not in CORRUPTIONS["weather"]]},
        {},
    ),
    "corruption: all": ({"corruption": KINDS}, {}),
}
NETWORKS = {"fast": {"network": "fast"}, "small": {"network": "plain", "channels": (16, 32)}}
SETS = ("cifar10", "fashion_mnist")
FIT = ["data", "network", "training images", "epochs", "model", "seed"]
SCORES = ["clean", *KINDS]
HEADINGS = [*FIT, "seconds of fit", *SCORES]


def load(path, n_train, seed):
    """Return training images and labels that a seed selects."""
    with np.load(path) as file:
        X, y = file["X_train"], file["y_train"]
    rows = draw(y, n_train // len(np.unique(y)), seed) if n_train else np.arange(len(y))
    return X[rows], y[rows]


def build(name, seed, arguments):
    """Return the pipeline of a model."""
    options = {"max_epochs": arguments.epochs, "random_state": seed, "device": arguments.device}
    options |= NETWORKS[arguments.network]
    if MODELS[name] is None:
        return CNNClassifier(**options)
    augmentation, training = MODELS[name]
    augmenter = ImageAugmenter(horizontal_flip=True, shift=2, random_state=seed, **augmentation)
    return make_pipeline(augmenter, CNNClassifier(**training, **options))


def run(data, name, seed, folder, tests, arguments):
    """Fit a model, write its line, and return it."""
    X, y = load(folder / f"{data}.npz", arguments.train, seed)
    images = joblib.load(tests, mmap_mode="r")
    start = time.perf_counter()
    model = build(name, seed, arguments).fit(X, y)
    seconds = time.perf_counter() - start
    line = {"data": data, "network": arguments.network, "training images": len(X)}
    line |= {"epochs": arguments.epochs, "model": name, "seed": seed}
    line |= {"seconds of fit": round(seconds, 1), "clean": model.score(images["X"], images["y"])}
    for kind in KINDS:
        predicted = model.predict(np.asarray(images[kind]).reshape(-1, *X.shape[1:]))
        line[kind] = np.mean(predicted.reshape(len(SEVERITIES), -1) == images["y"])
    with arguments.csv.open("a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, HEADINGS).writerow(line)
    log(line)


def corrupted_tests(data, folder, arguments):
    """Write corrupted test images to a file, and return its path."""
    with np.load(arguments.data / f"{data}.npz") as file:
        X, y = file["X_test"], file["y_test"]
    rows = draw(y, arguments.test // len(np.unique(y)), 0)
    start = time.perf_counter()
    parts = Parallel(arguments.jobs)(
        delayed(corrupt)(X[rows], kind, severity, random_state=0)
        for kind in KINDS
        for severity in SEVERITIES
    )
    log(f"{data}: corrupted images in {time.perf_counter() - start:.0f} s")
    tests = {"X": X[rows], "y": y[rows]}
    for position, kind in enumerate(KINDS):
        first = position * len(SEVERITIES)
        tests[kind] = np.stack(parts[first : first + len(SEVERITIES)])
    path = folder / f"{data}.joblib"
    joblib.dump(tests, path)
    return path


def read(path):
    """Return the lines of a file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def identity(line):
    return tuple(str(line[key]) for key in FIT)


def summarize(lines):
    """Yield a row of the table for each model."""
    for key in dict.fromkeys(identity(line)[:5] for line in lines):
        own = [line for line in lines if identity(line)[:5] == key]
        scores = {name: np.array([float(line[name]) for line in own]) for name in SCORES}
        row = dict(zip(FIT, key, strict=False)) | {"fits": str(len(own))}
        row["clean"] = percent(scores["clean"])
        for group, kinds in CORRUPTIONS.items():
            if group == "objects":
                row |= {kind: percent(scores[kind]) for kind in kinds}
            else:
                row[group] = percent(np.mean([scores[kind] for kind in kinds], axis=0))
        published = [kind for kind in KINDS if kind not in CORRUPTIONS["objects"]]
        row["mean of the 15"] = percent(np.mean([scores[kind] for kind in published], axis=0))
        row["seconds of fit"] = f"{np.median([float(line['seconds of fit']) for line in own]):.0f}"
        yield row


def table_of_time(arguments):
    """Yield the CPU time of each kind for images of 32 x 32 and of 224 x 224 pixels."""
    with np.load(arguments.data / "cifar10.npz") as file:
        X = file["X_test"][:100]
    sizes = {"32 x 32": X, "224 x 224": ImageResizer((224, 224)).fit_transform(X[:10])}
    for group, kinds in CORRUPTIONS.items():
        for kind in kinds:
            row = {"group": group, "kind": kind}
            for size, images in sizes.items():
                times = []
                for severity in SEVERITIES:
                    start = time.process_time()
                    corrupt(images, kind, severity, random_state=0)
                    times.append(1000 * (time.process_time() - start) / len(images))
                row[f"ms per image, {size}"] = f"{np.median(times):.3g}"
            yield row


def percent(scores):
    """Return the mean and the standard deviation of accuracies, in percent."""
    deviation = f" ± {100 * scores.std(ddof=1):.1f}" if len(scores) > 1 else ""
    return f"{100 * scores.mean():.1f}{deviation}"


def main():
    """Fit the models that are missing, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument("--table", default="accuracy", choices=("accuracy", "time"))
    options.add_argument("--data", type=Path, required=True, metavar="DIR")
    options.add_argument("--sets", nargs="+", default=["cifar10"], choices=SETS)
    options.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    options.add_argument("--network", default="fast", choices=NETWORKS)
    options.add_argument("--train", type=int, default=5000, help="training images; 0: all")
    options.add_argument("--test", type=int, default=1000, help="test images")
    options.add_argument("--epochs", type=int, default=30)
    options.add_argument("--device", default="cpu")
    options.add_argument("--jobs", type=int, default=1, help="number of fits at a time")
    arguments = parse_arguments(options)
    if arguments.table == "time":
        print_table(list(table_of_time(arguments)), arguments)
        return
    if arguments.csv is None:
        sys.exit("--csv FILE is required")
    if arguments.quick:
        arguments.train, arguments.test, arguments.epochs = 200, 50, 2
    if not arguments.csv.exists():
        arguments.csv.write_text(",".join(HEADINGS) + "\n", encoding="utf-8")
    done = {identity(line) for line in read(arguments.csv)}
    with tempfile.TemporaryDirectory() as folder:
        for data in arguments.sets:
            n_train = arguments.train or len(load(arguments.data / f"{data}.npz", 0, 0)[0])
            first = (data, arguments.network, str(n_train), str(arguments.epochs))
            tasks = [
                (data, name, seed)
                for seed in range(arguments.rounds)
                for name in arguments.models
                if (*first, name, str(seed)) not in done
            ]
            if tasks:
                tests = corrupted_tests(data, Path(folder), arguments)
                Parallel(arguments.jobs)(
                    delayed(run)(*task, arguments.data, tests, arguments) for task in tasks
                )
    notes = []
    if torch.cuda.is_available() and arguments.device != "cpu":
        notes = [f"GPU: {torch.cuda.get_device_name()}"]
    rows = list(summarize(read(arguments.csv)))
    arguments.csv = None  # holds the fits, and not the table
    print_table(rows, arguments, notes=notes)


if __name__ == "__main__":
    main()
