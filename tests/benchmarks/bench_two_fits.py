"""Time of a fit alone, and of two fits at once in two processes.

    python tests/benchmarks/bench_two_fits.py

Each row trains a `CNNClassifier` on random images of one size and 10 classes, with the number of
threads that PyTorch chooses, in processes of their own. "alone" is one process, "two at once" the
slower of two processes that start their fits at the same time. "passive" sets the environment
variable OMP_WAIT_POLICY=passive in both, and "one thread" OMP_NUM_THREADS=1. The ratio is that of
two at once with the setting to one alone without. Importing and a first fit are not timed. Run it
on a machine that does nothing else.
"""

import multiprocessing
import os
import time
from statistics import median

import numpy as np
from _tables import make_parser, parse_arguments, print_table

from skcnn import CNNClassifier

GOAL = 2.5
# Name, size of the images, number of images, number of epochs, parameters of the classifier.
FITS = [
    ("dense 32", (8, 8), 1797, 10, {"channels": (), "hidden_units": (32,), "batch_size": 64}),
    ("conv 8", (8, 8), 600, 5, {"channels": (8,), "batch_size": 64}),
    ("default", (8, 8), 1797, 3, {}),
    ("dense 256", (28, 28), 4000, 5, {"channels": (), "hidden_units": (256,), "batch_size": 128}),
    ("conv 32, 32", (28, 28), 1000, 3, {"channels": (32, 32), "batch_size": 128}),
    ("default", (32, 32, 3), 640, 2, {}),
]
VARIABLES = {
    "": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def time_fits(fit, rounds, barrier, results):
    """Time fits that start when all processes are ready."""
    _, shape, n_images, n_epochs, parameters = fit
    images = np.random.default_rng(0).integers(0, 256, (n_images, *shape), dtype=np.uint8)
    cnn = CNNClassifier(max_epochs=n_epochs, device="cpu", random_state=0, **parameters)
    cnn.fit(images[:100], np.arange(100) % 10)
    for _ in range(rounds):
        barrier.wait()
        start = time.perf_counter()
        cnn.fit(images, np.arange(n_images) % 10)
        results.put(time.perf_counter() - start)


def seconds_of_fits(fit, rounds, n_processes, variables):
    """Return the median over rounds of the time of the slowest process."""
    os.environ.update(variables)
    try:
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(n_processes), context.SimpleQueue()
        processes = [
            context.Process(target=time_fits, args=(fit, rounds, barrier, results))
            for _ in range(n_processes)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        seconds = [results.get() for _ in range(rounds * n_processes)]
    finally:
        for name in variables:
            del os.environ[name]
    slowest = [
        max(seconds[start : start + n_processes]) for start in range(0, len(seconds), n_processes)
    ]
    return median(slowest)


def main():
    """Run the benchmark, and print the table."""
    arguments = parse_arguments(make_parser(__doc__, rounds=3))
    rows = []
    for fit in FITS[: 1 if arguments.quick else None]:
        name, shape, *_ = fit
        usual = None  # seconds alone without a setting
        for setting, variables in VARIABLES.items():
            alone, both = (
                seconds_of_fits(fit, arguments.rounds, n_processes, variables)
                for n_processes in (1, 2)
            )
            usual = usual or alone
            rows.append(
                {
                    "network": name,
                    "images": "x".join(map(str, shape)),
                    "setting": setting,
                    "seconds alone": f"{alone:.2f}",
                    "seconds two at once": f"{both:.2f}",
                    "two at once / alone without setting": f"{both / usual:.1f}x",
                    "goal": f"<= {GOAL:g}x",
                }
            )
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
