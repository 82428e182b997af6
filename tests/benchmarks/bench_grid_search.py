"""A grid search with two processes beside the same with one, on the digits of scikit-learn.

    python tests/benchmarks/bench_grid_search.py

12 candidates on 3 folds, and the best one again on all images: 37 fits of 5 epochs, on the
processor. With `n_jobs=2` joblib starts two processes that import everything, and keeps them for
the next search; both the search that starts them and the one after it are measured.
"""

from statistics import median

from _tables import interleaved, parse, parser, seconds_of, show
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
    """Measure, and print the table."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    arguments = parse(options)
    X, y = load_digits(return_X_y=True)
    grid, max_epochs = GRID, 5
    if arguments.quick:
        X, y, grid, max_epochs = X[:200], y[:200], {"dropout": [0.0, 0.3]}, 1
    cnn = CNNClassifier(max_epochs=max_epochs, device="cpu", random_state=0)

    def search(n_jobs, start_anew=False):
        if start_anew:
            get_reusable_executor().shutdown(wait=True)
        return seconds_of(GridSearchCV(cnn, grid, cv=3, n_jobs=n_jobs).fit, X, y)

    jobs = f"n_jobs={arguments.jobs}"
    results = interleaved(
        {
            "n_jobs=1": lambda: search(1),
            f"{jobs}, which starts the processes": lambda: search(arguments.jobs, True),
            f"{jobs}, which finds them there": lambda: search(arguments.jobs),
        },
        arguments.rounds,
        "search",
    )
    one = median(results["n_jobs=1"])
    rows = []
    for name, seconds in results.items():
        row = {"what": name, "seconds": f"{median(seconds):.1f}"}
        if name != "n_jobs=1":
            row |= {"times as fast": f"{one / median(seconds):.2f}x", "goal": f">= {GOAL:g}x"}
        rows.append(row)
    show(rows, arguments)


if __name__ == "__main__":
    main()
