"""corruption_report: accuracies and corruption errors of all sorts of classifiers."""

import numpy as np
import pytest
from skimage.io import imsave
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageFlattener, ImageReader, ImageResizer
from skcnn.robustness import CORRUPTIONS, corrupt, corruption_report
from skcnn.robustness.corruptions import KINDS

X, Y = load_digits(return_X_y=True)
NAMES = np.array([f"digit {label}" for label in Y])
TEST = slice(1000, 1200)
OPTIONS = {"pixel_range": (0, 16), "kinds": ["impulse_noise", "occlusion"], "severities": [2, 5]}


@pytest.fixture(scope="module")
def tree():
    return DecisionTreeClassifier(random_state=0).fit(X[:1000], NAMES[:1000])


@pytest.fixture(scope="module")
def neighbors():
    return KNeighborsClassifier().fit(X[:1000], NAMES[:1000])


def test_accuracies_are_those_of_corrupted_images(tree):
    report = corruption_report(tree, X[TEST], NAMES[TEST], random_state=3, **OPTIONS)
    assert list(report.accuracy.index) == OPTIONS["kinds"]
    assert list(report.accuracy.columns) == OPTIONS["severities"]
    assert (report.accuracy.index.name, report.accuracy.columns.name) == ("kind", "severity")
    for (kind, severity), accuracy in report.accuracy.stack().items():
        images = corrupt(X[TEST], kind, severity, pixel_range=(0, 16), random_state=3)
        assert accuracy == tree.score(images, NAMES[TEST])
    assert report.clean_accuracy == tree.score(X[TEST], NAMES[TEST])
    errors = 1 - report.accuracy.mean(axis=1)
    np.testing.assert_allclose(report.corruption_error, errors)
    assert report.mean_corruption_error == pytest.approx(errors.mean())
    assert "baseline_accuracy" not in report


def test_baseline(tree, neighbors):
    options = {"random_state": 0, **OPTIONS}
    report = corruption_report(neighbors, X[TEST], NAMES[TEST], baseline=tree, **options)
    own = corruption_report(neighbors, X[TEST], NAMES[TEST], **options)
    other = corruption_report(tree, X[TEST], NAMES[TEST], **options)
    assert report.accuracy.equals(own.accuracy)
    assert report.baseline_accuracy.equals(other.accuracy)
    ratio = (1 - own.accuracy).sum(axis=1) / (1 - other.accuracy).sum(axis=1)
    np.testing.assert_allclose(report.corruption_error, ratio)
    assert report.mean_corruption_error == pytest.approx(ratio.mean())
    increase = [(one.clean_accuracy - one.accuracy).to_numpy().sum(axis=1) for one in (own, other)]
    expected = np.mean(increase[0] / increase[1])
    assert report.relative_corruption_error == pytest.approx(expected)
    same = corruption_report(tree, X[TEST], NAMES[TEST], baseline=tree, **options)
    assert same.mean_corruption_error == same.relative_corruption_error == 1


def test_baseline_without_errors():
    dummy = DummyClassifier().fit(X[:10], np.zeros(10))
    with (
        pytest.warns(UserWarning, match="the baseline makes no more errors for 'contrast' images"),
        pytest.warns(UserWarning, match="the baseline makes no error for 'contrast' images"),
    ):
        report = corruption_report(
            dummy, X[:10], np.zeros(10), baseline=dummy, kinds="contrast", severities=[1]
        )
    assert np.isnan(report.mean_corruption_error)


def test_all_kinds_and_severities_by_default():
    model = LogisticRegression(max_iter=50, tol=0.1).fit(X[:200], Y[:200])
    report = corruption_report(model, X[:8], Y[:8])
    assert report.accuracy.shape == (17, 5)
    assert tuple(report.accuracy.index) == KINDS
    assert report.accuracy.equals(corruption_report(model, X[:8], Y[:8]).accuracy)


def test_networks_and_searches():
    images = X.reshape(-1, 8, 8)
    cnn = CNNClassifier(channels=(8,), max_epochs=2, random_state=0).fit(images[:200], Y[:200])
    options = {"kinds": CORRUPTIONS["objects"], "severities": (3,), "pixel_range": (0, 16)}
    report = corruption_report(cnn, images[TEST], Y[TEST], **options)
    covered = corrupt(images[TEST], "occlusion", 3, pixel_range=(0, 16), random_state=0)
    assert report.accuracy.loc["occlusion", 3] == cnn.score(covered, Y[TEST])
    search = GridSearchCV(
        make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0)),
        {"decisiontreeclassifier__max_depth": [5, 8]},
        cv=2,
    ).fit(images[:500], Y[:500])
    found = corruption_report(search, images[TEST], Y[TEST], **options)
    assert found.accuracy.loc["occlusion", 3] == search.score(covered, Y[TEST])


def test_paths(tmp_path):
    rng = np.random.default_rng(0)
    images, y = [], np.arange(16) % 2
    for number, label in enumerate(y):  # dark and bright photos of different sizes
        low = 140 * label
        images.append(rng.integers(low, low + 100, (20 + number, 24, 3), np.uint8))
        imsave(tmp_path / f"{number}.png", images[-1], check_contrast=False)
    paths = [tmp_path / f"{number}.png" for number in range(16)]
    steps = ImageResizer((8, 8)), ImageFlattener(), DecisionTreeClassifier(random_state=0)
    pipe = make_pipeline(ImageReader(), *steps).fit(paths, y)
    options = {"kinds": ["brightness", "fog"], "severities": [1, 5]}
    report = corruption_report(pipe, paths, y, **options)
    without_reader = corruption_report(pipe[1:], images, y, **options)
    assert report.accuracy.equals(without_reader.accuracy)
    nested = make_pipeline(pipe[:2], *pipe[2:])
    assert report.accuracy.equals(corruption_report(nested, paths, y, **options).accuracy)
    assert report.clean_accuracy == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"estimator": Ridge().fit(X, Y)}, TypeError, "for a regressor"),
        ({"estimator": LogisticRegression}, TypeError, "fitted classifiers"),
        ({"estimator": LogisticRegression()}, ValueError, "not fitted"),
        ({"baseline": Ridge().fit(X, Y)}, TypeError, "for a regressor"),
        ({"y": Y[:5]}, ValueError, "inconsistent numbers of samples"),
        ({"kinds": ["rain"]}, ValueError, "kinds holds 'rain', but the kinds are gaussian_noise"),
        ({"kinds": []}, ValueError, "at least one"),
        ({"severities": [0, 1]}, ValueError, "from 1 to 5"),
        ({"severities": [1, 1]}, ValueError, "none twice"),
        ({"severities": [True]}, ValueError, "from 1 to 5"),
    ],
)
def test_bad_input(tree, changes, error, message):
    arguments = {"estimator": tree, "X": X[:10], "y": NAMES[:10], **changes}
    with pytest.raises(error, match=message):
        corruption_report(**arguments)
