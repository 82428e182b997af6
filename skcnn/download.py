"""Download official files once, and compare their checksums."""

from __future__ import annotations

import hashlib
import logging
import socket
import time
import warnings
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from tempfile import TemporaryDirectory
from urllib.error import URLError

from torch.hub import download_url_to_file

from skcnn.locks import ProcessLock

TIMEOUT = 30  # seconds without an answer before a server counts as unavailable

# Errors of `download_url_to_file` that the server causes (RuntimeError: a wrong checksum). Other
# OSErrors are errors of the disk.
SERVER_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, SSLError, RuntimeError)

logger = logging.getLogger(__name__)
_timeout_lock = ProcessLock()


def official_file(
    url: str,
    sha256: str,
    path: Path,
    *,
    download_if_missing: bool = True,
    n_retries: int = 0,
    delay: float = 1.0,
    progress: bool = False,
) -> Path:
    """Return the path of an official file, and download it if needed.

    Parameters
    ----------
    url : str
        URL of the file.
    sha256 : str
        SHA-256 of the file as hexadecimal digits, or the first of them.
    path : Path
        Path of the file. If there is no such file, it is downloaded to this path, and missing
        folders are created.
    download_if_missing : bool, default=True
        Whether to download the file if it does not exist or has another checksum.
    n_retries : int, default=0
        Number of further attempts after an error that the server causes.
    delay : float, default=1.0
        Seconds between attempts.
    progress : bool, default=False
        Whether to show the progress on stderr.

    Returns
    -------
    path : Path
        File with the official checksum.

    Raises
    ------
    OSError
        If the file does not exist, or has another checksum, and cannot be downloaded.
    """
    exists = path.exists()
    if exists and sha256_of(path).startswith(sha256):
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
    path.parent.mkdir(parents=True, exist_ok=True)
    logger.info("downloading %s to %s", url, path)
    _download(url, sha256, path, n_retries, delay, progress)
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


def _download(url, sha256, path, n_retries, delay, progress):
    """Download a file, and try again after an error of the server."""
    for retries_left in reversed(range(n_retries + 1)):
        try:
            return _download_once(url, sha256, path, progress)
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


def _download_once(url, sha256, path, progress):
    """Download a file into a temporary folder beside its place, check it, and move it there.

    The folder is removed after any exception, Ctrl-C included. The move is atomic: several
    processes can download the same file at the same time.
    """
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder, _timeout(TIMEOUT):
        part = Path(folder, path.name)
        download_url_to_file(url, str(part), hash_prefix=sha256, progress=progress)
        part.replace(path)


@contextmanager
def _timeout(seconds):
    """Set the timeout of new connections, for which `download_url_to_file` has no parameter.

    The timeout is a setting of the process, so only one thread at a time can be in the context.
    """
    with _timeout_lock.held():
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(seconds)
        try:
            yield
        finally:
            socket.setdefaulttimeout(before)
