"""Overhead of `fit`: a very small fit against a bare training loop.

    python tests/benchmarks/bench_fit_cost.py

Both train on 100 images of 8 x 8 for one epoch, on the CPU. The bare loop computes the mean and the
standard deviation of the images, builds the same module, and trains it in float32 with AdamW on
shuffled batches of the same size. It does not validate input, keep a history or encode labels.
"""

from collections import OrderedDict
from statistics import median

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from torch import nn

from skcnn import CNNClassifier
from skcnn.networks import PlainNetwork, Standardize

GOAL = 3.0
N_IMAGES, SIDE, N_CLASSES = 100, 8, 10
SHAPES = {
    "default": {},
    "channels=(8,), hidden_units=()": {"channels": (8,), "hidden_units": ()},
}


def bare_loop(images, y, shape):
    """Train for one epoch as a default fit does, without its other steps."""
    defaults = CNNClassifier()
    standardize = Standardize(images.mean((0, 1, 2)), images.std((0, 1, 2)))
    network = PlainNetwork(1, SIDE, SIDE, N_CLASSES, **{"dropout": defaults.dropout, **shape})
    module = nn.Sequential(OrderedDict(standardize=standardize, network=network))
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=defaults.learning_rate, weight_decay=0.5, fused=True
    )
    targets = torch.from_numpy(y)
    module.train()
    for rows in torch.randperm(len(images)).split(defaults.batch_size):
        optimizer.zero_grad()
        batch = torch.from_numpy(images[rows.numpy()]).permute(0, 3, 1, 2)
        loss = nn.functional.cross_entropy(module(batch), targets[rows])
        loss.backward()
        optimizer.step()
    module.eval()


def fit(images, y, shape, precision):
    """Fit for one epoch."""
    cnn = CNNClassifier(**shape, max_epochs=1, precision=precision, device="cpu", random_state=0)
    cnn.fit(images, y)


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=10)
    options.add_argument(
        "--calls", type=int, default=10, help="calls per round (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    n_calls = 2 if arguments.quick else arguments.calls
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N_IMAGES, SIDE, SIDE, 1), dtype=np.uint8)
    y = np.arange(N_IMAGES) % N_CLASSES
    rows = []
    for name, shape in SHAPES.items():
        calls = {
            "bare loop": (bare_loop, images, y, shape),
            "fit (auto)": (fit, images, y, shape, "auto"),
            "fit (float32)": (fit, images, y, shape, "float32"),
        }
        for call, *data in calls.values():
            call(*data)
        results = run_interleaved(
            {
                what: lambda call=call: median(seconds_of(*call) for _ in range(n_calls))
                for what, call in calls.items()
            },
            arguments.rounds,
            name,
        )
        bare = median(results["bare loop"])
        for what, seconds in results.items():
            row = {
                "network": name,
                "measurement": what,
                "milliseconds": f"{1e3 * median(seconds):.2f}",
            }
            if what != "bare loop":
                row |= {"ratio to the bare loop": f"{median(seconds) / bare:.2f}x"}
                row |= {"goal": f"<= {GOAL:g}x"}
            rows.append(row)
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
