"""A grid search in two processes against the same search in one process.

    python tests/benchmarks/bench_grid_search.py

The search fits 12 candidates on 3 folds of scikit-learn's digits, and the best one on all images:
37 fits of 5 epochs, on the CPU. With `n_jobs=2`, joblib starts two worker processes, and reuses
them for the next search. Both the search that starts the workers and the next one are measured.
"""

from statistics import median

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

    def search(n_jobs, restart_workers=False):
        if restart_workers:
            get_reusable_executor().shutdown(wait=True)
        return seconds_of(GridSearchCV(cnn, grid, cv=3, n_jobs=n_jobs).fit, X, y)

    jobs = f"n_jobs={arguments.jobs}"
    results = run_interleaved(
        {
            "n_jobs=1": lambda: search(1),
            f"{jobs}, starting the workers": lambda: search(arguments.jobs, True),
            f"{jobs}, reusing the workers": lambda: search(arguments.jobs),
        },
        arguments.rounds,
        "search",
    )
    one = median(results["n_jobs=1"])
    rows = []
    for name, seconds in results.items():
        row = {"measurement": name, "seconds": f"{median(seconds):.1f}"}
        if name != "n_jobs=1":
            row |= {"speedup": f"{one / median(seconds):.2f}x", "goal": f">= {GOAL:g}x"}
        rows.append(row)
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
