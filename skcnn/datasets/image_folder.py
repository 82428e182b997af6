"""load_image_folder: paths and classes of the images in a folder."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skcnn.datasets._folder_contents import (
    EXTENSIONS,
    LeftOut,
    class_images,
    is_image,
    list_folder,
)
from skcnn.remote_folders import RemotePath
from skcnn.urls import hide_secrets, is_url


@validate_params(
    {
        "root": [str, os.PathLike],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(
    root: str | os.PathLike[str],
    *,
    shuffle: bool = True,
    random_state: int | np.random.RandomState | None = 0,
    return_X_y: bool = False,
) -> Any:
    """Find the images in a folder that has one sub-folder for each class.

    The images are not opened: `ImageReader` reads them. Hidden files and folders, and those that
    systems create (`Thumbs.db`, `__MACOSX` and others), are ignored. Folders inside a class
    folder are not searched.

    Parameters
    ----------
    root : str or path-like
        The folder. A leading ``~`` is the user's home folder. A str such as "s3://bucket/photos" is
        the URL of a folder, which fsspec reads.
    shuffle : bool, default=True
        Whether to shuffle the images, as `sklearn.datasets.load_files` does. False sorts them by
        class and file name. Then functions that take consecutive images, such as ``KFold(5)`` and
        `learning_curve`, train on only some of the classes.
    random_state : int, RandomState instance or None, default=0
        Seed of the shuffling. An integer gives the same order in every call.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a `Bunch`.

    Returns
    -------
    data : Bunch or tuple of (array, array)
        A dictionary-like object with the attributes

        data : object array of shape (n_images,)
            Paths of the files as `str`, or their URLs.
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
    PermissionError
        If there is no permission to read the folder or the folder of a class.
    ValueError
        If the folder has no sub-folders, or a sub-folder has no images.
    ImportError
        If `root` is a URL and a package that reads it is not installed.

    Warns
    -----
    UserWarning
        If images in nested folders or outside the class folders, files with other suffixes than
        .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff and .webp, or broken links are left out. One
        warning counts them by kind.

    See Also
    --------
    ImageReader : Read the images.
    sklearn.datasets.load_files : Load text files with one sub-folder for each class.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skcnn import load_image_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("dog/rex.png", "cat/tom.jpg", "cat/kit.png"):
    ...         path = Path(root, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     images = load_image_folder(root)
    >>> images.filenames.tolist(), images.target.tolist()
    (['dog/rex.png', 'cat/tom.jpg', 'cat/kit.png'], ['dog', 'cat', 'cat'])
    """
    root = _existing_folder(root)
    folders, files, links = list_folder(root)
    if not folders:
        raise ValueError(
            f"the folder {_shown(root)!r} has no sub-folders, whose names are the classes: "
            "put the images of each class into a sub-folder named after the class"
        )
    left_out = LeftOut()
    for link in links:
        left_out.add("link", link.name)
    for file in filter(is_image, files):
        left_out.add("outside", file.name)
    found = [(folder.name, file) for folder in folders for file in _images(folder, root, left_out)]
    if description := left_out.describe():
        warnings.warn(f"not loaded from {_shown(root)!r}: {description}", stacklevel=3)
    order = np.arange(len(found))
    if shuffle:
        check_random_state(random_state).shuffle(order)
    found = [found[row] for row in order]
    paths = np.array([str(file) for _, file in found], dtype=object)
    target = np.array([name for name, _ in found])
    if return_X_y:
        return paths, target
    return Bunch(
        data=paths,
        target=target,
        target_names=np.array([folder.name for folder in folders]),
        filenames=np.array([file.relative_to(root).as_posix() for _, file in found], dtype=object),
    )


def _existing_folder(given):
    """Return the path of a folder, or raise an error that says why it cannot be loaded."""
    if is_url(given):
        return RemotePath(given)
    name = os.path.expanduser(given)
    root = Path(name)
    try:
        os.stat(name)
    except PermissionError as error:
        raise PermissionError(
            f"the image folder {name!r} cannot be read: permission denied"
        ) from error
    except (OSError, ValueError):  # ValueError: a null character in the name
        problem = "does not exist"
        if os.path.islink(name):
            problem = f"is a broken link to {os.readlink(name)!r}"
        elif root.parts and root.parts[0].startswith("~"):
            problem = f"does not exist: no user is named {root.parts[0][1:]!r}"
        raise FileNotFoundError(
            f"the image folder {str(given)!r} {problem}: pass a folder that has one sub-folder for "
            "each class"
        ) from None
    if not os.path.isdir(name):
        raise FileNotFoundError(
            f"the image folder {name!r} is a file, not a folder: pass a folder that has one "
            "sub-folder for each class"
        )
    return root


def _shown(folder):
    """Return the path or the URL of a folder for messages."""
    return hide_secrets(str(folder))


def _images(folder, root, left_out):
    """List the images of a class, or raise an error that says what its folder contains instead."""
    n_others = left_out.counts["suffix"]
    images, within = class_images(folder, root, left_out)
    if images:
        return images
    n_others = left_out.counts["suffix"] - n_others
    if within:
        advice = (
            f"it has the sub-folders {', '.join(repr(f.name) for f in within[:3])}..., so perhaps "
            f"{_shown(folder)!r} is the folder to load"
        )
    else:
        advice = "remove it, or put images into it"
    if n_others:
        advice += f" (it has {n_others} file(s) with other suffixes)"
    raise ValueError(
        f"the folder {_shown(folder)!r} of class {folder.name!r} has no images "
        f"({', '.join(EXTENSIONS)}): {advice}"
    )
