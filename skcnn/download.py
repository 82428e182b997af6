"""Download official files once, continue partial downloads, and verify checksums."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock
from tqdm import tqdm

TIMEOUT = 30  # seconds without an answer after which a server counts as unavailable
LEAST_PROGRESS = 2**20  # bytes after which an interrupted download is continued at once

_CHUNK = 2**18  # bytes
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206

logger = logging.getLogger(__name__)


class _ServerError(Exception):
    """Error of the server or of the network."""


def official_file(
    url: str,
    sha256: str,
    path: Path,
    *,
    download_if_missing: bool = True,
    n_retries: int = 0,
    delay: float = 1.0,
    progress: bool = False,
    resume: bool = False,
) -> Path:
    """Return the path of an official file, and download the file if needed.

    A download is first written to a partial file in the same folder, whose name ends with ".part".
    When it is complete and its checksum is verified, it is moved to its path. Other threads and
    processes that need the same file wait for it.

    Parameters
    ----------
    url : str
        URL of the file.
    sha256 : str
        SHA-256 of the file as hexadecimal digits, or the first digits of it.
    path : Path
        Path of the file. If there is no such file, it is downloaded to this path, and missing
        folders are created.
    download_if_missing : bool, default=True
        Whether to download the file if it does not exist or has another checksum.
    n_retries : int, default=0
        Number of further attempts after an error of the server or of the network. A download that
        is interrupted after at least 1 MiB is continued at once, without using up an attempt.
    delay : float, default=1.0
        Seconds between attempts.
    progress : bool, default=False
        Whether to show the progress on stderr.
    resume : bool, default=False
        Whether to keep the partial file after an error or Ctrl-C, so that the next call continues
        the download. False deletes it.

    Returns
    -------
    path : Path
        File with the official checksum.

    Raises
    ------
    OSError
        If the file does not exist, or has another checksum, and cannot be downloaded.
    """
    if _is_official(path, sha256):
        return path
    exists = path.exists()
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path):
        if _is_official(path, sha256):  # another process has downloaded it
            return path
        part = path.with_name(f"{path.name}.part")
        try:
            _download(url, sha256, part, n_retries, delay, progress, resume)
            part.replace(path)
        finally:
            if not resume:
                part.unlink(missing_ok=True)
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    Parameters
    ----------
    path : Path
        File.

    Returns
    -------
    sha256 : str
        Hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_official(path, sha256):
    """Return whether a file exists and has the official checksum."""
    return path.exists() and sha256_of(path).startswith(sha256)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file in the context. It is a file beside it that is deleted afterwards."""
    lock = path.with_name(f"{path.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove an open file; `FileLock` does it then
                lock.unlink()


def _download(url, sha256, part, n_retries, delay, progress, resume):
    """Complete a partial file, and try again after an error of the server or of the network."""
    retries_left = n_retries
    while True:
        n_bytes = _size(part)
        logger.info("downloading %s to %s, which has %d bytes", url, part, n_bytes)
        try:
            return _complete(url, sha256, part, progress)
        except _ServerError as error:
            failure = error
        except OSError as error:  # of the disk
            raise OSError(error.errno, error.strerror, str(part)) from error
        if _size(part) - n_bytes >= LEAST_PROGRESS:
            continue
        if retries_left == 0:
            kept = f"; the next attempt continues after {_size(part):,} bytes"
            raise OSError(
                f"{url} could not be downloaded ({failure}{kept if resume and _size(part) else ''})"
                f": try again later, or put the official file {part.stem!r} into the folder "
                f"{str(part.parent)!r}"
            ) from failure
        retries_left -= 1
        warnings.warn(f"{url} is downloaded again: {failure}", stacklevel=2)
        time.sleep(delay)


def _size(path):
    """Return the number of bytes of a file, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def _complete(url, sha256, part, progress):
    """Download the missing bytes of a partial file, or all bytes if it is of another file."""
    if _is_official(part, sha256):
        return
    continued = _transfer(url, part, progress)
    if continued and not _is_official(part, sha256):  # the first bytes were of another file
        part.unlink()
        _transfer(url, part, progress)
    if not _is_official(part, sha256):
        found = sha256_of(part)
        part.unlink()
        raise _ServerError(f"the SHA-256 of the file is {found}, but should start with {sha256}")


def _transfer(url, part, progress):
    """Append the missing bytes to a partial file, or write all bytes.

    Returns
    -------
    continued : bool
        Whether the file was continued. Servers without support for ranges send all bytes.
    """
    n_bytes = _size(part)
    response = _response(url, n_bytes)
    if response is None:  # the partial file is longer than the file on the server
        n_bytes, response = 0, _response(url, 0)
    with response:
        continued = response.status == _PARTIAL_CONTENT
        n_bytes = n_bytes if continued else 0
        length = response.headers["Content-Length"]
        total = None if length is None else n_bytes + int(length)
        bar = tqdm(total=total, initial=n_bytes, disable=not progress, unit="B", unit_scale=True)
        with open(part, "ab" if continued else "wb") as file, bar:
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
                n_bytes += len(chunk)
    if total is not None and n_bytes < total:
        raise _ServerError(f"the connection broke off after {n_bytes:,} of {total:,} bytes")
    return continued


def _response(url, start):
    """Open a URL at a byte position, or return None if the file is shorter."""
    headers = {"User-Agent": "skcnn", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if start and error.code == _RANGE_NOT_SATISFIABLE:
            return None
        raise _ServerError(str(error)) from error
    except (OSError, HTTPException) as error:
        raise _ServerError(str(getattr(error, "reason", error))) from error


def _chunks(response):
    """Yield the bytes of a response."""
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _ServerError(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk
