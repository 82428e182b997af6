"""Files behind URLs such as s3://, gs://, memory:// and http://, which fsspec reads."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

from skcnn.urls import hide_secrets

_PAUSES = (0.5, 2.0)  # seconds between attempts
_MAY_SUCCEED_LATER = (408, 425, 429)  # statuses of HTTP, besides those from 500 on
# Errors about credentials and names, which packages raise before they ask a server
_CERTAIN_TYPES = {
    "DefaultCredentialsError",  # google-auth
    "NoCredentialsError",  # botocore
    "ParamValidationError",
    "PartialCredentialsError",
    "ProfileNotFound",
}
_N_FIRST_BYTES = 2**20  # most files are shorter, so that one request reads them


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Parameters
    ----------
    url : str
        URL.

    Returns
    -------
    file_system : fsspec.AbstractFileSystem
        File system with the options in the configuration of fsspec.
    path : str
        Path in the file system.

    Raises
    ------
    ImportError
        If fsspec or the package of the protocol is not installed.
    ValueError
        If the protocol is unknown.
    OSError
        If a connection fails.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(
            f"{hide_secrets(url)!r} is a URL, which fsspec reads: install it with pip install "
            '"skcnn[remote]", or pass the path of a file'
        ) from error
    try:
        return url_to_fs(url)
    except ImportError as error:
        raise ImportError(
            hide_secrets(
                f"{url!r} needs a package that is not installed ({error}): pip install "
                '"skcnn[remote]" installs those of http:// and https://'
            )
        ) from error
    except ValueError as error:
        message = f"{url!r} is not a URL that fsspec can read: {error}"
        raise ValueError(hide_secrets(message)) from cause_to_show(url, error)
    except Exception as error:  # some file systems connect to their server
        raise named_error(url, error) from cause_to_show(url, error)


def read_url(url: str, n_bytes: int | Callable[[bytes], int | None] | None = None) -> bytes:
    """Read a file, or its first bytes. After an error of the network, try again up to two times.

    No more than `n_bytes` are read into memory, even if the server sends more.

    Parameters
    ----------
    url : str
        URL.
    n_bytes : int or callable, default=None
        Maximum number of bytes. If callable, it receives the first megabyte of a file, and returns
        the maximum, or None. It is not called for shorter files. None reads the whole file.

    Returns
    -------
    content : bytes
        Content of the file, or its first bytes.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    PermissionError
        If the server refuses access.
    OSError
        If the file cannot be read for another reason.
    ImportError, ValueError
        As `file_system`.
    """
    files, path = file_system(url)
    read = _read_http if is_web_server(files) else _read_parts
    pauses = iter(_PAUSES)
    while True:
        try:
            return read(files, path, n_bytes)
        except MemoryError:
            raise
        except Exception as error:  # each file system raises its own errors
            pause = next(pauses, None)
            if pause is None or not _is_temporary(error):
                raise named_error(url, error) from cause_to_show(url, error)
            time.sleep(pause)


def _read_parts(files, path, n_bytes):
    """Read a file by a request for its first bytes, and a second request for the others."""
    if n_bytes is None:
        return files.cat_file(path)
    n_first = _N_FIRST_BYTES if callable(n_bytes) else n_bytes
    try:
        start = files.cat_file(path, start=0, end=n_first)
    except Exception as error:  # object stores refuse a part of an empty file
        is_refused = _status(error) == 416 or getattr(error, "errno", None) == errno.EINVAL
        if is_refused and files.size(path) == 0:
            return b""
        raise
    if len(start) < n_first or not callable(n_bytes):
        return start[:n_first]
    limit = n_bytes(start)
    if limit is not None and limit <= n_first:
        return start[:limit]
    # Begin at the last known byte: if there are no others, some servers refuse the empty part.
    return start[:-1] + files.cat_file(path, start=n_first - 1, end=limit)


def is_web_server(files: Any) -> bool:
    """Return whether a file system reads http:// without a cache on the disk.

    Parameters
    ----------
    files : fsspec.AbstractFileSystem
        File system.

    Returns
    -------
    is_web_server : bool
        Whether `receive` can read its files.
    """
    module = sys.modules.get("fsspec.implementations.http")  # such a file system imports it
    return module is not None and isinstance(files, module.HTTPFileSystem)


def _read_http(files, path, n_bytes):
    """Read a file by one request, and end it early if the server sends more than asked for."""
    if isinstance(n_bytes, int):
        headers = {**files.kwargs.get("headers", {}), "Range": f"bytes=0-{n_bytes - 1}"}
        try:
            return receive(files, path, n_bytes, headers=headers)
        except (OSError, MemoryError):
            raise
        except Exception:  # some servers refuse parts of small files
            pass
    return receive(files, path, n_bytes)


def receive(
    files: Any, path: str, n_bytes: int | Callable[[bytes], int | None] | None, **options: Any
) -> bytes:
    """Read a file of a web server by one request, which ends when there are enough bytes.

    Parameters
    ----------
    files : fsspec.implementations.http.HTTPFileSystem
        File system.
    path : str
        URL.
    n_bytes : int, callable or None
        See `read_url`.
    **options : object
        Options of the request.

    Returns
    -------
    content : bytes
        Content of the file, or its first bytes.
    """
    received = _Received(n_bytes)
    with suppress(_EnoughError):
        files.get_file(path, received, chunk_size=2**16, **options)
    return received.getvalue()[: received.limit]


class _EnoughError(Exception):
    """Error that ends a request."""


class _Received(BytesIO):
    """File that fsspec writes, until it has a maximum number of bytes.

    Parameters
    ----------
    n_bytes : int, callable or None
        See `read_url`.
    """

    def __init__(self, n_bytes):
        super().__init__()
        self.limit_of = n_bytes if callable(n_bytes) else None
        self.limit = None if callable(n_bytes) else n_bytes

    def write(self, chunk):
        """Append bytes, and raise an error if there are enough."""
        super().write(chunk)
        if self.limit_of is not None and self.tell() >= _N_FIRST_BYTES:
            self.limit = self.limit_of(self.getvalue()[:_N_FIRST_BYTES])
            self.limit_of = None
        if self.limit is not None and self.tell() >= self.limit:
            raise _EnoughError
        return len(chunk)


def _is_temporary(error):
    """Return whether another attempt may succeed."""
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _MAY_SUCCEED_LATER
    if getattr(error, "errno", None) == errno.EINVAL or type(error).__name__ in _CERTAIN_TYPES:
        return False
    certain = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
    return not isinstance(error, certain)


def _status(error):
    """Return the status of HTTP of an error of aiohttp, gcsfs or Azure, None if it has none."""
    for name in ("status", "code", "status_code"):
        if isinstance(status := getattr(error, name, None), int):
            return status
    return None


def named_error(url: str, error: Exception) -> OSError:
    """Return an error that names a URL, without passwords.

    Parameters
    ----------
    url : str
        URL of a file.
    error : Exception
        Error of a file system.

    Returns
    -------
    error : OSError
        The error to raise.
    """
    url, reason = hide_secrets(url), hide_secrets(str(error)).splitlines()
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return FileNotFoundError(f"the image file {url!r} does not exist")
    if isinstance(error, IsADirectoryError):
        return FileNotFoundError(f"the image file {url!r} is a folder, not an image file")
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return PermissionError(f"the image file {url!r} cannot be read: permission denied")
    if isinstance(error, TimeoutError):
        return TimeoutError(f"the image file {url!r} cannot be read: no answer in time")
    why = reason[0] if reason else type(error).__name__
    if type(error).__name__ == "TooManyRedirects":  # of aiohttp, without a message
        why = "the server redirects to other addresses without end"
    if why.endswith(":"):
        why = " ".join(reason[:2])
    return OSError(f"the image file {url!r} cannot be read: {why}")


def cause_to_show(url: str, error: Exception) -> Exception | None:
    """Return the cause to show with an error.

    Parameters
    ----------
    url : str
        URL of a file.
    error : Exception
        Error of a file system.

    Returns
    -------
    cause : Exception or None
        `error`, or None if the URL has a password, which the error may show.
    """
    return error if hide_secrets(url) == url else None
