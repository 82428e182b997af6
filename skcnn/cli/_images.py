"""The images that a command is given: labeled ones, and paths of any kind."""

from __future__ import annotations

import csv
import glob
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from skcnn.cli._arguments import UsageError


def labeled_images(args: Any) -> tuple[Any, Any]:
    """Return the paths and the labels of the images that a command was given.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command, with those of `add_labeled_images`.

    Returns
    -------
    paths : object array of shape (n_images,)
        Paths, those of a table joined to their folder.
    labels : str array of shape (n_images,)
        Labels.

    Raises
    ------
    UsageError
        If there is neither a folder nor a table.
    OSError
        If a folder or a table cannot be read.
    ValueError
        If there are no images, or a row of the table is not complete.
    """
    if args.csv is not None:
        return _images_of_table(args.csv, args.folder, args.path_column, args.label_column)
    if args.folder is None:
        raise UsageError("no images are given: name a FOLDER, or a table with --csv TABLE")
    return images_of_folder(args.folder)


def images_of_folder(folder: Any) -> tuple[Any, Any]:
    """Return the paths and the labels of a folder with one sub-folder for each class.

    Parameters
    ----------
    folder : str or path-like
        Folder.

    Returns
    -------
    paths : object array of shape (n_images,)
        Paths.
    labels : str array of shape (n_images,)
        Names of the sub-folders.
    """
    from skcnn import load_image_folder

    return load_image_folder(folder, return_X_y=True)


def _images_of_table(table, folder, path_column, label_column):
    import numpy as np

    folder = table.parent if folder is None else Path(folder).expanduser()
    paths, labels = [], []
    columns = path_column, label_column
    if table.is_dir() or not table.exists():
        what = "is a folder" if table.is_dir() else "does not exist"
        raise FileNotFoundError(f"the table {str(table)!r} {what}: name a CSV file")
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _check_columns(table, rows.fieldnames or [], *columns)
            for row in rows:
                _check_row(f"line {rows.line_num} of {str(table)!r}", row, columns)
                path = row[path_column]
                paths.append(path if _is_url(path) else os.path.join(folder, path))
                labels.append(row[label_column])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{str(table)!r} is not a CSV file in UTF-8: {error}") from error
    if not paths:
        raise ValueError(f"the table {str(table)!r} has no rows")
    return np.array(paths, dtype=object), np.array(labels)


def _check_columns(table, columns, path_column, label_column):
    options = {"--path-column": path_column, "--label-column": label_column}
    for option, name in options.items():
        if name not in columns:
            raise ValueError(
                f"the table {str(table)!r} has no column {name!r}, but "
                f"{', '.join(map(repr, columns)) or 'no first line'}: name the right one with "
                f"{option}, and separate columns by commas"
            )
        if columns.count(name) > 1:
            raise ValueError(
                f"the table {str(table)!r} has {columns.count(name)} columns {name!r}: rename "
                f"them, or name another with {option}"
            )


def _check_row(line, row, columns):
    """Raise an error if a path or a label is missing, or a row is longer than the first one."""
    if not all((row[name] or "").strip() for name in columns):
        raise ValueError(f"{line} has no path or no label: fill it in, or remove the line")
    if None in row:
        raise ValueError(
            f"{line} has more values than there are columns: quote a path or a label that "
            'contains a comma, as "a,b.jpg"'
        )


def expand(arguments: Iterable[str]) -> Iterator[str]:
    """Yield the images that files, folders and patterns stand for, one by one.

    Parameters
    ----------
    arguments : iterable of str
        Files, which need not exist; folders, which are searched with their sub-folders for files
        with the suffix of an image; patterns such as "photos/*.jpg"; and "-" for a list of files
        on standard input, one in each line. A pattern that matches nothing is taken as a file.

    Yields
    ------
    path : str
        Path of a file.
    """
    for argument in arguments:
        if argument == "-":
            if sys.stdin is None:
                raise UsageError("- reads standard input, which is closed")
            lines = (line.rstrip("\r\n") for line in sys.stdin)
            yield from (line for line in lines if line.strip())
            continue
        if not argument.strip():
            raise UsageError("a path is empty: name a file, a folder or a pattern")
        found = [argument]
        if glob.has_magic(argument) and not os.path.exists(argument) and not _is_url(argument):
            found = sorted(glob.iglob(argument, recursive=True)) or found
        for path in found:
            yield from _images_in(path) if os.path.isdir(path) else [path]


def _is_url(path):
    return "://" in path


def _images_in(folder):
    """Yield the images in a folder and in its sub-folders, in the order of their names.

    Links to folders are followed, and each folder is searched once.
    """
    from skcnn.datasets._folder_contents import is_image, is_system_name

    seen = set()
    for parent, folders, files in os.walk(folder, onerror=_stop, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        for name in sorted(files):
            if is_image(Path(name)) and not is_system_name(name):
                yield os.path.join(parent, name)


def _stop(error):
    raise OSError(f"the folder {error.filename!r} cannot be read: {error.strerror}") from error


def in_batches(items: Iterable[str], batch_size: int) -> Iterator[list[str]]:
    """Yield lists of consecutive items.

    Parameters
    ----------
    items : iterable of str
        Items.
    batch_size : int
        Number of items in a list; the last one may have fewer.

    Yields
    ------
    batch : list of str
        Items.
    """
    waiting = iter(items)
    while batch := list(islice(waiting, batch_size)):
        yield batch
