"""One GPU for each worker process of a parallel computation, if there are several."""

from __future__ import annotations

import os
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from skcnn.locks import ProcessLock
from skcnn.threads import cores_of_worker_process

_taken: dict[int, tuple[str, Any]] = {}  # device and lock file of each process
_lock = ProcessLock()


def default_cuda_device() -> str:
    """Return the CUDA device of `device="auto"`.

    A worker process takes a device that the fewest other workers of this user have taken, and keeps
    it until it ends. Other processes use the current device of PyTorch.

    Returns
    -------
    device : str
        "cuda", or "cuda:1" and so on in a worker process if there are several devices. The devices
        are those of `CUDA_VISIBLE_DEVICES`.
    """
    if cores_of_worker_process() is None or torch.cuda.device_count() < 2:
        return "cuda"
    process = os.getpid()  # a forked process takes another device than its parent
    with _lock.held():
        if process not in _taken:
            _taken[process] = _take_device()
        return _taken[process][0]


def _take_device():
    """Lock the first free place on a device, and return the device and the lock.

    Every device has places 0, 1, 2 and so on. The first places of all devices are taken before the
    second ones. The operating system frees a place when its process ends, in whatever way.
    """
    names = [_identity(index) for index in range(torch.cuda.device_count())]
    try:
        folder = _lock_folder()
        for place in count():
            for index, name in enumerate(names):
                lock = FileLock(folder / f"{name}-{place}.lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                return f"cuda:{index}", lock
    except (NotImplementedError, OSError):  # no lock files in the folder for temporary files
        pass
    return "cuda", None


def _identity(index):
    """Return the name of a device that does not depend on CUDA_VISIBLE_DEVICES."""
    return str(getattr(torch.cuda.get_device_properties(index), "uuid", index))


def _lock_folder():
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows, each user has a folder
    folder = Path(tempfile.gettempdir()) / f"skcnn-devices{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
