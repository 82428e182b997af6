"""Checks of file paths that do not open the files."""

from __future__ import annotations

import os
import stat

import numpy as np


def find_problem(path):
    """Return why a file cannot be read, as far as the file system shows it.

    Parameters
    ----------
    path : str or Path
        Image file.

    Returns
    -------
    error : type of exception
        None if the file can be opened.
    kind : str
        Kind of files with this problem.
    problem : str
        Predicate that follows the name of the file in a message.
    """
    try:
        status = os.stat(path)
    except PermissionError:
        return PermissionError, "unreadable", "may not be read: permission denied for its folder"
    except (OSError, ValueError):  # ValueError: a null character in the name
        if os.path.islink(path):
            problem = f"is a broken link to {os.readlink(path)!r}"
            return FileNotFoundError, "missing", problem
        if "://" in str(path):
            return FileNotFoundError, "missing", "is a URL, not a file: download it first"
        return FileNotFoundError, "missing", "does not exist"
    if stat.S_ISDIR(status.st_mode):
        return FileNotFoundError, "missing", "is a folder, not an image file"
    if not stat.S_ISREG(status.st_mode):
        return ValueError, "unreadable", "is a device or a pipe, not an image file"
    if not os.access(path, os.R_OK):
        return PermissionError, "unreadable", "may not be read: permission denied"
    if not status.st_size:
        return ValueError, "empty", "is empty (0 bytes)"
    return None, "", ""


def check_missing_values(X):
    """Raise an error that names the row of the first missing value among paths."""
    if isinstance(X, (list, tuple)):
        column = X
    elif hasattr(X, "shape") and len(X.shape) in (1, 2) and (*X.shape, 1)[1] == 1:
        column = np.asarray(X).reshape(-1)
        if column.dtype.kind not in "OUT":
            return
    else:
        return
    row = next((row for row, item in enumerate(column) if _is_missing(item)), None)
    if row is not None and any(isinstance(item, (str, os.PathLike)) for item in column):
        item = column[row]
        what = "empty" if isinstance(item, str) else f"an object of type {type(item).__name__}"
        raise (ValueError if isinstance(item, str) else TypeError)(
            f"the path in row {row} of X is missing, it is {what} ({item!r}): remove the row from "
            "X and from y"
        )


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
