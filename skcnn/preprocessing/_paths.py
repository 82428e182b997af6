"""Checks of file paths that do not open the files."""

from __future__ import annotations

import os
import stat

import numpy as np

from skcnn.exceptions import ImageFileError
from skcnn.pillow_images import is_pillow_image
from skcnn.urls import was_url


def find_problem(path):
    """Return why a file cannot be opened, from what the file system says about it.

    Parameters
    ----------
    path : str or Path
        Image file.

    Returns
    -------
    error : type of exception
        None if the file can be opened.
    kind : str
        "missing", "unreadable" or "empty", or "" if the file can be opened.
    problem : str
        Description that follows the name of the file in a message, such as "does not exist".
    """
    try:
        status = os.stat(path)
    except PermissionError:
        return PermissionError, "unreadable", "cannot be read: permission denied for its folder"
    except (OSError, ValueError):  # ValueError: a null character in the name
        if os.path.islink(path):
            problem = f"is a broken link to {os.readlink(path)!r}"
            return FileNotFoundError, "missing", problem
        if was_url(str(path)):
            problem = "does not exist: a URL must be a str, since a Path loses one of its slashes"
            return FileNotFoundError, "missing", problem
        return FileNotFoundError, "missing", "does not exist"
    if stat.S_ISDIR(status.st_mode):
        return FileNotFoundError, "missing", "is a folder, not an image file"
    if not stat.S_ISREG(status.st_mode):
        return ValueError, "unreadable", "is a device or a pipe, not an image file"
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return PermissionError, "unreadable", "cannot be read: permission denied"
    if not status.st_size:
        return ImageFileError, "empty", "is empty (0 bytes)"
    return None, "", ""


def check_all_are_paths(X):
    """Raise an error that names the row of the first missing value or number among paths."""
    if isinstance(X, (list, tuple)):
        column = X
    elif hasattr(X, "shape") and len(X.shape) in (1, 2) and (*X.shape, 1)[1] == 1:
        column = np.asarray(X).reshape(-1)
        if column.dtype.kind not in "OUT":
            return
    else:
        return
    others = [row for row, item in enumerate(column) if not _is_path(item)]
    if not others or (len(others) == len(column) and not all(map(_is_missing, column))):
        return  # all are paths, or none is
    row, item = others[0], column[others[0]]
    if isinstance(item, str):
        raise ValueError(f"the path in row {row} of X is empty: remove the row from X and from y")
    if _is_missing(item):
        raise TypeError(
            f"the path in row {row} of X is missing, an object of type {type(item).__name__} "
            f"({item}): remove the row from X and from y"
        )
    if not getattr(item, "shape", ()) and not is_pillow_image(item):
        raise TypeError(
            f"row {row} of X holds an object of type {type(item).__name__} ({item!r}), which is "
            "not a path"
        )


def _is_path(item):
    return isinstance(item, os.PathLike) or (isinstance(item, str) and not _is_missing(item))


def _is_missing(item):
    """Return whether an item of a column of paths is None, NaN, pandas.NA, NaT or ""."""
    if isinstance(item, str):
        return not item.strip()
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, (float, np.floating)) and bool(np.isnan(item))


def holds_text(X):
    """Return whether an array or a frame of several columns has paths in one of them."""
    values = np.asarray(X)
    return values.dtype.kind in "OUT" and any(isinstance(v, (str, os.PathLike)) for v in values[0])
