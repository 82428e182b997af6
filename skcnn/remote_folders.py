"""Folders behind URLs, whose images are listed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin

from skcnn.remote_files import cause_to_show, file_system, is_web_server, named_error, receive
from skcnn.urls import QUERY, is_http, join_url, split_url

_MAX_PAGE_BYTES = 2**26  # of the page of a folder, for some 500,000 files
_LINK = re.compile(r"""(?i)<a\s[^<>]*?\bhref\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))""")


@dataclass(frozen=True)
class RemotePath:
    """A file or a folder behind a URL, with the interface of `pathlib.Path` that folders need.

    Parameters
    ----------
    url : str
        URL.
    """

    url: str

    @cached_property
    def name(self) -> str:
        """Last part of the path."""
        path = split_url(self.url)[1]
        if is_http(path):
            return unquote(_name_of(QUERY.sub("", path)))
        return _name_of(path)

    @cached_property
    def suffix(self) -> str:
        """Suffix of the name, such as ".jpg"."""
        return PurePosixPath(self.name).suffix

    def relative_to(self, root: RemotePath) -> PurePosixPath:
        """Return the path relative to the URL of a folder.

        Parameters
        ----------
        root : RemotePath
            Folder that contains the path.

        Returns
        -------
        path : PurePosixPath
            Relative path.
        """
        return PurePosixPath(
            split_url(self.url)[1].removeprefix(split_url(join_url(root.url, ""))[1])
        )

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self.url


def list_url(folder: RemotePath) -> tuple[list[RemotePath], list[RemotePath]]:
    """List the folders and the files in a folder, sorted by name.

    Parameters
    ----------
    folder : RemotePath
        The folder.

    Returns
    -------
    folders, files : list of RemotePath
        Entries.

    Raises
    ------
    OSError
        If the folder cannot be listed. `FileNotFoundError` if it does not exist.
    ImportError, ValueError
        As `file_system`.
    """
    files, path = file_system(folder.url)
    try:
        if is_web_server(files):
            entries = _links_to_files(files, path)
        else:
            files.invalidate_cache(path)  # the folder may have changed
            entries = files.ls(path, detail=True)
    except MemoryError:
        raise
    except Exception as error:  # each file system raises its own errors
        named = named_error(folder.url, error)
        message = str(named).replace("the image file", "the image folder")
        raise type(named)(message) from cause_to_show(folder.url, error)
    found: dict[str, list[RemotePath]] = {"directory": [], "file": []}
    for entry in entries:
        name, kind, query = entry["name"], entry["type"], ""
        if is_http(path):  # any link of a page
            name = QUERY.sub("", name)
            query = entry["name"].removeprefix(name)
        is_other = name.rstrip("/") != path.rstrip("/") and _name_of(name)
        if is_other and not (query and kind == "directory"):
            url = join_url(folder.url, _name_of(name) + query)
            found.setdefault(kind, []).append(RemotePath(url))
    folders, images = (sorted(found[kind], key=str) for kind in ("directory", "file"))
    return folders, images


def _links_to_files(files, path):
    """Return the entries of a folder to which its page links.

    fsspec would read a page of any length into memory.
    """
    page = receive(files, path, _MAX_PAGE_BYTES + 1)
    if len(page) > _MAX_PAGE_BYTES:
        raise ValueError(f"its page has more than {_MAX_PAGE_BYTES:,} bytes")
    folder = QUERY.sub("", path).rstrip("/") + "/"
    _, _, address = folder.partition("://")
    names = set()
    for match in _LINK.finditer(page.decode("utf-8", "ignore")):
        link = unescape(next(filter(None, match.groups()), "")).strip()
        _, _, target = urljoin(folder, link).partition("://")  # https:// may be behind http://
        name = target.removeprefix(address)
        if target.startswith(address) and "/" not in QUERY.sub("", name)[:-1]:
            names.add(name)
    return [
        {"name": folder + name, "type": "directory" if name.endswith("/") else "file"}
        for name in names
    ]


def _name_of(path):
    """Return the last part of a path."""
    return path.rstrip("/").rpartition("/")[2]
