"""The command ``predict``: classify images, and print CSV or JSON."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

from skcnn.cli import _arguments as arguments
from skcnn.cli._arguments import UsageError
from skcnn.cli._images import expand
from skcnn.cli._models import classes_of, load_model, predict_batches
from skcnn.cli._output import check_output, count, progress_bar, result_stream, say

_DESCRIPTION = """\
Classify images, and print one row for each image: its path, the label and the
probability of the label. If an image cannot be read, its row contains an error, and
the exit code is 1. The images are read and predicted batch by batch, so the memory
does not grow with their number.
"""
_EPILOG = """\
The columns of CSV are path, label, probability and error. --top N adds label_2,
probability_2 and so on, and --probabilities adds probability_CLASS for each class.
Models that are not classifiers have the column value instead of label.

Put -- before paths that begin with a dash: predict model.skops -- -photo.jpg
"""


def add_command(commands: Any) -> None:
    """Add the parser of the command.

    Parameters
    ----------
    commands : argparse subparsers
        Parsers of commands.
    """
    parser = commands.add_parser(
        "predict",
        help="classify images",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        example="model.skops photo.jpg more_photos --out predictions.csv",
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", metavar="MODEL", type=Path, help="file that `train` wrote")
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="image, folder (its sub-folders are included), pattern such as 'photos/*.jpg', or - "
        "to read a list of files from standard input, one per line",
    )
    parser.add_argument(
        "--format",
        choices=("csv", "json"),
        help="format of the results (default: json if FILE ends in .json, else csv)",
    )
    arguments.add_output(parser, "the results")
    more = parser.add_mutually_exclusive_group()
    more.add_argument(
        "--top",
        metavar="N",
        type=arguments.positive_int,
        default=1,
        help="number of labels to print for each image, the predicted one first, then the most "
        "probable others (default: %(default)s)",
    )
    more.add_argument(
        "--probabilities", action="store_true", help="print the probabilities of all classes"
    )
    arguments.add_batch_and_device(parser)
    arguments.add_common(parser, model=True)


def run(args: Any) -> int:
    """Predict images.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments.

    Returns
    -------
    code : int
        Exit code.
    """
    check_output(args.out, force=args.force)
    model = load_model(args)
    classes = classes_of(model)
    if classes is None and (args.top > 1 or args.probabilities):
        raise UsageError("the model has no probabilities: leave out --top and --probabilities")
    describe = Description(classes, min(args.top, len(classes or [1])), args.probabilities)
    total = None
    if "-" not in args.paths and not args.quiet and sys.stderr.isatty():
        total = sum(1 for _ in expand(args.paths))
    n_images = n_errors = 0
    with result_stream(args.out) as stream, progress_bar(args, "predicting", total) as bar:
        writer = _WRITERS[_format(args)](stream, describe)
        for batch in predict_batches(model, expand(args.paths), args.batch_size):
            writer.write(batch)
            n_images += len(batch.paths)
            n_errors += sum(map(bool, batch.errors))
            bar.update(len(batch.paths))
        writer.close()
        if not n_images:
            raise FileNotFoundError(f"there are no images in {', '.join(args.paths)}")
    target = "" if args.out is None else f", and wrote {args.out}"
    say(args, f"Predicted {count(n_images - n_errors, 'image')}{target}")
    if n_errors:
        say(args, f"{count(n_errors, 'image')} could not be read: see the rows with an error")
    return 1 if n_errors else 0


def _format(args):
    if args.format is not None:
        return args.format
    return "json" if args.out is not None and args.out.suffix.lower() == ".json" else "csv"


class Description:
    """Rows of results.

    Parameters
    ----------
    classes : list or None
        Classes, None for a model without probabilities.
    n_top : int
        Number of labels of each image.
    all_classes : bool
        Whether the rows have the probabilities of all classes.
    """

    def __init__(self, classes: list | None, n_top: int, all_classes: bool):
        self.classes = classes
        self.n_top = n_top
        self.all_classes = all_classes

    def columns(self) -> list[str]:
        """Return the names of the columns, without path and error."""
        if self.classes is None:
            return ["value"]
        names = ["label", "probability"]
        names += [f"{name}_{rank}" for rank in range(2, self.n_top + 1) for name in names[:2]]
        if self.all_classes:
            names += [f"probability_{name}" for name in self.classes]
        return names

    def rows(self, batch: Any) -> Any:
        """Yield path, values and error of each image of a batch, None for missing values."""
        values = iter(() if batch.values is None else batch.values)
        predicted = iter(() if batch.predicted is None else batch.predicted)
        for path, error in zip(batch.paths, batch.errors, strict=True):
            row = None if error else self._values(next(values), next(predicted, None))
            yield path, row, error

    def _values(self, value, predicted):
        if self.classes is None:
            return [value.tolist()]
        others = [one for one in (-value).argsort(kind="stable").tolist() if one != predicted]
        ranked = [predicted, *others][: self.n_top]
        probabilities = value.tolist()
        row = [item for one in ranked for item in (self.classes[one], probabilities[one])]
        return row + probabilities if self.all_classes else row


class CsvWriter:
    """Writer of results as CSV.

    Parameters
    ----------
    stream : text stream
        Stream.
    describe : Description
        Rows.
    """

    def __init__(self, stream: Any, describe: Description):
        self.stream = stream
        self.describe = describe
        self.n_columns = len(describe.columns())
        self.writer = csv.writer(stream, lineterminator="\n")
        self.writer.writerow(["path", *describe.columns(), "error"])

    def write(self, batch):
        """Write the rows of a batch."""
        for path, values, error in self.describe.rows(batch):
            values = [""] * self.n_columns if values is None else map(_as_text, values)
            self.writer.writerow([path, *values, error])
        self.stream.flush()

    def close(self):
        """Do nothing: every row is written."""


class JsonWriter:
    """Writer of results as a JSON array, with one object on each line.

    Parameters
    ----------
    stream : text stream
        Stream.
    describe : Description
        Rows.
    """

    def __init__(self, stream: Any, describe: Description):
        self.stream = stream
        self.describe = describe
        self.separator = "[\n"

    def write(self, batch):
        """Write the objects of a batch."""
        columns = self.describe.columns()
        for path, values, error in self.describe.rows(batch):
            row = {"error": error} if error else dict(zip(columns, _finite(values), strict=True))
            self.stream.write(f"{self.separator}{json.dumps({'path': path, **row})}")
            self.separator = ",\n"
        self.stream.flush()

    def close(self):
        """Write the end of the array."""
        self.stream.write("\n]\n" if self.separator == ",\n" else "[]\n")


_WRITERS: dict[str, Any] = {"csv": CsvWriter, "json": JsonWriter}


def _finite(value):
    """Replace numbers that JSON does not have by None."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(value):
    return f"{value:.6g}" if isinstance(value, float) else value
