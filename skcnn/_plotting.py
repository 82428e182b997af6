"""Importing matplotlib, pandas and jinja2, axes and colors of figures."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

# M. Okabe and K. Ito, "Color Universal Design", 2008: distinct for all kinds of color vision.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")


def import_pyplot() -> Any:
    """Import matplotlib.pyplot, or raise an ImportError that names the extra to install."""
    return _import("matplotlib.pyplot")


def import_pandas() -> Any:
    """Import pandas, or raise an ImportError that names the extra to install."""
    return _import("pandas")


def import_jinja2() -> Any:
    """Import jinja2, or raise an ImportError that names the extra to install."""
    return _import("jinja2")


def _import(name):
    package = name.split(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'this function requires {package}: pip install "skcnn[plot]" ({error})'
        ) from error


def get_axes(ax: Any = None) -> Any:
    """Return the axes to draw in.

    Parameters
    ----------
    ax : matplotlib axes, default=None
        Axes of the user. None makes a new figure with one.

    Returns
    -------
    ax : matplotlib axes
        Axes.
    """
    if ax is not None:
        return ax
    return import_pyplot().subplots(layout="constrained")[1]


def distinct_colors(n_colors: int) -> list[Any]:
    """Return colors of lines that readers with any color vision can tell apart.

    Parameters
    ----------
    n_colors : int
        Number of colors.

    Returns
    -------
    colors : list of matplotlib colors of length n_colors
        Up to 7 are the colors of Okabe and Ito, with that of the text instead of black. More are
        taken from the map "viridis".
    """
    plt = import_pyplot()
    named = [*_COLORS, plt.rcParams["text.color"]]  # black is invisible on a dark background
    if n_colors <= len(named):
        return named[:n_colors]
    viridis = plt.get_cmap("viridis")
    return [viridis(position) for position in np.linspace(0, 0.95, n_colors)]
