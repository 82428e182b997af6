"""What `fit` costs beside its training: a very small fit, and a bare loop that does the same.

    python tests/benchmarks/bench_fit_cost.py

100 images of 8 x 8 for one epoch, on the processor. The bare loop takes the mean and the standard
deviation of the images, builds the same module, and trains it in float32 with AdamW on shuffled
batches of the same size; it checks nothing, keeps no records and knows no labels but 0, 1, 2, ...
"""

from collections import OrderedDict
from statistics import median

import numpy as np
import torch
from _tables import interleaved, parse, parser, seconds_of, show
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
    """Do what a default fit of one epoch does, and nothing else."""
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
    """Measure, and print the table."""
    options = parser(__doc__, rounds=10)
    options.add_argument("--calls", type=int, default=10, help="in a round (default: %(default)s)")
    arguments = parse(options)
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
        results = interleaved(
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
                "what": what,
                "milliseconds": f"{1e3 * median(seconds):.2f}",
            }
            if what != "bare loop":
                row |= {"over the bare loop": f"{median(seconds) / bare:.2f}x"}
                row |= {"goal": f"<= {GOAL:g}x"}
            rows.append(row)
    show(rows, arguments)


if __name__ == "__main__":
    main()
