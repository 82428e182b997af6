"""Pipelines in servers: many threads that predict, and processes that are forked afterwards."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer

N_THREADS = 4


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paths = [str(folder / f"{number}.png") for number in range(24)]
    rng = np.random.default_rng(0)
    for path in paths:
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture(scope="module")
def pipe(paths):
    cnn = CNNClassifier(channels=(4,), batch_size=8, max_epochs=1, random_state=0)
    steps = ImageReader(), ImageResizer((16, 16), lazy=True), cnn
    return make_pipeline(*steps).fit(paths, np.arange(24) % 4)


def test_threads_predict_as_one(pipe, paths):
    tasks = [paths[number:] for number in range(16)]
    expected = [pipe.predict_proba(task) for task in tasks]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(pipe.predict_proba, tasks))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_threads_do_not_wait_for_each_other(pipe, paths):
    all_inside = threading.Barrier(N_THREADS, timeout=30)  # raises an error if a lock is held

    def wait(*_):
        all_inside.wait()

    handle = pipe[-1].module_.register_forward_hook(wait)
    try:
        with ThreadPoolExecutor(N_THREADS) as pool:
            list(pool.map(pipe.predict_proba, N_THREADS * [paths]))
    finally:
        handle.remove()


def test_loading_does_not_import_the_compiler_of_torch(pipe, paths, tmp_path):
    joblib.dump(pipe, tmp_path / "model.joblib")
    script = f"""
import sys
import joblib, torch
modules = set(sys.modules)
joblib.load({str(tmp_path / "model.joblib")!r}).predict_proba({paths!r})
print(*(name for name in ("torch._dynamo", "torch._inductor", "sympy")
        if name in set(sys.modules) - modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr


def test_public_names_are_imported_without_slow_modules():
    script = """
import sys
from skcnn import *
print(*(name for name in ("matplotlib", "scipy.signal", "sklearn.cluster")
        if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr


# A server that loads the pipeline before it forks its workers, such as gunicorn with --preload.
PARENT = """
import multiprocessing, os, sys, threading, warnings
from concurrent.futures import ThreadPoolExecutor
import joblib, numpy as np, torch
from PIL import Image
from sklearn.pipeline import make_pipeline
from skcnn import CNNClassifier, ImageReader, ImageResizer

warnings.simplefilter("ignore", DeprecationWarning)  # of forks with several threads
torch.set_num_threads(2)
rng = np.random.default_rng(0)
paths = [f"{number}.png" for number in range(24)]
for path in paths:
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
pipe = make_pipeline(
    ImageReader(n_jobs=2),
    ImageResizer((32, 32), lazy=True, n_jobs=2),
    CNNClassifier(channels=(16, 16), batch_size=8, max_epochs=1, random_state=0),
).fit(paths, np.arange(24) % 4)
expected = pipe.predict_proba(paths)
n_threads = len(os.listdir("/proc/self/task"))
assert n_threads > threading.active_count(), "OpenMP has started no threads"


def predict(_):
    return pipe.predict_proba(paths)


def predict_in_two_children(function=predict):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map_async(function, range(2), chunksize=1).get(timeout=60)
    for found in results:
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(pipe.predict_proba(paths), expected)
"""
FORKS = {
    "after fit and predict with several threads": """
predict_in_two_children()
""",
    "while threads read and predict": """
stop = threading.Event()
def work():
    while not stop.is_set():
        predict(0)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
try:
    for _ in range(2):
        predict_in_two_children()
finally:
    stop.set()
    for thread in threads:
        thread.join()
""",
    "and predict in threads of the children": """
def predict_in_threads(_):
    with ThreadPoolExecutor(4) as pool:
        return np.mean(list(pool.map(predict, range(4))), axis=0)
predict_in_two_children(predict_in_threads)
""",
    "after worker processes of joblib": """
joblib.Parallel(n_jobs=2)(joblib.delayed(np.ones)(3) for _ in range(4))
predict_in_two_children()
""",
    "and load the pipeline in the children": """
joblib.dump(pipe, "model.joblib")
def load_and_predict(_):
    return joblib.load("model.joblib").predict_proba(paths)
predict_in_two_children(load_and_predict)
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork is not reliable there")
def test_forked_processes_predict(tmp_path):
    cases = [f"# {name}\n{code}" for name, code in FORKS.items()]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([PARENT, *cases])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
