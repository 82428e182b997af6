"""List the images in a folder, count what is left out, and ignore files of operating systems."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from skcnn.remote_folders import RemotePath, list_url

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# Names of files and folders that operating systems, network drives and tools create, in lower case.
# Names that start with a dot, such as .DS_Store and ._photo.jpg, are hidden and need no entry.
_SYSTEM_NAMES = {
    "__macosx",  # macOS: archives
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "desktop db",
    "desktop df",
    "$recycle.bin",  # Windows
    "system volume information",
    "config.msi",
    "autorun.inf",
    "picasa.ini",
    "lost+found",  # Linux
    "@eadir",  # network drives: Synology and QNAP
    "#recycle",
    "#snapshot",
    "@tmp",
    "@recycle",
    "@recently-snapshot",
    "@sharebin",
    "@__thumb",
    "__pycache__",  # Python
}
_SYSTEM_PATTERN = re.compile(
    r"icon[\r\n\uf00d\uf022?_]"  # macOS: icon of a folder, with its name on several systems
    r"|(eh)?thumbs(_vista)?( ?\(\d+\))?\.db(:.*)?"  # Windows; numbers are those of copies
    r"|desktop( ?\(\d+\))?\.ini"
    r"|found\.\d{3}"
    r"|.*[:\uf03a]?zone\.identifier(:\$data)?"
    r"|.*@syno(eastream|resource)"  # Synology
)


@dataclass
class LeftOut:
    """Number of files and folders that are not loaded, by kind, with an example of each."""

    counts: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    suffixes: Counter = field(default_factory=Counter)

    def add(self, kind, example):
        """Count one file or folder."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, str(example))

    def describe(self):
        """Return the counts as text, "" if nothing is left out."""
        parts = []
        for kind, count in self.counts.items():
            one, many = _KINDS[kind]
            suffixes = ", ".join(sorted(self.suffixes)[:5]) if kind == "suffix" else ""
            what = f"{many if count > 1 else one}{f' ({suffixes})' if suffixes else ''}"
            parts.append(f"{count:,} {what}, such as {self.examples[kind]!r}")
        return "; ".join(parts)


_KINDS = {
    "nested": ("image in a nested folder", "images in nested folders"),
    "outside": ("image outside the class folders", "images outside the class folders"),
    "suffix": ("file whose suffix is not read", "files whose suffixes are not read"),
    "link": ("broken link", "broken links"),
    "folder": ("nested folder that cannot be read", "nested folders that cannot be read"),
}


def is_system_name(name):
    """Return whether a file or folder is hidden, or created by a system and not by the user."""
    lower = name.casefold()
    return (
        name.startswith(".")
        or lower in _SYSTEM_NAMES
        or _SYSTEM_PATTERN.fullmatch(lower) is not None
    )


def list_folder(folder):
    """List the folders, the files and the broken links in a folder, sorted by name.

    Parameters
    ----------
    folder : Path or RemotePath
        The folder.

    Returns
    -------
    folders, files, links : list of Path or RemotePath
        Entries, without hidden ones and those that systems create. A URL has no links.

    Raises
    ------
    PermissionError
        If there is no permission to read the folder.
    """
    if isinstance(folder, RemotePath):
        folders, files = (
            [entry for entry in entries if not is_system_name(entry.name)]
            for entries in list_url(folder)
        )
        return folders, files, []
    folders, files, links = [], [], []
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries), key=lambda entry: entry.name)
        for entry in found:
            if is_system_name(entry.name):
                continue
            if _false_on_error(entry.is_dir):
                folders.append(Path(entry.path))
            elif _false_on_error(entry.is_file):
                files.append(Path(entry.path))
            elif entry.is_symlink():
                links.append(Path(entry.path))
    except PermissionError as error:
        raise PermissionError(
            f"the folder {str(folder)!r} cannot be read: permission denied"
        ) from error
    return folders, files, links


def _false_on_error(test):
    """Return the result of a test of an entry, or False for broken and circular links."""
    try:
        return test()
    except OSError:
        return False


def is_image(file):
    """Return whether a file has the suffix of an image."""
    return file.suffix.lower() in EXTENSIONS


def class_images(folder, root, left_out):
    """List the images of a class, and count what else its folder contains.

    Parameters
    ----------
    folder : Path
        Folder of the class.
    root : Path
        Folder that examples are relative to.
    left_out : LeftOut
        Counts to add to.

    Returns
    -------
    images : list of Path
        Files with the suffix of an image, sorted by name.
    folders : list of Path
        Folders in the folder of the class.
    """
    folders, files, links = list_folder(folder)
    for link in links:
        left_out.add("link", link.relative_to(root).as_posix())
    for file in files:
        if not is_image(file):
            left_out.add("suffix", file.relative_to(root).as_posix())
            left_out.suffixes[file.suffix.lower() or "no suffix"] += 1
    seen = {os.path.realpath(root), os.path.realpath(folder)}
    for nested in folders:
        _count_nested(nested, root, left_out, seen)
    return [file for file in files if is_image(file)], folders


def _count_nested(folder, root, left_out, seen):
    """Count the images in a nested folder and in those within it, each folder once.

    Of a folder behind a URL, those within it are not searched.
    """
    real = os.path.realpath(folder)
    if real in seen:  # links can lead back
        return
    seen.add(real)
    try:
        folders, files, _ = list_folder(folder)
    except OSError:
        left_out.add("folder", folder.relative_to(root).as_posix())
        return
    for file in filter(is_image, files):
        left_out.add("nested", file.relative_to(root).as_posix())
    if isinstance(folder, RemotePath):
        return  # the pages of a server can lead to others without end
    for nested in folders:
        _count_nested(nested, root, left_out, seen)
