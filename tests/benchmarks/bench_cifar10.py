"""Test accuracy and training time of the fast network on CIFAR-10.

    python tests/benchmarks/bench_cifar10.py --data DIR

DIR contains `cifar10.npz` (`X_train`, `y_train`, `X_test`, `y_test`). The network is trained on the
CPU with the recipe of the user guide, on all 50,000 training images. The accuracy on all 10,000
test images is measured with and without test-time augmentation. The goal is a mean of 94.0 % after
10 minutes of training. The seconds are those of the whole fit. GFLOP/s count the operations of the
convolutions; the ceiling is measured before and after the fit.
"""

import sys
import time
from ast import literal_eval
from pathlib import Path

import numpy as np
import torch
from _machine import ceiling
from _tables import make_parser, parse_arguments, print_table
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import CNNClassifier, ImageAugmenter
from skcnn.training.transforms import Progress, ProgressiveResizing

AUGMENTATION = {"horizontal_flip": True, "shift": 2}
# The other options are automatic.
RECIPE = {
    "network": "fast",
    "label_smoothing": 0.2,
    "progressive_resizing": 0.6,
    "test_time_augmentation": "flip_shift",
}


def main():
    """Fit once per seed, and print one row each."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    options.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="SEED",
        default=[0, 1, 2],
        help="the random_state of each fit (default: 0 1 2)",
    )
    for option, estimator in (("--set", "classifier"), ("--augment", "augmenter")):
        options.add_argument(
            option,
            nargs=2,
            action="append",
            default=[],
            metavar=("NAME", "VALUE"),
            help=f"set a parameter of the {estimator} to a Python literal",
        )
    options.add_argument(
        "--validation",
        action="store_true",
        help="train on 45,000 of the training images, and score the other 5,000",
    )
    arguments = parse_arguments(options)
    with np.load(arguments.data / "cifar10.npz") as file:
        data = [file[key] for key in ("X_train", "y_train", "X_test", "y_test")]
    if arguments.validation:
        X, y = data[:2]
        data = [X[:45_000], y[:45_000], X[45_000:], y[45_000:]]
    if arguments.quick:
        data = [part[:1000] for part in data]
    recipe, augmentation = (
        defaults | {name: literal_eval(value) for name, value in changes}
        for defaults, changes in ((RECIPE, arguments.set), (AUGMENTATION, arguments.augment))
    )
    print_table([measure(seed, recipe, augmentation, *data) for seed in arguments.seeds], arguments)


def measure(seed, recipe, augmentation, X, y, X_test, y_test):
    """Fit and score with one seed."""
    limits = [ceiling()]
    augmenter = ImageAugmenter(**augmentation, random_state=seed)
    cnn = CNNClassifier(**recipe, device="cpu", random_state=seed, verbose=1)
    model = make_pipeline(augmenter, cnn)
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    limits.append(ceiling())
    averaged = model.score(X_test, y_test)
    not_averaged = cnn.set_params(test_time_augmentation=None).score(X_test, y_test)
    flop = sum(epoch_flop(cnn, epoch) for epoch in range(cnn.n_epochs_)) * len(X)
    result = {
        "seed": str(seed),
        "test accuracy": f"{averaged:.4f}",
        "without augmentation": f"{not_averaged:.4f}",
        "fit seconds": f"{seconds:.0f}",
        "GFLOP/s": f"{flop / seconds / 1e9:.0f}",
        **{f"{kind} ceiling": f"{sum(m[kind] for m in limits) / 2:.0f}" for kind in limits[0]},
    }
    print(result, file=sys.stderr, flush=True)
    return result


def epoch_flop(cnn, epoch):
    """Return the operations of the convolutions for one image, forward and backward."""
    resizing = ProgressiveResizing(cnn.progressive_resizing)
    share = resizing.fraction(Progress(epoch, cnn.n_epochs_))
    height, width, n_channels = cnn.image_shape_
    counts = []

    def count(module, inputs, output):
        counts.append((2 * module.weight[0].numel() * output[0].numel(), module.weight))

    convolutions = [m for m in cnn.module_.modules() if isinstance(m, nn.Conv2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    cnn.module_.eval()(torch.zeros(2, n_channels, round(share * height), round(share * width)))
    for hook in hooks:
        hook.remove()
    trained = [flop for flop, weight in counts if weight.requires_grad]
    # The whitening is not trained, so the convolution after it needs no gradient of its inputs.
    return sum(flop for flop, _ in counts) + 2 * sum(trained) - trained[0]


if __name__ == "__main__":
    main()
