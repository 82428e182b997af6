"""Throughput of data-parallel training: one process against two, with one thread each.

    python tests/benchmarks/bench_data_parallel.py

Each row trains a network on random images of 10 classes. "images/s" is the number of training
images per second, the median over the epochs but the first. "processes" have one thread each and
communicate with gloo. "threads" is the number of threads of one process. The speedup is that over
one process with one thread. Run it on a machine with two cores that does nothing else.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _tables import make_parser, parse_arguments, print_table

GOAL = 1.6
# Name, size of the images, batch size, number of images, parameters of the classifier.
FITS = [
    ("plain", (8, 8), 64, 1280, {}),
    ("plain", (32, 32, 3), 128, 512, {}),
    ("fast", (32, 32, 3), 256, 512, {"network": "fast", "channels": (32, 64, 64)}),
    ("resnet18", (64, 64, 3), 64, 128, {"backbone": "resnet18", "weights": None}),
]
WORKER = """
import os, statistics, sys
import numpy as np, torch, torch.distributed
from skcnn import CNNClassifier, TransferClassifier

shape, batch_size, n_images, n_epochs, parameters = eval(sys.argv[1])
if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
images = np.random.default_rng(0).integers(0, 256, (n_images, *shape), dtype=np.uint8)
estimator = TransferClassifier if "backbone" in parameters else CNNClassifier
cnn = estimator(batch_size=batch_size, max_epochs=n_epochs, precision="float32", device="cpu",
                random_state=0, **parameters)
cnn.fit(images, np.arange(n_images) % 10)
seconds = statistics.median(epoch["seconds"] for epoch in cnn.history_[1:])
if int(os.environ.get("RANK", 0)) == 0:
    with open(sys.argv[2], "w") as file:
        file.write(str(n_images / seconds))
"""


def throughput(fit, n_epochs, n_processes, n_threads, folder):
    """Return the number of training images per second."""
    _, shape, batch_size, n_images, parameters = fit
    script, result = folder / "worker.py", folder / "result"
    script.write_text(WORKER)
    launch = []
    if n_processes > 1:
        launch = ["-m", "torch.distributed.run", "--standalone"]
        launch += ["--nproc-per-node", str(n_processes)]
    work = repr((shape, batch_size, n_images, n_epochs, parameters))
    subprocess.run(
        [sys.executable, *launch, str(script), work, str(result)],
        env={**os.environ, "OMP_NUM_THREADS": str(n_threads)},
        check=True,
    )
    return float(result.read_text())


def main():
    """Run the benchmark, and print the table."""
    arguments = parse_arguments(make_parser(__doc__, rounds=3))
    n_epochs = 1 + max(arguments.rounds, 1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for fit in FITS[: 1 if arguments.quick else None]:
            base = None
            for n_processes, n_threads in ((1, 1), (1, 2), (2, 1)):
                speed = throughput(fit, n_epochs, n_processes, n_threads, Path(folder))
                base = base or speed
                rows.append(
                    {
                        "network": fit[0],
                        "images": "x".join(map(str, fit[1])),
                        "batch size": str(fit[2]),
                        "processes": str(n_processes),
                        "threads of each": str(n_threads),
                        "images/s": f"{speed:.0f}",
                        "speedup": f"{speed / base:.2f}x",
                        "goal": f">= {GOAL:g}x" if n_processes > 1 else "",
                    }
                )
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
