"""Threads that read ahead: how many, in which order, and what is left of them."""

import gc
import threading
import time
from contextlib import contextmanager

import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config

from skcnn.threads import count_threads, read_ahead


@contextmanager
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_number_of_threads():
    assert count_threads("auto") == count_threads(-1) == cpu_count()
    assert count_threads(None) == 1
    assert count_threads(3) == 3


def test_parallel_config_sets_the_meaning_of_none_alone():
    with parallel_config(n_jobs=4):
        assert count_threads(None) == 4
        assert count_threads("auto") == cpu_count()
        assert count_threads(2) == 2
    with parallel_config(n_jobs=1):
        assert count_threads(None) == 1


@pytest.mark.parametrize("n_jobs", [None, "auto"])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_worker_has_one_thread(backend, n_jobs):
    inner = Parallel(n_jobs=2, backend=backend)(delayed(count_threads)(n_jobs) for _ in range(2))
    assert inner == [1, 1]


@pytest.mark.parametrize("n_jobs", ["auto", None, 1, 2, 7, -1])
@pytest.mark.parametrize("n_tasks", [0, 1, 2, 5])
def test_results_come_in_order(n_jobs, n_tasks):
    def read(task):
        time.sleep(0.01 * (task % 2 == 0))  # the odd ones overtake
        return 10 * task

    with no_thread_is_left():
        assert list(read_ahead(read, range(n_tasks), n_jobs)) == [10 * k for k in range(n_tasks)]


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_as_many_at_a_time_as_asked_for(n_jobs):
    lock, running, started = threading.Lock(), 0, 0
    all_at_once = threading.Barrier(n_jobs, timeout=60)

    def read(task):
        nonlocal running, started
        with lock:
            running, started = running + 1, started + 1
            assert running <= n_jobs
        if task < n_jobs:
            all_at_once.wait()  # raises an error if fewer threads read
        with lock:
            running -= 1

    for number, _ in enumerate(read_ahead(read, range(20), n_jobs), start=1):
        assert started <= number + n_jobs


def test_the_next_are_read_while_one_is_worked_on():
    second_read = threading.Event()
    results = read_ahead(lambda task: second_read.set() if task else None, [0, 1], 1)
    next(results)
    assert second_read.wait(timeout=60)


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("bad", [0, 4, 9])
def test_an_error_comes_in_its_turn(n_jobs, bad):
    def read(task):
        if task >= bad:
            raise OSError(f"cannot read {task}")
        return task

    with no_thread_is_left():
        results = read_ahead(read, range(10), n_jobs)
        assert [next(results) for _ in range(bad)] == list(range(bad))
        with pytest.raises(OSError, match=f"cannot read {bad}"):
            next(results)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whoever_is_interrupted_leaves_no_thread(error):
    def loop():
        for result in read_ahead(lambda task: time.sleep(0.005), range(100), 3):
            raise error(result)

    before = set(threading.enumerate())
    with pytest.raises(error) as caught:
        loop()
    deadline = time.monotonic() + 60
    while set(threading.enumerate()) > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert caught.tb is not None  # what is left of the loop is still there, but no thread
    assert set(threading.enumerate()) <= before


def test_an_interruption_while_waiting_leaves_no_thread(monkeypatch):
    calls = []
    join = threading.Thread.join

    def interrupted(thread, timeout=None):
        calls.append(thread)
        if len(calls) == 1:  # as Ctrl-C does
            raise KeyboardInterrupt
        join(thread, timeout)

    with no_thread_is_left():
        monkeypatch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(read_ahead(lambda task: time.sleep(0.02), range(5), 2))
        monkeypatch.undo()


def test_an_iteration_that_nobody_closes_leaves_no_thread():
    before = set(threading.enumerate())
    results = read_ahead(lambda task: time.sleep(0.005), range(100), 3)
    next(results)
    deadline = time.monotonic() + 60
    while set(threading.enumerate()) > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert set(threading.enumerate()) <= before


def test_closing_waits_for_the_threads():
    with no_thread_is_left():
        results = read_ahead(lambda task: time.sleep(0.02), range(100), 3)
        next(results)
        results.close()


def test_any_exception_of_a_thread_reaches_the_consumer():
    def read(task):
        raise KeyboardInterrupt(task)

    with no_thread_is_left(), pytest.raises(KeyboardInterrupt, match="0"):
        next(read_ahead(read, range(5), 2))


def test_results_are_not_kept():
    class Result:
        alive = 0

        def __init__(self, task):
            Result.alive += 1
            time.sleep(0.001)

        def __del__(self):
            Result.alive -= 1

    for result in read_ahead(Result, range(30), 2):
        del result
        gc.collect(0)  # new objects
        assert Result.alive <= 2
