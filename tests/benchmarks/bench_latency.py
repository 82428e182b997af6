"""Latency of one image in a fitted classifier, and in its module.

    python tests/benchmarks/bench_latency.py

A default `CNNClassifier`, trained for one epoch on random images of 32 x 32 x 3 and 10 classes,
predicts one uint8 image on the CPU. For comparison, its module computes the outputs of the same
image, prepared as a float32 tensor, in evaluation and inference mode, and so do the same layers of
plain PyTorch, without input standardization.
"""

from functools import partial
from statistics import median

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from torch import nn

from skcnn import CNNClassifier
from skcnn.networks import automatic_channels

GOAL = 2.0
SIDE, N_CLASSES = 32, 10


def plain_layers():
    """Return the default network as plain PyTorch layers."""
    layers, n_in = [], 3
    channels = automatic_channels(SIDE, SIDE)
    for n_out in channels:
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        n_in = n_out
    n_features = n_in * (SIDE // 2 ** len(channels)) ** 2
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_features, 128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(128, N_CLASSES))


def outputs(module, image):
    """Return the outputs of a prepared image."""
    with torch.inference_mode():
        return module(image)


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=15)
    options.add_argument(
        "--calls", type=int, default=100, help="calls per round (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    n_calls = 5 if arguments.quick else arguments.calls
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (256, SIDE, SIDE, 3), dtype=np.uint8)
    y = np.arange(len(images)) % N_CLASSES
    cnn = CNNClassifier(max_epochs=1, device="cpu", random_state=0).fit(images, y)
    image = torch.from_numpy(images[:1]).permute(0, 3, 1, 2).float()  # channels last in memory
    calls = {
        "module, prepared tensor": partial(outputs, cnn.module_.eval(), image),
        "plain PyTorch layers, prepared tensor": partial(outputs, plain_layers().eval(), image),
        "predict": partial(cnn.predict, images[:1]),
        "predict_proba": partial(cnn.predict_proba, images[:1]),
    }
    for call in calls.values():
        call()
    results = run_interleaved(
        {
            name: lambda call=call: median(seconds_of(call) for _ in range(n_calls))
            for name, call in calls.items()
        },
        arguments.rounds,
        "one image",
    )
    bare = median(results["module, prepared tensor"])
    rows = []
    for name, seconds in results.items():
        row = {"measurement": name, "milliseconds": f"{1e3 * median(seconds):.3f}"}
        if name.startswith("predict"):
            row |= {
                "ratio to the module": f"{median(seconds) / bare:.2f}x",
                "goal": f"<= {GOAL:g}x",
            }
        rows.append(row)
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
