"""Threads that each worker of a search computes with, on the backends of joblib.

    python tests/benchmarks/bench_search_threads.py

Two workers fit a pipeline that resizes photos and trains a network. At the end of every epoch, a
callback records the threads of PyTorch, of the BLAS of NumPy and of reading, and the threads of the
operating system. The workers should together compute with at most as many threads as there are
cores. Fits in threads of one process take turns, so they do not add up. dask and ray are left out
if they are not installed. "spawn" is how multiprocessing starts processes on macOS and Windows, and
"threads" are worker threads in this process. OMP_NUM_THREADS should not be set. It takes about a
minute.
"""

import contextlib
import multiprocessing
import os
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import psutil
import threadpoolctl
import torch
from _tables import make_parser, parse_arguments, print_table
from skimage.data import astronaut
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback

from skcnn import CNNClassifier, ImageResizer
from skcnn.threads import count_threads

N_JOBS = 2
BACKENDS = (
    "none",
    "loky",
    "threading",
    "multiprocessing",
    "multiprocessing, spawn",
    "dask",
    "dask, threads",
    "ray",
)


class RecordThreads(Callback):
    """Append a line with the numbers of threads to a file of this thread."""

    def __init__(self, folder):
        self.folder = folder

    def on_epoch_end(self, net, **kwargs):
        blas = [
            pool["num_threads"]
            for pool in threadpoolctl.threadpool_info()
            if pool["user_api"] == "blas"
        ]
        figures = (
            torch.get_num_threads(),
            max(blas, default=0),
            count_threads("auto"),
            psutil.Process().num_threads(),
        )
        name = f"{os.getpid()}-{threading.get_ident()}"
        with (Path(self.folder) / name).open("a", encoding="utf-8") as file:
            print(*figures, file=file)


@contextlib.contextmanager
def running(backend):
    """Start what a backend needs, and make it the backend of joblib."""
    with contextlib.ExitStack() as stack:
        if backend == "none":
            yield
            return
        name = backend.split(",")[0]
        if name == "dask":
            from dask.distributed import Client

            kinds = {"n_workers": N_JOBS, "threads_per_worker": 1}
            if "threads" in backend:
                kinds = {"processes": False, "n_workers": 1, "threads_per_worker": N_JOBS}
            stack.enter_context(Client(dashboard_address=None, **kinds))
        elif name == "ray":
            import ray
            from ray.util.joblib import register_ray

            register_ray()
            ray.init(num_cpus=N_JOBS, include_dashboard=False, log_to_driver=False)
            stack.callback(ray.shutdown)
        elif "spawn" in backend:
            spawn = multiprocessing.get_context("spawn")
            stack.enter_context(mock.patch.object(joblib.parallel, "DEFAULT_MP_CONTEXT", spawn))
        stack.enter_context(joblib.parallel_config(name, n_jobs=N_JOBS))
        yield


def measure(backend, n_images):
    """Run a search, and return the largest number of threads of each kind."""
    photo = astronaut()[:256, :256]
    images = np.stack([np.roll(photo, shift, axis=1) for shift in range(n_images)])
    labels = np.arange(n_images) % 2
    with tempfile.TemporaryDirectory() as folder:
        cnn = CNNClassifier(
            channels=(16, 32),
            max_epochs=2,
            callbacks=[RecordThreads(folder)],
            device="cpu",
            random_state=0,
        )
        pipe = Pipeline([("resize", ImageResizer((32, 32))), ("cnn", cnn)])
        grid = {"cnn__learning_rate": [1e-3, 3e-3]}
        with running(backend):
            GridSearchCV(pipe, grid, cv=2, refit=False, error_score="raise").fit(images, labels)
        lines = [path.read_text().split("\n") for path in Path(folder).iterdir()]
        names = [path.name for path in Path(folder).iterdir()]
    figures = np.array([line.split() for part in lines for line in part if line], dtype=int)
    n_processes = len({name.split("-")[0] for name in names})
    torch_, blas, reading, system = figures.max(axis=0)
    return {
        "backend": backend,
        "workers": str(len(names)),
        "processes": str(n_processes),
        "PyTorch, a fit": str(torch_),
        "PyTorch, all fits at once": str(torch_ * n_processes),
        "BLAS, a process": str(blas),
        "reading, a worker": str(reading),
        "system, a process": str(system),
        "cores": str(joblib.cpu_count()),
    }


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--backends", nargs="+", default=BACKENDS)
    arguments = parse_arguments(options)
    rows = []
    for backend in arguments.backends:
        package = backend.split(",")[0]
        if package in ("dask", "ray") and find_spec(package) is None:
            continue
        rows.append(measure(backend, 40 if arguments.quick else 100))
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
