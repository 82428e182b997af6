"""Estimators and pipelines of the package inside scikit-learn's meta-estimators."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from skimage.io import imsave
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageAugmenter,
    ImageFlattener,
    ImageReader,
    ImageResizer,
)


def quick_classifier(**parameters):
    return CNNClassifier(
        **{
            "channels": (8,),
            "hidden_units": (16,),
            "dropout": 0.0,
            "learning_rate": 0.005,
            "max_epochs": 4,
            "batch_size": 32,
            "random_state": 0,
            **parameters,
        }
    )


def pipeline(**parameters):
    return Pipeline(
        [
            ("resize", ImageResizer((6, 6))),
            ("augment", ImageAugmenter(shift=0.1, random_state=0)),
            ("cnn", quick_classifier(**parameters)),
        ]
    )


@pytest.fixture(scope="module")
def rows(digits):
    """Return 200 digits as flat rows, and their labels."""
    X, y = digits
    return X[:200].reshape(200, -1), y[:200] % 3


@pytest.fixture(scope="module")
def files(bars, tmp_path_factory):
    """Return paths of photos of different sizes, and their classes."""
    X, y = bars
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        imsave(path, X[number][: 10 - number % 3, : 12 - number % 2], check_contrast=False)
    return np.array(paths, dtype=object), y[:40]


@pytest.mark.parametrize("kind", ["array", "list", "series", "frame"])
def test_cross_validation_from_files(files, kind):
    paths, y = files
    X = {
        "array": paths,
        "list": [str(path) for path in paths],
        "series": pd.Series(paths.astype(str)),
        "frame": pd.DataFrame({"path": paths}),
    }[kind]
    pipe = make_pipeline(ImageReader(), *[step for _, step in pipeline().steps])
    pipe.set_params(cnnclassifier__max_epochs=15)
    assert cross_val_score(pipe, X, y, cv=2).mean() > 0.8


@pytest.mark.parametrize("lazy", [True, False])
def test_grid_search_over_the_whole_pipeline(files, lazy):
    paths, y = files
    pipe = Pipeline([("read", ImageReader()), *pipeline().steps])
    grid = {
        "resize__size": [(6, 6), (8, 8)],
        "resize__lazy": [lazy],
        "augment": ["passthrough", ImageAugmenter(shift=0.1)],
    }
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2, error_score="raise").fit(paths, y)
    assert search.best_estimator_[-1].image_shape_ == (*search.best_params_["resize__size"], 3)
    assert_array_equal(search.predict(paths), search.best_estimator_.predict(paths))


@pytest.mark.usefixtures("one_thread")
def test_grid_search_in_two_processes_equals_one_process(rows):
    grid = {"channels": [(4,), (8,)], "learning_rate": [0.005, 0.001]}
    alone = GridSearchCV(quick_classifier(), grid, cv=2).fit(*rows)
    both = GridSearchCV(quick_classifier(), grid, cv=2, n_jobs=2).fit(*rows)
    assert_array_equal(alone.cv_results_["mean_test_score"], both.cv_results_["mean_test_score"])


def test_halving_with_epochs_as_the_resource(rows):
    search = HalvingGridSearchCV(
        quick_classifier(),
        {"learning_rate": [0.01, 0.003, 1e-5]},
        resource="max_epochs",
        min_resources=1,
        max_resources=6,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(*rows)
    assert search.best_estimator_.n_epochs_ == search.best_params_["max_epochs"] > 1
    assert search.best_params_["learning_rate"] > 1e-5


def test_voting_and_stacking(digits):
    X, y = digits[0][:200], digits[1][:200] % 3
    tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
    members = [("cnn", pipeline()), ("tree", tree)]
    voting = VotingClassifier(members, voting="soft").fit(X, y)
    assert voting.score(X, y) > 0.8
    stacking = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, y)
    assert stacking.score(X, y) > 0.8


def test_stacking_with_passthrough_on_rows(rows):
    stacking = StackingClassifier([("cnn", quick_classifier())], passthrough=True, cv=2).fit(*rows)
    assert stacking.score(*rows) > 0.8


@pytest.mark.parametrize("method", ["sigmoid", "temperature"])
def test_calibration(digits, method):
    X, y = digits[0][:200], digits[1][:200] % 3
    calibrated = CalibratedClassifierCV(pipeline(max_epochs=15), method=method, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.7


def test_permutation_test_and_importance(rows):
    X, y = rows
    score, others, p_value = permutation_test_score(
        quick_classifier(), X, y, cv=2, n_permutations=4, random_state=0
    )
    assert score > others.max()
    assert p_value == 1 / 5
    cnn = quick_classifier().fit(X, y)
    importance = permutation_importance(cnn, X, y, n_repeats=1, random_state=0)
    assert abs(importance.importances_mean[X.std(axis=0) == 0]).max() == 0
    assert importance.importances_mean.max() > 0


def test_bagging_and_boosting_on_rows(rows):
    bagging = BaggingClassifier(quick_classifier(), n_estimators=3, random_state=0).fit(*rows)
    assert bagging.score(*rows) > 0.7
    shuffled = BaggingClassifier(
        quick_classifier(), n_estimators=2, max_features=0.5, random_state=0
    )
    assert shuffled.fit(*rows).score(*rows) > 0.5
    boosting = AdaBoostClassifier(quick_classifier(), n_estimators=3, random_state=0).fit(*rows)
    assert boosting.score(*rows) > 0.7


def test_tuned_threshold(digits):
    X, y = digits[0][:200], digits[1][:200] == 3
    tuned = TunedThresholdClassifierCV(
        pipeline(max_epochs=12), scoring="balanced_accuracy", cv=2
    ).fit(X, y)
    assert 0 <= tuned.best_threshold_ <= 1
    assert tuned.score(X, y) > 0.8


def test_learning_curve(digits):
    X, y = digits[0][:200], digits[1][:200] % 3
    sizes, _, scores = learning_curve(
        pipeline(), X, y, cv=2, train_sizes=[0.2, 1.0], shuffle=True, random_state=0
    )
    assert sizes.tolist() == [20, 100]
    assert scores[1].mean() > scores[0].mean()


def test_frozen_estimator(rows):
    X, y = rows
    frozen = FrozenEstimator(quick_classifier().fit(X, y))
    before = frozen.predict_proba(X)
    frozen.fit(X, 1 - y)
    assert_array_equal(frozen.predict_proba(X), before)
    assert CalibratedClassifierCV(frozen).fit(X, y).score(X, y) > 0.8


def test_one_vs_rest_and_multi_output(rows):
    X, y = rows
    assert OneVsRestClassifier(quick_classifier(max_epochs=8)).fit(X, y).score(X, y) > 0.8
    both = np.column_stack([y, y == 1])
    assert MultiOutputClassifier(quick_classifier()).fit(X, both).predict(X).shape == both.shape


def test_cross_val_predict_gives_probabilities(digits):
    X, y = digits[0][:200], digits[1][:200] % 3
    assert cross_val_predict(pipeline(), X, y, cv=2, method="predict_proba").shape == (200, 3)


def test_feature_union_and_column_transformer(files, rows):
    X, y = rows
    union = FeatureUnion([("scaled", StandardScaler()), ("rows", ImageFlattener())])
    assert make_pipeline(union, quick_classifier(image_shape=(8, 16))).fit(X, y).score(X, y) > 0.7
    paths, y = files
    frame = pd.DataFrame({"path": paths, "camera": ["a", "b"] * 20, "exposure": np.arange(40.0)})
    pixels = make_pipeline(ImageReader(), ImageResizer((8, 8)), ImageFlattener())
    columns = ColumnTransformer(
        [("pixels", pixels, ["path"]), ("camera", OneHotEncoder(), ["camera"])],
        remainder="passthrough",
    )
    tree = make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(frame, y)
    assert tree.score(frame, y) == 1
    assert len(columns.fit(frame).get_feature_names_out()) == 8 * 8 * 3 + 2 + 1


def test_transformed_target_regressor():
    X = np.random.default_rng(0).uniform(size=(60, 5, 5))
    y = np.exp(3 * X.mean(axis=(1, 2)))
    regressor = CNNRegressor(max_epochs=10, batch_size=16, random_state=0)
    model = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp)
    assert model.fit(X, y).predict(X).shape == (60,)


def test_pipeline_memory_keeps_random_augmentation(files, tmp_path):
    paths, y = files
    steps = [("read", ImageReader()), *pipeline().steps]
    plain = Pipeline(steps).fit(paths, y)
    cached = Pipeline(steps, memory=str(tmp_path))
    for _ in range(2):
        cached.fit(paths, y)
        assert_array_equal(cached.predict_proba(paths), plain.predict_proba(paths))
    assert list(tmp_path.rglob("*.pkl"))


def test_global_pandas_output_with_a_pipeline_of_images(files):
    from sklearn import config_context

    paths, y = files
    pipe = Pipeline([("read", ImageReader()), *pipeline().steps])
    expected = pipe.fit(paths, y).predict_proba(paths)
    with config_context(transform_output="pandas"):
        assert_array_equal(pipe.fit(paths, y).predict_proba(paths), expected)
        tree = make_pipeline(*pipe[:2], ImageFlattener(), DecisionTreeClassifier(random_state=0))
        tree.fit(paths, y)
        assert tree[-1].feature_names_in_[0] == "pixel_0_0_0"
