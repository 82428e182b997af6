"""The images in a folder, the classes they belong to, and everything else in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from skcnn.datasets._folder_contents import LeftOut, class_images, is_image, is_system_name
from skcnn.datasets._folder_contents import list_folder as list_entries
from skcnn.preprocessing._decode import format_of_file


@dataclass
class FolderContents:
    """The contents of a folder of images.

    Parameters
    ----------
    paths : list of str
        Images that `load_image_folder` finds, in the order of ``shuffle=False``. If the folder has
        no sub-folders, all images in it.
    labels : list of str or None
        Class of each image. None if the folder has no sub-folders.
    others : list of tuples of (str, str, str)
        Kind of issue, path and description of every other file.
    empty : list of str
        Classes without images.
    """

    paths: list[str] = field(default_factory=list)
    labels: list[str] | None = None
    others: list[tuple[str, str, str]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def list_folder(root: str | os.PathLike[str]) -> FolderContents:
    """List the contents of a folder.

    Parameters
    ----------
    root : str or path-like
        Folder with one sub-folder for each class, or with images.

    Returns
    -------
    contents : FolderContents
        Images, labels and other files.

    Raises
    ------
    PermissionError
        If there is no permission to read the folder or the folder of a class.
    """
    root = Path(root)
    folders, files, _ = list_entries(root)
    contents = FolderContents()
    if folders:
        contents.labels = []
        for folder in folders:
            images, _ = class_images(folder, root, LeftOut())
            contents.paths += map(str, images)
            contents.labels += [folder.name] * len(images)
            if not images:
                contents.empty.append(folder.name)
    else:
        contents.paths = [str(file) for file in files if is_image(file)]
    _add_others(contents, root)
    return contents


def _add_others(contents, root):
    """Add all files that are not among the images, and the folders that systems create."""
    known = set(contents.paths)
    for folder, folders, files in os.walk(root):
        system = sorted(name for name in folders if is_system_name(name))
        for name in system:
            path = os.path.join(folder, name)
            contents.others.append(("litter", path, "hidden folder, or one that a system created"))
        folders[:] = sorted(set(folders) - set(system))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if path not in known:
                contents.others.append(_describe_other(path))


def _describe_other(path):
    """Return the kind of issue, the path and a description of a file that is not loaded."""
    name = os.path.basename(path)
    if os.path.islink(path) and not os.path.exists(path):
        return "litter", path, "broken link"
    if is_system_name(name):
        return "litter", path, "hidden file, or one that a system created"
    if is_image(Path(name)):
        return "not_loaded", path, "image in a nested folder or outside the class folders"
    if image_format := format_of_file(path):
        suffix = os.path.splitext(name)[1] or "no suffix"
        problem = f"{image_format} image, but its name has {suffix}: it is not loaded"
        return "misnamed", path, problem
    return "litter", path, "not an image"
