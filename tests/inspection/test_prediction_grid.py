"""PredictionGridDisplay: the images that are selected, their text and frames, and errors."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageFlattener, ImageReader, ImageResizer, LazyImages
from skcnn.inspection import PredictionGridDisplay
from skcnn.inspection._grid_predictions import GridPredictions
from skcnn.inspection._selection import largest_errors
from skcnn.inspection._titles import number_format, percent
from tests.inspection._figures import assert_legible

RNG = np.random.default_rng(0)
DIGITS, Y = load_digits(return_X_y=True)
DIGITS = DIGITS.reshape(-1, 8, 8)
TRAIN, TEST = slice(0, 300), slice(300, 700)
from_estimator = PredictionGridDisplay.from_estimator
from_predictions = PredictionGridDisplay.from_predictions
SELECTIONS = ["random", "wrong", "least_confident", "most_confused"]


@pytest.fixture(scope="module")
def tree():
    tree = DecisionTreeClassifier(max_leaf_nodes=20, random_state=0)
    return make_pipeline(ImageFlattener(), tree).fit(DIGITS[TRAIN], Y[TRAIN])


@pytest.fixture(scope="module")
def ridge():
    return make_pipeline(ImageFlattener(), Ridge()).fit(DIGITS[TRAIN], Y[TRAIN].astype(float))


def titles(display):
    return [image.axes.get_title() for image in display.images_]


def images(n_images=6):
    return RNG.integers(0, 256, (n_images, 5, 5)).astype(np.uint8)


# ------------------------------------------------------------------------------------------------
# Selection


@pytest.mark.parametrize("select", SELECTIONS)
def test_rows_belong_together(plt, tree, select):
    X, y = DIGITS[TEST], Y[TEST]
    display = from_estimator(tree, X, y, select=select, n_images=7, random_state=0)
    rows = display.rows
    assert len(set(rows.tolist())) == 7
    assert_array_equal(display.images, X[rows])
    assert_array_equal(display.y_true, y[rows])
    assert_array_equal(display.y_pred, tree.predict(X)[rows])
    assert_array_equal(display.wrong, display.y_true != display.y_pred)
    assert_allclose(display.probability, tree.predict_proba(X).max(axis=1)[rows])


@pytest.mark.parametrize("select", SELECTIONS)
def test_predictions_give_the_same_as_an_estimator(plt, tree, select):
    X, y = DIGITS[TEST], Y[TEST]
    options = {"select": select, "random_state": 3, "n_images": 5}
    one = from_estimator(tree, X, y, **options)
    other = from_predictions(X, y, tree.predict(X), y_proba=tree.predict_proba(X), **options)
    assert_array_equal(one.rows, other.rows)
    assert one.title == other.title
    assert titles(one) == titles(other)


def test_random_images(plt, tree):
    X = DIGITS[TEST]
    displays = [from_estimator(tree, X, n_images=3, random_state=seed) for seed in (0, 0, 1)]
    assert_array_equal(displays[0].rows, displays[1].rows)
    assert set(displays[0].rows) != set(displays[2].rows)
    assert displays[0].title == "3 of 400 images"


def test_only_random_images_are_predicted(plt, tree):
    class Counting(DecisionTreeClassifier):
        """Count the images that are predicted."""

        n_predicted = 0

        def predict(self, X):
            self.n_predicted += len(X)
            return super().predict(X)

    counting = Counting().fit(DIGITS[TRAIN].reshape(300, -1), Y[TRAIN])
    from_estimator(counting, DIGITS.reshape(len(DIGITS), -1), Y, n_images=3)
    assert counting.n_predicted == 3


def test_wrong_predictions_by_probability(plt, tree):
    X, y = DIGITS[TEST], Y[TEST]
    display = from_estimator(tree, X, y, select="wrong", n_images=9)
    wrong = np.flatnonzero(tree.predict(X) != y)
    confidence = tree.predict_proba(X).max(axis=1)
    expected = sorted(wrong, key=lambda row: (-confidence[row], row))[:9]
    assert_array_equal(display.rows, expected)
    assert display.title == f"9 of {len(wrong)} wrong predictions among 400 images"


def test_wrong_predictions_without_probabilities(plt):
    svm = LinearSVC(max_iter=20, tol=1).fit(DIGITS[TRAIN].reshape(300, -1), Y[TRAIN])
    X, y = DIGITS[TEST].reshape(400, -1), Y[TEST]
    display = from_estimator(svm, X, y, select="wrong", n_images=4, random_state=0)
    assert display.probability is None
    assert (svm.predict(X)[display.rows] != y[display.rows]).all()
    assert titles(display)[0] == f"{display.y_pred[0]}\ntrue: {display.y_true[0]}"


def test_least_confident(plt, tree):
    X, y = DIGITS[TEST], Y[TEST]
    confidence = tree.predict_proba(X).max(axis=1)
    display = from_estimator(tree, X, y, select="least_confident", n_images=5)
    assert_array_equal(display.rows, np.argsort(confidence, kind="stable")[:5])


def test_most_confused_pairs(plt):
    #         a->b three times, b->a once, c->a twice, c->b twice
    y_true = list("abacabcccc")
    y_pred = list("babbbbacba")
    proba = np.linspace(0.4, 0.9, 10)
    display = from_predictions(
        images(10), y_true, y_pred, y_proba=proba, select="most_confused", n_images=12
    )
    pairs = list(zip(display.y_true.tolist(), display.y_pred.tolist(), strict=True))
    assert pairs == [("a", "b")] * 3 + [("c", "a")] * 2 + [("c", "b")] * 2 + [("b", "a")]
    assert display.counts.tolist() == [3, 3, 3, 2, 2, 2, 2, 1]
    assert_array_equal(display.rows, [4, 2, 0, 9, 6, 8, 3, 1])  # the most confident first
    assert display.title.startswith("8 wrong predictions among 10 images, the most frequent")
    assert titles(display)[0] == "b (62%)\ntrue: a (3\N{MULTIPLICATION SIGN})"


def test_most_confused_shows_several_pairs(plt):
    y_true, y_pred = [0] * 7 + [1] * 5, [1] * 7 + [0] * 5
    display = from_predictions(images(12), y_true, y_pred, select="most_confused", n_images=6)
    assert_array_equal(display.rows, [0, 1, 2, 3, 7, 8])


def test_largest_errors_of_a_regressor(plt, ridge):
    X, y = DIGITS[TEST], Y[TEST]
    display = from_estimator(ridge, X, y, select="wrong", n_images=5)
    errors = abs(ridge.predict(X) - y)
    assert_array_equal(display.rows, np.argsort(-errors, kind="stable")[:5])
    assert display.wrong is None
    assert display.title == "the 5 largest errors among 400 images"
    digits = number_format(np.concatenate([display.y_pred, display.y_true]))
    assert titles(display)[0] == f"{display.y_pred[0]:{digits}}\ntrue: {display.y_true[0]}"
    other = from_predictions(X, y, ridge.predict(X), select="wrong", n_images=5)
    assert titles(other) == titles(display)


@pytest.mark.parametrize("select", ["wrong", "most_confused"])
def test_no_wrong_predictions(plt, select):
    display = from_predictions(images(), [0, 1] * 3, [0, 1] * 3, select=select)
    assert display.images == display.images_ == []
    assert display.title_.get_text() == "no wrong predictions among 6 images"
    assert_legible(display.figure_)


def test_fewer_wrong_predictions_than_asked(plt):
    display = from_predictions(images(), [0] * 6, [0, 1, 0, 0, 0, 0], select="wrong")
    assert display.title == "1 wrong prediction among 6 images"
    assert display.rows.tolist() == [1]


# ------------------------------------------------------------------------------------------------
# Forms of images and estimators


def test_networks_predict_once_and_search(plt):
    class Counting(CNNClassifier):
        """Count the images that are predicted."""

        n_predicted = 0

        def _outputs(self, X):
            Counting.n_predicted += len(X)
            return super()._outputs(X)

    cnn = Counting(channels=(2,), max_epochs=1, random_state=0)
    pipe = make_pipeline(ImageResizer((6, 6)), cnn)
    search = GridSearchCV(pipe, {"counting__max_epochs": [1]}, cv=2).fit(DIGITS[TRAIN], Y[TRAIN])
    Counting.n_predicted = 0
    display = from_estimator(search, DIGITS[TEST], Y[TEST], select="wrong", n_images=3)
    assert Counting.n_predicted == 400
    assert_array_equal(display.y_pred, search.predict(DIGITS[TEST])[display.rows])
    assert display.images[0].shape == (8, 8)


def test_only_images_that_are_shown_are_read(plt):
    class Source:
        """Count the images that are read."""

        shape, dtype = (500, 5, 5), np.dtype("uint8")
        n_read = 0

        def __getitem__(self, rows):
            self.n_read += len(rows)
            return np.tile(np.asarray(rows, np.uint8)[:, None, None], (1, 5, 5))

    source, y = Source(), np.arange(500) % 2
    display = from_predictions(LazyImages(source), y, 1 - y, select="wrong", n_images=3)
    assert source.n_read == 3
    assert_array_equal([image[0, 0] for image in display.images], display.rows % 256)


def test_photos_of_a_pipeline(plt, tmp_path):
    shapes = [(9, 7, 3), (6, 12, 3), (8, 8, 3), (5, 9, 3)]
    photos = [RNG.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    paths = [str(tmp_path / f"{row}.png") for row in range(4)]
    for path, photo in zip(paths, photos, strict=True):
        imsave(path, photo, check_contrast=False)
    steps = [ImageResizer((4, 4)), ImageFlattener(), DecisionTreeClassifier()]
    pipe = make_pipeline(ImageReader(), *steps).fit(paths, [0, 1, 0, 1])
    for X in (paths, pd.Series(paths), np.array(paths)):
        display = from_estimator(pipe, X, [0, 1, 0, 1], random_state=0)
        shown = dict(zip(display.rows.tolist(), display.images, strict=True))
        for row, photo in enumerate(photos):
            assert_array_equal(shown[row], photo)
    display = from_estimator(pipe[1:], photos, n_images=2, select="least_confident")
    assert [image.shape for image in display.images] == shapes[:2]
    assert_legible(display.figure_)


def test_flat_rows(plt, tree):
    rows = RNG.random((6, 12))
    fitted = DecisionTreeClassifier().fit(rows, [0, 1] * 3)
    assert from_estimator(fitted, rows, image_shape=(2, 6)).images[0].shape == (2, 6)
    frame = pd.DataFrame(DIGITS[:20].reshape(20, -1))
    display = from_predictions(frame, Y[:20], Y[:20], random_state=0)
    assert_array_equal(display.images, DIGITS[display.rows])


def test_images_of_each_dtype_have_limits_of_their_own(plt):
    mixed = [np.full((4, 4), 0.5), np.full((5, 4), 255, np.uint8), np.array([[0.0, 1.0]])]
    display = from_predictions(mixed, None, [0, 1, 2], n_images=3)
    shown = {
        row: image.get_array() for row, image in zip(display.rows, display.images_, strict=True)
    }
    assert shown[0].max() == 0.5
    assert shown[1].min() == 1


# ------------------------------------------------------------------------------------------------
# Text, frames and layout


def test_text_and_frames(plt):
    y_true, y_pred = ["cat", "dog", "cat", "dog"], ["cat", "cat", "cat", "dog"]
    proba = [[0.9, 0.1], [0.995, 0.005], [1, 0], [0.0001, 0.9999]]
    display = from_predictions(
        images(4), y_true, y_pred, y_proba=proba, display_labels=["felis", "canis"]
    )
    shown = dict(zip(display.rows.tolist(), titles(display), strict=True))
    assert shown == {
        0: "felis (90%)",
        1: "felis (99.5%)\ntrue: canis",
        2: "felis (100%)",
        3: "canis (99.99%)",
    }
    assert display.title_.get_text() == "4 images, framed if wrong"
    for row, image in zip(display.rows, display.images_, strict=True):
        widths = {spine.get_linewidth() for spine in image.axes.spines.values()}
        assert (min(widths) > 2) == (row == 1)


def test_probability_of_the_prediction_and_of_labels(plt):
    y_pred = np.array([2, 7])
    proba = [[0.2, 0.5, 0.3], [0.1, 0.0, 0.9]]
    display = from_predictions(images(2), None, y_pred, y_proba=proba, labels=[5, 2, 7])
    assert_allclose(display.probability, [[0.5, 0.9][row] for row in display.rows])
    assert all("\n" not in title for title in titles(display))


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        ([True, False], np.array([False, False], dtype=object)),
        (pd.Series([1, 0], dtype=object), [0, 0]),
        (pd.Categorical(["b", "a"]), ["a", "a"]),
        (pd.Series(["long", "a"], dtype="string"), np.array(["a", "a"])),
        (np.array([[1.0], [0.0]]), [0, 0]),
    ],
)
def test_types_of_labels(plt, y_true, y_pred):
    display = from_predictions(images(2), y_true, y_pred, select="most_confused")
    assert display.rows.tolist() == [0]


def test_labels_that_the_estimator_does_not_know_are_wrong(plt, tree):
    y = np.full(400, 12)
    display = from_estimator(tree, DIGITS[TEST], y, select="most_confused")
    assert display.wrong.all()


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("select", ["random", "most_confused"])
def test_long_names_are_legible(plt, tree, select, layout):
    names = [f"a name of class {n} with\nmany, many words and a costs 5$ or 10$" for n in range(10)]
    X, y = DIGITS[TEST], Y[TEST]
    options = {"select": select, "display_labels": names, "n_images": 6, "random_state": 0}
    display = from_estimator(tree, X, y, **options)
    assert_legible(display.figure_)
    assert all("…" in title for title in titles(display))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout=layout)
    display = from_estimator(tree, X, y, ax=right, **options)
    assert display.figure_ is figure
    assert_legible(figure)
    assert min(ax.get_position().x0 for ax in display.ax_.flat) > left.get_position().x1


@pytest.mark.parametrize("n_images", [1, 2, 5, 13])
def test_any_number_of_images_is_legible(plt, tree, n_images):
    display = from_estimator(tree, DIGITS[TEST], Y[TEST], n_images=n_images, select="most_confused")
    assert_legible(display.figure_)
    assert sum(ax.get_visible() for ax in display.ax_.flat) == len(display.images_)


def test_style(plt, tree):
    display = from_estimator(tree, DIGITS[TEST], Y[TEST], select="wrong", n_images=6)
    display.plot(n_columns=2, cell_size=(3, 1), font_size=7, wrong_color="black")
    assert display.ax_.shape == (3, 2)
    width, height = display.figure_.get_size_inches()
    assert width == 6
    for n_columns in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"n_columns={n_columns} must be a positive integer"):
            display.plot(n_columns=n_columns)
    assert 3 < height < 3.5
    ax = display.images_[0].axes
    assert ax.title.get_fontsize() == 7
    assert ax.spines["top"].get_edgecolor() == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0%"),
        (0.876, "88%"),
        (0.9949, "99%"),
        (0.997, "99.7%"),
        (0.9996, "99.96%"),
        (0.99999, ">99.99%"),
        (1, "100%"),
    ],
)
def test_percent(probability, text):
    assert percent(probability) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([2021.4, 2024.0], ["2021.40", "2024.00"]),
        ([0.0, 123.456], ["0", "123"]),
        ([1e-9, 5e-9], ["1e-09", "5e-09"]),
        ([3.0, 3.0], ["3.00", "3.00"]),
        ([0.0, 0.0], ["0.00", "0.00"]),
    ],
)
def test_number_format(values, texts):
    assert [format(value, number_format(values)) for value in values] == texts


# ------------------------------------------------------------------------------------------------
# Errors


def test_errors_of_estimators(tree, ridge):
    X, y = DIGITS[TEST], Y[TEST]
    with pytest.raises(ValueError, match=r"select='worst' must be one of 'random', 'wrong'"):
        from_estimator(tree, X, y, select="worst")
    for n_images in (0, -1, 2.5, True, "3"):
        with pytest.raises(ValueError, match="must be a positive integer"):
            from_estimator(tree, X, y, n_images=n_images)
    for select in ("wrong", "most_confused"):
        with pytest.raises(ValueError, match=f"select='{select}' needs the true labels, but y is"):
            from_estimator(tree, X, select=select)
    for select in ("least_confident", "most_confused"):
        with pytest.raises(ValueError, match=f"select='{select}' needs classes, but numbers"):
            from_estimator(ridge, X, y, select=select)
    svm = LinearSVC().fit(X[:50].reshape(50, -1), y[:50])
    with pytest.raises(ValueError, match='"least_confident" needs probabilities'):
        from_estimator(svm, X.reshape(400, -1), y, select="least_confident")
    with pytest.raises(ValueError, match="y has 3 values for 400 images"):
        from_estimator(tree, X, y[:3])
    with pytest.raises(ValueError, match=r"y has shape \(400, 2\), but the grid shows one"):
        from_estimator(tree, X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="there are 2 display_labels for 10 labels"):
        from_estimator(tree, X, y, display_labels=["a", "b"])
    with pytest.raises(ValueError, match="names of labels, but numbers are predicted"):
        from_estimator(ridge, X, y, display_labels=["a", "b"])
    with pytest.raises(ValueError, match="Mix of label input types"):
        from_estimator(tree, X, y.astype(str), select="wrong")
    with pytest.raises(NotFittedError):
        from_estimator(DecisionTreeClassifier(), X, y)
    with pytest.raises(TypeError, match="KMeans is neither a classifier nor a regressor"):
        from_estimator(KMeans(2, n_init=1).fit(X.reshape(400, -1)), X.reshape(400, -1))
    several = MultiOutputRegressor(Ridge()).fit(X.reshape(400, -1), np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match=r"the prediction has shape \(12, 2\)"):
        from_estimator(several, X.reshape(400, -1))


@pytest.mark.parametrize(
    ("true", "message"),
    [
        (["0"] * 400, "y must hold a number for each image"),
        ([np.nan] * 400, "y must hold a number .* with NaN"),
        ([None] + [0.0] * 399, "y must hold a number .* of dtype object"),
    ],
)
def test_true_values_of_regressors_are_numbers(ridge, true, message):
    with pytest.raises(ValueError, match=message):
        from_estimator(ridge, DIGITS[TEST], true)


def test_true_numbers_may_be_objects(ridge):
    numbers = Y[TEST].astype(float)
    objects = np.array([0, *numbers[1:]], dtype=object)
    numbers[0] = 0
    rows = [
        from_estimator(ridge, DIGITS[TEST], y, select="wrong", n_images=3).rows.tolist()
        for y in (numbers, objects)
    ]
    assert rows[0] == rows[1]


def test_labels_are_checked_before_images_are_predicted(tree, monkeypatch):
    monkeypatch.setattr(type(tree), "predict_proba", None)
    with pytest.raises(ValueError, match="y holds labels of the types NoneType, int: pass labels"):
        from_estimator(tree, DIGITS[TEST], [None] + [0] * 399, select="wrong")


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([np.nan, 0.5, 0.5, 0.5, 0.5, 0.5], "numbers from 0 to 1, .* are from nan"),
        ([5, 0.5, 0.5, 0.5, 0.5, 0.5], "numbers from 0 to 1, .* to 5.0"),
        (["a"] * 6, "numbers from 0 to 1, .* dtype <U1"),
        (0.5, r"y_proba has shape \(\) for 6 images"),
    ],
)
def test_probabilities_are_probabilities(proba, message):
    with pytest.raises(ValueError, match=message):
        from_predictions(images(), [0, 1, 2] * 2, [0, 1, 2] * 2, y_proba=proba)


def test_a_prediction_of_nan_is_the_largest_error():
    assert largest_errors(np.array([1.0, np.nan, 3.0]), 2).rows.tolist() == [1, 2]


def test_errors_of_predictions():
    X, y = images(), [0, 1, 2] * 2
    with pytest.raises(ValueError, match="y_pred has 5 values for 6 images"):
        from_predictions(X, y[:5], y[:5])
    with pytest.raises(ValueError, match="y_true has 5 values for 6 images"):
        from_predictions(X, y[:5], y)
    with pytest.raises(ValueError, match="y_proba has 2 columns, but there are 3 labels: pass the"):
        from_predictions(X, y, y, y_proba=np.full((6, 2), 0.5))
    with pytest.raises(ValueError, match=r"y_proba has shape \(4, 3\) for 6 images"):
        from_predictions(X, y, y, y_proba=np.full((4, 3), 0.5))
    with pytest.raises(ValueError, match="y_pred contains 2, which is not in labels"):
        from_predictions(X, y, y, y_proba=np.full((6, 2), 0.5), labels=[0, 1])
    with pytest.raises(ValueError, match="holds numbers: omit it"):
        from_predictions(X, y, np.array(y) + 0.5, y_proba=np.full((6, 2), 0.5))


def test_predictions_of_a_threshold_are_kept():
    proba = np.array([[0.6, 0.4], [0.9, 0.1]])
    predictions = GridPredictions.of_arrays([1, 0], [1, 0], proba, None)
    assert_allclose(predictions.probability, [0.4, 0.9])  # not the largest one


def test_order_of_pairs_is_that_of_labels():
    found = GridPredictions.of_arrays([2, 10, 9], [10, 9, 2], None, None)
    rows = found.select("most_confused", 3, None).rows
    pairs = [(found.true[row], found.predicted[row]) for row in rows]
    assert all(one < other for one, other in pairwise(pairs))
