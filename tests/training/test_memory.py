"""Settings of glibc's allocator during and after training."""

import ctypes
import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from skcnn.training import memory
from skcnn.training.memory import freed_memory_kept

VARIABLES = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"]
MMAP, TRIM = -3, -1
KEEP = [("mallopt", MMAP, 2**31 - 1), ("mallopt", TRIM, 2**31 - 1)]
RESTORE = [("mallopt", MMAP, 2**25), ("mallopt", TRIM, 2**26), ("malloc_trim", 0)]


class FakeLibrary:
    """A C library that records its calls, and rejects thresholds above `largest`."""

    def __init__(self, largest=2**31):
        self.largest = largest
        self.calls = []

    def mallopt(self, parameter, value):
        self.calls.append(("mallopt", parameter, value))
        return int(parameter != MMAP or value <= self.largest)

    def malloc_trim(self, pad):
        self.calls.append(("malloc_trim", pad))
        return 1


@pytest.fixture
def glibc(monkeypatch):
    """Unset the environment variables, and clear the cache of `_glibc` before and after a test."""
    for name in [*VARIABLES, memory.SWITCH]:
        monkeypatch.delenv(name, raising=False)
    memory._glibc.cache_clear()
    yield monkeypatch
    memory._glibc.cache_clear()


@pytest.fixture
def library(glibc):
    library = FakeLibrary()
    glibc.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    glibc.setattr(ctypes, "CDLL", lambda name: library)
    return library


def test_memory_is_kept_inside_the_context_and_released_after(library):
    for _ in range(3):
        with freed_memory_kept():
            assert library.calls == KEEP
        assert library.calls == KEEP + RESTORE
        library.calls.clear()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_memory_is_released_after_an_exception(library, error):
    with pytest.raises(error), freed_memory_kept():
        raise error
    assert library.calls == KEEP + RESTORE


def test_nested_contexts_change_settings_once(library):
    with freed_memory_kept():
        with freed_memory_kept():
            pass
        with pytest.raises(ValueError), freed_memory_kept():
            raise ValueError
        assert library.calls == KEEP
    assert library.calls == KEEP + RESTORE


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_settings_once(library, n_threads):
    entered, left = (threading.Barrier(n_threads, timeout=60) for _ in range(2))

    def work(number):
        with freed_memory_kept():
            entered.wait()
            if number == 0:
                left.wait()
        if number:
            assert library.calls == KEEP
            left.wait()

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, range(n_threads)))
    assert library.calls == KEEP + RESTORE


def test_smaller_threshold_if_the_library_rejects_the_largest(library):
    library.largest = 2**25
    with freed_memory_kept():
        assert library.calls == [KEEP[0], ("mallopt", MMAP, 2**25), KEEP[1]]


@pytest.mark.parametrize("name", VARIABLES)
def test_no_changes_if_the_user_sets_a_variable(library, glibc, name):
    glibc.setenv(name, "65536")
    with freed_memory_kept():
        pass
    assert library.calls == []


@pytest.mark.parametrize(("value", "kept"), [("0", False), ("1", True)])
def test_environment_variable_switches_it_off(library, glibc, value, kept):
    glibc.setenv("SKCNN_KEEP_FREED_MEMORY", value)
    with freed_memory_kept():
        pass
    assert library.calls == (KEEP + RESTORE if kept else [])


@pytest.mark.parametrize("version", [("", ""), ("musl", "1.2"), ("libc", "1")])
def test_no_changes_with_another_c_library(library, glibc, version):
    glibc.setattr(platform, "libc_ver", lambda: version)
    with freed_memory_kept():
        pass
    assert library.calls == []


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_installed_glibc_accepts_the_settings(glibc):
    with freed_memory_kept():
        assert memory._n_contexts[os.getpid()] == 1
        assert bytes(2**22) == b"\0" * 2**22
    assert memory._n_contexts[os.getpid()] == 0
    assert memory._glibc().mallopt(MMAP, 2**25) == 1
