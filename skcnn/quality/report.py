"""QualityReport: what is wrong with a set of images."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn._plotting import import_pandas
from skcnn.quality._image_set import ImageSet
from skcnn.quality._issues import NAMES, Findings, Issue, issue_frame
from skcnn.quality._kinds import DESCRIPTIONS, KINDS, NOT_KEPT


class QualityReport:
    """What is wrong with images, as `check_images` finds it.

    ``print(report)`` shows the numbers on one screen, and in a notebook the report shows a page
    with pictures. Nothing is removed from the data: the report names rows and reasons.

    Parameters
    ----------
    findings : Findings
        What `check_images` found. Reports are made by this function only.

    Attributes
    ----------
    issues_ : pandas.DataFrame of shape (n_issues, 8)
        One row for each issue. "set" is "train" or "test". "index" is the row of the image in `X`
        or `X_test`, missing for files and classes that are no row. "path" and "label" are those of
        the image. "kind" is the kind of issue, "value" what was measured, "threshold" the limit,
        and "detail" a description.
    summary_ : pandas.DataFrame of shape (n_kinds, 5)
        For each kind (index) that was found: numbers "train" and "test" of issues, "fraction" of
        all images, "kept", which is False if images with it cannot be used (see `keep_`), and
        "description".
    by_kind_ : dict of {str: pandas.DataFrame}
        The rows of `issues_` of each kind that was found.
    duplicates_ : pandas.DataFrame
        Pairs of equal and almost equal images, as `find_duplicates` returns them.
    keep_ : bool array of shape (n_images,)
        True for training images that can be used. False for those that cannot be read or are blank
        or near-blank, placeholders, later copies of an equal image, copies of test images,
        equal images with different labels, and images without a label: the kinds "unreadable",
        "truncated", "litter", "blank", "near_blank", "placeholder", "exact_duplicate", "leak",
        "conflicting_labels" and "no_label". Images with other issues are kept, because they may be
        what a classifier has to handle.
    keep_test_ : bool array of shape (n_test_images,)
        The same for test images, without copies of training images, which `keep_` leaves out.
    n_images_ : tuple of (int, int)
        Numbers of training and of test images.
    class_counts_ : pandas.DataFrame of shape (n_classes, 2)
        Numbers of training and of test images of each class.
    paths_ : array of shape (n_images,) or None
        Paths of the images. Those of a folder are sorted.
    paths_test_ : array of shape (n_test_images,) or None
        The same for test images.
    labels_ : array of shape (n_images,) or None
        Labels, of a folder the names of the sub-folders.
    labels_test_ : array of shape (n_test_images,) or None
        The same for test images.
    notes_ : list of str
        Sentences about what most images have in common, and is therefore not listed.

    See Also
    --------
    check_images : Make a report.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.quality import check_images
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:500], y[:500]
    >>> X[7], X[18] = 0, X[8]  # a blank image and a copy
    >>> report = check_images(X, y)
    >>> report.summary_[["train", "test"]]
                     train  test
    kind
    blank                1     0
    exact_duplicate      1     0
    >>> report.by_kind_["exact_duplicate"][["index", "detail"]]
       index                  detail
    0     18  equal to train image 8
    >>> X, y = X[report.keep_], y[report.keep_]
    """

    issues_: Any
    summary_: Any
    by_kind_: dict[str, Any]
    duplicates_: Any
    keep_: NDArray[np.bool_]
    keep_test_: NDArray[np.bool_]
    n_images_: tuple[int, int]
    class_counts_: Any
    paths_: NDArray | None
    paths_test_: NDArray | None
    labels_: NDArray | None
    labels_test_: NDArray | None
    notes_: list[str]

    def __init__(self, findings: Findings):
        sets = findings.sets
        self._sets = sets
        self.n_images_ = (len(sets[0]), len(sets[1]) if len(sets) > 1 else 0)
        self.issues_ = issue_frame(findings.issues, sets)
        self.by_kind_ = {
            kind: self.issues_[self.issues_["kind"] == kind].reset_index(drop=True)
            for kind in KINDS
            if (self.issues_["kind"] == kind).any()
        }
        self.summary_ = self._summarize()
        self.duplicates_ = findings.duplicates
        self.class_counts_ = _class_counts(findings.counts)
        self.notes_ = findings.notes
        self.keep_, self.keep_test_ = (
            _keep(findings.issues, number, n) for number, n in enumerate(self.n_images_)
        )
        train, test = [*sets, ImageSet([])][:2]
        self.paths_, self.paths_test_ = _as_array(train.paths), _as_array(test.paths)
        self.labels_, self.labels_test_ = _as_array(train.labels), _as_array(test.labels)

    def _summarize(self):
        pandas = import_pandas()
        rows = []
        for kind, frame in self.by_kind_.items():
            counts = [int((frame["set"] == name).sum()) for name in NAMES]
            fraction = frame["index"].notna().sum() / sum(self.n_images_)
            rows.append((kind, *counts, fraction, kind not in NOT_KEPT, DESCRIPTIONS[kind]))
        columns = ["kind", *NAMES, "fraction", "kept", "description"]
        return pandas.DataFrame(rows, columns=columns).set_index("kind")

    def to_html(self, path: str | os.PathLike[str] | None = None, n_pictures: int = 12) -> Any:
        """Write the report as one HTML page with pictures, which loads nothing from elsewhere.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write. None returns the page instead.
        n_pictures : int, default=12
            Maximum number of images that are shown of each kind of issue.

        Returns
        -------
        page : str or None
            The page, if there is no path.

        Raises
        ------
        ImportError
            If jinja2 is not installed.
        """
        from skcnn.quality._page import make_page

        html = make_page(self, n_pictures).render()
        if path is None:
            return html
        Path(path).write_text(html, encoding="utf-8", errors="backslashreplace")
        return None

    def __str__(self):
        n_train, n_test = self.n_images_
        test = f" and {n_test:,} test images" if n_test else " images"
        n_classes = len(self.class_counts_)
        lines = [
            f"Quality report: {n_train:,}{' training' if n_test else ''}{test}"
            + (f", {n_classes} classes" if n_classes else "")
        ]
        if self.summary_.empty:
            lines.append("No issues were found.")
        else:
            lines.append(f"{'kind':<20}{'train':>7}{'test':>7}  description")
        for kind, row in self.summary_.iterrows():
            lines.append(f"{kind:<20}{row.train:>7,}{row.test:>7,}  {row.description}")
        lines += self.notes_
        kept = f"keep_: {self.keep_.sum():,} of {n_train:,}"
        if n_test:
            kept += f"; keep_test_: {self.keep_test_.sum():,} of {n_test:,}"
        lines.append(f"{kept} images can be used")
        lines.append('Rows and reasons: issues_, duplicates_. Pictures: to_html("report.html")')
        return "\n".join(lines)

    def __repr__(self):
        return f"<QualityReport: {len(self.issues_)} issues of {sum(self.n_images_)} images>"

    def _repr_html_(self) -> str:
        """Return the page in a frame, for notebooks."""
        return (
            f'<iframe srcdoc="{escape(self.to_html())}" title="Quality report" '
            'sandbox="allow-same-origin" '
            'style="width: 100%; height: 40rem; border: 1px solid gray"></iframe>'
        )


def _keep(issues: list[Issue], number: int, n_images: int) -> NDArray[np.bool_]:
    """Return which images of a set have no issue that makes them unusable."""
    keep = np.ones(n_images, dtype=bool)
    keep[
        [
            one.index
            for one in issues
            if one.set == number and one.index is not None and one.kind in NOT_KEPT
        ]
    ] = False
    return keep


def _class_counts(counts):
    """Return the number of images of each class, by set."""
    pandas = import_pandas()
    labels = list(dict.fromkeys(label for count in counts for label in count))
    try:
        labels.sort()
    except TypeError:  # of different types
        labels.sort(key=str)
    counts = [*counts, {}][:2]
    columns = {
        name: [count.get(label, 0) for label in labels]
        for name, count in zip(NAMES, counts, strict=True)
    }
    return pandas.DataFrame(columns, index=pandas.Index(labels, name="label", dtype=object))


def _as_array(values):
    """Return labels or paths as an array: of objects for paths and if one is missing."""
    if values is None:
        return None
    as_objects = any(value is None for value in values)
    return np.array(values, dtype=object if as_objects else None)
