"""joblib: files, caches of pipelines, and processes and threads of a search."""

import joblib
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skcnn import ImageResizer
from tests.ecosystem._digits import X, forms, network, pipeline, y


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_compressed_file():
    pipe = pipeline().fit(X, y)
    joblib.dump(pipe, "digits.joblib", compress=3)
    loaded = joblib.load("digits.joblib")
    assert_array_equal(loaded.predict_proba(X), pipe.predict_proba(X))


def test_file_in_mapped_memory():
    pipe = pipeline().fit(X, y)
    joblib.dump(pipe, "digits.joblib")
    loaded = joblib.load("digits.joblib", mmap_mode="r")
    assert_array_equal(loaded.predict_proba(X), pipe.predict_proba(X))


class CountingResizer(ImageResizer):
    """ImageResizer that counts how often it resizes the training images."""

    n_calls = 0

    def fit_transform(self, X, y=None, **params):
        CountingResizer.n_calls += 1
        return super().fit_transform(X, y, **params)


def test_cache_of_a_pipeline(monkeypatch):
    monkeypatch.setattr(CountingResizer, "n_calls", 0)
    memory = joblib.Memory("cache", verbose=0)
    steps = [("resize", CountingResizer((8, 8))), ("cnn", network())]
    pipe = Pipeline(steps, memory=memory)
    grid = {"cnn__learning_rate": [1e-3, 1e-2]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    assert CountingResizer.n_calls == 3  # two folds, and all images
    expected = GridSearchCV(Pipeline(steps), grid, cv=2).fit(X, y)
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))


def test_processes(tmp_path, one_thread):
    proba = {}
    grid = {"cnn__learning_rate": [1e-3, 1e-2]}
    for form, (pipe, images) in forms(tmp_path).items():
        if form in ("images", "list of photos", "array of paths"):
            with joblib.parallel_config(backend="loky", n_jobs=2):
                search = GridSearchCV(pipe, grid, cv=3).fit(images, y)
            proba[form] = search.predict_proba(images)
    expected = GridSearchCV(pipeline(), grid, cv=3).fit(X, y).predict_proba(X)
    for found in proba.values():
        assert_array_equal(found, expected)


def test_threads(one_thread):
    grid = {"cnn__learning_rate": [1e-3, 1e-2]}
    with joblib.parallel_config(backend="threading", n_jobs=2):
        search = GridSearchCV(pipeline(), grid, cv=3).fit(X, y)
    expected = GridSearchCV(pipeline(), grid, cv=3).fit(X, y)
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))
