"""Memory and speed of training from files that are read during training.

    python tests/benchmarks/bench_streaming.py --data DIR [--keras-python PYTHON]

DIR is a folder of photos, with one subfolder per class. The network of a tutorial (three unpadded
convolutions, 150 x 150 pixels, batches of 16) is trained with `ImageResizer(lazy=True)`.

Memory: the peak of a process that fits for two epochs and predicts every image, with a cache of at
most 50 MB, for several numbers of images. The peaks should differ by less than 10 %.

Speed: images per second in all epochs but the first, from an array, from lazy images that are all
cached, from lazy images without a cache, and with `flow_from_directory` of Keras, in turn. With all
images cached, the speed should be at least 80 % of the array's; without a cache, at least that of
Keras. skcnn reads in as many threads as there are cores, Keras in one, its default.
"""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

import _keras
import numpy as np
from _networks import get_network
from _tables import make_parser, parse_arguments, print_table, run_interleaved
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer, load_image_folder

NETWORK = "conv-150"
NUMBERS = (500, 2000, 4800)
CACHE_SIZE = 50  # MB
CACHED_GOAL = 0.8  # of the array's speed


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    _keras.add_option(options)
    options.add_argument("--numbers", type=int, nargs="+", default=list(NUMBERS))
    options.add_argument(
        "--epochs", type=int, default=1, help="number of measured epochs (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.numbers = [40, 80]
    n_photos = len(load_image_folder(arguments.data).data)
    if n_photos < max(arguments.numbers):
        options.error(f"{arguments.data} has {n_photos} photos; use smaller --numbers")
    if not sys.platform.startswith("linux"):
        options.error("requires Linux, to measure the peak memory")
    rows = memory_rows(arguments)
    keras = _keras.start(arguments.keras_python)
    rows += speed_rows(keras, arguments)
    print_table(rows, arguments, keras and keras.versions)
    if keras:
        keras.close()


def memory_rows(arguments):
    """Return rows of the peak memory of new processes."""
    rows = []
    for number in arguments.numbers:
        peaks = []
        for _ in range(arguments.rounds):
            command = [sys.executable, __file__, "--one", str(arguments.data), str(number)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            peaks.append(json.loads(done.stdout))
            print(f"{number} images: {peaks[-1]:.0f} MB", file=sys.stderr, flush=True)
        rows.append({"measurement": f"peak memory, {number} images", "MB": median(peaks)})
    least = min(row["MB"] for row in rows)
    for row in rows:
        row |= {"ratio": f"{row['MB'] / least:.2f}x the smallest", "goal": "<= 1.1x"}
        row["MB"] = f"{row['MB']:.0f}"
    return rows


def peak(folder, number):
    """Fit and predict in this process, and return its peak memory in MB."""
    paths, labels = load_image_folder(folder, shuffle=False, return_X_y=True)
    some = np.random.default_rng(0).permutation(len(paths))[: int(number)]
    model = make_pipeline(
        *lazy_steps(get_network(NETWORK).shape[:2], cache_size=CACHE_SIZE), classifier(epochs=2)
    )
    model.fit(paths[some], labels[some]).predict(paths[some])
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def speed_rows(keras, arguments):
    """Train from the same photos in each way, and return rows of the speed."""
    paths, labels = load_image_folder(arguments.data, shuffle=False, return_X_y=True)
    if arguments.quick:
        paths, labels = paths[::50], labels[::50]
    size = get_network(NETWORK).shape[:2]
    array = make_pipeline(ImageReader(), ImageResizer(size)).fit_transform(paths)
    contenders = {
        "array": lambda: train(array, labels, arguments.epochs),
        "lazy, all cached": lambda: train(
            lazy_images(paths, size, cache_size=1000), labels, arguments.epochs
        ),
        "lazy, no cache": lambda: train(
            lazy_images(paths, size, cache_size=0), labels, arguments.epochs
        ),
    }
    if keras and not arguments.quick:  # Keras reads the whole folder
        contenders["Keras, flow_from_directory"] = partial(
            keras.call,
            "stream",
            key=NETWORK,
            epochs=arguments.epochs,
            folder=str(arguments.data),
        )
    seconds = run_interleaved(contenders, arguments.rounds, "speed")
    speeds = {name: len(paths) * arguments.epochs / median(s) for name, s in seconds.items()}
    rows = [{"measurement": name, "images/s": f"{speed:.0f}"} for name, speed in speeds.items()]
    for row, (peer, goal) in zip(
        rows[1:], (("array", CACHED_GOAL), ("Keras, flow_from_directory", 1.0)), strict=False
    ):
        if peer in speeds:
            row["ratio"] = f"{speeds[row['measurement']] / speeds[peer]:.2f}x {peer}"
            row["goal"] = f">= {goal:g}x"
    return rows


def lazy_steps(size, **options):
    """Return the transformers that read and resize lazily."""
    return ImageReader(), ImageResizer(size, lazy=True, **options)


def lazy_images(paths, size, **options):
    """Return lazy images with an empty cache."""
    return make_pipeline(*lazy_steps(size, **options)).fit_transform(paths)


def classifier(epochs):
    """Return the classifier."""
    network = get_network(NETWORK)
    return CNNClassifier(
        channels=network.channels,
        padding=network.padding,
        batch_norm=False,
        hidden_units=network.hidden_units,
        batch_size=network.batch_size,
        max_epochs=epochs,
        device="cpu",
        random_state=0,
    )


def train(X, y, epochs):
    """Train, and return the seconds of all epochs but the first."""
    cnn = classifier(1 + epochs).fit(X, y)
    return sum(record["seconds"] for record in cnn.history_[1:])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(peak(*sys.argv[2:])))
    else:
        main()
