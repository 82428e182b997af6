"""Detection of outliers in Fashion-MNIST: one class against the rest.

    python tests/benchmarks/bench_outliers.py --data DIR --cache DIR --fits fits.csv
    python tests/benchmarks/bench_outliers.py --fits fits.csv --only-print

A detector is trained on images of one class, without labels, and scores all 10,000 test images. The
figure is the area under the ROC curve in percent, where the images of the other nine classes are
the outliers. This is the protocol of Golan and El-Yaniv 2018 (arXiv 1805.10917), who report 93.5
for their method. "outliers" are the images that `predict` calls so with the automatic threshold,
in percent of the normal and of the other test images, for detectors of this package.

The DIR of `--data` contains `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and
that of `--cache` is for the features of pretrained networks, so that those of the test images are
computed once. Every fit adds a line to the file of `--fits` as soon as it is finished. A second run
with the same file leaves out what is in it. "CPU seconds" is the median time of `fit` and
`score_samples` for one class. For features from a cache, it means nothing and is left out.
"""

import csv
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import OneClassSVM

from skcnn import (
    ConvAutoencoder,
    HOGExtractor,
    ImageEmbedder,
    ImageFlattener,
    ImageOutlierDetector,
)

HEADINGS = ["detector", "images", "class", "auc", "seconds", "normal", "other"]
N_COMPONENTS = 64


def ours(*steps):
    """Return a function that makes an `ImageOutlierDetector`, given a cache of features."""

    def make(memory):
        made = [step(memory=memory) if isinstance(step, partial) else step for step in steps]
        return ImageOutlierDetector(made[0] if len(made) == 1 else make_pipeline(*made))

    return make


def peer(detector, *steps):
    """Return a function that makes a pipeline with a detector of scikit-learn."""

    def make(memory):
        made = [step(memory=memory) if isinstance(step, partial) else step for step in steps]
        return make_pipeline(*(made or [ImageFlattener()]), detector)

    return make


LITE = {number: partial(ImageEmbedder, f"efficientnet_lite{number}") for number in range(3)}
ISOLATION = IsolationForest(random_state=0)
ONE_CLASS = OneClassSVM(nu=0.1)
FACTOR = LocalOutlierFactor(novelty=True)
COMPRESSED = (ImageFlattener(), PCA(N_COMPONENTS, random_state=0))
SCALED = (LITE[0], Normalizer(), StandardScaler())
DETECTORS = {
    "ImageOutlierDetector()": lambda memory: ImageOutlierDetector(),
    "ImageOutlierDetector(ImageEmbedder())": ours(LITE[0]),
    "ImageOutlierDetector(make_pipeline(ImageEmbedder()))": lambda memory: ImageOutlierDetector(
        make_pipeline(ImageEmbedder(memory=memory))  # without the normalization
    ),
    'ImageOutlierDetector(ImageEmbedder("efficientnet_lite1"))': ours(LITE[1]),
    'ImageOutlierDetector(ImageEmbedder("efficientnet_lite2"))': ours(LITE[2]),
    "ImageOutlierDetector(ImageEmbedder(input_size=84))": ours(partial(LITE[0], input_size=84)),
    "ImageOutlierDetector(HOGExtractor(pixels_per_cell=(7, 7)))": ours(
        HOGExtractor(pixels_per_cell=(7, 7))
    ),
    "ImageOutlierDetector(ConvAutoencoder())": ours(ConvAutoencoder(random_state=0)),
    "ImageOutlierDetector, PCA": ours(*COMPRESSED),
    "IsolationForest, pixels": peer(ISOLATION),
    "IsolationForest, PCA": peer(ISOLATION, *COMPRESSED),
    "IsolationForest, ImageEmbedder()": peer(ISOLATION, *SCALED),
    "OneClassSVM, pixels": peer(ONE_CLASS),
    "OneClassSVM, PCA": peer(ONE_CLASS, *COMPRESSED),
    "OneClassSVM, ImageEmbedder()": peer(ONE_CLASS, *SCALED),
    "LocalOutlierFactor, pixels": peer(FACTOR),
    "LocalOutlierFactor, PCA": peer(FACTOR, *COMPRESSED),
    "LocalOutlierFactor, ImageEmbedder()": peer(FACTOR, *SCALED),
}


def run(name, n_images, label, data, memory):
    """Train a detector on images of one class, and return its record."""
    X, y, X_test, y_test = data
    detector = DETECTORS[name](memory)
    start = time.process_time()
    detector.fit(X[y == label][:n_images])
    scores = detector.score_samples(X_test)
    seconds = time.process_time() - start
    is_normal = y_test == label
    values = [name, n_images, label, f"{roc_auc_score(is_normal, scores):.4f}", f"{seconds:.1f}"]
    if isinstance(detector, ImageOutlierDetector):
        outliers = scores < detector.offset_
        values += [f"{outliers[rows].mean():.4f}" for rows in (is_normal, ~is_normal)]
    else:
        values += ["", ""]
    return dict(zip(HEADINGS, values, strict=True))


def read_records(path):
    """Return the records in the file of earlier fits."""
    if path is None or not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_all(arguments, records):
    """Run the fits that are not in the records, and add their records and lines."""
    with np.load(arguments.data / "fashion_mnist.npz") as file:
        data = [file[key] for key in ("X_train", "y_train", "X_test", "y_test")]
    if arguments.quick:
        data[2:] = [part[::100] for part in data[2:]]
    done = {tuple(str(record[key]) for key in HEADINGS[:3]) for record in records}
    for name in arguments.detectors or DETECTORS:
        for label in range(10):
            if (name, str(arguments.images), str(label)) in done:
                continue
            record = run(name, arguments.images, label, data, arguments.cache)
            records.append(record)
            print(*record.values(), sep=", ", file=sys.stderr, flush=True)
            if arguments.fits:
                is_new = not arguments.fits.exists()
                with arguments.fits.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows([HEADINGS] * is_new + [list(record.values())])


def table_rows(records):
    """Yield a row for each detector and number of images that has all classes."""
    for n_images in sorted({int(record["images"]) for record in records}, reverse=True):
        for name in DETECTORS:
            own = [r for r in records if r["detector"] == name and int(r["images"]) == n_images]
            if len(own) < 10:
                continue
            own = sorted(own, key=lambda record: int(record["class"]))
            seconds = [float(r["seconds"]) for r in own if "ImageEmbedder" not in name]
            areas = [100 * float(record["auc"]) for record in own]
            outliers = {key: [100 * float(r[key]) for r in own if r[key]] for key in HEADINGS[-2:]}
            yield {
                "detector": name,
                "images": f"{n_images}",
                "mean": f"{np.mean(areas):.1f}",
                **{f"{label}": f"{area:.1f}" for label, area in enumerate(areas)},
                **{
                    f"outliers, {key}": f"{np.mean(share):.1f}" if share else ""
                    for key, share in outliers.items()
                },
                "CPU seconds": f"{np.median(seconds):.1f}" if seconds else "",
            }


def main():
    """Run the fits, and print a table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", default=Path())
    options.add_argument("--cache", metavar="DIR", help="folder for features of networks")
    options.add_argument("--fits", type=Path, metavar="FILE", help="file with a line for each fit")
    options.add_argument("--images", type=int, default=6000, help="training images of the class")
    options.add_argument("--detectors", nargs="+", choices=DETECTORS, help="only these detectors")
    options.add_argument("--only-print", action="store_true", help="fit nothing")
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.images = 50
    records = read_records(arguments.fits)
    if not arguments.only_print:
        run_all(arguments, records)
    print_table(list(table_rows(records)), arguments)


if __name__ == "__main__":
    main()
