"""URLs as text: what is one, how names are appended, and messages without passwords."""

from __future__ import annotations

import re
from typing import Any

# A scheme of one letter is a drive of Windows. Several are joined by "::", as fsspec does.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::.*://)")
_BROKEN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")
QUERY = re.compile("[?#].*")
_PASSWORD = re.compile(r"""(?<=://)[^/:@'"\s]*:[^/'"\s]*(?=@)""")
_SIGNATURE = re.compile(
    r"""(?i)([?&][^=&'"\s]*(?:credential|key|password|secret|sig|token)[^=&'"\s]*=)[^&'"\s]+"""
)


def is_url(path: Any) -> bool:
    """Return whether a path is a URL of a file system of fsspec.

    Parameters
    ----------
    path : object
        Path.

    Returns
    -------
    is_url : bool
        True for strings that start with a scheme of at least two letters and "://".

    Examples
    --------
    >>> from skcnn.urls import is_url
    >>> is_url("s3://bucket/cat.jpg"), is_url("zip://cat.jpg::s3://bucket/photos.zip")
    (True, True)
    >>> is_url("photos/cat.jpg"), is_url("C://photos/cat.jpg")
    (False, False)
    """
    return isinstance(path, str) and "://" in path and _URL.match(path) is not None


def was_url(path: str) -> bool:
    """Return whether a path looks like a URL that was made a `pathlib.Path`.

    Parameters
    ----------
    path : str
        Path.

    Returns
    -------
    was_url : bool
        Whether it has a scheme and a single slash.
    """
    return _BROKEN_URL.match(path) is not None


def hide_secrets(text: str) -> str:
    """Replace the passwords and signatures of URLs in a message.

    Parameters
    ----------
    text : str
        Message, or URL.

    Returns
    -------
    text : str
        The same with "***" for users with passwords, and for the values of parameters whose names
        are those of keys, tokens and signatures.

    Examples
    --------
    >>> from skcnn.urls import hide_secrets
    >>> hide_secrets("'https://me:pass@example.org/a.png?sig=1a2b&size=2' does not exist")
    "'https://***@example.org/a.png?sig=***&size=2' does not exist"
    """
    return _SIGNATURE.sub(r"\1***", _PASSWORD.sub("***", text))


def join_url(root: str, path: str) -> str:
    """Append a relative path to a URL.

    Parameters
    ----------
    root : str
        URL of a folder.
    path : str
        Relative path.

    Returns
    -------
    url : str
        URL of the path, whose first part is extended if several are joined by "::".

    Raises
    ------
    ValueError
        If the URL of the folder has a query, which would contain the path.

    Examples
    --------
    >>> from skcnn.urls import join_url
    >>> join_url("s3://bucket/photos/", "cat.jpg"), join_url("zip://::s3://bucket/a.zip", "cat.jpg")
    ('s3://bucket/photos/cat.jpg', 'zip://cat.jpg::s3://bucket/a.zip')
    """
    before, folder, after = split_url(root)
    if is_http(folder) and QUERY.search(folder):
        raise ValueError(
            f"{hide_secrets(root)!r} is the URL of a folder with a query, to which no names of "
            "files can be appended: pass the URLs of the images"
        )
    return f"{before}{folder}{'' if folder.endswith('/') else '/'}{path}{after}"


def is_http(url: str) -> bool:
    """Return whether a URL, or the part of one, is that of a web server.

    Parameters
    ----------
    url : str
        URL without what is before and after it.

    Returns
    -------
    is_http : bool
        Whether its scheme is http or https.
    """
    return url.startswith(("http://", "https://"))


def split_url(url: str) -> tuple[str, str, str]:
    """Return what is before, in, and after the part of a URL that names the file or folder.

    Parameters
    ----------
    url : str
        URL.

    Returns
    -------
    before, part, after : str
        Such as "simplecache::", "s3://bucket/cat.jpg" and "".
    """
    parts = url.split("::")
    number = next(number for number, part in enumerate(parts) if "://" in part)
    before = "".join(f"{part}::" for part in parts[:number])  # such as simplecache::
    after = "".join(f"::{part}" for part in parts[number + 1 :])  # such as ::s3://bucket/a.zip
    return before, parts[number], after
