"""Searches with several workers: numbers of threads, progress, caches and memory."""

import gc
import os
import threading
import time
import weakref
from collections import Counter
from uuid import uuid4

import joblib
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback

from skcnn import (
    CNNClassifier,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
)
from skcnn import threads as threads_module
from skcnn.threads import cores_of_worker_process, count_threads, in_parallel_worker
from skcnn.training import compute_threads as module
from skcnn.training.compute_threads import SMALL_WORK, compute_threads

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)
LABELS = np.arange(40) % 2
LARGE = {"channels": (32, 32), "max_epochs": 1, "batch_size": 16, "random_state": 0}
GRID = {"learning_rate": [1e-3, 1e-2]}


class RecordThreads(Callback):
    """Write the number of threads of PyTorch to a file of each thread."""

    def __init__(self, folder):
        self.folder = folder

    def on_epoch_end(self, net, **kwargs):
        assert net.multiply_adds * net.batch_size > SMALL_WORK
        path = self.folder / f"{os.getpid()}-{threading.get_ident()}"
        path.write_text(f"{torch.get_num_threads()}", encoding="utf-8")


@pytest.fixture
def own_threads(monkeypatch):
    """Let this process use two threads, as it does on two cores."""
    for name in joblib.parallel.ParallelBackendBase.MAX_NUM_THREADS_VARS:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("sequential", 2),
        ("threading", 2),  # fits take turns
        ("multiprocessing", 1),
        ("loky", 1),
    ],
)
def test_workers_use_no_more_threads_than_cores(
    own_threads, monkeypatch, tmp_path, backend, expected
):
    monkeypatch.setattr(joblib._parallel_backends, "cpu_count", lambda: 2)
    cnn = CNNClassifier(**LARGE, callbacks=[RecordThreads(tmp_path)])
    with joblib.parallel_config(backend, n_jobs=2):
        GridSearchCV(cnn, GRID, cv=2, refit=False, error_score="raise").fit(IMAGES, LABELS)
    found = {path.name: int(path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()}
    assert set(found.values()) == {expected}
    n_processes = len({name.split("-")[0] for name in found})
    assert n_processes * expected <= 2
    assert torch.get_num_threads() == 2


def test_cores_of_worker_processes(monkeypatch):
    parallel = joblib.Parallel(n_jobs=2, backend="multiprocessing")
    tasks = [joblib.delayed(cores_of_worker_process)() for _ in range(2)]
    assert parallel(tasks) == [1, 1]
    parallel = joblib.Parallel(n_jobs=2, backend="threading")
    tasks = [joblib.delayed(cores_of_worker_process)() for _ in range(2)]
    assert parallel(tasks) == [None, None]
    assert cores_of_worker_process() is None


def test_a_worker_of_dask_has_its_own_number_of_threads(own_threads, monkeypatch):
    worker = type("Worker", (), {"state": type("State", (), {"nthreads": 3})})
    monkeypatch.setattr(threads_module, "_dask_worker", lambda: worker)
    assert in_parallel_worker()
    assert cores_of_worker_process() == 3
    assert count_threads("auto") == 1
    torch.set_num_threads(8)
    with compute_threads(float("inf")):
        assert torch.get_num_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "8")  # set by the user or by dask
    with compute_threads(float("inf")):
        assert torch.get_num_threads() == 8


def test_a_spawned_worker_has_one_thread(own_threads, monkeypatch):
    monkeypatch.setattr(module, "cores_of_worker_process", lambda: 1)
    with compute_threads(float("inf")):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("work", "most"), [(float("inf"), 1), (0, 3)])
def test_worker_threads_with_large_networks_take_turns(own_threads, work, most):
    running, counts, lock = [], [], threading.Lock()

    def compute(task):
        torch.set_num_threads(2)
        with compute_threads(work):
            with lock:
                running.append(task)
                counts.append(len(running))
            time.sleep(0.05)
            running.remove(task)

    joblib.Parallel(3, backend="threading")(joblib.delayed(compute)(task) for task in range(6))
    assert max(counts) <= most
    assert most == 1 or max(counts) > 1


def test_other_threads_do_not_wait(own_threads):
    barrier = threading.Barrier(2, timeout=10)

    def compute():
        with compute_threads(float("inf")):
            barrier.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    compute()
    thread.join()
    assert not barrier.broken


class PredictInThreads(Callback):
    """Predict in worker threads of the thread that trains."""

    def __init__(self, fitted):
        self.fitted = fitted

    def on_epoch_end(self, net, **kwargs):
        tasks = [joblib.delayed(self.fitted.predict)(IMAGES) for _ in range(2)]
        joblib.Parallel(2, backend="threading")(tasks)


def test_a_callback_in_a_worker_thread_may_use_worker_threads(own_threads):
    fitted = CNNClassifier(**LARGE).fit(IMAGES, LABELS)
    cnn = CNNClassifier(**LARGE, callbacks=[PredictInThreads(fitted)])

    def fit_twice():
        tasks = [joblib.delayed(cnn.fit)(IMAGES, LABELS) for _ in range(2)]
        joblib.Parallel(2, backend="threading")(tasks)

    thread = threading.Thread(target=fit_twice, daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()


class FitInThreads(Callback):
    """Fit other estimators in worker threads, at the end of each epoch."""

    def __init__(self, results):
        self.results = results

    def on_epoch_end(self, net, **kwargs):
        tasks = [joblib.delayed(small_probabilities)() for _ in range(2)]
        self.results.extend(joblib.Parallel(2, backend="threading")(tasks))


def small_probabilities(callbacks=None):
    options = {"channels": (4,), "max_epochs": 2, "dropout": 0.5, "random_state": 0}
    return CNNClassifier(**options, callbacks=callbacks).fit(IMAGES, LABELS).predict_proba(IMAGES)


def test_a_callback_may_fit_in_threads():
    expected, found = small_probabilities(), []

    def fit_twice():
        tasks = [joblib.delayed(small_probabilities)([FitInThreads(found)]) for _ in range(2)]
        found.extend(joblib.Parallel(2, backend="threading")(tasks))

    thread = threading.Thread(target=fit_twice, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
    n_fits = 2 + 2 * 2 * 2  # 2 outer fits, and 2 inner fits in each of their 2 epochs
    np.testing.assert_array_equal(found, [expected] * n_fits)


# --- progress ----------------------------------------------------------------------------------


class RecordTasks:
    """Callback of scikit-learn that records the names of tasks, also from worker threads."""

    max_propagation_depth = None

    def __init__(self):
        self.names = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.names.append((context.estimator_name, context.task_name))
        if context.source_task_name:
            self.names.append((context.source_estimator_name, context.source_task_name))

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


@pytest.mark.filterwarnings("error:.*does not support callbacks")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_of_a_search_receive_candidates_folds_steps_and_epochs(n_jobs):
    cnn = CNNClassifier(channels=(4,), max_epochs=3, random_state=0)
    steps = [("resize", ImageResizer((6, 6))), ("normalize", ImageNormalizer()), ("cnn", cnn)]
    search = GridSearchCV(Pipeline(steps), {"cnn__learning_rate": [1e-3, 1e-2]}, cv=2)
    tasks = RecordTasks()
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        search.set_callbacks(tasks).fit(IMAGES, LABELS)
    counts = Counter(tasks.names)
    n_fits = 5
    assert counts["GridSearchCV", "candidate-split-evaluation"] == 4
    assert counts["ImageResizer", "fit"] == counts["ImageNormalizer", "fit"] == n_fits
    assert counts["CNNClassifier", "epoch"] == 3 * n_fits


def test_a_transformer_reports_its_fit():
    tasks = RecordTasks()
    resizer = ImageResizer((6, 6)).set_callbacks(tasks)
    resizer.fit(IMAGES).fit_transform(IMAGES)
    assert tasks.names == [("ImageResizer", "fit")] * 2


# --- caches ------------------------------------------------------------------------------------


class CountingResizer(ImageResizer):
    """ImageResizer that writes a file in each fit_transform, in whatever process."""

    folder = None

    def fit_transform(self, X, y=None):
        (CountingResizer.folder / uuid4().hex).touch()
        return super().fit_transform(X, y)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_a_cache_resizes_the_images_of_each_fold_once(tmp_path, monkeypatch, backend):
    (tmp_path / "calls").mkdir()
    monkeypatch.setattr(CountingResizer, "folder", tmp_path / "calls")
    cnn = CNNClassifier(channels=(4,), max_epochs=1, random_state=0)
    steps = [("resize", CountingResizer((6, 6))), ("cnn", cnn)]
    pipe = Pipeline(steps, memory=joblib.Memory(tmp_path / "cache", verbose=0))
    with joblib.parallel_config(backend, n_jobs=2):
        GridSearchCV(pipe, {"cnn__learning_rate": [1e-3, 1e-2, 1e-1]}, cv=2).fit(IMAGES, LABELS)
    assert len(list((tmp_path / "calls").iterdir())) == 3  # two folds, and all images


def test_a_cache_of_paths_does_not_see_that_files_change(tmp_path):
    paths = np.array([str(tmp_path / f"{number}.png") for number in range(3)])
    memory = joblib.Memory(tmp_path / "cache", verbose=0)
    pipe = Pipeline(
        [("read", ImageReader("L")), ("resize", ImageResizer((4, 4))), ("flat", ImageFlattener())],
        memory=memory,
    )

    def means(value):
        for path in paths:
            Image.new("L", (5, 5), value).save(path)
        return pipe.fit_transform(paths).mean()

    assert means(10) == 10
    assert means(20) == 10
    memory.clear(warn=False)
    assert means(20) == 20


# --- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_deleted_estimator_frees_its_network_and_its_images(early_stopping):
    images = IMAGES.copy()
    lazy = ImageAugmenter(shift=0.1, random_state=0).fit_transform(images)
    cnn = CNNClassifier(max_epochs=2, early_stopping=early_stopping, random_state=0)
    cnn.fit(lazy, LABELS).predict(images)
    kept = [weakref.ref(item) for item in (cnn, cnn.module_, cnn.net_.optimizer_, images)]
    del cnn, lazy, images
    gc.collect()
    assert [item() for item in kept] == [None] * 4
