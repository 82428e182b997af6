"""Memory of a process during 200 fits, one after the other.

    python tests/benchmarks/bench_search_memory.py

Each case fits and predicts 220 times in a new process, with another random state each time. The
first 20 fits load the libraries. The memory after the last fit should be at most 5 % larger than
after them. "search" is a grid search of a pipeline with 4 fits and a refit, so 44 of them are run.
It runs on Linux only, and takes about a minute with one thread.
"""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, ImageResizer

N_WARM_UP, N_FITS = 20, 200
CASES = ("network", "network, early stopping", "pipeline", "search")
GOAL = 5  # percent


def make(case, seed):
    """Return an estimator, and the number of its fits."""
    cnn = CNNClassifier(channels=(16, 32), max_epochs=1, device="cpu", random_state=seed)
    if case == "network":
        return cnn, 1
    if case == "network, early stopping":
        return cnn.set_params(early_stopping=True, max_epochs=2), 1
    augmenter = ImageAugmenter(shift=0.1, random_state=seed)
    pipe = make_pipeline(ImageResizer((12, 12)), augmenter, cnn)
    if case == "pipeline":
        return pipe, 1
    return GridSearchCV(pipe, {"cnnclassifier__dropout": [0.0, 0.3]}, cv=2), 5


def measure(case, n_fits):
    """Fit in this process, and print the memory and the number of objects every 20 fits."""
    images, y = load_digits(return_X_y=True)
    images, y = images[:120].reshape(-1, 8, 8).astype(np.float32), y[:120]
    done, next_line = 0, N_WARM_UP
    while done < N_WARM_UP + n_fits:
        estimator, n_estimator_fits = make(case, done)
        estimator.fit(images, y).predict(images)
        del estimator
        done += n_estimator_fits
        if done >= next_line:
            gc.collect()
            print(done, resident(), len(gc.get_objects()), flush=True)
            next_line += N_WARM_UP


def resident():
    """Return the resident memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def main():
    """Run each case in a new process, and print the table."""
    options = make_parser(__doc__, rounds=None)
    arguments = parse_arguments(options)
    if not sys.platform.startswith("linux"):
        options.error("requires Linux, to measure the memory")
    rows = []
    for case in CASES:
        print(case, file=sys.stderr, flush=True)
        n_fits = 20 if arguments.quick else N_FITS
        command = [sys.executable, __file__, "--one", case, str(n_fits)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        lines = [list(map(int, line.split())) for line in done.stdout.splitlines()]
        (_, before, objects_before), (fits, after, objects_after) = lines[0], lines[-1]
        rows.append(
            {
                "fits of": case,
                "fits": str(fits),
                f"MB after {N_WARM_UP} fits": f"{before / 1e6:.1f}",
                "MB at the end": f"{after / 1e6:.1f}",
                "growth": f"{100 * (after / before - 1):.1f} %",
                "growth of Python objects": str(objects_after - objects_before),
                "goal": f"< {GOAL} %",
            }
        )
    print_table(rows, arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main()
