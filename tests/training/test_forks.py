"""Forks wait while another thread computes."""

import os
import threading
import time
import warnings

import pytest

from skcnn.training.forks import computing

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


def fork():
    """Fork a process that computes once, and return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks with several threads
        process = os.fork()
    if process == 0:
        try:
            with computing():
                os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(process, 0)[1]


def test_fork_waits_for_the_computation_of_another_thread():
    started, events = threading.Event(), []

    def compute():
        with computing(), computing():
            started.set()
            time.sleep(0.1)
            events.append("computed")

    thread = threading.Thread(target=compute)
    thread.start()
    started.wait()
    assert fork() == 0
    events.append("forked")
    thread.join()
    assert events == ["computed", "forked"]
    with computing():
        pass


def test_fork_does_not_wait_for_its_own_thread():
    with computing():
        start = time.monotonic()
        assert fork() == 0
        assert time.monotonic() - start < 10


def test_several_threads_compute_at_once():
    barrier = threading.Barrier(2, timeout=30)

    def compute():
        with computing():
            barrier.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    compute()
    thread.join()
    assert not barrier.broken


def test_several_threads_fork_and_compute():
    statuses, stop = [], threading.Event()

    def compute():
        while not stop.is_set():
            with computing():
                time.sleep(0.001)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    forking = [threading.Thread(target=lambda: statuses.append(fork())) for _ in range(4)]
    for thread in [*threads, *forking]:
        thread.start()
    for thread in forking:
        thread.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 4
