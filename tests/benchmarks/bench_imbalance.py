"""Remedies for class imbalance, by overall accuracy and by the frequency of classes.

    python tests/benchmarks/bench_imbalance.py --data DIR --device cuda --jobs 12 --fits fits.csv
    python tests/benchmarks/bench_imbalance.py --data DIR --table fashion_mnist --jobs 2
    python tests/benchmarks/bench_imbalance.py --table digits --rounds 5
    python tests/benchmarks/bench_imbalance.py --fits fits.csv --only-print

DIR contains `cifar10.npz` and `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`). The
number of training images of a class decreases exponentially from the first class to the last, as in
the long-tailed CIFAR-10 of Cui et al. 2019 (arXiv 1901.05555). The seed selects the images and the
random numbers of training. All test images are used, whose classes are equally frequent, so that
balanced accuracy is accuracy. The digits are those of scikit-learn, the last 497 for testing.

Every fit adds a line to the file of `--fits` as soon as it is finished. A second run with the same
file leaves out what is in it. The table contains means and standard deviations over the seeds, in
percent. The many-shot classes are the three most frequent ones, the few-shot classes the three
rarest.
"""

import csv
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from _imbalance_fits import ADJUSTED, AUGMENTATION, RECIPE, REMEDIES, RETRAINED, Task, run
from _tables import make_parser, parse_arguments, print_table
from joblib import Parallel, delayed

SHOTS = {"many": slice(0, 3), "medium": slice(3, 7), "few": slice(7, 10)}
# File, factors, images of the most frequent class, parameters of the network and the augmentation.
TABLES = {
    "cifar10": ("cifar10.npz", (200, 100), 5000, RECIPE, AUGMENTATION),
    "digits": ("digits", (20,), 120, {}, {"shift": 1, "rotation": 10}),
    "fashion_mnist": ("fashion_mnist.npz", (20,), 600, {}, {"horizontal_flip": True, "shift": 1}),
}


def make_tasks(arguments):
    """Return the fits, so that the first ones already give a table of one seed."""
    file, factors, n_max, recipe, augmentation = TABLES[arguments.table]
    recipe = {**recipe, "device": arguments.device}
    if arguments.epochs:
        recipe["max_epochs"] = arguments.epochs
    n_test = None
    if arguments.quick:
        n_max, n_test, recipe["max_epochs"] = 400, 200, 1
    names = arguments.remedies or [n for n in REMEDIES if n != "SMOTE" or n_max < 1000]
    if find_spec("imblearn") is None:
        names = [name for name in names if REMEDIES[name][1] is None]
        print("imbalanced-learn is not installed: no samplers", file=sys.stderr)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.rounds)
    return [
        Task(
            arguments.data / file,
            factor,
            n_max,
            name,
            seed,
            tuple(recipe.items()),
            tuple(augmentation.items()),
            n_test,
        )
        for seed in seeds
        for factor in arguments.factors or factors
        for name in names
    ]


def read_records(path):
    """Return the records in the file of earlier fits."""
    if path is None or not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v if k == "remedy" else float(v) for k, v in row.items()} for row in rows]


def run_all(tasks, arguments, records):
    """Run the fits that are not in the records, and add their records and lines."""
    done = {(r["factor"], r["remedy"], r["seed"]) for r in records}
    tasks = [task for task in tasks if (task.factor, task.remedy, task.seed) not in done]
    start = time.perf_counter()
    results = Parallel(arguments.jobs, return_as="generator_unordered")(
        delayed(run)(task) for task in tasks
    )
    for number, found in enumerate(results, start=1):
        if arguments.fits:
            is_new = not arguments.fits.exists()
            with arguments.fits.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(found[0]))
                if is_new:
                    writer.writeheader()
                writer.writerows(found)
        records += found
        for record in found:
            accuracy = 100 * recalls_of(record).mean()
            print(
                f"{time.perf_counter() - start:.0f} s, fit {number} of {len(tasks)}: "
                f"{record['remedy']}, factor {record['factor']}, seed {record['seed']}: "
                f"{accuracy:.1f} % in {record['seconds']} s",
                file=sys.stderr,
                flush=True,
            )


def recalls_of(record):
    """Return the recall of each class as an array."""
    return np.array([value for name, value in record.items() if name.startswith("recall")])


def summary(values):
    """Return the mean and the standard deviation over seeds, in percent."""
    values = 100 * np.array(values)
    return f"{values.mean():.1f} ± {values.std(ddof=1) if len(values) > 1 else 0:.1f}"


def table_rows(records, by_class):
    """Yield a row for each factor and remedy, in the order of the remedies."""
    names = [*REMEDIES, *ADJUSTED.values(), *RETRAINED.values()]
    for factor in sorted({record["factor"] for record in records}, reverse=True):
        plain = [recalls_of(r).mean() for r in records if is_row(r, factor, "none")]
        for name in names:
            own = [record for record in records if is_row(record, factor, name)]
            if not own:
                continue
            recalls = np.array([recalls_of(record) for record in own])
            gain = f"{100 * (recalls.mean() - np.mean(plain)):+.1f}" if plain else ""
            yield {
                "factor": f"{factor:.0f}",
                "remedy": name,
                "balanced accuracy": summary(recalls.mean(axis=1)),
                "gain": "" if name == "none" else gain,
                **recalls_by_group(recalls, by_class),
                "images": f"{own[0]['images']:.0f}",
                "seeds": f"{len(own)}",
                "seconds of fit": f"{np.median([record['seconds'] for record in own]):.0f}",
            }


def recalls_by_group(recalls, by_class):
    """Return the recall of each class, or of groups of classes, by heading."""
    if by_class:
        return {f"{label}": f"{100 * recall:.0f}" for label, recall in enumerate(recalls.mean(0))}
    groups = SHOTS | {"rarest": slice(-1, None)}
    return {name: summary(recalls[:, part].mean(axis=1)) for name, part in groups.items()}


def is_row(record, factor, name):
    """Return whether a record belongs to a row of the table."""
    return record["factor"] == factor and record["remedy"] == name


def main():
    """Run the fits, and print a table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument("--data", type=Path, metavar="DIR", default=Path())
    options.add_argument("--table", default="cifar10", choices=TABLES)
    options.add_argument("--fits", type=Path, metavar="FILE", help="file with a line for each fit")
    options.add_argument("--by-class", action="store_true", help="recall of each class")
    options.add_argument("--only-print", action="store_true", help="fit nothing")
    options.add_argument("--remedies", nargs="+", choices=REMEDIES, help="only these fits")
    options.add_argument("--factors", nargs="+", type=int, help="only these factors")
    options.add_argument("--epochs", type=int, help="instead of the automatic number")
    options.add_argument("--device", default="auto")
    options.add_argument("--first-seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=1, help="number of fits at a time")
    arguments = parse_arguments(options)
    records = read_records(arguments.fits)
    if not arguments.only_print:
        run_all(make_tasks(arguments), arguments, records)
    notes = []
    if torch.cuda.is_available() and arguments.device != "cpu":
        notes = [f"GPU: {torch.cuda.get_device_name()}"]
    print_table(list(table_rows(records, arguments.by_class)), arguments, notes=notes)


if __name__ == "__main__":
    main()
