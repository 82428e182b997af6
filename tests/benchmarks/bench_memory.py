"""Peak memory of a fit compared with the size of the images.

    python tests/benchmarks/bench_memory.py [--megabytes MB ...]

A small network is trained for one epoch on the CPU, on random uint8 images of 64 x 64 x 3, which
are an array in memory or a memory-mapped file. Each fit runs in a new process, on Linux only. A
first fit on three batches loads all libraries. All peaks are relative to the memory after that fit.
The peak of a second fit on three batches is the memory of one batch. The peak of a fit on all
images should be at most 1.1 times the size of the images plus the memory of one batch. Pages that
are read from a memory-mapped file count as memory, once.
"""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _tables import make_parser, parse_arguments, print_table

SHAPE = (64, 64, 3)
BATCH_SIZE = 64
KINDS = ("array", "memory map")


def write_images(path, megabytes):
    """Write random images in parts."""
    n_images = int(megabytes * 1e6 / np.prod(SHAPE))
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (n_images, *SHAPE))
    rng = np.random.default_rng(0)
    for start in range(0, n_images, 1024):
        part = file[start : start + 1024]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    file.flush()


def measure(kind, path):
    """Fit in this process, and return the sizes in bytes."""
    from skcnn import CNNClassifier

    def fit(images):
        cnn = CNNClassifier(
            channels=(8, 16),
            hidden_units=(32,),
            batch_size=BATCH_SIZE,
            max_epochs=1,
            device="cpu",
            random_state=0,
        )
        cnn.fit(images, np.arange(len(images)) % 10)

    def peak_of_fit(images):
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # reset the peak
        fit(images)
        return max(0, memory("VmHWM") - before)

    rng = np.random.default_rng(0)
    few = rng.integers(0, 256, (3 * BATCH_SIZE, *SHAPE), dtype=np.uint8)
    fit(few)
    before = memory("VmRSS")
    one_batch = peak_of_fit(few)
    images = np.load(path, mmap_mode="r" if kind == "memory map" else None)
    return {"one batch": one_batch, "peak": peak_of_fit(images), "images": images.nbytes}


def memory(name):
    """Return an entry of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main():
    """Run the benchmark in new processes, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument("--megabytes", type=float, nargs="+", default=[200, 400], metavar="MB")
    arguments = parse_arguments(options)
    if not sys.platform.startswith("linux"):
        options.error("requires Linux, to measure and reset the peak memory")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in [20] if arguments.quick else arguments.megabytes:
            path = Path(folder) / "images.npy"
            write_images(path, megabytes)
            rows += [row(kind, path, arguments.rounds) for kind in KINDS]
    print_table(rows, arguments)


def row(kind, path, rounds):
    """Measure several rounds, and return a row of medians."""
    found = []
    for number in range(rounds):
        print(f"{kind}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--one", kind, str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout))
    one_batch, peak, size = (
        np.median([figures[name] for figures in found]) / 1e6
        for name in ("one batch", "peak", "images")
    )
    return {
        "images": kind,
        "MB": f"{size:.0f}",
        "one batch, MB": f"{one_batch:.0f}",
        "peak of fit, MB": f"{peak:.0f}",
        "goal, MB": f"<= {1.1 * size + one_batch:.0f}",
        "(peak - one batch) / images": f"{(peak - one_batch) / size:.0%}",
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main()
