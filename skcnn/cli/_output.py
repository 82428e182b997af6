"""Messages, progress bars and output files of commands."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from skcnn.cli._arguments import UsageError
from skcnn.replaced_file import replaced_file

_EXTRAS = {"skops": "skops", "pandas": "plot", "matplotlib": "plot", "jinja2": "plot"}


def say(args: Any, message: str) -> None:
    """Print a message on standard error, unless --quiet is set.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command.
    message : str
        Message.
    """
    if not args.quiet:
        print(message, file=sys.stderr)


def count(number: int, noun: str) -> str:
    """Return a number and a noun, such as "1 image" and "2,000 images".

    Parameters
    ----------
    number : int
        Number.
    noun : str
        Noun in the singular, whose plural ends in "s" or "es".

    Returns
    -------
    text : str
        Number and noun.
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def progress_bar(args: Any, description: str, total: int | None, unit: str = "image") -> Any:
    """Return a progress bar with the time left, on standard error.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command.
    description : str
        Text before the bar.
    total : int or None
        Number of steps, None if it is unknown.
    unit : str, default="image"
        Unit of the steps.

    Returns
    -------
    bar : tqdm.tqdm
        Bar. It shows nothing with --quiet, or if standard error is not a terminal.
    """
    from tqdm import tqdm

    hidden = args.quiet or not sys.stderr.isatty()
    return tqdm(desc=description, total=total, unit=unit, disable=hidden, dynamic_ncols=True)


class TaskBar:
    """Callback of scikit-learn that shows a progress bar.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command.
    description : str
        Text before the bar.
    task_name : str
        Name of the tasks that are counted.
    unit : str
        Unit of the tasks.
    """

    def __init__(self, args: Any, description: str, task_name: str, unit: str):
        self.args = args
        self.description = description
        self.task_name = task_name
        self.unit = unit

    def setup(self, estimator, context):
        """Show the bar."""
        total = context.max_subtasks
        self.bar_ = progress_bar(self.args, self.description, total, self.unit)

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Count a task."""
        if context.task_name == self.task_name:
            self.bar_.update()

    def teardown(self, estimator, context):
        """Close the bar."""
        self.bar_.close()


class EpochBar(TaskBar):
    """Progress bar of epochs, with the loss of the last one.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command.
    """

    def __init__(self, args: Any):
        super().__init__(args, "training", "epoch", "epoch")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Count an epoch."""
        if context.task_name == self.task_name and not self.bar_.disable:
            self.bar_.set_postfix(loss=f"{fitted_estimator.history_[-1]['train_loss']:.3f}")
        super().on_fit_task_end(estimator, context)


def check_output(
    path: Path | None, *, force: bool, suffixes: Sequence[str] = (), option: str = "--out"
) -> None:
    """Raise an error if an output file cannot be written, before any work starts.

    Parameters
    ----------
    path : Path or None
        File to write. None is accepted.
    force : bool
        Whether an existing file can be overwritten.
    suffixes : sequence of str, default=()
        Allowed suffixes. Empty allows all.
    option : str, default="--out"
        Name of the option, for messages.

    Raises
    ------
    UsageError
        If the suffix is not allowed.
    OSError
        If the file exists, or there is no folder that it can be written to.
    """
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        expected = " or ".join(suffixes)
        raise UsageError(f"{option} {str(path)!r} must be a file whose name ends in {expected}")
    if path.is_dir():
        raise IsADirectoryError(f"{option} {str(path)!r} is a folder: add the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"the folder {str(path.parent)!r} of {option} {str(path)!r} does not exist: create it"
        )
    if path.exists() and not force:
        raise FileExistsError(
            f"{option} {str(path)!r} exists: choose another name, or use --force to overwrite it"
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise PermissionError(
            f"{option} {str(path)!r} cannot be written to the folder {str(path.parent)!r}: "
            f"{error.strerror}"
        ) from error


def check_two_files(out: Path | None, report: Path | None) -> None:
    """Raise an error if --out and --report are one file.

    Parameters
    ----------
    out : Path or None
        File of --out.
    report : Path or None
        File of --report.

    Raises
    ------
    UsageError
        If both are the same file.
    """
    if out is not None and report is not None and out.resolve() == report.resolve():
        raise UsageError(f"--out and --report are both {str(out)!r}: name two files")


@contextlib.contextmanager
def result_stream(path: Path | None) -> Iterator[Any]:
    """Yield the stream that results are written to. A file is complete or not there.

    Parameters
    ----------
    path : Path or None
        File to write. None is standard output.

    Yields
    ------
    stream : text stream
        Stream.
    """
    if path is None:
        if sys.stdout is None:
            raise UsageError("standard output is closed: write to a file with --out FILE")
        yield sys.stdout
        return
    with (
        replaced_file(path) as target,
        open(target, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        yield stream


def require(*packages: str, what: str) -> None:
    """Raise an error if an optional package is not installed, before any work starts.

    Parameters
    ----------
    *packages : str
        Names of modules.
    what : str
        What needs the packages.

    Raises
    ------
    ImportError
        If a package is not installed.
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(
                f'{what} requires {package}: pip install "skcnn[{_EXTRAS[package]}]" ({error})'
            ) from error
