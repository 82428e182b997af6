"""QualityReport: text, frames and the page."""

import re

import numpy as np
import pytest

from skcnn.quality import QualityReport, check_images

RNG = np.random.default_rng(0)


@pytest.fixture
def report():
    """Return a report about labeled images with names that HTML must escape."""
    X = RNG.integers(0, 256, (30, 20, 20)).astype(np.uint8)
    X[3], X[4] = 0, X[5]
    X_test = np.stack([X[10], 255 - X[11]])
    y = np.array(["<b>", "a & b"]).repeat(15)
    return check_images(X, y, X_test, y[:2], rare_class=15)


def test_text(report):
    lines = str(report).splitlines()
    assert lines[0] == "Quality report: 30 training and 2 test images, 2 classes"
    assert [line.split()[:3] for line in lines[2:-2]] == [
        ["blank", "1", "0"],
        ["exact_duplicate", "1", "0"],
        ["leak", "1", "0"],
        ["rare_class", "0", "1"],
        ["empty_class", "0", "1"],
    ]
    assert lines[-2] == "keep_: 27 of 30; keep_test_: 2 of 2 images can be used"
    assert all(len(line) <= 100 for line in lines)
    assert repr(report) == "<QualityReport: 5 issues of 32 images>"


def test_frames(report):
    assert isinstance(report, QualityReport)
    assert report.issues_.columns.tolist() == [
        "set",
        "index",
        "path",
        "label",
        "kind",
        "value",
        "threshold",
        "detail",
    ]
    leaks = report.by_kind_["leak"]
    assert leaks["index"].tolist() == [10]
    assert leaks["detail"].tolist() == ["equal to test image 0"]
    assert report.summary_.loc["leak", ["train", "test"]].tolist() == [1, 0]
    assert report.summary_.loc["leak", "fraction"] == pytest.approx(1 / 32)
    kept = {"rare_class": True, "empty_class": True}
    assert report.summary_["kept"].to_dict() == {
        kind: kept.get(kind, False) for kind in report.by_kind_
    }
    assert report.keep_.nonzero()[0].tolist() == [*range(3), 4, *range(6, 10), *range(11, 30)]


def test_page(report, tmp_path):
    assert report.to_html(tmp_path / "report.html") is None
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:image/|#)", page)
    assert "a &amp; b" in page
    assert "&lt;b&gt;" in page
    ids = re.findall(r'<section id="(\w+)"', page)
    assert ids == ["summary", "kinds", *report.by_kind_, "classes", "omitted"]
    assert page.count("<img") == 3
    assert report.to_html(n_pictures=1).count("<img") == 3
    assert 'sandbox="allow-same-origin"' in report._repr_html_()


def test_page_without_issues():
    page = check_images(RNG.integers(0, 256, (5, 9, 9)).astype(np.uint8)).to_html()
    assert "No image is unusable." in page
