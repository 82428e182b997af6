"""Adversarial training on Fashion-MNIST, and attacks beside the adversarial-robustness-toolbox.

    python tests/benchmarks/bench_attacks.py --data DIR
    python tests/benchmarks/bench_attacks.py --data DIR --part attacks

DIR contains `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`).

The part "training" trains the same network plainly and with each adversary, and reports the
accuracy on the 10,000 test images and, under attacks with a distance of 8 of 255, on the first ones
(`--images`). The part "attacks" attacks the plain network with the attacks of skcnn and with those
of the adversarial-robustness-toolbox (`pip install adversarial-robustness-toolbox`), which gets
pixel values from 0 to 1 and the same network, batches, steps and step sizes. They attack the first
test images, DeepFool and FAB a fifth of them. Neither package rounds the images, as skcnn gets
float32. "success" is the fraction of correctly classified images that become misclassified;
"distance" is the median distance of these, for pixel values from 0 to 255.
"""

import copy
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved
from torch import nn

from skcnn import CNNClassifier
from skcnn.pipeline_graph import torch_pipeline
from skcnn.robustness import (
    APGD,
    FAB,
    FGSM,
    PGD,
    DeepFool,
    SquareAttack,
    adversarial_examples,
    robust_score,
)

EPSILON = 8
L2 = 128
ADVERSARIES = {
    "none": None,
    "FGSM(8)": FGSM(EPSILON),
    "FGSM(8, noise=2)": FGSM(EPSILON, noise=2.0),
    "PGD(8, n_steps=5)": PGD(EPSILON, n_steps=5),
}


def main():
    """Run the parts, and print their tables."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument("--data", type=Path, metavar="DIR", required=True)
    options.add_argument("--part", choices=["training", "attacks"], default="training")
    options.add_argument("--device", default="auto", help="device (default: %(default)s)")
    options.add_argument("--epochs", type=int, default=10, help="(default: %(default)s)")
    options.add_argument("--images", type=int, default=1000, help="attacked (default: %(default)s)")
    options.add_argument("--training-images", type=int, help="number (default: all)")
    options.add_argument("--adversaries", nargs="+", choices=ADVERSARIES, default=[*ADVERSARIES])
    arguments = parse_arguments(options)
    with np.load(arguments.data / "fashion_mnist.npz") as data:
        arrays = [data[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    arrays[:2] = [array[: arguments.training_images] for array in arrays[:2]]
    if arguments.quick:
        arrays = [array[:200] for array in arrays]
    rows = train(*arrays, arguments) if arguments.part == "training" else attack(*arrays, arguments)
    device = "CPU"
    if torch.cuda.is_available() and arguments.device != "cpu":
        device = torch.cuda.get_device_name()
    print_table(rows, arguments, notes=[f"device of the network: {device}"])


def classifier(arguments, adversary=None):
    """Return an unfitted classifier."""
    return CNNClassifier(
        channels=(32, 64, 128),
        dropout=0.0,
        max_epochs=1 if arguments.quick else arguments.epochs,
        batch_size=128,
        adversary=adversary,
        device=arguments.device,
        random_state=0,
    )


# ------------------------------------------------------------------------------------------------
# Training


def train(X, y, X_test, y_test, arguments):
    """Train plainly and with each adversary, and return the rows of the table."""
    few = X_test[: arguments.images], y_test[: arguments.images]
    attacks = {
        "FGSM": FGSM(EPSILON),
        "PGD of 20 steps": PGD(EPSILON, n_steps=20),
        "Square attack of 1,000 queries": SquareAttack(EPSILON, n_queries=1000),
        "auto_attack": EPSILON,
    }
    rows = []
    for name in arguments.adversaries:
        start = time.perf_counter()
        cnn = classifier(arguments, ADVERSARIES[name]).fit(X, y)
        row = {"adversary": name, "minutes of training": minutes_since(start)}
        row["clean"] = f"{cnn.score(X_test, y_test):.1%}"
        print(row, file=sys.stderr, flush=True)
        batch_size = None if cnn.net_.device == "cpu" else arguments.images
        for attack_name, one in attacks.items():
            start = time.perf_counter()
            score = robust_score(cnn, *few, one, batch_size=batch_size, random_state=0)
            row[attack_name] = f"{score:.1%}"
            print(attack_name, row[attack_name], minutes_since(start), file=sys.stderr, flush=True)
        row["minutes of auto_attack"] = minutes_since(start)
        rows.append(row)
    return rows


def minutes_since(start):
    """Return the minutes since a time."""
    return f"{(time.perf_counter() - start) / 60:.1f}"


# ------------------------------------------------------------------------------------------------
# Attacks, beside ART


def attack(X, y, X_test, y_test, arguments):
    """Attack the plain network with both packages, and return the rows of the table."""
    cnn = classifier(arguments).fit(X, y)
    graph = torch_pipeline(cnn, X_test.shape[1:], np.float32)
    reference = art_classifier(graph.module)
    rows = []
    for name, (own, make_art) in attacks(arguments.quick).items():
        n_images = arguments.images // (5 if isinstance(own, (DeepFool, FAB)) else 1)
        X, y, images = X_test[:n_images].astype(np.float32), y_test[:n_images], {}

        def run(package, own=own, make_art=make_art, images=images, X=X, y=y):
            start = time.perf_counter()
            if package == "skcnn":
                images[package] = adversarial_examples(
                    cnn, X, y, own, pixel_range=(0, 255), batch_size=250, random_state=0
                )
            else:
                found = make_art(reference).generate(x=X[:, None] / 255, y=y)
                images[package] = 255 * found[:, 0]
            return time.perf_counter() - start

        slow = isinstance(own, (DeepFool, FAB, SquareAttack))
        contenders = {package: partial(run, package) for package in ("skcnn", "ART")}
        if make_art is None:
            del contenders["ART"]
        seconds = run_interleaved(contenders, 1 if slow else arguments.rounds, name)
        medians = {package: np.median(values) for package, values in seconds.items()}
        correct = cnn.predict(X) == y
        for package, found in images.items():
            fooled = correct & (cnn.predict(found) != y)
            change = (found - X).reshape(len(X), -1)[fooled]
            distance = np.linalg.norm(change, np.inf if own.norm == "linf" else 2, axis=1)
            rows.append(
                {
                    "attack": name,
                    "package": package,
                    "success": f"{fooled.sum() / correct.sum():.1%}",
                    "distance": f"{np.median(distance) if len(distance) else np.nan:.2f}",
                    "seconds": f"{medians[package]:.2f}",
                    "ART / skcnn": f"{medians['ART'] / medians['skcnn']:.1f}x"
                    if package == "skcnn" and "ART" in medians
                    else "",
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def attacks(quick):
    """Return pairs of an attack and of a function that makes ART's, by name."""
    from art.attacks import evasion as art

    n_steps, n_queries = (3, 10) if quick else (40, 500)
    linf, l2 = {"eps": EPSILON / 255, "norm": np.inf}, {"eps": L2 / 255, "norm": 2}
    quiet = {"batch_size": 250, "verbose": False}

    def pgd(epsilon, ball, **_):
        step = 2.5 * epsilon / n_steps / 255
        return partial(
            art.ProjectedGradientDescent,
            **ball,
            **quiet,
            eps_step=step,
            max_iter=n_steps,
            num_random_init=1,
        )

    def apgd(ball):
        return partial(
            art.AutoProjectedGradientDescent,
            **ball,
            **quiet,
            eps_step=2 * ball["eps"],
            max_iter=n_steps,
            nb_random_init=1,
            loss_type="cross_entropy",
        )

    def square(ball):
        return partial(art.SquareAttack, **ball, **quiet, max_iter=n_queries, nb_restarts=1)

    options = {"norm": "l2"}
    return {
        "FGSM, linf 8": (
            FGSM(EPSILON),
            partial(art.FastGradientMethod, **linf, batch_size=250),
        ),
        "PGD, linf 8": (PGD(EPSILON, n_steps=n_steps), pgd(EPSILON, linf)),
        "PGD, l2 128": (PGD(L2, n_steps=n_steps, **options), pgd(L2, l2)),
        "APGD, linf 8": (APGD(EPSILON, n_steps=n_steps), apgd(linf)),
        "APGD, l2 128": (APGD(L2, n_steps=n_steps, **options), apgd(l2)),
        "Square, linf 8": (SquareAttack(EPSILON, n_queries=n_queries), square(linf)),
        "Square, l2 128": (SquareAttack(L2, n_queries=n_queries, **options), square(l2)),
        "DeepFool, l2": (
            DeepFool(),
            partial(art.DeepFool, epsilon=0.02, nb_grads=10, max_iter=50, **quiet),
        ),
        "FAB, l2": (FAB(n_steps=10 if quick else 40, n_targets=3, norm="l2"), None),
        "FAB, linf": (FAB(n_steps=10 if quick else 40, n_targets=3), None),
    }


def art_classifier(module):
    """Return ART's classifier of pixel values from 0 to 1 around a network for original pixels."""
    from art.estimators.classification import PyTorchClassifier

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            # A trained network has weights with gradients, which those of the graph have not.
            self.module = copy.deepcopy(module).requires_grad_(True)

        def forward(self, images):
            return self.module(255 * images)

    return PyTorchClassifier(
        model=Scaled().eval(),
        loss=nn.CrossEntropyLoss(),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="gpu" if next(module.parameters()).is_cuda else "cpu",
    )


if __name__ == "__main__":
    main()
