"""Fixtures for all tests."""

import copy
import os
import random
import signal

# The worker processes of pytest-xdist share the cores. NumPy and torch read this when imported.
if n_workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    n_threads = max(1, (os.cpu_count() or 1) // int(n_workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(n_threads))

import numpy as np
import pytest
import torch
from joblib import parallel_config

from skcnn.networks import pretrained

# The shell ignores Ctrl-C in background processes, and Python then does too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def official_weights_read_once():
    """Read the official weights once in a process, which saves a quarter of small fits."""

    def kept(function):
        results = {}

        def call(path, **options):
            stat = path.stat()
            key = path, stat.st_size, stat.st_mtime_ns
            if key not in results:
                results[key] = function(path, **options)
            return copy.copy(results[key])

        return call

    read_weights, read_once = pretrained.read_weights, kept(pretrained.read_weights)

    def read(path, *, is_official=False):
        function = read_once if is_official else read_weights
        return function(path, is_official=is_official)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "read_weights", read)
        patch.setattr(pretrained, "sha256_of", kept(pretrained.sha256_of))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Restart all random generators, so that a test does not depend on those before it.

    The global generators initialize networks that are built without a seed. The generator `RNG` of
    a test module gets another seed than at its import, so that a test does not draw the data of the
    module again. Unlike a fixture, a hook also runs before the fixtures of a module.
    """
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    generator = getattr(getattr(item, "module", None), "RNG", None)
    if generator is not None:
        generator.bit_generator.state = np.random.default_rng(1).bit_generator.state


@pytest.fixture
def one_thread():
    """Run this process and joblib's worker processes with one thread each.

    joblib gives its worker processes fewer threads than this process has, and results are the same
    bit for bit only with the same number of threads.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with parallel_config(backend="loky", inner_max_num_threads=1):
        yield
    torch.set_num_threads(n_threads)
