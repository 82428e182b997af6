"""Time until a process has imported skcnn, loaded a pipeline and predicted the first image.

    python tests/benchmarks/bench_start.py

Each measurement is a new process. Imports: the packages that skcnn requires, and all public names
of skcnn, which should take at most 10 % longer. Start: a saved pipeline of a reader, a resizer and
a classifier is loaded and predicts a JPEG photo of 512 x 512 pixels twice. Loading and the first
prediction should take less than one second beyond the imports. All with one thread. Modules are
compiled to bytecode before.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import joblib
import skops.io
from _tables import make_parser, parse_arguments, print_table, run_interleaved
from PIL import Image
from skimage.data import astronaut
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer, TransferClassifier

PACKAGES = "filelock, joblib, numpy, PIL.Image, safetensors, skimage, sklearn, skorch, tifffile"
DEPENDENCIES = f"import {PACKAGES}, torch, tqdm"
IMPORTS = {"dependencies": DEPENDENCIES, "skcnn": "from skcnn import *"}
START = """
import json, sys, time
import joblib, skcnn, torch
from skcnn import *
import skops.io
from skcnn.export import trusted_types
path, photo = sys.argv[1:]
times = [time.perf_counter()]
if path.endswith(".skops"):
    pipe = skops.io.load(path, trusted=trusted_types())
else:
    pipe = joblib.load(path)
times.append(time.perf_counter())
for _ in range(2):
    pipe.predict_proba([photo])
    times.append(time.perf_counter())
print(json.dumps([after - before for before, after in zip(times, times[1:])]))
"""


def pipelines():
    """Return the side of the images and the classifier, by the name of the network."""
    options = {"max_epochs": 1, "random_state": 0}
    return {
        "plain, 64 x 64": (64, CNNClassifier(**options)),
        "fast, 96 x 96": (96, CNNClassifier("fast", **options)),
        "efficientnet_lite0, 224 x 224": (224, TransferClassifier("efficientnet_lite0", **options)),
    }


def run(script, *arguments):
    """Run a script in a new process, and return what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def import_rows(arguments):
    """Return the rows of imports."""
    timed = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    contenders = {
        name: lambda statement=statement: float(run(timed.format(statement)))
        for name, statement in IMPORTS.items()
    }
    for contender in contenders.values():
        contender()
    results = run_interleaved(contenders, arguments.rounds, "imports")
    seconds = {name: median(measured) for name, measured in results.items()}
    return [
        {
            "measurement": f"import of {name}",
            "imports, s": f"{value:.2f}",
            "ratio to dependencies": f"{value / seconds['dependencies']:.2f}x",
        }
        for name, value in seconds.items()
    ]


def start_rows(arguments, folder):
    """Return the rows of saved pipelines."""
    photo = folder / "photo.jpg"
    Image.fromarray(astronaut()).save(photo, quality=90)
    contenders = {}
    for name, (side, classifier) in pipelines().items():
        pipe = make_pipeline(ImageReader(), ImageResizer((side, side)), classifier)
        pipe.fit(8 * [photo], 4 * ["cat", "dog"])
        for ending, dump in {"skops": skops.io.dump, "joblib": joblib.dump}.items():
            path = folder / f"{len(contenders)}.{ending}"
            dump(pipe, path)
            contenders[f"{name}, {ending}"] = lambda path=path: json.loads(run(START, path, photo))
    results = run_interleaved(contenders, arguments.rounds, "start")
    rows = []
    for name, measured in results.items():
        loading, first, second = (median(values) for values in zip(*measured, strict=True))
        rows.append(
            {
                "measurement": name,
                "loading, ms": f"{1e3 * loading:.0f}",
                "first prediction, ms": f"{1e3 * first:.0f}",
                "second prediction, ms": f"{1e3 * second:.0f}",
                "loading and first, ms": f"{1e3 * (loading + first):.0f}",
                "goal": "< 1000",
            }
        )
    return rows


def main():
    """Run the benchmark, and print the table."""
    arguments = parse_arguments(make_parser(__doc__, rounds=5))
    with TemporaryDirectory() as folder:
        print_table(import_rows(arguments) + start_rows(arguments, Path(folder)), arguments)


if __name__ == "__main__":
    main()
