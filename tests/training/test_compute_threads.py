"""Number of threads that compute: one for small networks, and that of the user otherwise."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import CNNClassifier
from skcnn.networks import NetworkSpec
from skcnn.training import compute_threads as module
from skcnn.training.compute_threads import SMALL_WORK, compute_threads, count_multiply_adds

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (64, 8, 8), dtype=np.uint8)
LABELS = np.arange(64) % 2


@contextmanager
def torch_threads(n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_new_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def mkl_threads():
    lines = torch.__config__.parallel_info().splitlines()
    return [int(line.rsplit(":", 1)[1]) for line in lines if "mkl_get_max_threads" in line]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("work", [0, SMALL_WORK - 1, SMALL_WORK, float("inf")])
def test_small_work_uses_one_thread_and_other_work_those_of_the_user(n_threads, work):
    with torch_threads(n_threads):
        with compute_threads(work):
            assert torch.get_num_threads() == (1 if work < SMALL_WORK else n_threads)
            assert mkl_threads() in ([], [torch.get_num_threads()])
        assert torch.get_num_threads() == n_threads
        assert mkl_threads() in ([], [n_threads])


def test_number_of_threads_is_restored_after_an_error():
    def fail():
        with compute_threads(0):
            raise ZeroDivisionError

    with torch_threads(2):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2


def test_threads_that_start_in_the_meantime_have_the_number_of_the_user():
    if module._thread_setters() is None:
        pytest.skip("OpenMP of this PyTorch is out of reach")
    with torch_threads(2):
        with compute_threads(0):
            assert in_new_thread(torch.get_num_threads) == 2
        assert in_new_thread(torch.get_num_threads) == 2


def test_several_threads_with_small_and_large_work_at_once():
    barrier = threading.Barrier(4)

    def numbers(work):
        found = [torch.get_num_threads()]
        barrier.wait()
        with compute_threads(work):
            barrier.wait()
            found.append(torch.get_num_threads())
            barrier.wait()
        return [*found, torch.get_num_threads()]

    if module._thread_setters() is None:
        pytest.skip("OpenMP of this PyTorch is out of reach")
    with torch_threads(2), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(numbers, [0, float("inf")] * 2)) == [[2, 1, 2], [2, 2, 2]] * 2
        assert torch.get_num_threads() == 2


def test_without_access_to_openmp(monkeypatch):
    monkeypatch.setattr(module, "_thread_setters", lambda: None)
    with torch_threads(2):
        with compute_threads(0):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("name", "shape", "options", "expected"),
    [
        ("plain", (8, 8, 1), {"channels": (), "hidden_units": (32,)}, 64 * 32 + 32 * 10),
        (
            "plain",
            (8, 6, 3),
            {"channels": (5,), "hidden_units": ()},
            8 * 6 * 9 * 3 * 5 + 4 * 3 * 5 * 10,
        ),
        (
            "plain",
            (8, 8, 1),
            {"channels": (4,), "pooling": None, "stride": 2, "hidden_units": (7,)},
            4 * 4 * 9 * 4 + 4 * 4 * 4 * 7 + 7 * 10,
        ),
    ],
)
def test_multiply_adds_of_known_networks(name, shape, options, expected):
    network = NetworkSpec(name, shape[2], *shape[:2], n_outputs=10, options=options).build()
    modes = [part.training for part in network.modules()]
    assert count_multiply_adds(network, shape) == expected
    assert [part.training for part in network.modules()] == modes


class Functional(nn.Module):
    """A network without layers, as a user may write one."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_outputs, in_channels * height * width))

    def forward(self, images):
        return torch.einsum("ni,oi->no", images.flatten(1), self.weight)


def test_multiply_adds_of_a_named_network_are_counted_once(monkeypatch):
    module._counts.clear()
    counted = []

    def count(network, shape):
        counted.append(shape)
        return count_multiply_adds(network, shape)

    monkeypatch.setattr(module, "count_multiply_adds", count)
    for spec in (
        NetworkSpec("plain", 1, 8, 9, 2),
        NetworkSpec("plain", 1, 8, 9, 2),
        NetworkSpec("plain", 1, 8, 9, 2, {"channels": (3,)}),
        NetworkSpec("plain", 1, 8, 7, 2),
        NetworkSpec(Functional, 2, 3, 4, 5),
        NetworkSpec(Functional, 2, 3, 4, 5),
    ):
        network = spec.build()
        shape = (spec.height, spec.width, spec.in_channels)
        assert module.multiply_adds(spec, network) == count_multiply_adds(network, shape)
    assert counted == [(8, 9, 1), (8, 9, 1), (8, 7, 1), (3, 4, 2), (3, 4, 2)]


def test_multiply_adds_of_networks_of_users():
    assert count_multiply_adds(Functional(2, 3, 4, 5), (3, 4, 2)) == 2 * 3 * 4 * 5
    assert count_multiply_adds(nn.Conv2d(7, 1, 1), (3, 4, 2)) == float("inf")  # it fails


class RecordThreads(Functional):
    """A network that records the number of threads of its forward passes."""

    numbers: list = []

    def forward(self, images):
        self.numbers.append(torch.get_num_threads())
        return super().forward(images)


@pytest.mark.parametrize(("limit", "expected"), [(SMALL_WORK, 1), (0, 2)])
def test_networks_of_users_train_and_predict_with_the_number_of_threads(
    limit, expected, monkeypatch
):
    monkeypatch.setattr(module, "SMALL_WORK", limit)
    with torch_threads(2):
        cnn = CNNClassifier(RecordThreads, max_epochs=2, random_state=0)
        RecordThreads.numbers.clear()
        cnn.fit(IMAGES, LABELS, X_val=IMAGES, y_val=LABELS)
        cnn.predict(IMAGES)
        cnn.partial_fit(IMAGES, LABELS)
        # The first passes check the network and count its operations.
        assert set(RecordThreads.numbers[2:]) == {expected}
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("parameters", [{"channels": (8,)}, {"channels": (), "batch_size": 16}])
def test_small_fits_are_the_same_with_any_number_of_threads(parameters):
    def fit():
        return CNNClassifier(max_epochs=2, random_state=0, **parameters).fit(IMAGES, LABELS)

    with torch_threads(1):
        one = fit()
    for n_threads in (2, 3):
        with torch_threads(n_threads):
            other = fit()
            assert other.net_.multiply_adds * other.net_.batch_size < SMALL_WORK
            probabilities = other.predict_proba(IMAGES[:8])
        for name, weights in one.module_.state_dict().items():
            assert torch.equal(weights, other.module_.state_dict()[name])
        with torch_threads(1):
            np.testing.assert_array_equal(one.predict_proba(IMAGES[:8]), probabilities)
