"""The time that one image takes through a fitted classifier, and through its bare module.

    python tests/benchmarks/bench_latency.py

A default `CNNClassifier`, trained for one epoch on random images of 32 x 32 x 3 and 10 classes,
predicts one uint8 image, on the processor. Its module computes the outputs of the same image,
prepared as a float32 tensor, in evaluation and inference mode. Last, the same layers as plain
PyTorch ones, without input standardisation.
"""

from functools import partial
from statistics import median

import numpy as np
import torch
from _tables import interleaved, parse, parser, seconds_of, show
from torch import nn

from skcnn import CNNClassifier
from skcnn.networks import automatic_channels

GOAL = 2.0
SIDE, N_CLASSES = 32, 10


def plain_layers():
    """Build the default network of plain PyTorch layers."""
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
    """Compute the outputs of a prepared image."""
    with torch.inference_mode():
        return module(image)


def main():
    """Measure, and print the table."""
    options = parser(__doc__, rounds=15)
    options.add_argument("--calls", type=int, default=100, help="in a round (default: %(default)s)")
    arguments = parse(options)
    n_calls = 5 if arguments.quick else arguments.calls
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (256, SIDE, SIDE, 3), dtype=np.uint8)
    y = np.arange(len(images)) % N_CLASSES
    cnn = CNNClassifier(max_epochs=1, device="cpu", random_state=0).fit(images, y)
    image = torch.from_numpy(images[:1]).permute(0, 3, 1, 2).float()  # channels last in memory
    calls = {
        "the module, a prepared tensor": partial(outputs, cnn.module_.eval(), image),
        "plain PyTorch layers, a prepared tensor": partial(outputs, plain_layers().eval(), image),
        "predict": partial(cnn.predict, images[:1]),
        "predict_proba": partial(cnn.predict_proba, images[:1]),
    }
    for call in calls.values():
        call()
    results = interleaved(
        {
            name: lambda call=call: median(seconds_of(call) for _ in range(n_calls))
            for name, call in calls.items()
        },
        arguments.rounds,
        "one image",
    )
    bare = median(results["the module, a prepared tensor"])
    rows = []
    for name, seconds in results.items():
        row = {"what": name, "milliseconds": f"{1e3 * median(seconds):.3f}"}
        if name.startswith("predict"):
            row |= {"over the module": f"{median(seconds) / bare:.2f}x", "goal": f"<= {GOAL:g}x"}
        rows.append(row)
    show(rows, arguments)


if __name__ == "__main__":
    main()
