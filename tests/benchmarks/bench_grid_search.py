"""A grid search in two processes against the same search in one process.

    python tests/benchmarks/bench_grid_search.py

The search fits 12 candidates on 3 folds of scikit-learn's digits, and the best one on all images:
37 fits of 5 epochs, on the CPU. With `n_jobs=2`, joblib starts two worker processes, and reuses
them for the next search. Both the search that starts the workers and the next one are measured.

With `n_jobs=1`, each fit uses all cores, so that a search with `n_jobs=2` on two cores saves only
what the second thread of a fit wastes. The search with `n_jobs=1` and one thread shows what the
workers cost. OMP_NUM_THREADS should not be set. It takes about three minutes.
"""

from statistics import median

import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

GOAL = 1.6
GRID = {
    "learning_rate": [0.001, 0.003, 0.01],
    "dropout": [0.0, 0.3],
    "channels": ["auto", (32, 64)],
}


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument(
        "--jobs", type=int, default=2, help="number of processes (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    X, y = load_digits(return_X_y=True)
    grid, max_epochs = GRID, 5
    if arguments.quick:
        X, y, grid, max_epochs = X[:200], y[:200], {"dropout": [0.0, 0.3]}, 1
    cnn = CNNClassifier(max_epochs=max_epochs, device="cpu", random_state=0)

    n_threads = torch.get_num_threads()

    def search(n_jobs, restart_workers=False, n_threads=n_threads):
        if restart_workers:
            get_reusable_executor().shutdown(wait=True)
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        try:
            return seconds_of(GridSearchCV(cnn, grid, cv=3, n_jobs=n_jobs).fit, X, y)
        finally:
            torch.set_num_threads(before)

    jobs = f"n_jobs={arguments.jobs}"
    results = run_interleaved(
        {
            "n_jobs=1": lambda: search(1),
            "n_jobs=1, one thread": lambda: search(1, n_threads=1),
            f"{jobs}, starting the workers": lambda: search(arguments.jobs, True),
            f"{jobs}, reusing the workers": lambda: search(arguments.jobs),
        },
        arguments.rounds,
        "search",
    )
    default, one_thread = (median(results[name]) for name in ("n_jobs=1", "n_jobs=1, one thread"))
    rows = []
    for name, times in results.items():
        seconds = median(times)
        row = {"measurement": name, "seconds": f"{seconds:.1f}"}
        if not name.startswith("n_jobs=1"):
            row |= {
                f"speedup of n_jobs=1, {n_threads} threads": f"{default / seconds:.2f}x",
                "of n_jobs=1, one thread": f"{one_thread / seconds:.2f}x",
                "goal": f">= {GOAL:g}x",
            }
        rows.append(row)
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
