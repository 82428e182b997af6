"""Precision, recall, time and memory of `find_duplicates`.

    python tests/benchmarks/bench_duplicates.py --data DIR --table cifar10 --pairs FILE
    python tests/benchmarks/bench_duplicates.py --data DIR --table copies
    python tests/benchmarks/bench_duplicates.py --data DIR --table time

DIR contains `cifar10.npz` and `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`), and
the folders `caltech101/{train,validation}` and `blood_cells/{train,test}` with a folder of images
for each class. `--pairs` is the list of ciFAIR with the columns test_index, other_index, judgment
and other_is_test. Further pairs, judged by eye, are in `docs/benchmarks`, with indices in the order
of `cifar10.npz`.
"""

import csv
import io
import resource
import time
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_curve

from skcnn import ImageReader, load_image_folder
from skcnn.quality import find_duplicates
from skcnn.quality._descriptors import DESCRIPTOR, SIDE, describe
from skcnn.quality._duplicate_pairs import match
from skcnn.quality.duplicates import THRESHOLD

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
JUDGED = DOCS / "duplicates_cifar10_judged.csv"


def encode(image, quality=80):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def crop(image, share, rng):
    """Cut a share of both axes off, at a random place."""
    height, width = (round(n * (1 - share)) for n in image.shape[:2])
    top, left = (rng.randint(n - m + 1) for n, m in zip(image.shape, (height, width), strict=False))
    return image[top : top + height, left : left + width]


def resize(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height)))


def shift(image, share):
    y, x = (round(n * share) for n in image.shape[:2])
    return np.pad(image, ((y, 0), (x, 0), (0, 0)), mode="edge")[: len(image), : image.shape[1]]


CHANGES = {
    "JPEG quality 80": lambda image, rng: encode(image),
    "flipped": lambda image, rng: encode(image[:, ::-1], 90),
    "upside down": lambda image, rng: encode(image[::-1], 90),
    "cropped by 5 %": lambda image, rng: encode(crop(image, 0.05, rng), 90),
    "cropped by 5 % and flipped": lambda image, rng: encode(crop(image, 0.05, rng)[:, ::-1], 90),
    "cropped by 10 %": lambda image, rng: encode(crop(image, 0.1, rng), 90),
    "half the size": lambda image, rng: resize(image, *(n // 2 for n in image.shape[:2])),
    "stretched to a square": lambda image, rng: resize(image, 224, 224),
    "shifted by 3 %": lambda image, rng: shift(image, 0.03),
    "brightness x 1.2": lambda image, rng: np.clip(1.2 * image, 0, 255).astype(np.uint8),
    "contrast x 0.6": lambda image, rng: (0.6 * image + 50).astype(np.uint8),
    "gray": lambda image, rng: np.asarray(Image.fromarray(image).convert("L")),
}


def read_pairs(path):
    with path.open(encoding="utf-8") as file:
        return [[int(cell) for cell in row] for row in list(csv.reader(file))[1:]]


def cifar10_rows(arguments):
    """Rank the test images by their most similar training image."""
    with np.load(arguments.data / "cifar10.npz") as file:
        X, X_test = file["X_train"], file["X_test"]
    start = time.perf_counter(), time.process_time()
    found = find_duplicates(X, X_test, threshold=0.5, n_jobs=arguments.jobs)
    seconds, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    found = found[found["set"] != found["other_set"]]
    scores = np.zeros(len(X_test))
    np.maximum.at(scores, found["other_index"].to_numpy(), found["similarity"].to_numpy())
    listed = np.zeros(len(X_test), bool)
    listed[[row[0] for row in read_pairs(arguments.pairs) if not row[3]]] = True
    both = listed.copy()
    both[[row[0] for row in read_pairs(JUDGED) if row[2]]] = True
    half = np.arange(len(X_test)) % 2 == 0
    rows = []
    for name, truth, part in [
        ("ciFAIR's list", listed, slice(None)),
        ("list and judged pairs", both, slice(None)),
        ("list and judged pairs, even indices", both[half], half),
        ("list and judged pairs, odd indices", both[~half], ~half),
    ]:
        score = scores[part]
        precision, recall, _ = precision_recall_curve(truth, score)
        above = score >= THRESHOLD
        rows.append(
            {
                "truth": name,
                "images": truth.sum(),
                "average precision": f"{average_precision_score(truth, score):.3f}",
                "precision at recall 0.7": f"{precision[recall >= 0.7].max():.3f}",
                "recall at precision 0.8": f"{recall[precision >= 0.8].max():.3f}",
                f"precision at {THRESHOLD}": f"{truth[above].mean():.3f}",
                f"recall at {THRESHOLD}": f"{above[truth].mean():.3f}",
                "seconds": f"{seconds:.0f}",
                "CPU seconds": f"{cpu:.0f}",
            }
        )
    return [{key: str(cell) for key, cell in row.items()} for row in rows]


def copies_rows(arguments):
    """Copy test images to the training images, with changes."""
    rows = []
    for data, test_folder in (("caltech101", "validation"), ("blood_cells", "test")):
        rng = np.random.RandomState(0)
        train, test = (
            _draw(load_image_folder(arguments.data / data / part)["data"], n_images, rng)
            for part, n_images in (("train", 1200), (test_folder, 300))
        )
        described, of_test = describe(train), describe(test)
        before = _cross(match(described, of_test, threshold=THRESHOLD, n_jobs=arguments.jobs))
        siblings = match(of_test, threshold=THRESHOLD, n_jobs=arguments.jobs)
        siblings = {frozenset(pair) for pair in siblings[["index", "other_index"]].tolist()}
        for name, change in CHANGES.items():
            copies = describe([change(image, rng) for image in test])
            joined = np.concatenate([described, copies])
            found = _cross(match(joined, of_test, threshold=THRESHOLD, n_jobs=arguments.jobs))
            pairs = {(row - len(train), other) for row, other in found - before}
            right = {pair for pair in pairs if pair[0] == pair[1]}
            wrong = {pair for pair in pairs - right if frozenset(pair) not in siblings}
            rows.append(
                {
                    "data": data,
                    "change": name,
                    "copies": str(len(test)),
                    "recall": f"{len(right) / len(test):.3f}",
                    "precision": f"{len(right) / max(1, len(right) + len(wrong)):.3f}",
                    "pairs across sets without copies": str(len(before)),
                }
            )
    return rows


def _draw(paths, n_images, rng):
    """Return random images of a folder."""
    paths = paths[rng.permutation(len(paths))[:n_images]]
    return ImageReader().fit_transform(paths).read()


def _cross(pairs):
    """Return the pairs of a training image and a test image."""
    pairs = pairs[pairs["in_test"] != pairs["other_in_test"]]
    return set(zip(pairs["index"].tolist(), pairs["other_index"].tolist(), strict=True))


def time_rows(arguments):
    """Measure time and memory. The memory is the peak of the process so far."""
    folders = [arguments.data / "blood_cells" / part for part in ("train", "test")]
    paths = np.concatenate([load_image_folder(folder)["data"] for folder in folders])[:5000]
    with np.load(arguments.data / "fashion_mnist.npz") as file:
        images = file["X_train"]
    rows = []
    for name, n_images, find in [
        (
            "files of 320 x 240 pixels",
            len(paths),
            lambda: find_duplicates(paths, n_jobs=arguments.jobs),
        ),
        ("Fashion-MNIST", len(images), lambda: find_duplicates(images, n_jobs=arguments.jobs)),
        ("made descriptors", arguments.made, _search_of_made(arguments)),
    ]:
        start = time.perf_counter(), time.process_time()
        found = find()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB
        rows.append(
            {
                "images": name,
                "number": str(n_images),
                "seconds": f"{time.perf_counter() - start[0]:.0f}",
                "CPU seconds": f"{time.process_time() - start[1]:.0f}",
                "peak memory (GB)": f"{peak / 1e6:.1f}",
                "pairs": str(len(found)),
            }
        )
    return rows


def _search_of_made(arguments):
    """Return a search among descriptors of made images, with 1,000 shifted and noisy copies."""

    def search():
        rng = np.random.default_rng(0)
        rows = np.zeros(arguments.made, DESCRIPTOR)
        rows["digest"] = rng.integers(0, 2**62, (len(rows), 2))
        rows["span"] = 255
        for start in range(0, len(rows), 10_000):
            images = made_images(min(10_000, len(rows) - start), rng)
            rows["luminance"][start : start + len(images)] = images
        copied = rng.permutation(len(rows))[:2000].reshape(2, 1000)
        copies = np.roll(rows["luminance"][copied[0]].astype(float), 1, axis=2)
        copies += rng.normal(0, 4, copies.shape)
        rows["luminance"][copied[1]] = copies.clip(0, 255)
        found = match(rows, threshold=THRESHOLD, n_jobs=arguments.jobs)
        pairs = {frozenset(pair) for pair in found[["index", "other_index"]].tolist()}
        print(
            f"copies found: {sum(frozenset(pair) in pairs for pair in copied.T.tolist())} of 1000"
        )
        return found

    return search


def made_images(n_images, rng):
    """Return random images with the spectrum of photos and values from 0 to 255."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, np.newaxis], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    images = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n_images, SIDE, SIDE))) / frequency)
    low, high = (limit(images, axis=(1, 2), keepdims=True) for limit in (np.min, np.max))
    return (255 * (images - low) / (high - low)).round()


TABLES = {"cifar10": cifar10_rows, "copies": copies_rows, "time": time_rows}


def main():
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="see above")
    options.add_argument("--pairs", type=Path, metavar="FILE", help="list of ciFAIR")
    options.add_argument("--table", choices=TABLES, default="copies", help="table to compute")
    options.add_argument("--jobs", type=int, default=2, help="threads (default: %(default)s)")
    options.add_argument("--made", type=int, default=1_000_000, help="number of made descriptors")
    arguments = parse_arguments(options)
    if arguments.quick:
        arguments.made = 10_000
    if arguments.table == "cifar10" and arguments.pairs is None:
        options.error("--table cifar10 requires --pairs FILE")
    print_table(TABLES[arguments.table](arguments), arguments)


if __name__ == "__main__":
    main()
