"""ModelReport: the page as HTML, its contents and findings, and errors."""

import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.io import imsave
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skcnn import CNNClassifier, CNNRegressor, ImageFlattener, ImageReader, ImageResizer
from skcnn._html.pictures import as_rgb, data_url
from skcnn.inspection import ModelReport, classification_summary
from skcnn.inspection._predictions import Predictions
from skcnn.inspection._report_figures import confusion_svg
from skcnn.inspection._report_images import overlay
from skcnn.inspection._report_metrics import interval_name, share

VOID = {"meta", "img", "br", "hr", "link", "input"}
NAMES = np.array(["<script>alert(1)</script>", "a&b", '"c"', "$d$", "$e", "日本", "{{ 7 * 7 }}"])


class Page(HTMLParser):
    """Elements of a page, whose tags must be nested."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def check_page(html):
    """Check what every page must fulfill, and return it parsed."""
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "object", "embed", "base", "form", "iframe"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "xlink:href", "src", "srcset", "data", "action"):
                images = "data:image/" if tag in ("img", "image") else "#"
                assert value.startswith(images)
    assert "@import" not in html
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = re.findall(r'(?:href="|url\()#([^")]+)', html)
    assert set(targets) <= set(ids)
    for image in page.all("img"):
        assert image["alt"]
        data = base64.b64decode(image["src"].partition("base64,")[2], validate=True)
        Image.open(io.BytesIO(data)).load()
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("figcaption")) == len(page.all("figure"))
    assert all(svg["aria-hidden"] == "true" for svg in page.all("svg"))
    drawings = [div for div in page.all("div") if div.get("role") == "img"]
    assert len(drawings) == len(page.all("svg"))
    assert all(div["aria-label"] for div in drawings)
    return page


def headings(html):
    return re.findall("<h2>(.*?)</h2>", html)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    few = y < len(NAMES)
    return X[few].reshape(-1, 8, 8)[:500], NAMES[y[few][:500]]


@pytest.fixture(scope="module")
def cnn(digits):
    X, y = digits
    model = CNNClassifier(channels=(4,), max_epochs=2, early_stopping=True, random_state=0)
    return make_pipeline(ImageResizer((6, 6)), model).fit(X[:300], y[:300])


@pytest.fixture(scope="module")
def report(cnn, digits):
    X, y = digits
    return ModelReport(cnn, X[300:], y[300:], n_bootstraps=100, n_mistakes=3)


@pytest.fixture(scope="module")
def html(report):
    return report.to_html()


# ------------------------------------------------------------------------------------------------
# The page


def test_page_is_well_formed_and_escaped(html):
    page = check_page(html)
    assert "<script" not in html
    assert "a&b" not in html
    assert "alert(1)</script>" in page.words
    for name in NAMES:
        assert name in page.words
    assert "49" not in re.findall(r"<th scope=.row.>(.*?)</th>", html)


def test_sections_of_a_network(html):
    assert headings(html) == [
        "Contents",
        "Summary",
        "Metrics",
        "Classes",
        "Confusions",
        "Most confident mistakes",
        "Calibration",
        "ROC curves",
        "Training",
        "Network",
        "Parameters",
        "Data",
        "Software",
    ]


def test_numbers_of_the_page(report, html, cnn, digits):
    X, y = digits
    words = Page(html).words
    summary = classification_summary(cnn, X[300:], y[300:], n_bootstraps=100, random_state=0)
    assert report.summary.equals(summary)
    accuracy = summary.loc["accuracy"]
    assert accuracy.value == cnn.score(X[300:], y[300:])
    assert f"{accuracy.value:.1%} 95% interval {accuracy.low:.1%} to {accuracy.high:.1%}" in words
    labels, counts = np.unique(y[300:], return_counts=True)
    assert f"{counts.max() / 200:.1%} always the most frequent class" in words
    assert report.fingerprint.sha256 in words
    assert "200 of 7 classes" in words
    wrong = int(np.sum(cnn.predict(X[300:]) != y[300:]))
    assert f"{wrong} of 200 predictions are wrong, and 3 are shown" in words
    table = report.class_table
    assert table["images"].to_dict() == dict(zip(labels, counts, strict=True))
    recalls = [np.mean(cnn.predict(X[300:])[y[300:] == label] == label) for label in table.index]
    np.testing.assert_allclose(table["recall"], recalls)


def test_intervals_of_recalls_are_those_of_wilson(report):
    binomtest = pytest.importorskip("scipy.stats").binomtest
    for row in report.class_table.itertuples():
        found = binomtest(round(row.recall * row.images), row.images)
        expected = found.proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose((row.recall_low, row.recall_high), expected)


def test_parameters_that_differ_from_the_default(html):
    rows = re.findall(r"<tr>\s*<th scope=.row.>(.*?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", html)
    parameters = {name: (value, default) for name, value, default in rows}
    assert parameters["max_epochs"][0] == "2"
    assert parameters["max_epochs"][1] != ""
    assert parameters["label_smoothing"][1] == ""
    assert parameters["size"][0] == "(6, 6)"


def test_the_same_data_give_the_same_page_but_for_the_date(report, cnn, digits, html):
    X, y = digits
    again = ModelReport(cnn, list(X[300:]), y[300:].tolist(), n_bootstraps=100, n_mistakes=3)
    date = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.sub(date, "", again.to_html()) == re.sub(date, "", html)


def test_write_a_file_and_show_in_a_notebook(report, html, tmp_path):
    path = tmp_path / "report.html"
    assert report.to_html(path) is None
    assert path.read_text(encoding="utf-8") == html
    frame = Page(report._repr_html_()).all("iframe")[0]
    assert frame["srcdoc"] == html
    assert frame["sandbox"] == "allow-same-origin"  # and no scripts


def test_figures_of_the_user_are_left_alone(report):
    plt = pytest.importorskip("matplotlib.pyplot")
    settings = dict(plt.rcParams)
    figures = plt.get_fignums()
    report.to_html()
    assert plt.get_fignums() == figures
    assert dict(plt.rcParams) == settings


def test_known_probabilities_are_not_predicted_again(digits, monkeypatch):
    X, y = digits[0].reshape(500, -1), digits[1]
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[:300], y[:300])
    X, y = X[300:], y[300:]
    expected = ModelReport(tree, X, y, n_bootstraps=20)
    proba = tree.predict_proba(X)
    for name in ("predict", "predict_proba"):
        monkeypatch.setattr(tree, name, lambda _: pytest.fail("predicted again"))
    found = ModelReport(tree, X, y, y_proba=proba, n_bootstraps=20)
    assert found.summary.equals(expected.summary)
    assert found.class_table.equals(expected.class_table)
    with pytest.raises(ValueError, match=r"have shape \(200, 6\), but there are 200 labels and 7"):
        ModelReport(tree, X, y, y_proba=proba[:, 1:])


# ------------------------------------------------------------------------------------------------
# Other classifiers and data


def test_a_tree_has_no_history_and_no_network(digits):
    X, y = digits
    tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(max_depth=4, random_state=0))
    report = ModelReport(
        tree.fit(X[:300], y[:300]), X[300:], y[300:], title="A <tree>", n_bootstraps=20
    )
    html = report.to_html()
    page = check_page(html)
    assert "Training" not in headings(html)
    assert "Network" not in headings(html)
    assert headings(html)[-1] == "Not in this report"
    assert "Training history: DecisionTreeClassifier has none." in page.words
    assert "Network: DecisionTreeClassifier is not a network." in page.words
    assert "<h1>A &lt;tree&gt;</h1>" in html


def test_paths_photos_of_different_sizes_and_a_search(tmp_path):
    rng = np.random.default_rng(0)
    y = np.array(["dark", "light"] * 12)
    paths = []
    for row, label in enumerate(y):
        low = 128 * (label == "light")
        image = rng.integers(low, low + 128, (6 + row % 3, 8, 3), dtype=np.uint8)
        paths.append(tmp_path / f"photo & {row}.png")
        imsave(paths[-1], image, check_contrast=False)
    y[:2] = y[1::-1]  # two mistakes at least
    cnn = CNNClassifier(channels=(4,), max_epochs=2, random_state=0)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), cnn)
    search = GridSearchCV(pipe, {"cnnclassifier__max_epochs": [3]}, cv=2).fit(paths, y)
    report = ModelReport(search, paths, y, n_bootstraps=20)
    page = check_page(report.to_html())
    assert "3 different ones, from 6 x 8 x 3 to 8 x 8 x 3" in page.words
    assert "The parameters are those that GridSearchCV chose." in page.words
    assert "photo & " in page.words
    assert str(tmp_path) not in page.words
    images = [np.asarray(Image.open(path)) for path in paths]
    ragged = make_pipeline(*search.best_estimator_[1:])
    assert ModelReport(ragged, images, y, n_bootstraps=2).fingerprint == report.fingerprint


@pytest.mark.parametrize("n_classes", [2, 30, 70])
def test_two_and_many_classes(n_classes):
    rng = np.random.default_rng(0)
    X, y = rng.random((4 * n_classes, 4, 4)), np.repeat(np.arange(n_classes), 4)
    X[:, 0, 0] += y
    model = make_pipeline(ImageFlattener(), DecisionTreeClassifier(max_depth=3)).fit(X, y)
    page = check_page(ModelReport(model, X, y, n_bootstraps=5, n_mistakes=1).to_html())
    assert len(page.all("svg")) == 3


@pytest.mark.filterwarnings("error")
def test_one_class_and_no_mistake():
    X, y = np.arange(16.0).reshape(4, 2, 2), np.array([0, 0, 1, 1])
    model = make_pipeline(ImageFlattener(), DecisionTreeClassifier()).fit(X, y)
    page = check_page(ModelReport(model, X[:2], y[:2], n_bootstraps=5).to_html())
    assert "ROC curves: the test images are of one class only." in page.words
    assert "Mistakes: there are none." in page.words
    assert "There are no confusions." in page.words


def test_flat_rows_of_colors_need_a_shape():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 6 * 6 * 3)), np.arange(40) % 2
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="image_shape"):
        ModelReport(model, X, y)
    report = ModelReport(model, X, y, image_shape=(6, 6, 3), n_bootstraps=5)
    assert report.fingerprint.shapes == {(6, 6, 3): 40}
    check_page(report.to_html())


# ------------------------------------------------------------------------------------------------
# Findings


def findings_of(proba, y, X=None):
    """Return the warnings of a report about a classifier with given probabilities."""

    class Given(LogisticRegression):
        def predict_proba(self, X):
            return proba

        def predict(self, X):
            return self.classes_[proba.argmax(axis=1)]

    X = np.random.default_rng(0).random((len(y), 4)) if X is None else X
    model = Given().fit(np.eye(4)[: proba.shape[1]], np.arange(proba.shape[1]))
    report = ModelReport(model, X, y, n_bootstraps=200)
    return " ".join(text for kind, text in report.findings if kind == "warning")


def chances(n_images, share, n_classes=2, confidence=None):
    """Return labels, and probabilities of which a share is right."""
    y = np.arange(n_images) % n_classes
    right = np.random.default_rng(0).permutation(n_images) < share * n_images
    predicted = np.where(right, y, (y + 1) % n_classes)
    confidence = share if confidence is None else confidence
    rest = (1 - confidence) / (n_classes - 1)
    proba = np.full((n_images, n_classes), rest)
    proba[np.arange(n_images), predicted] = confidence
    return proba, y


def test_nothing_to_warn_about():
    assert findings_of(*chances(1000, 0.9)) == ""


@pytest.mark.parametrize(
    ("proba", "y", "expected"),
    [
        (*chances(400, 0.52), "may be no better than 50.0%, that of always predicting"),
        (*chances(60, 0.8), "There are few test images, 60: the interval of the accuracy is"),
        (*chances(1000, 0.8, confidence=0.97), "badly calibrated, and too high on average"),
        (*chances(1000, 0.95, confidence=0.7), "badly calibrated, and too low on average"),
        (*chances(200, 1), "All 200 predictions are correct"),
        (chances(400, 0.9, 3)[0], chances(400, 0.9, 2)[1], "No image is of the class 2"),
        (chances(400, 0.9)[0], np.arange(400) // 397, "Fewer than 5 images are of the class 1"),
        (chances(400, 0.9)[0], np.arange(400) // 390, "Classes with fewer than 20 test images: 1"),
        (np.tile([0.8, 0.2], (400, 1)), np.arange(400) % 2, "that are never predicted: 1"),
    ],
)
def test_warnings(proba, y, expected):
    assert expected in findings_of(proba, y)


def test_repeated_images():
    proba, y = chances(1000, 0.9)
    X = np.random.default_rng(0).random((1000, 4))
    X[501:504] = X[500]
    text = findings_of(proba, y, X)
    assert "3 of the 1,000 test images equal an earlier one" in text
    assert "2 of them have another label" in text


# ------------------------------------------------------------------------------------------------
# Errors


def test_regressors_and_classifiers_without_probabilities():
    X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    for model in (DecisionTreeRegressor().fit(X, y), CNNRegressor(max_epochs=1).fit(X, y)):
        with pytest.raises(TypeError, match="ModelReport takes classifiers, but"):
            ModelReport(model, X, y)
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
        ModelReport(LinearSVC().fit(X, y), X, y)


@pytest.mark.parametrize(
    "options",
    [{"n_mistakes": -1}, {"title": 3}, {"n_bootstraps": 0}, {"image_shape": 3}, {"n_bins": 1.5}],
)
def test_options_out_of_range(report, options):
    name = next(iter(options))
    with pytest.raises(ValueError, match=f"{name!r} parameter of ModelReport"):
        ModelReport(report.estimator, [], [], **options)


def test_arguments_are_checked_before_images_are_predicted(monkeypatch):
    X, y = np.random.default_rng(0).random((20, 65)), np.arange(20) % 2
    tree = DecisionTreeClassifier().fit(X, y)
    monkeypatch.setattr(tree, "predict_proba", None)
    with pytest.raises(ValueError, match="y_test contains 2, but the classes are 0, 1"):
        ModelReport(tree, X, y + 1, image_shape=(5, 13))
    with pytest.raises(ValueError, match="65 values, which is not a square number"):
        ModelReport(tree, X, y)


# ------------------------------------------------------------------------------------------------
# Pictures and numbers as text


def test_small_images_are_magnified_and_large_ones_reduced():
    image = np.array([[0.0, 0.5], [1.0, 2.0]])
    shown = as_rgb(image, (0, 1))
    assert shown.shape == (240, 240, 3)
    assert shown[::120, ::120, 0].tolist() == [[0, 128], [255, 255]]
    assert as_rgb(np.zeros((600, 300, 3)), (0, 1)).shape == (240, 120, 3)
    transparent = np.zeros((1, 2, 4))
    transparent[0, 1, 3] = 1
    assert as_rgb(transparent, (0, 1))[0, ::239].tolist() == [[255] * 3, [0] * 3]


def test_overlay_is_brightest_where_the_map_is():
    map_ = np.zeros((6, 8))
    map_[1, 6] = 3
    colored = overlay(np.full((60, 80, 3), 100, dtype=np.uint8), map_).sum(axis=2, dtype=int)
    row, column = np.unravel_index(colored.argmax(), colored.shape)
    assert (row // 10, column // 10) == (1, 6)


def test_data_urls_hold_the_picture():
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    flat = np.zeros((40, 30, 3), dtype=np.uint8)
    kinds = []
    for picture in (noise, flat):
        head, _, data = data_url(picture).partition(";base64,")
        kinds.append(head)
        found = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert found.shape == picture.shape
    assert kinds == ["data:image/jpeg", "data:image/png"]
    assert (found == flat).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "50.0%"), (0.9994, "99.9%"), (0.9996, "99.96%"), (0.999999, ">99.999%"), (1, "100.0%")],
)
def test_only_one_is_100_percent(value, text):
    assert share(value) == text


@pytest.mark.parametrize(("level", "text"), [(0.95, "95%"), (0.975, "97.5%"), (0.999, "99.9%")])
def test_levels_of_intervals_are_not_rounded(level, text):
    report = SimpleNamespace(confidence_level=level)
    assert interval_name(report) == f"{text} interval"


def test_colors_in_names_of_classes_stay_as_they_are():
    labels = np.array(["#000000", "#ff0000"])
    predictions = Predictions(labels, np.array([0, 1]), np.array([0, 1]), np.eye(2))
    assert "#000000" in confusion_svg(predictions)


def test_a_dense_network_has_no_activation_maps(digits):
    X, y = digits
    dense = CNNClassifier(channels=(), max_epochs=1, random_state=0).fit(X[:100], y[:100])
    report = ModelReport(dense, X[300:], y[300:], n_bootstraps=5, n_mistakes=2)
    page = check_page(report.to_html())
    assert "There are no activation maps: " in page.words
    assert len(page.all("img")) == 2
    none = ModelReport(dense, X[300:], y[300:], n_bootstraps=5, n_mistakes=0).to_html()
    assert "Mistakes: n_mistakes is 0." in check_page(none).words
