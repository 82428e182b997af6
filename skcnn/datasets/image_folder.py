"""load_image_folder: paths and classes of the images in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def load_image_folder(root: str | Path, *, return_X_y: bool = False) -> Any:
    """Find the images in a folder that has one sub-folder for each class.

    The images are not opened: `ImageReader` reads them. Hidden files and folders, and files
    without the extension of an image, are ignored. Folders inside a class folder are not searched.

    Parameters
    ----------
    root : str or Path
        The folder. A leading ``~`` is the user's home folder.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a `Bunch`.

    Returns
    -------
    data : Bunch or tuple of (array, array)
        A dictionary-like object with the attributes

        data : object array of shape (n_images,)
            Paths of the files as `str`, sorted by class and file name.
        target : str array of shape (n_images,)
            Class name of each image, which is the name of its folder.
        target_names : str array of shape (n_classes,)
            Class names, sorted.
        filenames : object array of shape (n_images,)
            Paths of the files relative to `root`, as `str` with slashes.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the folder has no sub-folders, or a sub-folder has no images.

    See Also
    --------
    sklearn.datasets.load_files : Load text files with one sub-folder for each class.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skcnn import load_image_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("dog/rex.png", "cat/tom.jpg", "cat/notes.txt"):
    ...         path = Path(root, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     images = load_image_folder(root)
    >>> images.filenames.tolist(), images.target.tolist()
    (['cat/tom.jpg', 'dog/rex.png'], ['cat', 'dog'])
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(
            f"the image folder {str(root)!r} {problem}: pass a folder that has one sub-folder for "
            "each class"
        )
    folders = _visible(root, Path.is_dir)
    if not folders:
        raise ValueError(
            f"the folder {str(root)!r} has no sub-folders, whose names are the classes: "
            "put the images of each class into a sub-folder named after the class"
        )
    files = [(folder.name, file) for folder in folders for file in _images(folder)]
    paths = np.array([str(file) for _, file in files], dtype=object)
    target = np.array([name for name, _ in files])
    if return_X_y:
        return paths, target
    return Bunch(
        data=paths,
        target=target,
        target_names=np.array([folder.name for folder in folders]),
        filenames=np.array([file.relative_to(root).as_posix() for _, file in files], dtype=object),
    )


def _visible(folder, is_kind):
    """List the visible files or folders in a folder, in the same order on every machine."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted((entry for entry in entries if is_kind(entry)), key=lambda entry: entry.name)


def _images(folder):
    """List the images of a class."""
    files = [file for file in _visible(folder, Path.is_file) if file.suffix.lower() in EXTENSIONS]
    if files:
        return files
    within = _visible(folder, Path.is_dir)
    raise ValueError(
        f"the folder {str(folder)!r} of class {folder.name!r} has no images "
        f"({', '.join(EXTENSIONS)}): "
        + (
            f"it has the sub-folders {', '.join(repr(f.name) for f in within[:3])}..., so perhaps "
            f"{str(folder)!r} is the folder to load"
            if within
            else "remove it, or put images into it"
        )
    )
