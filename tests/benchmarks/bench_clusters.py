"""A grid search in the workers of joblib, dask and Ray against the same search in one process.

    python tests/benchmarks/bench_clusters.py

The search fits 12 candidates on 3 folds of scikit-learn's digits: 36 fits of 5 epochs, on the CPU,
with one thread per fit. All workers are processes of this machine. Those of joblib and dask run
before the measurement, and have imported all packages. Ray starts new ones for each search. It
needs the extras `dask` and `ray`.
"""

import logging
import os
import shutil
import tempfile
from importlib.metadata import version
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the workers

import dask
import joblib
import ray
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from dask.distributed import Client
from ray.util.joblib import register_ray
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

GRID = {
    "learning_rate": [0.001, 0.003, 0.01],
    "dropout": [0.0, 0.3],
    "channels": ["auto", (32, 64)],
}


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument(
        "--jobs", type=int, default=2, help="number of workers (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    X, y = load_digits(return_X_y=True)
    grid, max_epochs = GRID, 5
    if arguments.quick:
        X, y, grid, max_epochs = X[:200], y[:200], {"dropout": [0.0, 0.3]}, 1
    cnn = CNNClassifier(max_epochs=max_epochs, device="cpu", random_state=0)

    def search(backend, rows=slice(None), grid=grid):
        with joblib.parallel_config(**backend):
            fit = GridSearchCV(cnn, grid, cv=3, refit=False).fit
            return seconds_of(fit, X[rows], y[rows])

    contenders = {
        "one process": {"backend": "sequential"},
        "joblib (loky)": {"backend": "loky", "n_jobs": arguments.jobs},
        "dask": {"backend": "dask"},
        "Ray": {"backend": "ray", "n_jobs": arguments.jobs},
    }
    folder = tempfile.mkdtemp(prefix="ray")
    os.environ["RAY_AUTH_MODE"] = "disabled"  # otherwise, Ray writes a token to the home folder
    with dask.config.set({"temporary-directory": folder}):
        client = Client(
            n_workers=arguments.jobs, threads_per_worker=1, silence_logs=logging.CRITICAL
        )
        ray.init(
            num_cpus=arguments.jobs,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
            include_dashboard=False,
            log_to_driver=False,
        )
        register_ray()
        try:
            for backend in contenders.values():
                search(
                    backend, slice(100), {"dropout": [0.0, 0.3]}
                )  # the workers import all packages
            results = run_interleaved(
                {name: lambda b=backend: search(b) for name, backend in contenders.items()},
                arguments.rounds,
                "search",
            )
        finally:
            ray.shutdown()
            client.close()
            shutil.rmtree(folder)
    one = median(results["one process"])
    rows = [
        {
            "workers": name,
            "seconds": f"{median(seconds):.1f}",
            "speedup": f"{one / median(seconds):.2f}x",
        }
        for name, seconds in results.items()
    ]
    packages = {name: version(name) for name in ("joblib", "dask", "distributed", "ray")}
    print_table(rows, arguments, packages)


if __name__ == "__main__":
    main()
