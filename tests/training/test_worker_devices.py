"""CUDA devices of worker processes, on machines that are made to appear to have several."""

import os
import tempfile
import time
from types import SimpleNamespace
from unittest import mock

import joblib
import pytest
import torch

from skcnn.training import worker_devices as module
from skcnn.training.device import available_device, resolve_device
from skcnn.training.worker_devices import default_cuda_device


@pytest.fixture
def devices(monkeypatch, tmp_path):
    """Set the physical numbers of the visible devices."""
    taken = {}
    monkeypatch.setattr(module, "_taken", taken)
    monkeypatch.setattr(module, "cores_of_worker_process", lambda: 1)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def set_visible(*numbers):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(numbers))
        monkeypatch.setattr(
            torch.cuda,
            "get_device_properties",
            lambda index: SimpleNamespace(uuid=f"GPU-{numbers[index]}"),
        )

    yield set_visible
    for _, lock in taken.values():
        lock.release()


def new_process(ended=False):
    """Return the device of a worker process that has not taken one."""
    module._taken[f"process {len(module._taken)}"] = module._take_device()
    device, lock = list(module._taken.values())[-1]
    if ended:
        lock.release()
    return device


def test_each_process_takes_the_device_with_the_fewest_users(devices):
    devices(0, 1, 2)
    assert [new_process() for _ in range(7)] == [f"cuda:{k}" for k in (0, 1, 2, 0, 1, 2, 0)]


def test_the_device_of_a_process_that_ended_is_free(devices):
    devices(0, 1)
    assert [new_process(ended) for ended in (False, True, False)] == ["cuda:0", "cuda:1", "cuda:1"]


def test_visible_devices_may_differ_between_processes(devices):
    devices(3, 1)
    assert new_process() == "cuda:0"  # device 3
    devices(3, 2, 1)
    assert new_process() == "cuda:1"  # device 2
    devices(1, 3)
    assert new_process() == "cuda:0"  # device 1


def test_a_process_keeps_its_device(devices):
    devices(0, 1)
    assert new_process() == "cuda:0"
    assert [default_cuda_device() for _ in range(3)] == ["cuda:1"] * 3
    assert resolve_device("auto") == available_device("auto") == torch.device("cuda:1")


@pytest.mark.parametrize("numbers", [(), (4,)])
def test_a_single_device(devices, numbers, tmp_path):
    devices(*numbers)
    assert default_cuda_device() == "cuda"
    assert not list(tmp_path.iterdir())


def test_a_process_without_parent_uses_the_current_device(devices, monkeypatch, tmp_path):
    devices(0, 1)
    monkeypatch.setattr(module, "cores_of_worker_process", lambda: None)
    assert default_cuda_device() == "cuda"
    assert not list(tmp_path.iterdir())


def test_devices_that_are_given_are_used(devices, monkeypatch):
    devices(0, 1)
    monkeypatch.setattr(torch, "empty", lambda *shape, device: None)  # there is no such device here
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize("error", [PermissionError, NotImplementedError])
def test_without_lock_files_the_current_device_is_used(devices, monkeypatch, error):
    devices(0, 1)
    monkeypatch.setattr(module.FileLock, "acquire", mock.Mock(side_effect=error))
    assert default_cuda_device() == "cuda"
    module._taken.clear()


def device_of_task(folder):
    """Return the process and its device, on a machine with two devices."""
    properties = {"side_effect": lambda index: SimpleNamespace(uuid=f"GPU-{index}")}
    with (
        mock.patch.object(torch.cuda, "device_count", return_value=2),
        mock.patch.object(torch.cuda, "get_device_properties", **properties),
        mock.patch.object(tempfile, "gettempdir", return_value=folder),
    ):
        time.sleep(0.1)
        return os.getpid(), default_cuda_device()


def test_workers_of_joblib(tmp_path):
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        tasks = [joblib.delayed(device_of_task)(str(tmp_path)) for _ in range(6)]
        found = set(joblib.Parallel()(tasks))
    processes, devices = zip(*found, strict=True)
    assert len(set(processes)) == len(processes) == 2
    assert set(devices) == {"cuda:0", "cuda:1"}
