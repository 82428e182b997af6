"""The sentences of a report that are to be read first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skcnn.inspection._bootstrap import interval_problems
from skcnn.inspection._predictions import listed
from skcnn.inspection._report_metrics import area, decimals, interval_name, share, top_label

if TYPE_CHECKING:
    from skcnn.inspection.model_report import ModelReport

_WIDE = 0.1  # width of an interval of the accuracy that tells little
_FEW = 20  # images of a class: the interval of a recall of 0.5 is then 0.4 wide
_BADLY = 0.02  # calibration error that matters, if it is not by chance


def tiles(report: ModelReport) -> list[tuple[str, str, str]]:
    """Return the main numbers: name, value, and a line below."""
    row, interval = report.summary.loc["accuracy"], interval_name(report)
    label, baseline = most_frequent(report)
    counts = report.predictions.counts
    auc = report.summary.loc["roc_auc_ovr"]
    return [
        ("Accuracy", share(row.value), f"{interval} {_range(share, row)}"),
        ("Baseline", share(baseline), f"always the most frequent class, {label!r}"),
        ("ROC AUC", area(auc.value), f"{interval} {_range(area, auc)}"),
        ("Test images", f"{counts.sum():,}", f"of {np.count_nonzero(counts)} classes"),
    ]


def _range(text, row):
    return f"{text(row.low)} to {text(row.high)}"


def findings(report: ModelReport) -> list[tuple[str, str]]:
    """Return the kind, "warning" or "note", and the text of each sentence."""
    warnings = [*_about_accuracy(report), *_about_classes(report), *_about_data(report)]
    warnings += [*_about_calibration(report)]
    found = [("warning", text) for text in warnings]
    return [*found, *(("note", text) for text in _notes(report))]


def _about_accuracy(report):
    row = report.summary.loc["accuracy"]
    label, baseline = most_frequent(report)
    if row.low <= baseline:
        yield (
            f"The accuracy may be no better than {share(baseline)}, that of always predicting the "
            f"most frequent class, {label!r}."
        )
    if row.high - row.low > _WIDE:
        yield (
            f"There are few test images, {report.fingerprint.n_images}: the interval of the "
            f"accuracy is {share(row.high - row.low)} wide."
        )
    for problem in interval_problems(report.predictions, report.confidence_level):
        yield f"{problem[0].upper()}{problem[1:]}."


def _about_classes(report):
    table = report.class_table
    few = table.index[(table["images"] > 0) & (table["images"] < _FEW)].tolist()
    if few:
        yield (
            f"Classes with fewer than {_FEW} test images: {listed(few)}. The intervals of their "
            "recall are wide."
        )
    never = table.index[(table["images"] > 0) & (table["predicted"] == 0)].tolist()
    if never:
        yield f"Classes with test images that are never predicted: {listed(never)}."


def _about_data(report):
    data = report.fingerprint
    if data.n_repeated:
        conflicting = (
            f" {data.n_conflicting} of them have another label than the first one."
            if data.n_conflicting
            else ""
        )
        yield (
            f"Pixel for pixel, {data.n_repeated:,} of the {data.n_images:,} test images equal an "
            f"earlier one, so that the intervals are too narrow.{conflicting}"
        )


def _about_calibration(report):
    error = report.summary.loc["calibration_error", "value"]
    if error > max(report.chance_error, _BADLY):
        accuracy, confidence = top_label(report.predictions)
        too = "high" if confidence > accuracy else "low"
        yield (
            f"The probabilities are badly calibrated, and too {too} on average: the predicted "
            f"classes have a mean probability of {share(confidence)}, and {share(accuracy)} of "
            f"them are correct (calibration error {decimals(error)})."
        )


def _notes(report):
    table = report.class_table
    worst = int(np.nanargmin(table["recall"]))
    row = table.iloc[worst]
    yield (
        f"The class with the lowest recall is {table.index.tolist()[worst]!r}: "
        f"{share(row.recall)} of its {int(row.images):,} images are classified correctly."
    )
    yield (
        "Not checked: whether test images, or other photos of the same things, were used to train "
        "the model or to choose its parameters. The metrics are valid only if they were not."
    )


def most_frequent(report: ModelReport) -> tuple[object, float]:
    """Return the most frequent class of the test images, and its share."""
    counts = report.predictions.counts
    return report.predictions.classes.tolist()[counts.argmax()], counts.max() / counts.sum()
