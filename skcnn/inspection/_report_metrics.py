"""The sections of a report about how good the predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.metrics import precision_recall_fscore_support

from skcnn._html.page import Figure, Paragraph, Section, Table
from skcnn._plotting import import_pandas
from skcnn.inspection._predictions import Predictions
from skcnn.inspection._report_figures import calibration_svg, confusion_svg, roc_svg
from skcnn.inspection._roc_curves import roc_curves
from skcnn.inspection._titles import percent

if TYPE_CHECKING:
    from pandas import DataFrame

    from skcnn.inspection.model_report import ModelReport

_MAX_CONFUSIONS = 10
_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy (mean recall)",
    "precision_macro": "Precision, mean of the classes",
    "recall_macro": "Recall, mean of the classes",
    "f1_macro": "F1, mean of the classes",
    "roc_auc_ovr": "ROC AUC, mean of the classes",
    "log_loss": "Log loss (lower is better)",
    "calibration_error": "Calibration error (lower is better)",
}


def class_table(predictions: Predictions, confidence_level: float) -> DataFrame:
    """Compute the metrics of each class.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    confidence_level : float
        Level of the interval of the recall.

    Returns
    -------
    table : pandas.DataFrame of shape (n_classes, 8)
        Columns "images", "predicted", "precision", "recall", "recall_low", "recall_high", "f1" and
        "roc_auc"; NaN where a metric is not defined. The interval is that of Wilson (1927).
    """
    n_classes = len(predictions.classes)
    precision, recall, f1, counts = precision_recall_fscore_support(
        predictions.true, predictions.predicted, labels=range(n_classes), zero_division=np.nan
    )
    low, high = wilson_interval(recall, counts, confidence_level)
    few = np.count_nonzero(counts) < 2
    areas = np.full(n_classes, np.nan) if few else roc_curves(predictions)["roc_auc"]
    columns = {
        "images": counts,
        "predicted": np.bincount(predictions.predicted, minlength=n_classes),
        "precision": precision,
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
        "f1": np.where(counts > 0, f1, np.nan),
        "roc_auc": areas,
    }
    pandas = import_pandas()
    return pandas.DataFrame(columns, index=pandas.Index(predictions.classes, name="class"))


def wilson_interval(
    fraction: NDArray[np.float64], n: NDArray[np.integer], confidence_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the confidence interval of a fraction of n independent cases, NaN for none.

    Parameters
    ----------
    fraction : float64 array of shape (n_fractions,)
        Fractions.
    n : int array of shape (n_fractions,)
        Numbers of cases.
    confidence_level : float
        Level of the interval.

    Returns
    -------
    low, high : float64 arrays of shape (n_fractions,)
        Limits, after Wilson, "Probable inference, the law of succession, and statistical
        inference", Journal of the American Statistical Association 22, 1927.
    """
    z2 = ndtri((1 + confidence_level) / 2) ** 2
    n = np.where(n > 0, n, np.nan)
    center = (fraction + z2 / (2 * n)) / (1 + z2 / n)
    width = np.sqrt(z2 * (fraction * (1 - fraction) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return center - width, center + width


def metrics_section(report: ModelReport) -> Section:
    """Return the table of the metrics."""
    rows = [
        (_NAMES[name], text(value), f"{text(low)} to {text(high)}")
        for name, value, low, high in report.summary.itertuples()
        for text in [area if name == "roc_auc_ovr" else decimals]
    ]
    columns = ("Metric", "Value", interval_name(report))
    return Section(
        "metrics",
        "Metrics",
        [
            Table("Metrics on the test images", columns, rows, (1, 2)),
            Paragraph(
                f"The intervals are from {report.n_bootstraps} bootstrap resamples of the test "
                f"images (random_state={report.random_state}). They show how much a metric varies "
                "with the choice of the test images, not with the training. The calibration error "
                f"is the expected calibration error of the predicted class with {report.n_bins} "
                "bins of equal width (Naeini et al. 2015, Guo et al. 2017); its interval is "
                "corrected for bias."
            ),
        ],
    )


def classes_section(report: ModelReport) -> Section:
    """Return the table of the classes, that of the lowest recall first."""
    rows = [
        (
            str(label),
            f"{row.images:,}",
            f"{row.predicted:,}",
            decimals(row.precision),
            decimals(row.recall),
            f"{decimals(row.recall_low, 2)} to {decimals(row.recall_high, 2)}",
            decimals(row.f1),
            area(row.roc_auc),
        )
        for label, row in (
            (row.Index, row) for row in report.class_table.sort_values("recall").itertuples()
        )
    ]
    columns = ("Class", "Images", "Predicted", "Precision", "Recall", interval_name(report))
    table = Table(
        "Metrics of each class, the lowest recall first. The interval is that of the recall "
        "(Wilson); the ROC AUC is that of the class against the others.",
        (*columns, "F1", "ROC AUC"),
        rows,
        tuple(range(1, 8)),
        long=len(rows) > 15,
    )
    return Section("classes", "Classes", [table])


def confusion_section(report: ModelReport) -> Section:
    """Return the confusion matrix, and its largest entries off the diagonal."""
    predictions = report.predictions
    classes, counts = predictions.classes.tolist(), predictions.confusion
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
    rows = [
        (
            str(classes[true]),
            str(classes[predicted]),
            f"{wrong[true, predicted]:,}",
            f"{share(wrong[true, predicted] / counts[true].sum())}",
        )
        for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, predicted]
    ]
    figure = Figure(
        confusion_svg(predictions),
        "Confusion matrix: true classes in rows, predicted classes in columns, in percent of the "
        "true class.",
        "Confusion matrix in percent of the images of each true class; empty cells are 0.",
        wide=len(classes) > 12,
    )
    if not rows:
        return Section("confusion", "Confusions", [figure, Paragraph("There are no confusions.")])
    caption = "The most frequent confusions, and their share of the images of the true class"
    columns = ("True class", "Predicted class", "Images", "Share")
    return Section(
        "confusion",
        "Confusions",
        [figure, Table(caption, columns, rows, (2, 3))],
    )


def roc_section(report: ModelReport) -> Section | str:
    """Return the ROC curves."""
    if np.count_nonzero(report.predictions.counts) < 2:
        return "ROC curves: the test images are of one class only."
    curves = roc_curves(report.predictions)
    macro, micro = curves["macro"]["roc_auc"], curves["micro"]["roc_auc"]
    text = (
        "The area under a curve is the probability that an image of the class gets a higher "
        f"probability of it than an image of another class. The macro-average, {macro:.4f}, is the "
        f"mean of the classes; the micro-average, {micro:.4f}, is the area for all pairs of an "
        "image and a class together."
    )
    alt = f"ROC curves. Area of the macro-average {macro:.4f}, of the micro-average {micro:.4f}."
    caption = "ROC curves of each class against the others, with their areas, the smallest first."
    return Section("roc", "ROC curves", [Figure(roc_svg(curves), alt, caption), Paragraph(text)])


def calibration_section(report: ModelReport) -> Section:
    """Return the reliability diagram."""
    predictions = report.predictions
    error = report.summary.loc["calibration_error", "value"]
    accuracy, confidence = top_label(predictions)
    text = (
        f"The predicted classes have a mean probability of {share(confidence)}, and "
        f"{share(accuracy)} of them are correct. The calibration error is {decimals(error)}; a "
        "perfectly calibrated classifier with the same probabilities would have up to "
        f"{decimals(report.chance_error)} on these images by chance."
    )
    figure = Figure(
        calibration_svg(predictions, report.n_bins),
        f"Reliability diagram: mean probability {share(confidence)}, accuracy {share(accuracy)}, "
        f"calibration error {decimals(error)}.",
        "Accuracy by the probability of the predicted class. On the diagonal, the accuracy is "
        "equal to the probability. Below: the number of images.",
    )
    return Section("calibration", "Calibration", [figure, Paragraph(text)])


def top_label(predictions: Predictions) -> tuple[float, float]:
    """Return the accuracy of the most probable classes, and their mean probability."""
    correct = predictions.proba.argmax(axis=1) == predictions.true
    return float(correct.mean()), float(predictions.proba.max(axis=1).mean())


def interval_name(report: ModelReport) -> str:
    """Return the name of the intervals, such as "95% interval"."""
    return f"{100 * report.confidence_level:g}% interval"


def share(value: float) -> str:
    """Return a fraction as text in percent, with at least one decimal."""
    return percent(value, 1)


def area(value: float) -> str:
    """Return the area under a curve as text, which is often close to 1."""
    return decimals(value, 4)


def decimals(value: float, digits: int = 3) -> str:
    """Return a number as text, a dash for NaN."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}"
