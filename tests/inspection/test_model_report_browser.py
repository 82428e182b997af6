"""The page of ModelReport in headless Chromium: images, width, console and requests."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageFlattener
from skcnn.inspection import ModelReport

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = (400, 1400)

# The page is in frames of different widths, whose contents this script examines.
HARNESS = """<!DOCTYPE html>
<body style="margin: 0">
{frames}
<pre id="findings"></pre>
<script>
addEventListener("load", () => {{
  const findings = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, root = page.documentElement;
    const edge = [...page.querySelectorAll("body *")].filter(element =>
      !element.closest(".scroll") && element.getBoundingClientRect().right > frame.clientWidth + 1);
    return {{
      title: page.title,
      width: root.clientWidth,
      scrollWidth: root.scrollWidth,
      outside: edge.map(element => element.outerHTML.slice(0, 100)),
      images: [...page.images].map(image => [image.naturalWidth, image.clientWidth]),
      drawings: [...page.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect().height),
      smallest: Math.min(...[...page.querySelectorAll("p, td, th, li")].map(
        element => parseFloat(getComputedStyle(element).fontSize))),
      requests: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name),
    }};
  }});
  document.getElementById("findings").textContent = JSON.stringify(findings);
}});
</script>
"""


@pytest.fixture(scope="module")
def browser():
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        pytest.skip(f"no browser on the PATH: {', '.join(BROWSERS)}")
    return found[0]


def examine(browser, pages, folder):
    """Show pages at all widths, and return the findings of the script and the console."""
    frames = "\n".join(
        f'<iframe srcdoc="{html.escape(page)}" style="width: {width}px; height: 900px"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    path = folder / "pages.html"
    path.write_text(HARNESS.format(frames=frames), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    options += [f"--user-data-dir={folder / 'profile'}", "--no-first-run", "--window-size=1600,900"]
    options += ["--disable-background-networking", "--enable-logging=stderr", "--dump-dom"]
    result = subprocess.run(
        [browser, *options, path.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    findings = re.search(r'<pre id="findings">(.*?)</pre>', result.stdout, re.DOTALL)[1]
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(findings)), console


def test_pages_in_a_browser(browser, tmp_path):
    X, y = load_digits(return_X_y=True)
    X, names = X.reshape(-1, 8, 8)[:500], np.array(["a&b", "<b>c</b>", "$d$", "a_long_name" * 5])
    y = names[y[:500] % 4]
    cnn = CNNClassifier(channels=(4,), max_epochs=1, random_state=0)
    tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
    pages = [
        ModelReport(model.fit(X[:300], y[:300]), X[300:], y[300:], n_bootstraps=20).to_html()
        for model in (cnn, tree)
    ]
    findings, console = examine(browser, pages, tmp_path)
    assert console == []
    assert len(findings) == 4
    for found, width in zip(findings, WIDTHS * 2, strict=True):
        assert found["title"].startswith("Model report: ")
        assert found["width"] == width
        assert found["scrollWidth"] == width
        assert found["outside"] == []
        assert len(found["images"]) == (24 if "CNN" in found["title"] else 12)
        assert all(natural > 0 and shown > 50 for natural, shown in found["images"])
        assert len(found["drawings"]) == (4 if "CNN" in found["title"] else 3)
        assert min(found["drawings"]) > 200
        assert found["smallest"] >= 12
        assert found["requests"] == []
