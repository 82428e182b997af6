"""Memory and speed of training and prediction with up to 100,000 image files.

    python tests/benchmarks/bench_many_images.py

1,000 made JPEG files of 48 x 48 pixels are listed as often as necessary, each time under another
path. The pipeline reads them with `ImageReader`, resizes them to 32 x 32 pixels with `lazy=True`
and a cache of 10 MB, which holds 3,400 images, trains a small network for two epochs and predicts
all images. The labels are learned from the brightness, so that the accuracy shows that all is well.

Each number of images runs in a new process, on Linux only, on one thread of PyTorch and as many
threads for reading as there are cores. The resident memory is read every half second. "paths" is
the memory of the list of paths and the labels, the same as for any array of strings.
"epoch 1", "epoch 2" and "prediction" are the largest values within each. The last should be the
first plus what the predictions take. About 4 minutes on two cores.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table
from PIL import Image
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from skcnn import CNNClassifier, ImageReader, ImageResizer

N_FILES = 1000
NUMBERS = (10_000, 100_000)
CACHE_SIZE = 10  # MB
WARM_UP = 2000  # images


def main():
    """Run the benchmark in new processes, and print the table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--numbers", type=int, nargs="+", default=list(NUMBERS))
    arguments = parse_arguments(options)
    if not sys.platform.startswith("linux"):
        options.error("requires Linux, to measure the memory")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        for number in [2000, 4000] if arguments.quick else arguments.numbers:
            print(f"{number} images", file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "--one", folder, str(number)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout))
    print_table(rows, arguments)


def write_files(folder):
    """Write made images, which are dark or bright, with noise."""
    rng = np.random.default_rng(0)
    for number in range(N_FILES):
        noise = rng.normal(90 + 40 * (number % 2), 60, size=(12, 12, 3)).clip(0, 255)
        pixels = np.kron(noise.astype(np.uint8), np.ones((4, 4, 1), np.uint8))
        Image.fromarray(pixels).save(folder / f"{number}.jpg")


class Memory:
    """Resident memory of this process, read every half second."""

    def __init__(self):
        self.readings = []  # pairs of a part and MB
        self.part = "start"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._end.wait(0.5):
            self.read()

    def read(self):
        """Read the memory once."""
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("VmRSS"))
        self.readings.append((self.part, int(line.split()[1]) * 1024 / 1e6))
        return self.readings[-1][1]

    def largest(self, part):
        """Return the largest value of a part."""
        return max(value for name, value in self.readings if name == part)

    def end(self):
        """Stop reading."""
        self._end.set()
        self._thread.join()


class Parts(Callback):
    """Tell the readings which epoch it is."""

    def __init__(self, memory):
        self.memory = memory

    def on_epoch_begin(self, net, **kwargs):
        """Begin the part of an epoch."""
        self.memory.part = f"epoch {len(net.history)}"

    def on_epoch_end(self, net, **kwargs):
        """Read the memory at the end of an epoch."""
        self.memory.read()


def measure(folder, number):
    """Fit and predict in this process, and return a row of the table."""
    torch.set_num_threads(1)
    memory = Memory()
    fit(folder, WARM_UP, None)  # loads all libraries
    start = memory.read()
    paths, labels = listed(folder, number)
    with_paths = memory.read()
    pipe = fit(folder, number, memory, paths, labels)
    memory.part = "prediction"
    begin = time.perf_counter()
    accuracy = np.mean(pipe.predict(paths) == labels)
    seconds = time.perf_counter() - begin
    memory.read()
    memory.end()
    return {
        "images": f"{number:,}",
        "start, MB": f"{start:.0f}",
        "paths, MB": f"{with_paths - start:.0f}",
        **{
            f"{part}, MB": f"{memory.largest(part):.0f}"
            for part in ("epoch 1", "epoch 2", "prediction")
        },
        "images/s, epoch 2": f"{number / pipe[-1].history_[1]['seconds']:.0f}",
        "images/s, prediction": f"{number / seconds:.0f}",
        "accuracy": f"{accuracy:.3f}",
    }


def listed(folder, number):
    """Return a path of its own for each image, and the labels."""
    again = [os.path.join(folder, *(["."] * (row // N_FILES))) for row in range(0, number, N_FILES)]
    paths = [os.path.join(again[row // N_FILES], f"{row % N_FILES}.jpg") for row in range(number)]
    return paths, np.arange(number) % 2


def fit(folder, number, memory, paths=None, labels=None):
    """Fit the pipeline."""
    if paths is None:
        paths, labels = listed(folder, number)
    cnn = CNNClassifier(
        channels=(8, 16),
        hidden_units=(16,),
        max_epochs=2,
        device="cpu",
        callbacks=None if memory is None else [Parts(memory)],
        random_state=0,
    )
    resizer = ImageResizer((32, 32), lazy=True, cache_size=CACHE_SIZE)
    return make_pipeline(ImageReader(), resizer, cnn).fit(paths, labels)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
