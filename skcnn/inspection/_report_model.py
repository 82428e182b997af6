"""The sections of a report about the model: training, network, parameters, software."""

from __future__ import annotations

import importlib
import inspect
import platform
from typing import TYPE_CHECKING, Any

from skcnn._html.page import Figure, Paragraph, Section, Table
from skcnn.checksums import checksum
from skcnn.inspection._predictions import classifier_name
from skcnn.inspection._report_figures import WIDTH, svg
from skcnn.inspection._text import shorten
from skcnn.inspection.history import HistoryDisplay
from skcnn.inspection.summary import network_summary
from skcnn.pipeline_graph import pipeline_steps

if TYPE_CHECKING:
    from skcnn.inspection.model_report import ModelReport

_PACKAGES = ("skcnn", "torch", "skorch", "sklearn", "numpy", "scipy", "skimage", "PIL", "joblib")
_NAMES = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "Pillow"}
_LENGTH = 200  # characters of a value


def history_section(report: ModelReport) -> Section | str:
    """Return the learning curves."""
    final = pipeline_steps(report.estimator)[-1][1]
    if not getattr(final, "history_", None):
        return f"Training history: {classifier_name(report.estimator)} has none."
    records = final.history_
    n_panels = 2 if any("train_score" in r or "valid_score" in r for r in records) else 1

    def draw(figure):
        HistoryDisplay.from_estimator(final, ax=figure.subplots(n_panels, squeeze=False)[:, 0])

    seconds = sum(record.get("seconds", 0) for record in records)
    best = [record["epoch"] for record in records if record.get("best")]
    kept = f" The weights are those of epoch {best[-1]}." if best else ""
    last = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in records[-1].items()
        if name in ("train_loss", "valid_loss", "train_score", "valid_score")
    )
    text = f"{len(records)} epochs in {duration(seconds)}.{kept} In the last epoch: {last}."
    figure = Figure(
        svg(draw, (WIDTH, 2.4 * n_panels), "history"),
        f"Learning curves of {len(records)} epochs.",
        "Loss and accuracy of every epoch. Those of the training images are computed during the "
        "epoch, while the weights change.",
    )
    return Section("history", "Training", [figure, Paragraph(text)])


def network_section(report: ModelReport) -> Section | str:
    """Return the layers of the network."""
    try:
        summary = network_summary(report.estimator)
    except TypeError:
        return f"Network: {classifier_name(report.estimator)} is not a network."
    rows = [
        (
            layer.name,
            layer.kind,
            "-" if layer.output_shape is None else " x ".join(map(str, layer.output_shape)),
            f"{layer.n_parameters:,}" if layer.n_parameters else "-",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "-",
        )
        for layer in summary.layers
    ]
    height, width, n_channels = summary.image_shape
    state = pipeline_steps(report.estimator)[-1][1].module_.state_dict()
    text = (
        f"{summary.n_parameters:,} parameters, of which {summary.n_trainable:,} were trained, and "
        f"{summary.multiply_adds:,} multiply-adds for an image of {height} x {width} pixels with "
        f"{n_channels} channel(s). CRC-32 of the weights: {checksum(dict(state)):08x}."
    )
    columns = ("Layer", "Type", "Output", "Parameters", "Multiply-adds")
    table = Table("Layers of the network", columns, rows, (3, 4), long=len(rows) > 15)
    return Section("network", "Network", [table, Paragraph(text)])


def parameters_section(report: ModelReport) -> Section:
    """Return the parameters of all steps."""
    blocks: list[Any] = []
    if hasattr(report.estimator, "best_estimator_"):
        search = type(report.estimator).__name__
        blocks.append(Paragraph(f"The parameters are those that {search} chose."))
    for name, step in pipeline_steps(report.estimator, samplers=True):
        rows = parameter_rows(step)
        if rows:
            caption = f"Parameters of {name}"
            columns = ("Parameter", "Value", "Default, if different")
            blocks.append(Table(caption, columns, rows, long=len(rows) > 15))
        else:
            blocks.append(Paragraph(f"{name} has no parameters."))
    return Section("parameters", "Parameters", blocks)


def parameter_rows(step: Any) -> list[tuple[str, str, str]]:
    """Return the parameters of a step: name, value, and the default if it differs; these first.

    Parameters
    ----------
    step : estimator
        Step of a pipeline.

    Returns
    -------
    rows : list of tuples of (str, str, str)
        Parameters.
    """
    if not hasattr(step, "get_params"):
        return []
    signature = inspect.signature(type(step)).parameters
    changed, others = [], []
    for name, value in step.get_params(deep=False).items():
        default = signature[name].default if name in signature else inspect.Parameter.empty
        shown = "none" if default is inspect.Parameter.empty else shorten(repr(default), _LENGTH)
        given = shorten(repr(value), _LENGTH)
        if given == shown:
            others.append((name, given, ""))
        else:
            changed.append((name, given, shown))
    return [*changed, *others]


def software_section(report: ModelReport) -> Section:
    """Return the versions of the packages."""
    rows = [("Python", platform.python_version()), ("Platform", platform.platform())]
    for package in _PACKAGES:
        version = getattr(importlib.import_module(package), "__version__", "unknown")
        rows.append((_NAMES.get(package, package), str(version)))
    table = Table("Versions of the packages that made this page", ("Package", "Version"), rows)
    return Section("software", "Software", [table])


def duration(seconds: float) -> str:
    """Return a time as text."""
    if seconds < 120:
        return f"{seconds:.1f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.1f} hours"
