"""What the fetchers share: official files in scikit-learn's data home, whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import warnings
from http.client import HTTPException
from numbers import Integral, Real
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

TIMEOUT = 30  # seconds in which a server may stay silent
CHUNK = 1 << 20  # bytes

PARAMETERS = {
    "data_home": [str, os.PathLike, None],
    "subset": [StrOptions({"train", "test", "all"})],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "n_retries": [Interval(Integral, 0, None, closed="left")],
    "delay": [Interval(Real, 0, None, closed="left")],
}

logger = logging.getLogger(__name__)


class BrokenDownloadError(Exception):
    """The server gave no file, or not the official one; it may the next time."""


# ------------------------------------------------------------------------------------------------
# Files


def official_file(url, sha256, folder, *, data_home, download_if_missing, n_retries, delay):
    """Give the path of an official file in a folder of the data home, downloaded if need be.

    Returns
    -------
    path : Path
        A file whose checksum was right just now.
    """
    path = Path(get_data_home(data_home), folder, url.rsplit("/", 1)[-1])
    exists = path.exists()
    if exists and sha256_of(path) == sha256:
        return path
    if not download_if_missing:
        what = "is not the official file: its checksum is another" if exists else "does not exist"
        mend = "delete it, and put" if exists else "put"
        raise OSError(
            f"{str(path)!r} {what}, and download_if_missing=False: {mend} the official file "
            f"there, {url}, or allow the download"
        )
    if exists:
        warnings.warn(
            f"{str(path)!r} is not the official file: its checksum is another. The official one is "
            "downloaded and replaces it",
            stacklevel=2,
        )
    path.parent.mkdir(exist_ok=True)
    logger.info("downloading %s to %s", url, path)
    _download(url, sha256, path, n_retries, delay)
    return path


def sha256_of(path):
    """Give the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url, sha256, path, n_retries, delay):
    """Download a file, again where the server fails, and not where the disk does."""
    for retries_left in reversed(range(n_retries + 1)):
        try:
            return _download_once(url, sha256, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        except BrokenDownloadError as error:
            if not retries_left:
                raise OSError(
                    f"{url} could not be downloaded ({error}): try again later, or put the "
                    f"official file at {str(path)!r} yourself"
                ) from error
            warnings.warn(f"{url} is downloaded again: {error}", stacklevel=2)
        time.sleep(delay)


def _download_once(url, sha256, path):
    """Download a file next to its place, under a name of its own, and move it there if it is right.

    Whatever happens, an exception or Ctrl-C, the unfinished file is removed. Moving is atomic, so
    of several processes that download the same file each puts a whole one there.
    """
    part = path.with_name(f"{path.name}.part_{uuid4().hex}")
    try:
        with part.open("xb") as file:
            for chunk in _chunks(url):
                file.write(chunk)
        if sha256_of(part) != sha256:  # http.client tells nobody that a connection ended early
            raise BrokenDownloadError(
                f"the {part.stat().st_size} bytes that came are not the official file"
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _chunks(url):
    """Read from a server. An OSError of this function's caller is then one of the disk."""
    try:
        with urlopen(url, timeout=TIMEOUT) as answer:
            while chunk := answer.read(CHUNK):
                yield chunk
    except (OSError, HTTPException) as error:  # URLError, timeouts and resets are OSErrors
        raise BrokenDownloadError(str(error) or type(error).__name__) from error


# ------------------------------------------------------------------------------------------------
# What the fetchers give


def parts_of(subset):
    """Give the official parts that a subset consists of, in order."""
    return ("train", "test") if subset == "all" else (subset,)


def collection(images, codes, target_names, description, *, return_X_y):
    """Join the parts of a collection, and name the classes."""
    target_names = np.array(target_names)
    data, target = np.concatenate(images), target_names[np.concatenate(codes)]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=target_names, DESCR=description)
