"""Throughput and latency of exported pipelines in onnxruntime, and of `predict_proba`.

    python tests/benchmarks/bench_onnx.py --csv docs/benchmarks/onnx.csv

Three classifiers are fitted on a few uint8 images, exported to ONNX, and predict the same images on
the CPU with one and two threads: the default network for gray images of 28 x 28, the network "fast"
for images of 32 x 32 x 3, and EfficientNet-Lite0 for photos of 240 x 320 that are resized to
224 x 224. The graph of the photos is exported twice: for images of any size, and for this size.
"""

import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from skimage import data
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageResizer, TransferClassifier
from skcnn.export import to_onnx

THREADS = (1, 2)
N_CLASSES = 10
OURS = "predict_proba"


def photos(n_images):
    """Return crops of 240 x 320 pixels of photos."""
    sources = [data.astronaut(), data.coffee(), data.rocket()]
    rng = np.random.default_rng(0)
    crops = np.empty((n_images, 240, 320, 3), np.uint8)
    for number in range(n_images):
        photo = sources[number % len(sources)]
        row, column = rng.integers(0, photo.shape[0] - 239), rng.integers(0, photo.shape[1] - 319)
        crops[number] = photo[row : row + 240, column : column + 320]
    return crops


def cases(quick):
    """Yield the name of a case, a fitted classifier, images, and the options of each export."""
    rng = np.random.default_rng(0)
    options = {"max_epochs": 1, "device": "cpu", "random_state": 0}
    n_small, n_photos = (100, 12) if quick else (2000, 60)
    for name, shape, network in (
        ("plain, 28 x 28", (28, 28), "plain"),
        ("fast, 32 x 32 x 3", (32, 32, 3), "fast"),
    ):
        X = rng.integers(0, 256, (n_small, *shape), dtype=np.uint8)
        model = CNNClassifier(network, **options).fit(X[:200], np.arange(min(n_small, 200)) % 10)
        yield name, model, X, {"onnxruntime": {}}
    X = photos(n_photos)
    model = make_pipeline(
        ImageResizer((224, 224)), TransferClassifier(input_size=None, **options)
    ).fit(X[:20], np.arange(min(n_photos, 20)) % N_CLASSES)
    exports = {"onnxruntime, any size": {}, "onnxruntime": {"image_shape": X.shape[1:]}}
    yield "EfficientNet-Lite0, 240 x 320 to 224 x 224", model, X, exports


def session_of(path, n_threads):
    """Return a session of onnxruntime with a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run_session(session, X, size=100):
    """Return the probabilities of images, part by part, as `predict_proba` does by itself."""
    parts = (X[start : start + size] for start in range(0, len(X), size))
    return np.concatenate([session.run(["probabilities"], {"images": part})[0] for part in parts])


def measure(name, model, X, sessions, n_threads, arguments):
    """Return the rows of one case for one number of threads."""
    torch.set_num_threads(n_threads)
    functions = {OURS: model.predict_proba}
    functions |= {export: partial(run_session, session) for export, session in sessions.items()}
    expected = model.predict_proba(X)
    differences = {
        export: abs(function(X) - expected).max() for export, function in functions.items()
    }
    n_calls = 3 if arguments.quick else 30

    def run(function):
        batch = seconds_of(function, X)
        return batch, median(seconds_of(function, X[:1]) for _ in range(n_calls))

    contenders = {export: partial(run, function) for export, function in functions.items()}
    results = run_interleaved(contenders, arguments.rounds, f"{name}, {n_threads} threads")
    rows = []
    ours = median(batch for batch, _ in results[OURS])
    for export, seconds in results.items():
        batch, one = (median(part) for part in zip(*seconds, strict=True))
        rows.append(
            {
                "network and images": name,
                "threads": str(n_threads),
                "measurement": export,
                "images/s": f"{len(X) / batch:.0f}",
                "throughput to ours": "" if export == OURS else f"{ours / batch:.2f}x",
                "one image (ms)": f"{1e3 * one:.2f}",
                "largest difference": "" if export == OURS else f"{differences[export]:.0e}",
            }
        )
    return rows


def main():
    """Run the benchmark, and print the table."""
    arguments = parse_arguments(make_parser(__doc__))
    rows = []
    for name, model, X, exports in cases(arguments.quick):
        paths = {}
        folder = Path(tempfile.mkdtemp())
        for number, (export, options) in enumerate(exports.items()):
            paths[export] = folder / f"{number}.onnx"
            to_onnx(model, paths[export], X=X[:5], **options)
        for n_threads in THREADS:
            sessions = {export: session_of(path, n_threads) for export, path in paths.items()}
            rows += measure(name, model, X, sessions, n_threads, arguments)
    print_table(
        rows, arguments, {"onnxruntime": onnxruntime.__version__}, ["prediction of uint8 images"]
    )


if __name__ == "__main__":
    main()
