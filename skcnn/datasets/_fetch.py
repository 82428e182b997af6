"""Download the official files of data sets to scikit-learn's data home, and check them."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import time
import warnings
from contextlib import contextmanager
from http.client import HTTPException
from numbers import Integral, Real
from pathlib import Path
from ssl import SSLError
from tempfile import TemporaryDirectory
from urllib.error import URLError

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from torch.hub import download_url_to_file

from skcnn.locks import ProcessLock

TIMEOUT = 30  # seconds without an answer before a server counts as unavailable

# What `download_url_to_file` raises when the server is at fault; other OSErrors are the disk's.
# RuntimeError is a wrong checksum.
SERVER_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, SSLError, RuntimeError)

PARAMETERS = {
    "data_home": [str, os.PathLike, None],
    "subset": [StrOptions({"train", "test", "all"})],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "n_retries": [Interval(Integral, 0, None, closed="left")],
    "delay": [Interval(Real, 0, None, closed="left")],
}

logger = logging.getLogger(__name__)
_timeout_lock = ProcessLock()


def official_file(url, sha256, folder, *, data_home, download_if_missing, n_retries, delay):
    """Return the path of an official file in a folder of the data home, and download it if needed.

    Returns
    -------
    path : Path
        File with the official checksum.
    """
    path = Path(get_data_home(data_home), folder, url.rsplit("/", 1)[-1])
    exists = path.exists()
    if exists and sha256_of(path) == sha256:
        return path
    if not download_if_missing:
        problem = "is not the official file: its checksum differs" if exists else "does not exist"
        remedy = "delete it, and put" if exists else "put"
        raise OSError(
            f"{str(path)!r} {problem}, and download_if_missing=False: {remedy} the official file "
            f"there, {url}, or allow the download"
        )
    if exists:
        warnings.warn(
            f"{str(path)!r} is not the official file: its checksum differs. The official file is "
            "downloaded and replaces it",
            stacklevel=2,
        )
    path.parent.mkdir(exist_ok=True)
    logger.info("downloading %s to %s", url, path)
    _download(url, sha256, path, n_retries, delay)
    return path


def sha256_of(path):
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url, sha256, path, n_retries, delay):
    """Download a file, and try again after an error of the server."""
    for retries_left in reversed(range(n_retries + 1)):
        try:
            return _download_once(url, sha256, path)
        except SERVER_ERRORS as error:
            reason = str(error) or type(error).__name__
            if not retries_left:
                raise OSError(
                    f"{url} could not be downloaded ({reason}): try again later, or put the "
                    f"official file at {str(path)!r} yourself"
                ) from error
            warnings.warn(f"{url} is downloaded again: {reason}", stacklevel=2)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        time.sleep(delay)


def _download_once(url, sha256, path):
    """Download a file into a temporary folder beside its place, check it, and move it there.

    The folder is removed after any exception, Ctrl-C included. The move is atomic: several
    processes can download the same file at the same time.
    """
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder, _timeout(TIMEOUT):
        part = Path(folder, path.name)
        download_url_to_file(url, str(part), hash_prefix=sha256, progress=False)
        part.replace(path)


@contextmanager
def _timeout(seconds):
    """Set the timeout of new connections, which `download_url_to_file` has no parameter for.

    The timeout belongs to the process, so one thread at a time sets it and restores it.
    """
    with _timeout_lock.held():
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(seconds)
        try:
            yield
        finally:
            socket.setdefaulttimeout(before)


def parts_of(subset):
    """Return the official parts of a subset, in order."""
    return ("train", "test") if subset == "all" else (subset,)


def collection(images, codes, target_names, description, *, return_X_y):
    """Concatenate the parts of a data set, and replace class numbers by class names."""
    target_names = np.array(target_names)
    data, target = np.concatenate(images), target_names[np.concatenate(codes)]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=target_names, DESCR=description)
