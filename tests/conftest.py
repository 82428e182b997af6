"""Fixtures for all tests."""

import pytest
import torch
from joblib import parallel_config


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
