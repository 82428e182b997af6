"""Recall and precision of `check_images`, its time, and wrong labels that are found.

    python tests/benchmarks/bench_quality.py --table issues --data DIR \
        [--cleanvision-python PYTHON]
    python tests/benchmarks/bench_quality.py --table speed --data DIR
    python tests/benchmarks/bench_quality.py --table labels --data DIR [--device cuda]

* issues: 200 drawn images of each kind among 400 untouched photos, half of which are those of
  DIR/caltech101, half of DIR/blood_cells. An image counts as found if it has an issue of this kind.
  CleanVision has no kind for blank images, for which its "low_information" counts.
* speed: 60,000 images of DIR/fashion_mnist.npz as an array, and 5,000 photos of DIR/blood_cells of
  320 x 240 pixels as files.
* labels: wrong labels that are drawn in DIR/fashion_mnist.npz, with a small network.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from _quality_cases import FILES, PICTURES, encode
from _tables import make_parser, parse_arguments, print_table
from PIL import Image
from sklearn.metrics import average_precision_score, precision_score, recall_score
from sklearn.model_selection import StratifiedKFold

from skcnn import CNNClassifier
from skcnn.quality import check_images, find_label_issues

N_CASES, N_CLEAN = 200, 400
PEER = {
    "blurred": "blurry",
    "odd_mode": "grayscale",
    "blank": "low_information",
    "near_blank": "low_information",
}


def photos(folder, n_images, rng):
    """Return the paths of color photos, half of each of two sets."""
    found = []
    for pattern in ("caltech101/*/*/*.jpg", "blood_cells/*/*/*.jpeg"):
        paths = sorted(folder.glob(pattern))
        color = (paths[row] for row in rng.permutation(len(paths)) if is_color(paths[row]))
        found += [next(color) for _ in range(n_images // 2)]
    return found


def is_color(path):
    """Return whether a photo has colors, and is not only stored as one that has."""
    pixels = np.asarray(Image.open(path)).astype(int)
    return pixels.ndim == 3 and np.ptp(pixels, axis=2).max() > 16


def issues(arguments):
    """Return the rows of the table of recall and precision."""
    rng = np.random.default_rng(0)
    n_cases, n_clean = (10, 20) if arguments.quick else (N_CASES, N_CLEAN)
    clean = photos(arguments.data, n_clean, rng)
    with tempfile.TemporaryDirectory() as root:
        folders = {kind: Path(root, kind) for kind in (*FILES, *PICTURES)}
        for kind, folder in folders.items():
            folder.mkdir()
            for number, path in enumerate(clean):
                (folder / f"clean_{number}.jpg").write_bytes(path.read_bytes())
            for number, path in enumerate(photos(arguments.data, n_cases, rng)):
                photo = Image.open(path).convert("RGB")
                if kind in FILES:
                    suffix, contents = FILES[kind](photo, rng)
                else:
                    suffix, contents = ".jpg", encode(PICTURES[kind](photo, rng))
                (folder / f"drawn_{number}{suffix}").write_bytes(contents)
        version, peers = run_peer(arguments, [folders[kind] for kind in PICTURES])
        rows = []
        for kind, folder in folders.items():
            frame = check_images(folder).issues_
            names = {Path(path).name for path in frame["path"][frame["kind"] == kind]}
            row = {"kind": kind, "drawn": n_cases, "untouched": n_clean}
            row |= scores(folder, names, "skcnn")
            if kind in PICTURES and peers:
                names = peers[str(folder)][PEER.get(kind, kind)]
                row |= scores(folder, set(names), "CleanVision")
            rows.append({heading: str(value) for heading, value in row.items()})
    return rows, {"cleanvision": version} if version else None


def scores(folder, found, name):
    """Return recall and precision as cells."""
    names = sorted(path.name for path in folder.iterdir())
    truth = [name.startswith("drawn") for name in names]
    marked = [name in found for name in names]
    return {
        f"{name}: recall": f"{recall_score(truth, marked):.3f}",
        f"{name}: precision": f"{precision_score(truth, marked, zero_division=0):.3f}",
    }


def run_peer(arguments, folders):
    """Return the version of CleanVision, and the images it finds, by folder and kind."""
    if arguments.cleanvision_python is None:
        return None, None
    worker = Path(__file__).with_name("_cleanvision_worker.py")
    done = subprocess.run(
        [arguments.cleanvision_python, worker, *folders], check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


def speed(arguments):
    """Return the rows of the table of times."""
    with np.load(arguments.data / "fashion_mnist.npz") as file:
        X, y = file["X_train"].reshape(-1, 28, 28), file["y_train"]
    paths = sorted(map(str, (arguments.data / "blood_cells").glob("*/*/*.jpeg")))[:5000]
    if arguments.quick:
        X, y, paths = X[:1000], y[:1000], paths[:100]
    rows = []
    for name, images, labels in (("28 x 28", X, y), ("320 x 240, files", paths, None)):
        wall, cpu = time.perf_counter(), time.process_time()
        check_images(images, labels)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows.append(
            {
                "images": name,
                "number": f"{len(images):,}",
                "seconds": f"{wall:.1f}",
                "CPU seconds": f"{cpu:.1f}",
            }
        )
    return rows, None


def labels(arguments):
    """Return the rows of the table of wrong labels."""
    with np.load(arguments.data / "fashion_mnist.npz") as file:
        X, y = file["X_train"].reshape(-1, 28, 28), file["y_train"]
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(X))[: 500 if arguments.quick else arguments.images]
    X, (names, y) = X[rows], np.unique(y[rows], return_inverse=True)
    network = CNNClassifier(
        channels=(32, 64),
        max_epochs=1 if arguments.quick else 6,
        device=arguments.device,
        random_state=0,
    )
    table = []
    cv = StratifiedKFold(arguments.folds)
    for name, given in draw_labels(y, rng).items():
        start = time.perf_counter()
        found = find_label_issues(network, X, names[given], cv=cv)
        of_label = found.proba[np.arange(len(y)), given]
        wrong = given != y
        table.append(
            {
                "flips": name,
                "images": f"{len(y):,}",
                "wrong": f"{wrong.sum():,}",
                "accuracy": f"{(found.proba.argmax(axis=1) == y).mean():.3f}",
                "average precision": f"{average_precision_score(wrong, -found.quality):.3f}",
                "of self-confidence": f"{average_precision_score(wrong, -of_label):.3f}",
                "precision of issues": f"{precision_score(wrong, found.is_issue):.3f}",
                "recall of issues": f"{recall_score(wrong, found.is_issue):.3f}",
                "seconds": f"{time.perf_counter() - start:.0f}",
            }
        )
        print(table[-1], flush=True)
    return table, None


def draw_labels(y, rng):
    """Return labels with wrong ones, by what is wrong: 6 and 0 are shirts and T-shirts."""
    n_wrong = len(y) // 20
    drawn = {}
    rows = rng.permutation(len(y))[:n_wrong]
    given = y.copy()
    given[rows] = (y[rows] + rng.integers(1, 10, n_wrong)) % 10
    drawn["5 % of all, to any class"] = given
    pair = rng.permutation(np.flatnonzero((y == 0) | (y == 6)))
    for name, count in (
        ("5 % of all, between shirts and T-shirts", n_wrong),
        ("5 % of shirts and T-shirts", len(pair) // 20),
    ):
        given = y.copy()
        given[pair[:count]] = 6 - y[pair[:count]]
        drawn[name] = given
    return drawn


def main():
    """Compute a table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, required=True, metavar="DIR")
    options.add_argument("--table", choices=["issues", "speed", "labels"], default="issues")
    options.add_argument("--cleanvision-python", metavar="PYTHON")
    options.add_argument("--images", type=int, default=10_000, help="of the table of labels")
    options.add_argument("--folds", type=int, default=5)
    options.add_argument("--device", default="auto")
    arguments = parse_arguments(options)
    tables = {"issues": issues, "speed": speed, "labels": labels}
    rows, versions = tables[arguments.table](arguments)
    print_table(rows, arguments, versions)


if __name__ == "__main__":
    main()
