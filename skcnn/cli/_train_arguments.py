"""The options of the command ``train``."""

from __future__ import annotations

from typing import Any

from skcnn.cli import _arguments as arguments

DEFAULT_SIZE = 96
DEFAULT_BACKBONE = "efficientnet_lite0"


def add_size(group: Any) -> None:
    """Add the options of the size and the colors of images.

    Parameters
    ----------
    group : argparse argument group
        Group of the parser.
    """
    group.add_argument(
        "--size",
        metavar="PIXELS",
        type=arguments.size,
        help="images are resized to this height and width, such as 96 or 64x96 (default: "
        f"{DEFAULT_SIZE}, with --transfer the size of the backbone, mostly 224)",
    )
    group.add_argument(
        "--aspect",
        choices=("stretch", "pad", "crop"),
        default="stretch",
        help="how photos with another ratio of height to width are resized: "
        '"stretch" distorts them, "pad" adds black margins, "crop" cuts off the ends '
        "(default: %(default)s)",
    )
    group.add_argument("--gray", action="store_true", help="read images as gray images")


def add_network(group: Any) -> None:
    """Add the options of the network.

    Parameters
    ----------
    group : argparse argument group
        Group of the parser.
    """
    group.add_argument(
        "--network",
        metavar="NAME",
        help='network to train from random weights: "plain", "fast", which is slower and usually '
        'more accurate, or a backbone such as "resnet18" (default: plain)',
    )
    group.add_argument(
        "--transfer",
        metavar="BACKBONE",
        nargs="?",
        const=DEFAULT_BACKBONE,
        help="start from a pretrained network, the backbone (default without a name: "
        f"{DEFAULT_BACKBONE})",
    )
    group.add_argument(
        "--fine-tune",
        metavar="STAGES",
        type=arguments.fine_tune,
        default=False,
        help="with --transfer: number of the last stages of the backbone that are also trained, or "
        '"all". Before this, only the last layer is trained for some epochs, in addition to '
        "--epochs (default: none)",
    )


def add_images(group: Any) -> None:
    """Add the options of the training and validation images.

    Parameters
    ----------
    group : argparse argument group
        Group of the parser.
    """
    group.add_argument(
        "--validation",
        metavar="PART",
        type=arguments.validation,
        default=0.2,
        help="fraction of the images of each class that is used to score the model instead of "
        "training it, or a folder of other images for this. 0 trains on all images (default: "
        "%(default)s)",
    )
    group.add_argument(
        "--augment",
        metavar="NAMES",
        type=arguments.augmentations,
        default={},
        help="random changes of the training images, separated by commas: flip (left and right), "
        "vertical-flip, shift (up to 10 %% of the size), rotate (up to 15 degrees), zoom (up to "
        "20 %%), light (brightness and contrast, up to 20 %%), erase (a rectangle) (default: none)",
    )


def add_optimization(group: Any) -> None:
    """Add the options of the optimization.

    Parameters
    ----------
    group : argparse argument group
        Group of the parser.
    """
    group.add_argument(
        "--epochs",
        metavar="N",
        type=arguments.or_auto(arguments.positive_int),
        default="auto",
        help="number of passes over the training images (default: %(default)s, which is about 20, "
        "or 5 with --transfer, and more for few images)",
    )
    group.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=arguments.or_auto(arguments.positive_float),
        default="auto",
        help="maximum learning rate (default: %(default)s)",
    )
    group.add_argument(
        "--batch-size",
        metavar="N",
        type=arguments.or_auto(arguments.batch_size),
        default="auto",
        help="number of images in a training step (default: %(default)s)",
    )
    group.add_argument(
        "--early-stopping",
        action="store_true",
        help="do not train on a tenth of the training images, and stop when the score on them no "
        "longer improves",
    )
    group.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="give all classes the same total weight, even if some have fewer images",
    )


def add_running(group: Any) -> None:
    """Add the options of the seed and the device.

    Parameters
    ----------
    group : argparse argument group
        Group of the parser.
    """
    group.add_argument(
        "--seed",
        metavar="N",
        type=arguments.seed,
        default=0,
        help="seed of the random numbers. The same seed gives the same model (default: "
        "%(default)s)",
    )
    group.add_argument(
        "--device",
        default="auto",
        help='"cpu", "cuda", "mps" and so on; "auto" uses a GPU if there is one '
        "(default: %(default)s)",
    )
