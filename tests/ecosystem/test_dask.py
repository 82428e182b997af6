"""dask: searches in its worker processes, and predictions of its arrays and bags."""

import os
from functools import partial

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline

from skcnn import ImageReader
from tests.ecosystem._digits import X, forms, network, pipeline, y
from tests.ecosystem._workers import KillingResizer

pytest.importorskip("dask.distributed")

import dask
import dask.array as da
import dask.bag as db
import torch
from dask.distributed import Client
from distributed.comm.tcp import TCP
from toolz import identity

GRID = {"cnn__learning_rate": [1e-3, 1e-2]}
PHOTOS = np.kron(X, np.ones((1, 12, 12, 1), dtype=np.uint8))  # 1.8 MB


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Client of two worker processes, which leave no files in the folder of temporary files."""
    options = {
        "temporary-directory": str(tmp_path_factory.mktemp("dask")),
        "distributed.comm.timeouts.connect": "120s",  # for machines with much other work
    }
    with dask.config.set(options):
        client = Client(n_workers=2, threads_per_worker=1)
        client.scatter = partial(client.scatter, hash=False)  # as the guide recommends
        yield client
        client.close()


@pytest.fixture(scope="module")
def photo_forms(tmp_path_factory):
    """Pairs of a pipeline and photos, by the form of the photos."""
    return forms(tmp_path_factory.mktemp("photos"), PHOTOS)


@pytest.fixture(scope="module")
def fitted(photo_forms):
    """A fitted pipeline, the paths of the photos, and their predictions."""
    pipe, paths = photo_forms["array of paths"]
    pipe = clone(pipe).fit(paths, y)
    return pipe, paths, pipe.predict(paths)


@pytest.fixture(scope="module")
def expected():
    """A search in this process, with one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    search = GridSearchCV(pipeline(), GRID, cv=5).fit(PHOTOS, y)
    torch.set_num_threads(n_threads)
    return search


@pytest.fixture
def bytes_sent(monkeypatch):
    """Return a function that counts the bytes that the client and the scheduler send."""
    counts = []
    write = TCP.write

    async def counting_write(*args, **kwargs):
        counts.append(await write(*args, **kwargs))
        return counts[-1]

    monkeypatch.setattr(TCP, "write", counting_write)

    def count():
        n_bytes = sum(counts)
        counts.clear()
        return n_bytes

    return count


def assert_same_scores(found, expected):
    for key in expected:
        if "test_score" in key:
            assert_array_equal(found[key], expected[key])


class TestSearch:
    @pytest.mark.parametrize(
        ("form", "scatter", "least", "most"),
        [
            ("array of paths", False, 0, 0.5),
            ("images", False, 1.5, 3),  # from the client to the scheduler, and to a worker
            ("images", True, 1.5, 3),
            ("list of photos", True, 1.5, 3),
            ("list of photos", False, 10, 30),  # with each of the 10 tasks
        ],
    )
    def test_pixels_are_sent_once_or_not_at_all(
        self, client, photo_forms, expected, bytes_sent, one_thread, form, scatter, least, most
    ):
        pipe, photos = photo_forms[form]
        options = {"scatter": [photos, y]} if scatter else {}
        bytes_sent()
        with joblib.parallel_config(backend="dask", **options):
            search = GridSearchCV(pipe, GRID, cv=5, refit=False).fit(photos, y)
        assert least * PHOTOS.nbytes < bytes_sent() < most * PHOTOS.nbytes
        assert_same_scores(search.cv_results_, expected.cv_results_)

    def test_refit(self, client, expected, one_thread):
        with joblib.parallel_config(backend="dask"):
            search = GridSearchCV(pipeline(), GRID, cv=5).fit(PHOTOS, y)
        assert_array_equal(search.predict_proba(PHOTOS), expected.predict_proba(PHOTOS))

    def test_refit_in_a_worker(self, client, photo_forms, expected, one_thread):
        pipe, paths = photo_forms["array of paths"]
        with joblib.parallel_config(backend="dask"):
            search = GridSearchCV(pipe, GRID, cv=5, refit=False).fit(paths, y)
        best = clone(pipe).set_params(**search.cv_results_["params"][search.best_index_])
        best = client.submit(best.fit, paths, y).result(timeout=120)
        assert_array_equal(best.predict_proba(paths), expected.predict_proba(PHOTOS))

    def test_scattered_once_for_several_calls(self, client, bytes_sent, one_thread):
        pipe, images = pipeline(), PHOTOS
        with joblib.parallel_config(backend="dask"):
            scores = cross_validate(pipe, images, y, cv=3)
        assert_same_scores(scores, cross_validate(pipe, images, y, cv=3))
        bytes_sent()
        with joblib.parallel_config(backend="dask", scatter=[images, y]):
            for _ in range(3):
                cross_validate(pipe, images, y, cv=3)
        assert bytes_sent() < 3 * PHOTOS.nbytes

    def test_the_same_data_can_be_scattered_again(self, client):
        for _ in range(50):  # by their hash, a second or third copy is often lost
            with joblib.parallel_config(backend="dask", scatter=[PHOTOS, y]):
                pass

    def test_threads(self, client):
        assert set(client.run(torch.get_num_threads).values()) == {1}


class TestPredict:
    def test_array(self, client, fitted):
        pipe, _, expected = fitted
        model = dask.delayed(pipe[1:]).persist()
        images = PHOTOS
        parts = da.from_array(images, chunks=(50, *images.shape[1:]))
        labels = parts.map_blocks(
            lambda images, model: model.predict(images),
            model=model,
            drop_axis=[1, 2, 3],
            meta=pipe.classes_[:0],
        )
        assert labels.chunks == ((50, 50, 50, 50),)
        assert_array_equal(labels.compute(), expected)

    def test_array_of_paths(self, client, fitted, bytes_sent):
        pipe, paths, expected = fitted
        bytes_sent()
        model = dask.delayed(pipe).persist()
        labels = da.from_array(paths, chunks=50).map_blocks(
            lambda paths, model: model.predict(paths), model=model, meta=pipe.classes_[:0]
        )
        assert_array_equal(labels.compute(), expected)
        assert bytes_sent() < PHOTOS.nbytes

    def test_probabilities(self, client, fitted):
        pipe, paths, _ = fitted
        model = dask.delayed(pipe).persist()
        parts = da.from_array(paths, chunks=50)
        proba = parts.map_blocks(
            lambda paths, model: model.predict_proba(paths),
            model=model,
            new_axis=1,
            chunks=(parts.chunks[0], (len(pipe.classes_),)),
            meta=np.empty((0, 0)),
        )
        assert proba.shape == (200, 10)
        assert_array_equal(proba.compute(), pipe.predict_proba(paths))

    def test_bag_of_paths(self, client, fitted):
        pipe, paths, expected = fitted
        model = dask.delayed(pipe).persist()
        labels = db.from_sequence(paths.tolist(), partition_size=50).map_partitions(
            lambda paths, model: model.predict(paths), model=model
        )
        assert_array_equal(labels.compute(), expected)

    def test_model_is_sent_once(self, client, fitted, bytes_sent):
        pipe, paths, _ = fitted
        large = clone(pipe).set_params(cnn__hidden_units=(1000, 1000)).fit(paths, y)
        size = sum(weight.nbytes for weight in large["cnn"].module_.parameters())
        assert size > 4e6
        bytes_sent()
        model = dask.delayed(large).persist()
        parts = [model.predict(part) for part in np.array_split(paths, 10)]
        labels = np.concatenate(dask.compute(*parts))
        assert_array_equal(labels, large.predict(paths))
        assert bytes_sent() < 3 * size

    def test_arrays_of_dask_are_read(self, client):
        images = da.from_array(X, chunks=(50, *X.shape[1:]))
        pipe = pipeline().fit(images, y)
        assert_array_equal(pipe.predict_proba(images), pipe.predict_proba(X))
        assert np.isfinite(pipe.score(images, y))


class RecoveringClient(Client):
    """Client whose scattered data are recomputed if they are lost with a worker."""

    def scatter(self, data, asynchronous=None, **options):
        async def submit():
            if isinstance(data, list):
                return [self.submit(identity, item, pure=False) for item in data]
            return self.submit(identity, data, pure=False)

        return self.sync(submit, asynchronous=asynchronous)


def test_a_killed_worker_costs_a_retry(client, photo_forms, tmp_path, one_thread):
    _, paths = photo_forms["array of paths"]
    marker = tmp_path / "marker"
    resizer = KillingResizer((8, 8), marker=marker, driver=os.getpid())
    pipe = Pipeline([("read", ImageReader("L")), ("resize", resizer), ("cnn", network())])
    workers = set(client.run(os.getpid).values())
    assert len(workers) == 2
    marker.touch()
    address = client.scheduler.address
    client = RecoveringClient(address)
    with joblib.parallel_config(backend="dask", client=client):
        search = GridSearchCV(pipe, GRID, cv=5, refit=False).fit(paths, y)
    assert not marker.exists()
    assert set(client.run(os.getpid).values()) != workers
    client.close()
    expected = GridSearchCV(pipe, GRID, cv=5, refit=False).fit(paths, y)
    assert_same_scores(search.cv_results_, expected.cv_results_)
