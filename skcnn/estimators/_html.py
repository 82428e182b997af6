"""The network and the history in the HTML representation of a fitted estimator."""

from __future__ import annotations

import math
import warnings

from sklearn.base import is_classifier

from skcnn.learned import fitted_view
from skcnn.training.summary import summarize_estimator

_WIDTH, _HEIGHT = 230, 120  # of a chart, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 8, 20, 20  # margins around the lines
_MAX_POINTS = 200  # of a line
# Blue and vermilion of Okabe and Ito, and dashes, for readers who do not distinguish colors.
_LINES = {"train": ("training", "#0072B2", "5 3"), "valid": ("validation", "#D55E00", "")}
_STYLE = """<style>
.skcnn-history {display: flex; flex-wrap: wrap; gap: 0.5em; padding: 0 0.5em;}
.skcnn-history svg {font: 10px sans-serif; fill: currentColor;}
</style>"""


class NetworkHTML:
    """Mixin that adds the network and the history to the HTML representation of an estimator.

    scikit-learn asks each fitted estimator of a diagram for its attributes, also in a pipeline or a
    search. The network and the history are put before them.
    """

    def _get_fitted_attr_html(self, *args, **kwargs):
        attributes = super()._get_fitted_attr_html(*args, **kwargs)
        try:
            own, others = network_html(self), attributes._repr_html_inner
            attributes._repr_html_inner = lambda: own + others()
        except Exception:  # this method of scikit-learn is private, and may change
            return attributes
        return attributes


def network_html(estimator):
    """Return the network and the history of an estimator as HTML.

    Parameters
    ----------
    estimator : estimator
        Estimator, fitted or not.

    Returns
    -------
    html : str
        Two parts, of which a reader opens the first. A part that fails is left out.
    """
    view = fitted_view(estimator)
    parts = []
    for part in (_network_part, _history_part):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a network of the user
                parts.append(part(view))
        except Exception:  # the rest is shown without it
            continue
    return "".join(parts)


def _network_part(estimator):
    summary = summarize_estimator(estimator)
    return _details(f"Network: {summary.n_parameters:,} parameters", summary._repr_html_())


def _history_part(estimator):
    history = estimator.history_
    score = "accuracy" if is_classifier(estimator) else "R²"
    charts = (chart(history, "loss", "loss"), chart(history, "score", score))
    title = "History: 1 epoch" if len(history) == 1 else f"History: {len(history)} epochs"
    content = f"{_STYLE}<div class='skcnn-history'>{''.join(charts)}</div>"
    return _details(title, content, "open")


def _details(title, content, state=""):
    return (
        f"<div class='estimator-table'><details {state}><summary>{title}</summary>{content}"
        "</details></div>"
    )


def chart(history, quantity, name):
    """Draw the curves of a loss or score.

    Parameters
    ----------
    history : list of dict
        One record per epoch.
    quantity : {"loss", "score"}
        What to draw.
    name : str
        Name of the loss or score.

    Returns
    -------
    svg : str
        Chart with one line for training and one for validation, if there is any value.
    """
    curves = {key: _points(history, f"{key}_{quantity}") for key in _LINES}
    curves = {key: points for key, points in curves.items() if points}
    if not curves:
        return ""
    values = [value for points in curves.values() for _, value in points]
    low, high = min(values), max(values)
    epochs = [record["epoch"] for record in history]
    first, last = min(epochs), max(epochs)

    def place(epoch, value):
        x = _scaled(epoch, first, last, _LEFT, _WIDTH - _RIGHT)
        return x, _scaled(value, low, high, _HEIGHT - _BOTTOM, _TOP)

    lines = "".join(_line(key, [place(*point) for point in curves[key]]) for key in curves)
    text = ", ".join(
        f"{_LINES[key][0]} from {points[0][1]:.3g} to {points[-1][1]:.3g}"
        for key, points in curves.items()
    )
    label = f"{name.capitalize()} in epochs {first} to {last}: {text}"
    return (
        f"<svg role='img' aria-label='{label}' width='{_WIDTH}' height='{_HEIGHT}' "
        f"viewBox='0 0 {_WIDTH} {_HEIGHT}'><title>{label}</title>"
        f"{_axes(name, (low, high), (first, last))}{lines}{_legend(curves)}</svg>"
    )


def _points(history, key):
    """Return (epoch, value) of the epochs with a finite value, at most about `_MAX_POINTS`."""
    points = [(record["epoch"], record[key]) for record in history if key in record]
    points = [point for point in points if point[1] is not None and math.isfinite(point[1])]
    step = max(1, math.ceil(len(points) / _MAX_POINTS))
    return points[-1::-step][::-1]


def _scaled(value, low, high, start, stop):
    share = (value - low) / (high - low) if high > low else 0.5
    return start + share * (stop - start)


def _line(key, points):
    _, color, dashes = _LINES[key]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    stroke = f"stroke='{color}' stroke-width='1.5' stroke-dasharray='{dashes}' fill='none'"
    if len(points) > 1:
        return f"<polyline points='{path}' {stroke}/>"
    return f"<circle cx='{points[0][0]:.1f}' cy='{points[0][1]:.1f}' r='2.5' fill='{color}'/>"


def _axes(name, limits, epochs):
    """Draw the axes with the smallest and the largest value of each."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    low, high = limits
    values = {high: _TOP + 4, low: bottom} if high > low else {low: (_TOP + bottom) / 2 + 3}
    texts = [(_LEFT - 4, y, "end", f"{value:.3g}") for value, y in values.items()]
    ends = dict(zip((_LEFT, right), epochs, strict=True)) if epochs[1] > epochs[0] else {}
    texts += [
        (x, bottom + 13, "start" if x == _LEFT else "end", epoch) for x, epoch in ends.items()
    ]
    texts += [((_LEFT + right) / 2, bottom + 13, "middle", "epoch"), (2, 11, "start", name)]
    frame = f"<path d='M{_LEFT},{_TOP}V{bottom}H{right}' stroke='currentColor' fill='none'/>"
    return frame + "".join(
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}'>{text}</text>"
        for x, y, anchor, text in texts
    )


def _legend(curves):
    """Draw the names of the lines to the right of the name of the chart."""
    items = []
    for position, key in enumerate(curves):
        text, color, dashes = _LINES[key]
        x = 70 + 72 * position
        items.append(
            f"<path d='M{x},8h16' stroke='{color}' stroke-width='2' stroke-dasharray='{dashes}'/>"
            f"<text x='{x + 20}' y='11'>{text}</text>"
        )
    return "".join(items)
