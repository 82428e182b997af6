"""Time of a fit of `TransferClassifier` with a frozen backbone, relative to one forward pass.

    python tests/benchmarks/bench_frozen_fit.py

Photos that come with scikit-image are cut to 128 x 128 pixels. "forward pass" computes the features
of all photos once, with the same module and in the same precision as the fit.
"""

from statistics import median

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from bench_embedder import photos_of

from skcnn import TransferClassifier
from skcnn.training.features import compute_features
from skcnn.training.loader import ImageDataset

GOAL = 1.2
CPU = torch.device("cpu")


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=1)
    options.add_argument("--photos", type=int, default=5000, help="number (default: %(default)s)")
    options.add_argument(
        "--keep-size", action="store_true", help="do not enlarge the photos (input_size=None)"
    )
    arguments = parse_arguments(options)
    n_photos = 64 if arguments.quick else arguments.photos
    photos, y = photos_of(128, n_photos), np.arange(n_photos) % 10
    model = TransferClassifier(
        input_size=None if arguments.keep_size else "auto", random_state=0, device="cpu"
    )
    module = model.fit(photos[:64], y[:64]).module_
    options = {"device": CPU, "precision": model.precision}

    def forward():
        return seconds_of(compute_features, module, ImageDataset(photos), **options)

    contenders = {"fit": lambda: seconds_of(model.fit, photos, y), "forward pass": forward}
    results = run_interleaved(contenders, arguments.rounds, f"{n_photos} photos")
    seconds = {name: median(values) for name, values in results.items()}
    rows = [{"measurement": name, "seconds": f"{value:.1f}"} for name, value in seconds.items()]
    rows[0] |= {
        "relative to forward pass": f"{seconds['fit'] / seconds['forward pass']:.2f}x",
        "goal": f"<= {GOAL:g}x",
    }
    print_table(rows, arguments, notes=[f"photos: {n_photos}, 128 x 128"])


if __name__ == "__main__":
    main()
