"""The artists of HistoryDisplay: panels, lines, marks and the legend."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from skcnn._plotting import import_pyplot
from skcnn.inspection._plotting import divide_axes, split_header
from skcnn.inspection._text import literal_name

_LINE_STYLES: dict[str, Any] = {"train": "--", "valid": "-"}
_PANEL_SIZE = (4.2, 3.2)  # inches
_GAP = 0.08  # between the legend and the panels, in inches
_MAX_NAME = 40  # characters


def curve(records: list[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of one fit.

    Parameters
    ----------
    records : list of dict
        Records of the epochs.
    key : str
        Name of the value.

    Returns
    -------
    epochs : array of shape (n_epochs,)
        Epochs.
    values : float array of shape (n_epochs,)
        Values, NaN in the epochs that do not have it.
    """
    epochs = np.array([record["epoch"] for record in records])
    return epochs, np.array([record.get(key, np.nan) for record in records], dtype=float)


def mean_curve(fits: list[list[dict]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of several fits over the epochs that all of them have.

    Parameters
    ----------
    fits : list of lists of dict
        Records of the epochs of each fit.
    key : str
        Name of the value.

    Returns
    -------
    epochs : array of shape (n_epochs,)
        Epochs.
    means : float array of shape (n_epochs,)
        Means.
    """
    curves = [dict(zip(*curve(records, key), strict=True)) for records in fits]
    epochs = sorted(set.intersection(*map(set, curves)))
    means = [np.mean([values[epoch] for values in curves]) for epoch in epochs]
    return np.array(epochs), np.array(means)


@dataclass
class HistoryLines:
    """The lines and marks of one panel.

    Parameters
    ----------
    ax : matplotlib axes
        Axes.
    panel : {"loss", "score"}
        Value that is drawn.
    options : dict
        Options of all lines.
    """

    ax: Any
    panel: str
    options: dict

    def draw(self, fits: list[list[dict]], part: str, color: Any) -> list[Any]:
        """Draw the lines of training or of validation of one estimator.

        Parameters
        ----------
        fits : list of lists of dict
            Records of each fit.
        part : {"train", "valid"}
            Training or validation.
        color : matplotlib color
            Color.

        Returns
        -------
        lines : list of matplotlib Line2D
            The fits that have such values, and the mean if all of several fits have them.
        """
        key = f"{part}_{self.panel}"
        curves = [curve(records, key) for records in fits]
        curves = [one for one in curves if np.isfinite(one[1]).any()]
        several = len(fits) > 1
        width, alpha = (0.8, 0.45) if several else (1.6, 1.0)
        lines = [self._line(*one, part, color, width, alpha) for one in curves]
        if several and len(curves) == len(fits):
            lines.append(self._line(*mean_curve(fits, key), part, color, 2.2, 1.0))
        return lines

    def _line(self, epochs, values, part, color, width, alpha):
        style = {"color": color, "linestyle": _LINE_STYLES[part], "linewidth": width}
        if np.isfinite(values).sum() == 1:  # a point has no line
            style |= point_style(part)
        return self.ax.plot(epochs, values, **{**style, "alpha": alpha, **self.options})[0]

    def mark_best(self, fits: list[list[dict]], color: Any) -> list[Any]:
        """Mark the best epoch of each fit on the line of validation.

        Parameters
        ----------
        fits : list of lists of dict
            Records of each fit.
        color : matplotlib color
            Color.

        Returns
        -------
        marks : list of matplotlib Line2D
            Marks.
        """
        key = f"valid_{self.panel}"
        best = [r for records in fits for r in records if r.get("best") and key in r]
        style = {**best_style(color), "markersize": 9 if len(fits) == 1 else 5}
        return [self.ax.plot(r["epoch"], r[key], zorder=3, clip_on=False, **style)[0] for r in best]

    def mark_phases(self, fits: list[list[dict]], color: Any) -> None:
        """Draw a vertical line where the training of more than the head begins.

        Parameters
        ----------
        fits : list of lists of dict
            Records of each fit.
        color : matplotlib color
            Color.
        """
        ends = {last_head_epoch(records) for records in fits}
        for epoch in sorted(end for end in ends if end is not None):
            self.ax.axvline(epoch + 0.5, color=color, linestyle=":", linewidth=1.2)


def last_head_epoch(records: list[dict]) -> int | None:
    """Return the last epoch of the phase of the head, None if there are not two phases.

    Parameters
    ----------
    records : list of dict
        Records of the epochs.

    Returns
    -------
    epoch : int or None
        Epoch.
    """
    epochs = [record["epoch"] for record in records if record.get("phase") == "head"]
    return epochs[-1] if 0 < len(epochs) < len(records) else None


def point_style(part: str) -> dict:
    """Return the style of a single point: hollow for training, filled for validation."""
    return {"marker": "s", "markersize": 5, "fillstyle": "none" if part == "train" else "full"}


def best_style(color: Any) -> dict:
    """Return the style of the mark of the best epoch: a circle that does not hide the line."""
    return {
        "color": color,
        "marker": "o",
        "markersize": 9,
        "fillstyle": "none",
        "markeredgewidth": 1.6,
        "linestyle": "none",
    }


@dataclass(frozen=True)
class LegendEntries:
    """Handles and labels of the legend.

    Parameters
    ----------
    handles : list of matplotlib Line2D
        Handles.
    labels : list of str
        Labels.
    """

    handles: list[Any]
    labels: list[str]

    @classmethod
    def of(cls, histories: dict[str, list[list[dict]]], colors: list[Any]) -> LegendEntries:
        """Return the entries: estimators, training and validation, best epoch, phases.

        Parameters
        ----------
        histories : dict of {str: list of lists of dict}
            Records of each fit of each estimator.
        colors : list of matplotlib colors
            Color of each estimator.

        Returns
        -------
        entries : LegendEntries
            Entries of what is drawn.
        """
        import_pyplot()
        from matplotlib.lines import Line2D

        found = []
        fits = [records for several in histories.values() for records in several]
        for (name, several), color in zip(histories.items(), colors, strict=False):
            label = literal_name(name, _MAX_NAME)
            if len(several) > 1:
                label = f"{label}: {len(several)} fits and their mean".removeprefix(": ")
            if len(histories) > 1 or len(several) > 1:
                found.append((Line2D([], [], color=color, linewidth=2.2), label))
        gray = "0.5" if found else colors[0]
        is_point = any(len(records) == 1 for records in fits)
        for part, label in (("train", "training"), ("valid", "validation")):
            if any(f"{part}_loss" in record for records in fits for record in records):
                style = point_style(part) if is_point else {}
                line = Line2D([], [], color=gray, linestyle=_LINE_STYLES[part], **style)
                found.append((line, label))
        best = [record["epoch"] for records in fits for record in records if record.get("best")]
        if best:
            label = f"best epoch: {best[0]}" if len(fits) == 1 else "best epoch"
            found.append((Line2D([], [], **best_style(gray)), label))
        if any(last_head_epoch(records) is not None for records in fits):
            found.append((Line2D([], [], color=gray, linestyle=":"), "fine-tuning begins"))
        return cls([handle for handle, _ in found], [label for _, label in found])

    def draw(self, ax: Any, width: float, **place: Any) -> Any:
        """Draw the legend in as few rows as fit.

        Parameters
        ----------
        ax : matplotlib axes
            Axes of the legend.
        width : float
            Maximum width in pixels.
        **place : object
            Options of `matplotlib.axes.Axes.legend`.

        Returns
        -------
        legend : matplotlib legend
            Legend.
        """
        n_entries = len(self.labels)
        for n_rows in range(1, n_entries + 1):
            legend = ax.legend(
                self.handles,
                self.labels,
                ncols=ceil(n_entries / n_rows),
                frameon=False,
                borderpad=0,
                **place,
            )
            if legend.get_window_extent().width <= width:
                break
        return legend


def make_panels(
    ax: Any, labels: list[str], entries: LegendEntries | None
) -> tuple[np.ndarray, Any]:
    """Make the panels, and above them the legend.

    Parameters
    ----------
    ax : matplotlib axes, array of axes of shape (n_panels,) or None
        Axes to divide, or the panels themselves. None makes a new figure.
    labels : list of str
        Label of the vertical axis of each panel.
    entries : LegendEntries or None
        Entries of the legend, None for no legend.

    Returns
    -------
    panels : object array of shape (n_panels,)
        Axes.
    legend : matplotlib legend or None
        Legend.
    """
    if isinstance(ax, (list, tuple, np.ndarray)):
        panels = np.array(ax, dtype=object).ravel()
        if len(panels) != len(labels):
            raise ValueError(
                f"there are {len(panels)} axes for {len(labels)} panel(s), {' and '.join(labels)}: "
                "pass one for each, or a single one to divide"
            )
        legend = None if entries is None else _legend_above(panels, entries)
    elif entries is None:
        panels, legend = _divide(_one_axes(ax, len(labels)), len(labels)), None
    else:
        panels, legend = _panels_and_legend(ax, len(labels), entries)
    from matplotlib.ticker import MaxNLocator

    for panel, label in zip(panels, labels, strict=True):
        panel.set(xlabel="epoch", ylabel=label)
        panel.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    return panels, legend


def _one_axes(ax, n_panels):
    """Return the axes to divide."""
    if ax is not None:
        return ax
    size = (_PANEL_SIZE[0] * n_panels, _PANEL_SIZE[1])
    return import_pyplot().subplots(figsize=size, layout="constrained")[1]


def _divide(ax, n_panels):
    """Divide axes into panels side by side."""
    grid = divide_axes(ax, 1, n_panels, wspace=0.3)
    return np.array([ax.figure.add_subplot(grid[0, column]) for column in range(n_panels)])


def _panels_and_legend(ax, n_panels, entries):
    """Divide axes into a strip for the legend and the panels."""
    is_new = ax is None
    ax = _one_axes(ax, n_panels)
    width = ax.get_window_extent().width
    trial = entries.draw(ax, width)  # to measure it
    height = trial.get_window_extent().height / ax.figure.dpi + _GAP
    trial.remove()
    if is_new:
        ax.figure.set_figheight(_PANEL_SIZE[1] + height)
    strip, rest = split_header(ax, height)
    legend = entries.draw(strip, width, loc="upper center", borderaxespad=0)
    return _divide(rest, n_panels), legend


def _legend_above(panels, entries):
    """Draw the legend above the panels of the user."""
    boxes = [panel.get_window_extent() for panel in panels]
    width = boxes[0].width
    if panels[0].figure.get_figure(root=True).get_layout_engine() is None:
        width = max(box.x1 for box in boxes) - boxes[0].x0  # a layout engine would make room
    return entries.draw(panels[0], width, loc="lower left", bbox_to_anchor=(0, 1))
