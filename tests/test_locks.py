"""Locks that a forked process does not share with its parent."""

import os
import pickle
import sys
import threading
import time

import pytest

from skcnn.locks import ProcessLock

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


def exit_status_of_fork(function, seconds=30):
    """Return the exit status of a forked process that calls a function, or stop it."""
    process = os.fork()
    if process == 0:
        try:
            os._exit(0 if function() else 1)
        except BaseException:
            os._exit(2)
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, 9)
    os.waitpid(process, 0)
    return "hangs"


def takes(lock):
    with lock.held():
        return True


def test_lock_excludes_other_threads_and_is_reentrant():
    lock, order = ProcessLock(), []

    def other():
        with lock.held():
            order.append("other")

    with lock.held(), lock.held():
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_lock_of_another_thread_does_not_block_a_forked_process():
    lock, held, stop = ProcessLock(), threading.Event(), threading.Event()

    def hold():
        with lock.held():
            held.set()
            stop.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert exit_status_of_fork(lambda: takes(lock), seconds=60) == 0
    finally:
        stop.set()
        thread.join()


@forks
@pytest.mark.skipif(sys.platform == "darwin", reason="fork is not reliable with threads")
def test_lock_can_be_released_by_a_process_that_was_forked_inside():
    lock = ProcessLock()
    with lock.held():
        process = os.fork()
        if process == 0:
            os._exit(0 if takes(lock) else 1)
        assert os.waitpid(process, 0)[1] == 0
    assert takes(lock)


def test_lock_is_pickled_as_a_new_lock():
    lock = ProcessLock()
    with lock.held():
        assert takes(pickle.loads(pickle.dumps(lock)))
