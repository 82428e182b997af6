"""The HTML page of a QualityReport."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any

from skcnn._html.page import Gallery, Page, Paragraph, Photo, Section, Table
from skcnn._html.pictures import as_rgb, data_url
from skcnn.quality._issues import NAMES
from skcnn.quality._kinds import DESCRIPTIONS, KINDS, NOT_KEPT

if TYPE_CHECKING:
    from skcnn.quality.report import QualityReport

_SIDE = 160  # pixels of the longer side of a picture
_MAX_ROWS = 200  # rows of a table


def make_page(report: QualityReport, n_pictures: int) -> Page:
    """Return the page of a report.

    Parameters
    ----------
    report : QualityReport
        Report.
    n_pictures : int
        Maximum number of images of each kind of issue.

    Returns
    -------
    page : Page
        The page.
    """
    n_train, n_test = report.n_images_
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    images = f"{n_train:,} training and {n_test:,} test images" if n_test else f"{n_train:,} images"
    absent = ", ".join(kind for kind in KINDS if kind not in report.by_kind_)
    return Page(
        title="Quality report",
        subtitle=(images, date),
        tiles=_tiles(report),
        findings=_findings(report),
        sections=[
            _summary_section(report),
            *(_kind_section(report, kind, n_pictures) for kind in report.by_kind_),
            *_classes_section(report),
        ],
        omitted=[f"Not found: {absent}."] if absent else [],
        footer=f"Made on {date} by skcnn.quality.check_images.",
    )


def _tiles(report):
    n_train, n_test = report.n_images_
    tiles = [("Issues", f"{len(report.issues_):,}", f"of {len(report.by_kind_)} kinds")]
    kept = int(report.keep_.sum())
    tiles.append(("Training images to keep", f"{kept:,}", f"of {n_train:,}"))
    if n_test:
        tiles.append(("Test images to keep", f"{report.keep_test_.sum():,}", f"of {n_test:,}"))
    if len(report.class_counts_):
        tiles.append(("Classes", f"{len(report.class_counts_):,}", "in both sets"))
    return tiles


def _findings(report):
    """Return the sentences to read first: issues that make images unusable, and notes."""
    found = [
        ("warning", f"{kind}: {len(frame):,} ({DESCRIPTIONS[kind]}).")
        for kind, frame in report.by_kind_.items()
        if kind in NOT_KEPT or kind == "empty_class"
    ]
    found += [("note", f"{note}.") for note in report.notes_]
    return found or [("note", "No image is unusable.")]


def _summary_section(report):
    rows = [
        (kind, f"{row.train:,}", f"{row.test:,}", f"{row.fraction:.2%}", row.description)
        for kind, row in report.summary_.iterrows()
    ]
    columns = ("Kind", "Train", "Test", "Share of images", "Description")
    return Section("kinds", "Kinds of issues", [Table("Issues by kind", columns, rows, (1, 2, 3))])


def _kind_section(report, kind, n_pictures):
    """Return pictures of one kind of issue, and a table of all of its rows."""
    frame = report.by_kind_[kind]
    photos = _photos(report, frame, n_pictures)
    shown = frame.head(_MAX_ROWS)
    rows = [
        (
            one.set,
            "" if one.index is None else str(one.index),
            "" if one.label is None else str(one.label),
            "" if one.path is None else str(one.path),
            one.detail,
        )
        for one in _records(shown)
    ]
    more = f", the first {_MAX_ROWS} of {len(frame):,}" if len(frame) > len(shown) else ""
    table = Table(
        f"{kind}: {DESCRIPTIONS[kind]}{more}",
        ("Set", "Row", "Label", "File", "Detail"),
        rows,
        (1,),
        long=len(rows) > 12,
    )
    text = f"{len(frame):,} issues: {DESCRIPTIONS[kind]}."
    blocks: list[Any] = [Paragraph(text)]
    if photos:
        blocks.append(Gallery(photos))
    return Section(kind, kind.replace("_", " ").capitalize(), [*blocks, table])


class _Record:
    """A row of `issues_` as plain values."""

    def __init__(self, row):
        index = row["index"]
        self.set, self.path, self.detail = row["set"], row["path"], row["detail"]
        self.label = row["label"]
        self.index = int(index) if isinstance(index, Integral) else None


def _records(frame):
    return [_Record(row) for row in frame.to_dict("records")]


def _photos(report, frame, n_pictures):
    """Return the first images that can be read."""
    photos: list[Photo] = []
    for one in _records(frame):
        if len(photos) >= n_pictures:
            break
        if one.index is None:
            continue
        images = report._sets[NAMES.index(one.set)]
        (reading,) = images.read([one.index])
        if reading.pixels is None:
            continue
        picture = as_rgb(reading.pixels, images.pixel_range, _SIDE)
        name = f"{one.set} image {one.index}"
        lines = [name] if one.label is None else [name, f"Label: {one.label}"]
        if one.path is not None:
            lines.append(os.path.basename(str(one.path)))
        photos.append(Photo([(data_url(picture), name)], [*lines, one.detail]))
    return photos


def _classes_section(report):
    if not len(report.class_counts_):
        return []
    rows = [
        (str(label), f"{row.train:,}", f"{row.test:,}")
        for label, row in report.class_counts_.iterrows()
    ]
    table = Table(
        "Images of each class", ("Class", "Train", "Test"), rows, (1, 2), long=len(rows) > 20
    )
    return [Section("classes", "Classes", [table])]
