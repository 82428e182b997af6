"""Contribution of single parts of the training loop: each is removed in turn.

    python tests/benchmarks/bench_parts.py [--data DIR] [--rounds N]

The first rows compare the time of a training epoch with and without a part. Every measurement runs
in a new process, since the setting of the allocator applies to the whole process. "freed memory"
keeps freed memory in the process.

The last rows compare the test accuracy with and without `lookahead`, as means over seeds: for
digits, and for 5,000 training images of CIFAR-10 in DIR/cifar10.npz if `--data` is given.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
from _networks import get_network
from _tables import make_parser, parse_arguments, print_table, run_interleaved
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

PARTS = ("freed memory",)
NETWORKS = ("dense-28", "conv-28", "conv-150")
CIFAR10 = {"optimizer": "muon", "learning_rate": 0.2, "schedule": "linear", "batch_size": 250}


def train(key, quick):
    """Train one network for three epochs, and print the seconds of the last two."""
    import _peers

    network = get_network(key, quick)
    print(json.dumps(_peers.train_skcnn(network, *network.data(network.n_images), 2, "auto")))


def seconds(key, without, quick):
    """Run `train` in a new process, and return the seconds that it prints."""
    environment = {**os.environ, "SKCNN_KEEP_FREED_MEMORY": str(int(without != "freed memory"))}
    command = [sys.executable, __file__, "--train", key, str(int(quick))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def speed_rows(arguments):
    """Compare the time of training with and without each part."""
    rows = []
    for key in NETWORKS:
        contenders = {w: partial(seconds, key, w, arguments.quick) for w in ("", *PARTS)}
        results = run_interleaved(contenders, arguments.rounds, key)
        times = {name: median(values) for name, values in results.items()}
        rows += [
            {
                "part": part,
                "measured on": get_network(key, arguments.quick).name,
                "with": f"{times['']:.2f} s",
                "without": f"{times[part]:.2f} s",
                "gain": f"{times[part] / times['']:.2f}x",
            }
            for part in PARTS
        ]
    return rows


def lookahead_rows(arguments):
    """Compare the test accuracy with and without lookahead."""
    from skcnn import CNNClassifier

    X, y = load_digits(return_X_y=True)
    sets = {"digits": (train_test_split(X, y, random_state=0), {})}
    if arguments.data:
        file = np.load(arguments.data / "cifar10.npz")
        X, y, Xt, yt = (file[name] for name in ("X_train", "y_train", "X_test", "y_test"))
        parts = X[:5000], Xt[:5000], y[:5000], yt[:5000]
        sets["CIFAR-10, 5,000 images"] = parts, {**CIFAR10, "label_smoothing": 0.2}
    rows = []
    for name, ((X, Xt, y, yt), parameters) in sets.items():
        scores = {
            value: [
                CNNClassifier(
                    "fast",
                    channels=(32, 64, 64),
                    max_epochs=2 if arguments.quick else 12,
                    lookahead=value,
                    random_state=seed,
                    **parameters,
                )
                .fit(X, y)
                .score(Xt, yt)
                for seed in range(1 if arguments.quick else 3)
            ]
            for value in (True, False)
        }
        with_, without = mean(scores[True]), mean(scores[False])
        row = {"part": "lookahead", "measured on": name, "gain": f"{100 * (with_ - without):+.2f}"}
        rows.append({**row, "with": f"{with_:.2%}", "without": f"{without:.2%}"})
    return rows


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument(
        "--data", type=Path, metavar="DIR", help="folder that contains cifar10.npz"
    )
    arguments = parse_arguments(options)
    rows = speed_rows(arguments) + lookahead_rows(arguments)
    print_table(rows, arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(sys.argv[2], bool(int(sys.argv[3])))
    else:
        main()
