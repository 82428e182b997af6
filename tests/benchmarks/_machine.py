"""The CPU, the versions of packages, and the peak arithmetic rate of the machine."""

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import torch
from torch.nn.functional import conv2d

PACKAGES = ("skcnn", "torch", "skorch", "scikit-learn", "numpy")


def cpu_name():
    """Return the name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_machine(further_versions=None):
    """Return two lines with the CPU and the versions of packages.

    Parameters
    ----------
    further_versions : dict, default=None
        Versions of packages of another interpreter.

    Returns
    -------
    lines : list of str
    """
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in PACKAGES}
    versions |= further_versions or {}
    return [
        f"CPU: {cpu_name()} ({torch.backends.cpu.get_cpu_capability()}), "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} PyTorch threads",
        "versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]


@torch.inference_mode()
def ceiling(quick=False):
    """Measure the arithmetic rate of a large convolution and a large matrix product.

    Returns
    -------
    speeds : dict of {str: float}
        GFLOP/s of the faster of the two, for each precision.
    """
    n_rows, n_channels, n_pixels = (256, 32, 28) if quick else (2048, 256, 56)
    speeds = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        matrix = torch.rand(n_rows, n_rows).to(dtype)
        images = torch.rand(4, n_channels, n_pixels, n_pixels)
        kernels = torch.rand(n_channels, n_channels, 3, 3)
        images, kernels = (
            tensor.to(dtype).to(memory_format=torch.channels_last) for tensor in (images, kernels)
        )
        product = _shortest_time(torch.mm, matrix, matrix)
        convolution = _shortest_time(conv2d, images, kernels, None, 1, 1)
        speeds[name] = max(
            2 * n_rows**3 / product / 1e9,
            2 * images.numel() * 9 * n_channels / convolution / 1e9,
        )
    return speeds


def _shortest_time(function, *arguments):
    function(*arguments)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds)
