"""Grids of axes, and showing images."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np

from skcnn._plotting import import_pyplot
from skcnn._validation import check_positive_int
from skcnn.inspection._text import fit_name
from skcnn.pixels import ValueRange, dtype_range


def divide_axes(ax: Any, n_rows: int, n_columns: int, **options: Any) -> Any:
    """Divide the area of axes.

    Parameters
    ----------
    ax : matplotlib axes
        Axes, which become invisible.
    n_rows, n_columns : int
        Number of rows and columns.
    **options : object
        Options of `matplotlib.gridspec.GridSpec`. The spaces `wspace` and `hspace` are used only if
        the figure has no layout engine, which makes room where it is needed.

    Returns
    -------
    grid : matplotlib GridSpecBase
        The grid, whose parts become axes by ``figure.add_subplot(grid[row, column])``.
    """
    ax.set_axis_off()
    if ax.figure.get_figure(root=True).get_layout_engine() is not None:
        options = {name: value for name, value in options.items() if not name.endswith("space")}
    if ax.get_subplotspec() is not None:
        return ax.get_subplotspec().subgridspec(n_rows, n_columns, **options)
    box = ax.get_position()
    sides = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
    return ax.figure.add_gridspec(n_rows, n_columns, **sides, **options)


def split_header(ax: Any, height: float) -> tuple[Any, Any]:
    """Divide axes into a strip at the top, for text or a legend, and the rest.

    Parameters
    ----------
    ax : matplotlib axes
        Axes, which become invisible.
    height : float
        Height of the strip in inches.

    Returns
    -------
    strip, rest : matplotlib axes
        Axes that are not visible themselves.
    """
    share = min(0.7, height * ax.figure.dpi / ax.get_window_extent().height)
    grid = divide_axes(ax, 2, 1, height_ratios=[share, 1 - share], hspace=0)
    strip, rest = (ax.figure.add_subplot(grid[row, 0]) for row in range(2))
    strip.set_axis_off()
    rest.set_axis_off()
    return strip, rest


def grid_shape(n_axes: int, n_columns: int | None = None) -> tuple[int, int]:
    """Return the numbers of rows and columns of a grid.

    Parameters
    ----------
    n_axes : int
        Number of axes, at least 1.
    n_columns : int, default=None
        Number of columns. None makes the grid about twice as wide as high, and fills the last row
        as far as possible.

    Returns
    -------
    n_rows, n_columns : int
        Shape of the grid.

    Raises
    ------
    ValueError
        If the number of columns is not a positive integer.
    """
    if n_columns is None:
        n_rows = ceil(n_axes / (ceil(sqrt(2 * n_axes)) if n_axes > 3 else n_axes))
        n_columns = ceil(n_axes / n_rows)
    check_positive_int("n_columns", n_columns)
    n_columns = min(n_columns, n_axes)
    return ceil(n_axes / n_columns), n_columns


def axes_grid(
    n_axes: int,
    ax: Any = None,
    *,
    n_columns: int | None = None,
    cell_size: tuple[float, float] = (1.8, 1.8),
    title_height: float = 0.25,
) -> tuple[Any, np.ndarray]:
    """Make a grid of axes without ticks for images.

    Parameters
    ----------
    n_axes : int
        Number of axes.
    ax : matplotlib axes, default=None
        Axes of the user, whose area is divided. None makes a new figure.
    n_columns : int, default=None
        Number of columns. None chooses it by `grid_shape`.
    cell_size : tuple of (float, float), default=(1.8, 1.8)
        Width and height of one axes in inches, in a new figure.
    title_height : float, default=0.25
        Height of the titles in inches. It is kept free between rows if the figure of the user has
        no layout engine.

    Returns
    -------
    figure : matplotlib figure
        Figure.
    axes : object array of shape (n_rows, n_columns)
        Axes. Those that are not needed are not visible.
    """
    plt = import_pyplot()
    n_rows, n_columns = grid_shape(n_axes, n_columns)
    if ax is None:
        size = (cell_size[0] * n_columns, cell_size[1] * n_rows)
        figure, axes = plt.subplots(
            n_rows, n_columns, figsize=size, squeeze=False, layout="constrained"
        )
    else:
        figure = ax.figure
        height = ax.get_window_extent().height / figure.dpi
        hspace = title_height / max(0.1, (height - (n_rows - 1) * title_height) / n_rows)
        grid = divide_axes(ax, n_rows, n_columns, wspace=0.3, hspace=hspace)
        axes = grid.subplots(squeeze=False)
    for number, one in enumerate(axes.flat):
        one.set(xticks=[], yticks=[])
        one.set_visible(number < n_axes)
    return figure, axes


def titled_grid(
    title: tuple[str, str],
    n_axes: int,
    ax: Any = None,
    *,
    n_columns: int | None = None,
    aspect: float = 1.0,
) -> tuple[Any, np.ndarray]:
    """Make a grid of small axes for images, below a title.

    Parameters
    ----------
    title : tuple of (str, str)
        Name, which is shortened if it is too long, and the text of the second line.
    n_axes : int
        Number of axes.
    ax : matplotlib axes, default=None
        Axes of the user, whose area is divided. None makes a new figure.
    n_columns : int, default=None
        Number of columns. None makes as many as there are rows.
    aspect : float, default=1.0
        Height of the images divided by their width.

    Returns
    -------
    figure : matplotlib figure
        Figure.
    axes : object array of shape (n_rows, n_columns)
        Axes. Those that are not needed are not visible.
    """
    n_columns = min(n_axes, ceil(sqrt(n_axes)) if n_columns is None else n_columns)
    side = max(0.8, min(2.4, 5 / n_columns))  # inches
    size = side, side * max(0.5, min(2.0, aspect)) + 0.2
    rest = ax
    if ax is not None:
        width = ax.get_window_extent().width / ax.figure.dpi
        strip, rest = split_header(ax, 0.6)
    figure, axes = axes_grid(n_axes, rest, n_columns=n_columns, cell_size=size)
    width = figure.get_figwidth() if ax is None else width
    text = f"{fit_name(title[0], '{}', width, 10)}\n{title[1]}"
    if ax is None:
        figure.suptitle(text, fontsize=10)
    else:
        strip.text(0.5, 1, text, ha="center", va="top", fontsize=10)
    return figure, axes


def show_image(ax: Any, image: np.ndarray, limits: tuple[float, float] | None = None) -> Any:
    """Show an image.

    Parameters
    ----------
    ax : matplotlib axes
        Axes to draw in.
    image : array of shape (height, width) or (height, width, n_channels)
        Image. Images of 3 channels are shown in color, of 4 channels in color with transparency.
        Of other images, the mean of the channels is shown in gray.
    limits : tuple of (float, float), default=None
        Pixel values that are shown in black and white. None uses `display_limits` of the image.

    Returns
    -------
    artist : matplotlib AxesImage
        The image.
    """
    low, high = display_limits([image]) if limits is None else limits
    shown = np.clip((np.asarray(image, np.float64) - low) / ((high - low) or 1.0), 0, 1)
    if shown.ndim == 3 and shown.shape[2] not in (3, 4):
        shown = shown.mean(axis=2)
    return ax.imshow(shown, cmap="gray", vmin=0, vmax=1)


def display_limits(images: Any) -> tuple[float, float]:
    """Return the pixel values to show in black and white.

    Parameters
    ----------
    images : iterable of arrays
        Images of one dtype.

    Returns
    -------
    low, high : float
        Limits of the dtype for uint8 and uint16. Otherwise the range (0, 1), (-1, 1) or (0, 255)
        that the finite values are in, or else their minimum and maximum.
    """
    values = ValueRange()
    for image in images:
        limits = dtype_range(image.dtype)
        if limits is not None:
            return limits
        finite = image[np.isfinite(image)]
        if finite.size:
            values.add(finite)
    if values.low > values.high:  # there is no number
        return 0.0, 1.0
    return values.limits()
