"""Text in figures: shortened names, wrapped lines and dollar signs."""

from __future__ import annotations

import warnings
from bisect import bisect
from typing import Any


def shorten(text: str, n_characters: int) -> str:
    """Return a text with an ellipsis in the middle if it is too long.

    Parameters
    ----------
    text : str
        Text.
    n_characters : int
        Maximum number of characters, at least 1.

    Returns
    -------
    text : str
        The text, or its beginning and its end.
    """
    if len(text) <= n_characters:
        return text
    n_last = (n_characters - 1) // 2
    return f"{text[: n_characters - 1 - n_last]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - n_last :]}"


def one_line(name: Any) -> str:
    """Return a name as text in which line breaks and repeated spaces are single spaces."""
    return " ".join(str(name).split())


def literal_name(name: Any, n_characters: int) -> str:
    """Return a name as one line for matplotlib, in which no dollar sign begins a formula.

    Parameters
    ----------
    name : object
        Name, such as the label of a class.
    n_characters : int
        Maximum number of characters; longer names are shortened in the middle.

    Returns
    -------
    name : str
        The name.
    """
    return shorten(one_line(name), n_characters).replace("$", r"\$")


def text_width(text: str, font_size: float) -> float:
    """Return the width of a line of text.

    Parameters
    ----------
    text : str
        Text.
    font_size : float
        Size of the font in points.

    Returns
    -------
    width : float
        Width in inches.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=font_size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawing warns about it
        return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def fit_name(name: str, template: str, width: float, font_size: float) -> str:
    """Return a line of text whose name is shortened until the line fits.

    Parameters
    ----------
    name : str
        Name. Line breaks and repeated spaces become single spaces.
    template : str
        Line with "{}" for the name.
    width : float
        Maximum width in inches.
    font_size : float
        Size of the font in points.

    Returns
    -------
    line : str
        The line. It is longer than the width only if the template alone is.
    """
    name = one_line(name)
    before, after = template.split("{}")

    def line(n_characters):
        return f"{before}{shorten(name, n_characters)}{after}"

    def is_too_long(n_characters):
        return text_width(line(n_characters), font_size) > width

    return line(max(1, bisect(range(1, len(name) + 1), False, key=is_too_long)))


def wrap(text: str, width: float, font_size: float) -> list[str]:
    """Return the lines of a text that is broken between words.

    Parameters
    ----------
    text : str
        Text.
    width : float
        Maximum width in inches.
    font_size : float
        Size of the font in points.

    Returns
    -------
    lines : list of str
        Lines.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", font_size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
