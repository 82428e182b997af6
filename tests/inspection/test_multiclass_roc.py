"""MulticlassRocDisplay: curves and areas against scikit-learn, what is drawn, and errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.metrics import RocCurveDisplay, auc, roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skcnn import CNNClassifier, ImageFlattener
from skcnn._plotting import distinct_colors
from skcnn.inspection import MulticlassRocDisplay
from skcnn.inspection._roc_curves import mean_curve


@pytest.fixture(autouse=True)
def plt():
    pytest.importorskip("matplotlib").use("agg", force=True)
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def predictions(n_classes, n_images=200, seed=0, strength=1.5):
    """Return labels, and probabilities that are rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(n_classes, size=n_images - n_classes)])
    logits = rng.normal(size=(n_images, n_classes))
    logits[np.arange(n_images), y] += strength * rng.uniform(0.3, 1.5, n_classes)[y]
    proba = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2) + 0.01
    return y, proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [3, 10])
def test_values_are_those_of_scikit_learn(n_classes, weighted):
    y, proba = predictions(n_classes)
    weights = np.random.default_rng(1).integers(0, 4, len(y)) * 0.5 if weighted else None
    if weighted:
        weights[:n_classes] = 1.0
    display = MulticlassRocDisplay.from_predictions(y, proba, sample_weight=weights)
    for number in range(n_classes):
        fpr, tpr, _ = roc_curve(y == number, proba[:, number], sample_weight=weights)
        assert_allclose(display.fpr[number], fpr)
        assert_allclose(display.tpr[number], tpr)
    options = {"multi_class": "ovr", "sample_weight": weights}
    assert_allclose(display.roc_auc, roc_auc_score(y, proba, average=None, **options))
    for average in ("micro", "macro"):
        expected = roc_auc_score(y, proba, average=average, **options)
        curve = getattr(display, average)
        assert_allclose(curve["roc_auc"], expected, rtol=1e-12)
        assert_allclose(auc(curve["fpr"], curve["tpr"]), expected, rtol=1e-12)


def test_two_classes_have_the_area_of_a_binary_problem():
    y, proba = predictions(2)
    display = MulticlassRocDisplay.from_predictions(y, proba)
    binary = RocCurveDisplay.from_predictions(y, proba[:, 1])
    assert_allclose(display.roc_auc, [binary.roc_auc] * 2)
    assert_allclose(display.macro["roc_auc"], binary.roc_auc)


def test_mean_of_curves_by_hand():
    fpr, tpr = mean_curve(
        [np.array([0, 0, 1]), np.array([0, 0.5, 0.5, 1])],
        [np.array([0, 1, 1]), np.array([0, 0, 1, 1])],
    )
    assert_array_equal(fpr, [0, 0, 0.5, 0.5, 1, 1])
    assert_array_equal(tpr, [0, 0.5, 0.5, 1, 1, 1])
    assert auc(fpr, tpr) == 0.75


def test_a_class_without_images_has_no_curve():
    y, proba = predictions(4)
    y[y == 2] = 1
    with pytest.warns(UserWarning, match="no image is of the class 'c': it has no curve"):
        display = MulticlassRocDisplay.from_predictions(
            np.array(list("abcd"))[y], proba, labels=list("abcd")
        )
    assert np.isnan(display.roc_auc[2])
    assert display.lines_[2] is None
    assert display.macro["roc_auc"] == pytest.approx(np.mean(display.roc_auc[[0, 1, 3]]))
    names = [text.get_text().split()[-1] for text in display.legend_.get_texts()]
    assert sorted(names) == ["a", "b", "d", "macro-average", "micro-average"]


def test_weight_zero_is_no_image():
    y, proba = predictions(3)
    weights = (y != 2).astype(float)
    with pytest.warns(UserWarning, match="no image is of the class 2"):
        weighted = MulticlassRocDisplay.from_predictions(y, proba, sample_weight=weights)
    with pytest.warns(UserWarning, match="no image is of the class 2"):
        dropped = MulticlassRocDisplay.from_predictions(y[y != 2], proba[y != 2], labels=range(3))
    assert_allclose(weighted.roc_auc, dropped.roc_auc)
    assert_allclose(weighted.micro["roc_auc"], dropped.micro["roc_auc"])


# ------------------------------------------------------------------------------------------------
# What is drawn


@pytest.mark.parametrize("log_scale", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 11, 12, 30])
def test_table_begins_with_the_averages_and_the_smallest_areas(n_classes, log_scale):
    y, proba = predictions(n_classes)
    display = MulticlassRocDisplay.from_predictions(y, proba, log_scale=log_scale)
    rows = [text.get_text().split() for text in display.legend_.get_texts()]
    assert rows[0] == [f"{display.macro['roc_auc']:.4f}", "macro-average"]
    assert rows[1] == [f"{display.micro['roc_auc']:.4f}", "micro-average"]
    order = np.argsort(display.roc_auc, kind="stable")
    shown = order if n_classes <= 11 else order[:10]
    assert rows[2 : 2 + len(shown)] == [[f"{display.roc_auc[k]:.4f}", str(k)] for k in shown]
    if n_classes > 11:
        area = f"{display.roc_auc[order[10]]:.4f}"
        assert rows[12:] == [[area, "or", "more:", str(n_classes - 10), "others"]]
    colors = [display.lines_[k].get_color() for k in order]
    assert len(set(colors[:4])) == min(n_classes, 4)
    assert set(colors[4:]) <= {colors[-1]}
    display.figure_.canvas.draw()
    table = display.legend_.get_window_extent()
    assert table.x0 >= display.ax_.get_window_extent().x1
    assert table.x1 <= display.figure_.bbox.x1
    assert table.y0 >= 0


def test_perfect_predictions_are_drawn_on_a_log_axis():
    display = MulticlassRocDisplay.from_predictions([0, 1, 2] * 5, np.eye(3)[[0, 1, 2] * 5])
    assert display.macro["roc_auc"] == 1
    display.plot(log_scale=True).figure_.canvas.draw()
    assert display.ax_.get_xscale() == "log"


def test_log_axis_starts_below_the_smallest_rate_and_shows_the_curves_only():
    y, proba = predictions(3, strength=8)
    display = MulticlassRocDisplay.from_predictions(y, proba, log_scale=True)
    smallest = min(fpr[fpr > 0].min() for fpr in [*display.fpr, display.micro["fpr"]])
    assert display.ax_.get_xlim() == (smallest / 2, 1)
    for line, fpr in zip(display.lines_, display.fpr, strict=True):
        assert_array_equal(line.get_xdata(), np.maximum(fpr, smallest / 2))
    assert display.ax_.get_ylim()[0] > 0.3


def test_axes_of_the_user_and_highlighting(plt):
    y, proba = predictions(10)
    figure, ax = plt.subplots(layout="constrained")
    display = MulticlassRocDisplay.from_predictions(y, proba, ax=ax, n_highlighted=0, name="a net")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_title() == "a net"
    assert len({line.get_color() for line in display.lines_}) == 1


def test_averages_are_visible_on_a_dark_background(plt):
    y, proba = predictions(3)
    with plt.style.context("dark_background"):
        display = MulticlassRocDisplay.from_predictions(y, proba)
        assert "#000000" not in distinct_colors(7)
    for line in (display.macro_line_, display.micro_line_):
        assert line.get_color() == "white"


# ------------------------------------------------------------------------------------------------
# Estimators


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8)[:300], np.array([f"digit {label}" for label in y[:300]])


def test_network_and_tree(digits):
    X, y = digits
    cnn = CNNClassifier(channels=(4,), max_epochs=1, random_state=0).fit(X[:200], y[:200])
    tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
    for model in (cnn, tree.fit(X[:200], y[:200])):
        display = MulticlassRocDisplay.from_estimator(model, X[200:], y[200:])
        proba = model.predict_proba(X[200:])
        assert_array_equal(display.classes, model.classes_)
        expected = roc_auc_score(y[200:], proba, multi_class="ovr", average=None)
        assert_allclose(display.roc_auc, expected)
    assert display.ax_.get_title() == "DecisionTreeClassifier"


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (DecisionTreeRegressor(), TypeError, "takes classifiers, but DecisionTreeRegressor is not"),
        (LinearSVC(), TypeError, "LinearSVC has no predict_proba: wrap it"),
        (DecisionTreeClassifier, TypeError, "takes a fitted classifier"),
    ],
)
def test_other_estimators(model, error, message):
    X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    model = model if isinstance(model, type) else model.fit(X, y)
    with pytest.raises(error, match=message):
        MulticlassRocDisplay.from_estimator(model, X, y)


def test_bad_labels_are_found_before_predicting():
    class Untouchable(DecisionTreeClassifier):
        def predict_proba(self, X):
            raise AssertionError

    X, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 3
    tree = Untouchable().fit(X, y)
    for labels, options, message in [
        (y + 1, {}, "y contains 3, but the classes are 0, 1, 2"),
        (None, {}, "y is None, but the true labels are needed"),
        (y[:-1], {}, "inconsistent numbers of samples"),
        (np.eye(3)[y], {}, "must hold one label for each image"),
        (y, {"sample_weight": -np.ones(20)}, "Negative values"),
        (y, {"sample_weight": np.ones(19)}, "sample_weight.shape"),
        (y, {"n_highlighted": 7}, "n_highlighted=7 must be an integer from 0 to 6"),
        (y, {"n_highlighted": True}, "n_highlighted=True must be an integer from 0 to 6"),
    ]:
        with pytest.raises(ValueError, match=message):
            MulticlassRocDisplay.from_estimator(tree, X, labels, **options)


@pytest.mark.parametrize(
    ("y_true", "y_proba", "labels", "message"),
    [
        ([0, 1], [0.5, 0.5], None, r"y_proba has shape \(2,\)"),
        ([0, 1], np.eye(3)[:2], None, "y_proba has 3 columns, but y_true has 2 classes: pass"),
        ([0, 1], np.eye(2), [0, 1, 2], "y_proba has 2 columns, but labels has 3 classes"),
        ([0, 1], np.eye(2), [0, 0], "labels holds a class twice"),
        ([0, 2], np.eye(2), [0, 1], "y_true contains 2, but the classes are 0, 1"),
        ([0, 1, 1], np.eye(2), None, r"shape \(2, 2\), but there are 3 labels"),
        ([0, 1], np.eye(2) * 2, None, "numbers from 0 to 1, .* are from 0.0 to 2.0"),
        ([0, 1], np.eye(2) * np.nan, None, "numbers from 0 to 1, .* are from nan"),
        ([0, 1], np.array([[2, -1], [0, 1]]), None, "numbers from 0 to 1, .* are from -1.0"),
        ([0, 1], np.eye(2) / 2, None, "the sums over the classes are from 0.5 to 0.5"),
        ([0, 1], np.full((2, 2), "a"), None, "numbers from 0 to 1, .* they are of dtype <U1"),
        ([1, 1], np.eye(2), [0, 1], "all images are of the class 1"),
        ([], np.empty((0, 2)), [0, 1], "y_true has no labels"),
    ],
)
def test_bad_predictions(y_true, y_proba, labels, message):
    with pytest.raises(ValueError, match=message):
        MulticlassRocDisplay.from_predictions(y_true, y_proba, labels=labels)
