"""The figures of a report as SVG elements that follow the colors of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from skcnn._plotting import distinct_colors, import_pyplot
from skcnn.inspection._metrics import confidence_bins
from skcnn.inspection._predictions import Predictions
from skcnn.inspection._text import literal_name
from skcnn.inspection.multiclass_roc import MulticlassRocDisplay

WIDTH = 4.0  # inches, which a phone shows without scrolling
_MAX_NUMBERED = 20  # classes of a confusion matrix with a number in each cell
_MAX_NAMED = 60  # classes of a confusion matrix with labels


def svg(draw: Callable[[Any], None], size: tuple[float, float], id: str) -> str:
    """Draw a figure as an SVG element that is part of a page.

    Black becomes the color of the text of the page, the background is that of the page, and text
    stays text.

    Parameters
    ----------
    draw : callable
        Called with an empty figure of matplotlib.
    size : tuple of (float, float)
        Width and height in inches.
    id : str
        Beginning of the identifiers in the element, which differ from those of other elements.

    Returns
    -------
    svg : str
        The element.
    """
    plt = import_pyplot()
    from matplotlib.figure import Figure

    file = io.StringIO()
    options = {"svg.fonttype": "none", "svg.hashsalt": id, "font.size": 9, "axes.titlesize": 9}
    with warnings.catch_warnings(), plt.style.context(["default", options]):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the fonts of the reader have it
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = re.sub(r'(: |=")#000000', r"\1currentColor", text[text.index("<svg") :])
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{id}-", text)
    return text.replace("<svg", '<svg fill="currentColor" aria-hidden="true"', 1)


def confusion_svg(predictions: Predictions) -> str:
    """Draw the confusion matrix in percent of the images of each class."""
    n_classes = len(predictions.classes)
    counts = predictions.confusion
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(1.6 + 0.3 * n_classes, WIDTH, 14))
    names = [literal_name(label, 16) for label in predictions.classes]

    def draw(figure):
        ax = figure.subplots()
        display = ConfusionMatrixDisplay(percent, display_labels=names)
        numbered = n_classes <= _MAX_NUMBERED
        display.plot(
            ax=ax,
            cmap="cividis",
            include_values=numbered,
            values_format=".0f",
            xticks_rotation="vertical" if max(map(len, names)) > 2 else "horizontal",
            colorbar=False,
            text_kw={"fontsize": 8},
            im_kw={"vmin": 0, "vmax": 100},
        )
        if numbered:
            for text, value in zip(display.text_.ravel(), percent.ravel(), strict=True):
                text.set_text("" if value == 0 else "<1" if value < 1 else f"{value:.0f}")
        if n_classes > _MAX_NAMED:
            ax.set(xticks=[], yticks=[])
        ax.set(xlabel="Predicted class", ylabel="True class")
        bar = figure.colorbar(display.im_, ax=ax, location="top", aspect=40, shrink=0.7)
        bar.set_label("Percent of the true class")

    return svg(draw, (side, side + 0.6), "confusion")


def roc_svg(curves: dict[str, Any]) -> str:
    """Draw the ROC curves, with the table of the areas below.

    Parameters
    ----------
    curves : dict
        Parameters of `MulticlassRocDisplay`.

    Returns
    -------
    svg : str
        The element.
    """
    display = MulticlassRocDisplay(**curves)

    def draw(figure):
        ax = figure.subplots()
        display.plot(ax, log_scale=display.macro["roc_auc"] > 0.95)
        table = display.legend_
        labels = [text.get_text() for text in table.get_texts()]
        handles = table.legend_handles
        table.remove()
        figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=8, frameon=False)

    n_rows = (min(len(curves["classes"]), 11) + 3) // 2
    return svg(draw, (WIDTH, 3.4 + 0.19 * n_rows), "roc")


def calibration_svg(predictions: Predictions, n_bins: int) -> str:
    """Draw the accuracy by the probability of the predicted class, and how frequent it is."""
    correct = predictions.proba.argmax(axis=1) == predictions.true
    confidence, _ = confidence_bins(predictions, n_bins)

    def draw(figure):
        ax, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        CalibrationDisplay.from_predictions(
            correct, np.minimum(confidence, 1), n_bins=n_bins, pos_label=True, ax=ax
        )
        ax.get_legend().remove()
        ax.set(xlabel="", ylabel="Accuracy", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        below.hist(confidence, bins=np.linspace(0, 1, n_bins + 1), color=distinct_colors(1)[0])
        below.set(xlabel="Probability of the predicted class", ylabel="Images")

    return svg(draw, (WIDTH, 4.4), "calibration")
