"""Layers of this package beside PyTorch's: the time of a training step of one layer.

    python tests/benchmarks/bench_layers.py

Each layer computes its outputs and gradients on the CPU, in the precision of training steps there:
float32, and under autocast to bfloat16. The sizes are those of the networks of `bench_training.py`
and of the default network for images of 32 x 32 pixels.
"""

from functools import partial
from statistics import median

import torch
from _tables import (
    make_parser,
    parse_arguments,
    print_table,
    run_interleaved,
    seconds_of,
)
from torch import nn

from skcnn.networks import BatchNorm2d, Dropout

LAYERS = {
    "Dropout, 16 x 18496": (Dropout(0.5), nn.Dropout(0.5), (16, 18496)),
    "Dropout, 16 x 80000": (Dropout(0.5), nn.Dropout(0.5), (16, 80000)),
    "Dropout, 128 x 1568": (Dropout(0.5), nn.Dropout(0.5), (128, 1568)),
    "Dropout, 64 x 2048": (Dropout(0.3), nn.Dropout(0.3), (64, 2048)),
    "BatchNorm2d, 64 x 32 x 32 x 32": (BatchNorm2d(32), nn.BatchNorm2d(32), (64, 32, 32, 32)),
}


def step(layer, features, dtype):
    """Compute outputs and gradients."""
    layer.zero_grad()
    features.grad = None
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        outputs = layer(features)
    outputs.float().sum().backward()


def main():
    """Measure, and print the table."""
    options = make_parser(__doc__)
    options.add_argument("--calls", type=int, default=50, help="in a round (default: %(default)s)")
    arguments = parse_arguments(options)
    n_calls = 2 if arguments.quick else arguments.calls
    rows = []
    for name, (own, torch_layer, shape) in LAYERS.items():
        features = torch.randn(shape)
        if features.ndim == 4:
            features = features.to(memory_format=torch.channels_last)
        features.requires_grad_()
        for dtype in (torch.float32, torch.bfloat16):
            calls = {
                "skcnn": partial(step, own, features, dtype),
                "PyTorch": partial(step, torch_layer, features, dtype),
            }
            contenders = {
                key: lambda call=call: median(seconds_of(call) for _ in range(n_calls))
                for key, call in calls.items()
            }
            run_interleaved(contenders, 1, f"{name} (warming up)")
            results = run_interleaved(contenders, arguments.rounds, name)
            seconds = {key: median(values) for key, values in results.items()}
            rows.append(
                {
                    "layer": name,
                    "precision": str(dtype).removeprefix("torch."),
                    **{f"{key}, ms": f"{1e3 * value:.3f}" for key, value in seconds.items()},
                    "skcnn over PyTorch": f"{seconds['PyTorch'] / seconds['skcnn']:.2f}x",
                }
            )
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
