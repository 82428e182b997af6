"""Ray: a search in its worker processes, one of which dies."""

import os
import shutil
import tempfile

import joblib
import pytest
from joblib.pool import PicklingPool
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skcnn import ImageReader
from tests.ecosystem._digits import X, forms, network, pipeline, y
from tests.ecosystem._workers import KillingResizer

pytest.importorskip("ray")

import ray
import torch
from ray.util.joblib import register_ray

GRID = {"cnn__learning_rate": [1e-3, 1e-2]}


@pytest.fixture(scope="module")
def cluster():
    """A cluster on this machine, without files in the home folder or the folder of all sessions."""
    folder = tempfile.mkdtemp(prefix="ray")  # the paths of sockets are limited to 107 bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # otherwise, a token is written to the home
        options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init(num_cpus=2, _node_ip_address="127.0.0.1", _temp_dir=folder, **options)
        register_ray()
        bases = PicklingPool.__bases__
        yield
        PicklingPool.__bases__ = bases  # those of Ray would stay for the backend "multiprocessing"
        ray.shutdown()
    shutil.rmtree(folder)


def n_threads(estimator, X, y):
    """Return the number of threads of a worker, as a score."""
    return torch.get_num_threads()


def assert_same_scores(search, expected):
    for name in [name for name in expected.cv_results_ if "test_accuracy" in name]:
        assert_array_equal(search.cv_results_[name], expected.cv_results_[name])


def test_search(cluster, one_thread):
    pipe, images = pipeline(), X
    options = {"scoring": {"accuracy": "accuracy", "threads": n_threads}, "refit": "accuracy"}
    with joblib.parallel_config(backend="ray", n_jobs=2):
        search = GridSearchCV(pipe, GRID, cv=3, **options).fit(images, y)
    expected = GridSearchCV(pipe, GRID, cv=3, **options).fit(images, y)
    assert_same_scores(search, expected)
    assert_array_equal(search.predict_proba(X), expected.predict_proba(X))
    assert set(search.cv_results_["mean_test_threads"]) == {1}


def test_a_killed_worker_costs_a_retry(cluster, tmp_path, one_thread):
    _, paths = forms(tmp_path)["array of paths"]
    marker = tmp_path / "marker"
    resizer = KillingResizer((8, 8), marker=marker, driver=os.getpid())
    pipe = Pipeline([("read", ImageReader("L")), ("resize", resizer), ("cnn", network())])
    marker.touch()
    options = {"scoring": {"accuracy": "accuracy"}, "refit": False}
    retry = {"max_restarts": 3, "max_task_retries": 3}
    with joblib.parallel_config(backend="ray", n_jobs=2, ray_remote_args=retry):
        search = GridSearchCV(pipe, GRID, cv=3, **options).fit(paths, y)
    assert not marker.exists()
    expected = GridSearchCV(pipe, GRID, cv=3, **options).fit(paths, y)
    assert_same_scores(search, expected)
