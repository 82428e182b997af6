"""dask: a search in its worker processes, and predictions of its arrays and bags."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from tests.ecosystem._digits import X, forms, pipeline, y

pytest.importorskip("dask.distributed")

import dask.array as da
import dask.bag as db
from dask.distributed import Client


@pytest.fixture(scope="module")
def pipe():
    return pipeline().fit(X, y)


def test_search(tmp_path, one_thread):
    pipe = pipeline()
    other_forms = forms(tmp_path)
    client = Client(n_workers=2, threads_per_worker=1)
    try:
        with joblib.parallel_config(backend="dask"):
            search = GridSearchCV(pipe, {"cnn__learning_rate": [1e-3, 1e-2]}, cv=3).fit(X, y)
        with joblib.parallel_config(backend="dask"):
            others = [
                GridSearchCV(estimator, search.param_grid, cv=3).fit(images, y)
                for estimator, images in map(other_forms.get, ["list of photos", "array of paths"])
            ]
    finally:
        client.close()
    local = GridSearchCV(pipe, search.param_grid, cv=3).fit(X, y)
    for found in (search, *others):
        for split in range(3):
            name = f"split{split}_test_score"
            assert_array_equal(found.cv_results_[name], local.cv_results_[name])
    assert_array_equal(search.predict_proba(X), local.predict_proba(X))


def test_array(pipe):
    images = da.from_array(X, chunks=(50, *X.shape[1:]))
    labels = images.map_blocks(pipe.predict, drop_axis=[1, 2, 3], dtype=pipe.classes_.dtype)
    assert labels.chunks == ((50, 50, 50, 50),)
    assert_array_equal(labels.compute(), pipe.predict(X))


def test_bag_of_paths(tmp_path):
    pipe, paths = forms(tmp_path)["list of paths"]
    pipe.fit(paths, y)
    labels = db.from_sequence(paths, partition_size=50).map_partitions(pipe.predict)
    assert_array_equal(labels.compute(scheduler="threads"), pipe.predict(paths))


def test_arrays_of_dask_are_read(pipe):
    images = da.from_array(X, chunks=(50, *X.shape[1:]))
    assert_array_equal(pipe.predict_proba(images), pipe.predict_proba(X))
    assert np.isfinite(pipe.fit(images, y).score(images, y))
