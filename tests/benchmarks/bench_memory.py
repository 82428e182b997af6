"""The memory that a fit needs at its peak, beside the size of the images.

    python tests/benchmarks/bench_memory.py [--megabytes MB ...]

Random uint8 images of 64 x 64 x 3, either an array in memory or a memory-mapped file, train a small
network for one epoch on the processor. Each fit has a process of its own, on Linux. A first fit on
three batches loads what there is to load; the peak of a second one over what the process held after
the first is what one batch needs; the peak of the fit on all images is taken over the same. It
should stay below the array and a tenth, and what one batch needs. Pages of a mapped file that were
read count as memory, once.
"""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _tables import parse, parser, show

SHAPE = (64, 64, 3)
BATCH_SIZE = 64
KINDS = ("array", "memory map")


def write_images(path, megabytes):
    """Write random images, a few at a time."""
    n_images = int(megabytes * 1e6 / np.prod(SHAPE))
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (n_images, *SHAPE))
    rng = np.random.default_rng(0)
    for start in range(0, n_images, 1024):
        part = file[start : start + 1024]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    file.flush()


def measure(kind, path):
    """Fit in this process, and give the figures in bytes."""
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
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget earlier peaks
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
    """Read a figure from Linux, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main():
    """Measure in processes of their own, and print the table."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--megabytes", type=float, nargs="+", default=[200, 400], metavar="MB")
    arguments = parse(options)
    if not sys.platform.startswith("linux"):
        options.error("only Linux tells a process its peak and lets it start anew")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in [20] if arguments.quick else arguments.megabytes:
            path = Path(folder) / "images.npy"
            write_images(path, megabytes)
            rows += [row(kind, path, arguments.rounds) for kind in KINDS]
    show(rows, arguments)


def row(kind, path, rounds):
    """Measure a few times, and give the median."""
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
        "what one batch needs, MB": f"{one_batch:.0f}",
        "peak of fit, MB": f"{peak:.0f}",
        "goal, MB": f"<= {1.1 * size + one_batch:.0f}",
        "peak without one batch, of the images": f"{(peak - one_batch) / size:.0%}",
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main()
