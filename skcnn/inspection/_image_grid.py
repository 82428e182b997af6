"""A grid of images with captions under a title."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcnn._plotting import import_pyplot
from skcnn.inspection._plotting import (
    axes_grid,
    display_limits,
    grid_shape,
    show_image,
    split_header,
)
from skcnn.inspection._text import wrap

_LINE = 1.25 / 72  # height of a line of text in inches, for each point of the font size
_GAP = 0.02  # between the title and the grid, in inches
_PAD = 3  # between a caption and its image, in points
_MIN_WIDTH, _MIN_HEIGHT = 4.0, 0.5  # of a new figure, in inches
_USED = 0.9  # of the width of a cell that a caption may use


@dataclass(frozen=True)
class DrawnGrid:
    """The artists of a grid of images.

    Parameters
    ----------
    figure : matplotlib figure
        Figure.
    axes : object array of shape (n_rows, n_columns)
        Axes of the images.
    images : list of matplotlib AxesImage
        Images.
    title : matplotlib Text
        Title.
    """

    figure: Any
    axes: Any
    images: list[Any]
    title: Any


def draw_image_grid(
    ax: Any,
    images: list[Any],
    caption: Callable[[int, float], list[str]],
    title: str,
    *,
    n_lines: int,
    n_columns: int | None,
    cell_size: tuple[float, float],
    font_size: float,
) -> DrawnGrid:
    """Draw a grid of images with captions under a title.

    Parameters
    ----------
    ax : matplotlib axes or None
        Axes whose area is divided. None makes a new figure.
    images : list of arrays of shape (height, width) or (height, width, n_channels)
        Images, which may differ in size.
    caption : callable
        Called as ``caption(number, width)``, returns the lines above an image, at most `width`
        inches wide.
    title : str
        Title of the grid.
    n_lines : int
        Maximum number of lines above an image.
    n_columns : int or None
        Number of columns. None chooses it.
    cell_size : tuple of (float, float)
        Width and height of an image with its caption in inches, in a new figure.
    font_size : float
        Size of the font in points.

    Returns
    -------
    drawn : DrawnGrid
        The artists.
    """
    caption_height = n_lines * _LINE * font_size + 2 * _PAD / 72
    n_rows, n_columns = grid_shape(len(images), n_columns) if images else (0, 1)
    height = n_rows * cell_size[1]
    is_new = ax is None
    if is_new:
        size = (max(_MIN_WIDTH, n_columns * cell_size[0]), max(_MIN_HEIGHT, height))
        ax = import_pyplot().subplots(figsize=size, layout="constrained")[1]
    figure = ax.figure
    width = (figure.bbox if is_new else ax.get_window_extent()).width / figure.dpi
    lines = wrap(title, _USED * width, font_size + 1)
    title_height = len(lines) * _LINE * (font_size + 1) + _GAP
    if is_new:
        figure.set_figheight(max(_MIN_HEIGHT, height + title_height))
    if figure.get_figure(root=True).get_layout_engine() is None:
        title_height += caption_height  # of the first row
    ax.set_axis_off()
    strip, rest = split_header(ax, title_height) if images else (ax, None)
    text = strip.text(0.5, 1, "\n".join(lines), fontsize=font_size + 1, ha="center", va="top")
    text.set_parse_math(False)
    if not images:
        return DrawnGrid(figure, np.empty((0, 0), dtype=object), [], text)
    axes = axes_grid(len(images), rest, n_columns=n_columns, title_height=caption_height)[1]
    artists = _show_images(axes.flat, images)
    for number, artist in enumerate(artists):
        shown = "\n".join(caption(number, _USED * width / n_columns))
        artist.axes.set_title(shown, fontsize=font_size, parse_math=False, pad=_PAD)
    return DrawnGrid(figure, axes, artists, text)


def _show_images(axes, images):
    """Show images, all of one dtype with the same limits."""
    limits = {
        dtype: display_limits([image for image in images if image.dtype == dtype])
        for dtype in {image.dtype for image in images}
    }
    return [
        show_image(ax, image, limits[image.dtype])
        for ax, image in zip(axes, images, strict=False)  # there may be more axes
    ]
