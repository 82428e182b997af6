"""Images per second of `ImageEmbedder`, compared with a plain loop and with embetter.

    python tests/benchmarks/bench_embedder.py [--embetter-python PYTHON]

Photos that come with scikit-image are cut to 224 x 224 and to 128 x 128 pixels, and embedded by
EfficientNet-Lite0 with one and with two threads:

* loop: the module of `ImageEmbedder` in eval mode without gradients, float32, channels first,
  batches of 32;
* embetter: `TimmEncoder("tf_efficientnet_lite0")`, which gets Pillow images and always resizes
  them to 224 x 224. It runs in another interpreter.

`ImageEmbedder` and the loop resize the photos of 128 x 128 pixels to 224 x 224 too, and in the last
rows they keep their size. "error" is the difference from the features of the loop, relative to
their norm: the median and the maximum over the photos.
"""

import json
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from skimage import data

from skcnn import ImageEmbedder

CASES = ((224, None), (128, 224), (128, None))  # size of the photos, and input_size
GOALS = {"loop": 2.0, "embetter": 4.0}
INSTALL = "pip install embetter timm"


def photos_of(size, n_photos, seed=0):
    """Cut random squares from photos that come with scikit-image."""
    random = np.random.default_rng(seed)
    sources = [data.astronaut(), data.coffee(), data.cat()]
    cut = []
    for number in range(n_photos):
        source = sources[number % len(sources)]
        row, column = (random.integers(axis - size + 1) for axis in source.shape[:2])
        cut.append(source[row : row + size, column : column + size])
    return np.stack(cut)


class Loop:
    """The loop that a user would write around a module."""

    def __init__(self, module):
        self.module = module.to(memory_format=torch.contiguous_format).eval()

    @torch.no_grad()
    def __call__(self, photos):
        """Compute the features of photos."""
        images = torch.from_numpy(photos).permute(0, 3, 1, 2).contiguous().float()
        *inputs, network = self.module
        rows = []
        for batch in images.split(32):
            for layer in inputs:
                batch = layer(batch)
            rows.append(network.features(batch))
        return torch.cat(rows).numpy()


class Embetter:
    """A process that runs embetter, and exchanges one line of JSON per request."""

    def __init__(self, python, photos):
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file.name, photos)
            self.process = subprocess.Popen(
                [python, str(Path(__file__).with_name("_embetter_worker.py")), file.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self.versions = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"embetter's process ended: {self.process.wait()}. {INSTALL}")
        return json.loads(line)

    def __call__(self, n_threads):
        """Return the seconds of `transform`."""
        print(json.dumps({"threads": n_threads}), file=self.process.stdin, flush=True)
        return self._answer()

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(size, input_size, n_threads, arguments, versions):
    """Measure all contenders with photos of one size, and return the rows of the table."""
    photos = photos_of(size, 8 if arguments.quick else arguments.photos)
    embedders = {
        f"skcnn, {precision}": ImageEmbedder(input_size=input_size, precision=precision).fit(photos)
        for precision in ("float32", "bfloat16")
    }
    fitted = ImageEmbedder(input_size=input_size, precision="float32").fit(photos)
    loop = Loop(fitted.module_)
    contenders = {
        name: partial(seconds_of, each.transform, photos) for name, each in embedders.items()
    }
    contenders["loop"] = partial(seconds_of, loop, photos)
    embetter = None
    if arguments.embetter_python and (size == 224 or input_size):
        embetter = Embetter(arguments.embetter_python, photos)
        versions.update(embetter.versions)
        contenders["embetter"] = partial(embetter, n_threads)
    torch.set_num_threads(n_threads)
    label = f"{size} x {size}, input_size={input_size}, {n_threads} thread(s)"
    run_interleaved(contenders, 1, f"{label} (warming up)")
    results = run_interleaved(contenders, arguments.rounds, label)
    if embetter:
        embetter.close()
    expected = loop(photos)
    errors = {
        name: np.linalg.norm(each.transform(photos) - expected, axis=1)
        / np.linalg.norm(expected, axis=1)
        for name, each in embedders.items()
    }
    return table_rows(size, input_size, n_threads, results, len(photos), errors)


def table_rows(size, input_size, n_threads, results, n_photos, errors):
    """Return one row for each contender."""
    speeds = {name: n_photos / median(seconds) for name, seconds in results.items()}
    rows = []
    for name, speed in speeds.items():
        seconds = results[name]
        row = {
            "photos": f"{size} x {size}",
            "network input": "224 x 224" if size == 224 or input_size else f"{size} x {size}",
            "threads": str(n_threads),
            "measurement": name,
            "images/s": f"{speed:.1f}",
            "slowest": f"{n_photos / max(seconds):.1f}",
            "fastest": f"{n_photos / min(seconds):.1f}",
        }
        for own in errors:
            row[f"speedup of {own}"] = "" if name in errors else f"{speeds[own] / speed:.2f}x"
        row["goal"] = f">= {GOALS[name]:g}x" if name in GOALS else ""
        if name in errors:
            row["error"] = f"{np.median(errors[name]):.1e}, {errors[name].max():.1e}"
        rows.append(row)
    return rows


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument(
        "--embetter-python",
        metavar="PYTHON",
        help=f"interpreter with embetter and timm ({INSTALL}); embetter is left out without it",
    )
    options.add_argument("--photos", type=int, default=48, help="number (default: %(default)s)")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    arguments = parse_arguments(options)
    versions = {}
    rows = [
        row
        for size, input_size in CASES
        for n_threads in arguments.threads
        for row in measure(size, input_size, n_threads, arguments, versions)
    ]
    print_table(rows, arguments, versions)


if __name__ == "__main__":
    main()
