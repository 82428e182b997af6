"""Parser of the command line, and types and groups of arguments that commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "flip": {"horizontal_flip": True},
    "vertical-flip": {"vertical_flip": True},
    "shift": {"shift": 0.1},
    "rotate": {"rotation": 15.0},
    "zoom": {"zoom": 0.2},
    "light": {"brightness": 0.2, "contrast": 0.2},
    "erase": {"erase": 0.3},
}


class UsageError(Exception):
    """An argument that cannot be used, found after parsing. The exit code is 2."""


class Parser(argparse.ArgumentParser):
    """Parser whose help begins with an example, and whose errors are one sentence.

    Parameters
    ----------
    example : str, default=""
        Arguments of a call that can be copied.
    **options
        Options of `argparse.ArgumentParser`.
    """

    def __init__(self, *, example: str = "", **options):
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=formatter, **options)
        self.example = example

    def format_help(self) -> str:
        """Return the help, which begins with the example."""
        example = f"example:\n  {self.prog} {self.example}\n\n" if self.example else ""
        return example + super().format_help()

    def error(self, message: str):
        """Print a sentence and exit with code 2."""
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help lists the options)\n")


def add_common(parser: argparse.ArgumentParser, *, model: bool = False) -> None:
    """Add the options of all commands, and those of commands that load a model.

    Parameters
    ----------
    parser : ArgumentParser
        Parser of the command.
    model : bool, default=False
        Whether the command loads a model.
    """
    if model:
        parser.add_argument(
            "--trust-pickle",
            action="store_true",
            help="load a .joblib file. It can run any code that its author put into it, so use "
            "this only for files whose origin you trust",
        )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no messages and no progress bars"
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error, for bug reports"
    )


def add_labeled_images(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name images with labels.

    Parameters
    ----------
    parser : ArgumentParser
        Parser of the command.
    """
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="folder with one sub-folder of images for each class, named after the class. With "
        "--csv, the folder that relative paths start from (default: the folder of the table)",
    )
    parser.add_argument(
        "--csv",
        metavar="TABLE",
        type=Path,
        help="CSV file with a column of image paths and a column of labels, instead of sub-folders",
    )
    parser.add_argument(
        "--path-column",
        metavar="NAME",
        default="path",
        help="column of the paths in TABLE (default: %(default)s)",
    )
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        default="label",
        help="column of the labels in TABLE (default: %(default)s)",
    )


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options of a command that prints results.

    Parameters
    ----------
    parser : ArgumentParser
        Parser of the command.
    what : str
        What is printed.
    """
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        type=file_or_output,
        help=f"write {what} to this file instead of standard output (-)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def add_batch_and_device(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that predict.

    Parameters
    ----------
    parser : ArgumentParser
        Parser of the command.
    """
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=positive_int,
        default=256,
        help="number of images that are read and predicted at a time. A larger number needs more "
        "memory (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help='"cpu", "cuda", "mps" and so on; "auto" uses a GPU if there is one '
        "(default: %(default)s)",
    )


def or_auto(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type of arguments that also accepts "auto"."""
    return lambda text: text if text == "auto" else kind(text)


def file_or_output(text: str) -> Path | None:
    """Return the path of a file, or None for standard output."""
    return None if text == "-" else Path(text)


def positive_int(text: str) -> int:
    """Return a positive integer."""
    return _number(text, int, "a whole number of at least 1", lambda value: value >= 1)


def batch_size(text: str) -> int:
    """Return a number of images in a training step, at least 2 for batch normalization."""
    return _number(text, int, "a whole number of at least 2", lambda value: value >= 2)


def positive_float(text: str) -> float:
    """Return a positive number."""
    return _number(text, float, "a number above 0", lambda value: 0 < value < float("inf"))


def seed(text: str) -> int:
    """Return a seed of random numbers."""
    limit = 2**32 - 1
    expected = f"a whole number from 0 to {limit}"
    return _number(text, int, expected, lambda value: 0 <= value <= limit)


def size(text: str) -> tuple[int, int]:
    """Return the height and the width that "96" or "64x96" stands for."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of pixels, such as 96, nor a height and a width, such "
            "as 64x96"
        )
    return int(parts[0]), int(parts[-1])


def validation(text: str) -> float | Path:
    """Return the fraction or the folder of validation images."""
    try:
        fraction = float(text)
    except ValueError:
        return Path(text)
    if not 0 <= fraction < 1:
        raise argparse.ArgumentTypeError(
            f"{text} is not a fraction: use a number from 0 to below 1, such as 0.2, or a folder"
        )
    return fraction


def fine_tune(text: str) -> bool | int:
    """Return the number of stages to train, True for all."""
    return True if text == "all" else positive_int(text)


def augmentations(text: str) -> dict:
    """Return the parameters of `ImageAugmenter` that names stand for."""
    options: dict = {}
    for name in text.split(","):
        if name not in AUGMENTATIONS:
            raise argparse.ArgumentTypeError(
                f"{name!r} is unknown: use one or more of {', '.join(AUGMENTATIONS)}, separated by "
                "commas"
            )
        options |= AUGMENTATIONS[name]
    return options


def _number(text, kind, expected, is_valid):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value
