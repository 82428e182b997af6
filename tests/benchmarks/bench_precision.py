"""Test accuracy of networks trained in bfloat16 and in float32.

    python tests/benchmarks/bench_precision.py --data DIR

DIR contains `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`) and the folders
`caltech101/{train,validation}`, with one subfolder per class. The photos are resized to 64 x 64.
The default network is trained on the CPU with five seeds per precision. The mean accuracies should
differ by at most 0.3 points. The seconds are the sum over all fits.
"""

import sys
import time
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table

from skcnn import CNNClassifier, ImageReader, ImageResizer, load_image_folder

GOAL = 0.3
SETS = {"Fashion-MNIST": 3, "Caltech-101": 8}  # epochs
PRECISIONS = ("bfloat16", "float32")


def load(name, data, quick):
    """Return (X_train, y_train, X_test, y_test)."""
    if name == "Fashion-MNIST":
        with np.load(data / "fashion_mnist.npz") as file:
            parts = [file[key] for key in ("X_train", "y_train", "X_test", "y_test")]
        return [part[:500] for part in parts] if quick else parts
    parts = []
    for part in ("train", "validation"):
        folder = load_image_folder(data / "caltech101" / part, shuffle=False)
        rows = np.arange(len(folder.data))[:: 10 if quick else 1]
        photos = ImageReader().fit_transform(folder.data[rows])
        parts += [ImageResizer((64, 64)).fit_transform(photos), folder.target[rows]]
    return parts


def main():
    """Fit once per seed and precision, and print one row per data set."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    options.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    options.add_argument("--epochs", type=int, help=f"number of epochs (default: {SETS})")
    options.add_argument(
        "--seeds", type=int, default=5, help="number of seeds (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.seeds = 1
    print_table([measure(name, arguments) for name in arguments.sets], arguments)


def measure(name, arguments):
    """Fit and score in both precisions with each seed, and return a row."""
    X, y, X_test, y_test = load(name, arguments.data, arguments.quick)
    max_epochs = 1 if arguments.quick else arguments.epochs or SETS[name]
    scores = {precision: [] for precision in PRECISIONS}
    seconds = dict.fromkeys(PRECISIONS, 0.0)
    for seed in range(arguments.seeds):
        print(f"{name}: seed {seed + 1} of {arguments.seeds}", file=sys.stderr, flush=True)
        for precision in PRECISIONS:
            cnn = CNNClassifier(
                max_epochs=max_epochs, precision=precision, device="cpu", random_state=seed
            )
            start = time.perf_counter()
            cnn.fit(X, y)
            seconds[precision] += time.perf_counter() - start
            scores[precision].append(100 * cnn.score(X_test, y_test))
    means = {precision: np.mean(scores[precision]) for precision in PRECISIONS}
    row = {"data set": name, "training images": str(len(X)), "epochs": str(max_epochs)}
    for precision in PRECISIONS:
        row[f"{precision}, %"] = f"{means[precision]:.2f}"
        row[f"{precision}, range"] = f"{min(scores[precision]):.2f} to {max(scores[precision]):.2f}"
        row[f"{precision}, seconds"] = f"{seconds[precision]:.0f}"
    row["difference, points"] = f"{means['bfloat16'] - means['float32']:+.2f}"
    row["goal"] = f"within {GOAL:g}"
    return row


if __name__ == "__main__":
    main()
