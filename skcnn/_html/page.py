"""The parts that a report consists of, and the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from skcnn._plotting import import_jinja2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption : str
        Caption.
    columns : tuple of str
        Headings.
    rows : sequence of tuples of str
        Cells; the first of a row is its heading.
    numeric : tuple of int, default=()
        Columns that are aligned to the right.
    long : bool, default=False
        Whether the table scrolls inside a limited height.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    long: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Parameters
    ----------
    svg : str
        SVG element.
    alt : str
        What the drawing shows, for readers who cannot see it.
    caption : str
        Caption.
    wide : bool, default=False
        Whether the drawing scrolls on a small screen, instead of becoming smaller.
    """

    svg: str
    alt: str
    caption: str
    wide: bool = False
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Photo:
    """An image of the test data.

    Parameters
    ----------
    sources : list of tuples of (str, str)
        Data URL and alternative text of each picture.
    lines : list of str
        Lines of text below.
    """

    sources: list[tuple[str, str]]
    lines: list[str]


@dataclass(frozen=True)
class Gallery:
    """Images side by side, as many in a row as there is room for."""

    photos: list[Photo]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Parameters
    ----------
    id : str
        Identifier for links.
    title : str
        Heading.
    blocks : list of Paragraph, Table, Figure or Gallery
        Contents.
    """

    id: str
    title: str
    blocks: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title : str
        Title.
    subtitle : tuple of str
        Parts of the line below the title, which are not broken.
    tiles : list of tuples of (str, str, str)
        The main numbers: name, value, and a line below.
    findings : list of tuples of (str, str)
        Kind, "warning" or "note", and text of the sentences to read first.
    sections : list of Section
        Contents.
    omitted : list of str
        Sentences about the sections that are left out.
    footer : str
        Last line.
    """

    title: str
    subtitle: tuple[str, ...]
    tiles: list[tuple[str, str, str]]
    findings: list[tuple[str, str]]
    sections: list[Section]
    omitted: list[str]
    footer: str

    def render(self) -> str:
        """Return the page as HTML. All texts are escaped."""
        jinja2 = import_jinja2()
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("skcnn._html"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("report.html").render(page=self)
