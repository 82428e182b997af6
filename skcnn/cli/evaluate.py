"""The command ``evaluate``: score a model on labeled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from skcnn.cli import _arguments as arguments
from skcnn.cli._images import labeled_images
from skcnn.cli._models import classes_of, load_model, predict_batches, predicts_most_probable
from skcnn.cli._output import (
    check_output,
    check_two_files,
    count,
    progress_bar,
    require,
    result_stream,
    say,
)
from skcnn.cli._scores import NAMES, class_numbers, score
from skcnn.replaced_file import replaced_file

_MAX_MATRIX = 12  # classes of a confusion matrix that fits a screen
_MAX_PAIRS = 15
_DESCRIPTION = """\
Score a model on images with known labels. Use images that it was not trained on. The
output is the accuracy, the balanced accuracy (mean recall of the classes), the log
loss, a table of the classes, and the confusion matrix. Images that cannot be read are
left out and listed, and the exit code is then 1.
"""


def add_command(commands: Any) -> None:
    """Add the parser of the command.

    Parameters
    ----------
    commands : argparse subparsers
        Parsers of commands.
    """
    parser = commands.add_parser(
        "evaluate",
        help="score a model on a folder of images",
        description=_DESCRIPTION,
        example="model.skops test_photos --report report.html",
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", metavar="MODEL", type=Path, help="file that `train` wrote")
    arguments.add_labeled_images(parser)
    parser.add_argument(
        "--report",
        metavar="HTML",
        type=Path,
        help="write a page with confidence intervals, curves and the most confident mistakes",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments.add_output(parser, "the scores")
    arguments.add_batch_and_device(parser)
    arguments.add_common(parser, model=True)


def run(args: Any) -> int:
    """Score a model.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments.

    Returns
    -------
    code : int
        Exit code.
    """
    import numpy as np

    check_output(args.out, force=args.force)
    check_output(args.report, force=args.force, suffixes=(".html",), option="--report")
    check_two_files(args.out, args.report)
    if args.report is not None:
        require("pandas", "matplotlib", "jinja2", what="--report")
    model = load_model(args)
    classes = classes_of(model)
    if classes is None:
        raise ValueError("the model is not a classifier with probabilities")
    paths, labels = labeled_images(args)
    true = class_numbers(labels, model.classes_)
    proba, predicted, errors = _predict(model, paths, args)
    readable = np.array([not error for error in errors])
    found = Evaluation(classes, true[readable], predicted, proba)
    with result_stream(args.out) as stream:
        if args.json:
            damaged = zip(paths[~readable], filter(None, errors), strict=True)
            record = found.as_dict() | {"errors": {str(path): text for path, text in damaged}}
            print(json.dumps(record, indent=2), file=stream)
        else:
            print(found.as_text(), file=stream)
    if args.report is not None:
        _write_report(model, paths[readable], true[readable], proba, args)
    for error in filter(None, errors):
        say(args, f"  {error}")
    if not readable.all():
        say(args, f"{count(int((~readable).sum()), 'image')} could not be read: see above")
    return 0 if readable.all() else 1


def _write_report(model, paths, true, proba, args):
    from skcnn.inspection import ModelReport

    say(args, f"Writing {args.report}")
    known = proba if predicts_most_probable(model) else None
    report = ModelReport(model, paths, model.classes_[true], y_proba=known)
    with replaced_file(args.report) as temporary:
        report.to_html(temporary)


def _predict(model, paths, args):
    """Return probabilities and classes of the readable images, and the error of each image."""
    import numpy as np

    batches = []
    with progress_bar(args, "predicting", len(paths)) as bar:
        for batch in predict_batches(model, map(str, paths), args.batch_size):
            batches.append(batch)
            bar.update(len(batch.paths))
    readable = [batch for batch in batches if batch.values is not None]
    errors = [error for batch in batches for error in batch.errors]
    if not readable:
        raise ValueError(f"no image can be read: {errors[0]}")
    proba = np.concatenate([batch.values for batch in readable])
    return proba, np.concatenate([batch.predicted for batch in readable]), errors


class Evaluation:
    """Scores, table of the classes, and confusion matrix.

    Parameters
    ----------
    classes : list
        Classes of the model.
    true : int array of shape (n_images,)
        Number of the class of each image.
    predicted : int array of shape (n_images,)
        Number of the predicted class of each image.
    proba : array of shape (n_images, n_classes)
        Probabilities.
    """

    def __init__(self, classes: list, true: Any, predicted: Any, proba: Any):
        import numpy as np
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        numbers = np.arange(len(classes))
        self.classes = classes
        self.n_images = len(true)
        self.scores = score(true, predicted, proba)
        self.table = np.transpose(
            precision_recall_fscore_support(true, predicted, labels=numbers, zero_division=0)
        ).tolist()
        self.confusion = confusion_matrix(true, predicted, labels=numbers).tolist()

    def as_dict(self) -> dict:
        """Return everything as plain data."""
        names = ("precision", "recall", "f1", "n_images")
        return {
            "n_images": self.n_images,
            **self.scores,
            "classes": {
                str(label): dict(zip(names, (*row[:3], int(row[3])), strict=True))
                for label, row in zip(self.classes, self.table, strict=True)
            },
            "confusion_matrix": self.confusion,
        }

    def as_text(self) -> str:
        """Return everything as text."""
        lines = [f"{'images':<18}{self.n_images:>8,}"]
        lines += [f"{text:<18}{self.scores[name]:>8.4f}" for name, text in NAMES.items()]
        width = max(len("class"), *(len(str(label)) for label in self.classes))
        lines += ["", f"{'class':<{width}}{'images':>9}{'precision':>11}{'recall':>8}{'F1':>8}"]
        for label, (precision, recall, f1, number) in zip(self.classes, self.table, strict=True):
            numbers = f"{int(number):>9,}{precision:>11.4f}{recall:>8.4f}{f1:>8.4f}"
            lines.append(f"{label!s:<{width}}{numbers}")
        return "\n".join([*lines, "", *self._confusion_lines(width)])

    def _confusion_lines(self, width):
        if len(self.classes) > _MAX_MATRIX:
            return self._frequent_confusions()
        labels = [str(label) for label in self.classes]
        widths = [max(7, len(label)) + 2 for label in labels]
        header = "".join(f"{label:>{w}}" for label, w in zip(labels, widths, strict=True))
        lines = ["confusion matrix (rows: true class, columns: predicted class)"]
        lines.append(f"{'':<{width}}{header}")
        for label, row in zip(labels, self.confusion, strict=True):
            numbers = "".join(f"{number:>{w},}" for number, w in zip(row, widths, strict=True))
            lines.append(f"{label:<{width}}{numbers}")
        return lines

    def _frequent_confusions(self):
        """Return the most frequent confusions, as the matrix has too many columns."""
        pairs = [
            (number, self.classes[row], self.classes[column])
            for row, numbers in enumerate(self.confusion)
            for column, number in enumerate(numbers)
            if row != column and number
        ]
        pairs.sort(key=lambda pair: -pair[0])
        lines = ["most frequent confusions (--json has the whole matrix)"]
        lines += [f"{n:>7,}  {a} predicted as {b}" for n, a, b in pairs[:_MAX_PAIRS]]
        return lines if pairs else ["no confusions"]
