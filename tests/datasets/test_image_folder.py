"""`load_image_folder` on temporary folders."""

import contextlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.model_selection import KFold
from sklearn.utils import Bunch
from sklearn.utils._param_validation import InvalidParameterError

from skcnn.datasets import load_image_folder

pytestmark = pytest.mark.filterwarnings("ignore:not loaded from")


def touch(root, *names):
    """Make empty files, and folders where a name ends with a slash."""
    for name in names:
        path = Path(root, name)
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return Path(root)


@pytest.fixture
def folder(tmp_path):
    names = ["dog/b.png", "dog/a.JPG", "cat/10.png", "cat/9.tiff", "cat/x.webp", "ape/é.gif"]
    others = ["cat/.hidden.png", "cat/notes.txt", "cat/thumbs/t.png", ".cache/c.png", "top.png"]
    return touch(tmp_path / "root", *names, *others)


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_paths_and_classes(folder, kind):
    images = load_image_folder(kind(folder), shuffle=False)
    assert isinstance(images, Bunch)
    expected = ["ape/é.gif", "cat/10.png", "cat/9.tiff", "cat/x.webp", "dog/a.JPG", "dog/b.png"]
    assert images.filenames.tolist() == expected
    assert images.data.tolist() == [str(folder / name) for name in expected]
    assert images.data.dtype == images.filenames.dtype == object
    assert images.target.tolist() == ["ape", "cat", "cat", "cat", "dog", "dog"]
    assert images.target.dtype.kind == "U"
    assert images.target_names.tolist() == ["ape", "cat", "dog"]
    assert np.unique(images.target).tolist() == images.target_names.tolist()


def test_data_and_target_as_tuple(folder):
    images = load_image_folder(folder)
    X, y = load_image_folder(folder, return_X_y=True)
    assert_array_equal(X, images.data, strict=True)
    assert_array_equal(y, images.target, strict=True)


def test_order_does_not_depend_on_the_file_system(folder, monkeypatch):
    expected = load_image_folder(folder).data
    listed = os.scandir

    def reversed_scan(path):
        with listed(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        return contextlib.nullcontext(found)

    monkeypatch.setattr(os, "scandir", reversed_scan)
    assert_array_equal(load_image_folder(folder).data, expected)


def test_paths_work_with_image_reader(folder):
    from skcnn.preprocessing import ImageReader

    for path in load_image_folder(folder).data:
        Image.fromarray(np.full((3, 4, 3), 7, dtype=np.uint8)).save(path)
    X, _ = load_image_folder(folder, return_X_y=True)
    assert ImageReader().fit_transform(X)[0].shape == (3, 4, 3)


def test_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    found = load_image_folder(f"~/{folder.name}").data
    assert found.tolist() == load_image_folder(folder).data.tolist()


@pytest.mark.parametrize("root", ["", "a\0b", "a" * 5000])
def test_names_of_no_folder(root):
    with pytest.raises(
        FileNotFoundError, match=r"the image folder '.*' does not exist: pass a fol"
    ):
        load_image_folder(root)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone' does not exist: pass a folder that has"):
        load_image_folder(tmp_path / "gone")


def test_file_in_place_of_a_folder(folder):
    with pytest.raises(FileNotFoundError, match=r"top.png' is a file, not a folder"):
        load_image_folder(folder / "top.png")


def test_folder_without_subfolders(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(ValueError, match=r"has no sub-folders, whose names are the classes"):
        load_image_folder(tmp_path)


def test_class_without_images(folder):
    (folder / "bird").mkdir()
    (folder / "bird" / "notes.txt").touch()
    match = (
        r"of class 'bird' has no images .*: remove it, or put .* \(it has 1 file\(s\) with other"
    )
    with pytest.raises(ValueError, match=match):
        load_image_folder(folder)


def test_parent_of_the_folder(folder):
    (folder / "top.png").unlink()
    with pytest.raises(ValueError, match=r"it has the sub-folders 'ape', 'cat'.* perhaps .*root"):
        load_image_folder(folder.parent)


# ---- order -------------------------------------------------------------------------------------


def test_order_is_that_of_load_files(tmp_path):
    touch(tmp_path, *(f"{name}/{number}.png" for name in "abc" for number in range(20)))
    for options in ({}, {"random_state": 3}, {"shuffle": False}):
        expected = sklearn.datasets.load_files(tmp_path, load_content=False, **options)
        images = load_image_folder(tmp_path, **options)
        assert images.data.tolist() == expected.filenames.tolist()
        assert images.target.tolist() == [expected.target_names[k] for k in expected.target]
        assert images.filenames.tolist() == [
            Path(path).relative_to(tmp_path).as_posix() for path in images.data
        ]
        X, y = load_image_folder(tmp_path, return_X_y=True, **options)
        assert_array_equal(X, images.data)
        assert_array_equal(y, images.target)


def test_every_fold_has_every_class(tmp_path):
    touch(tmp_path, *(f"{name}/{number}.png" for name in "abc" for number in range(20)))
    X, y = load_image_folder(tmp_path, return_X_y=True)
    for train, test in KFold(2).split(X):
        assert set(y[train]) == set(y[test]) == {"a", "b", "c"}


def test_order_of_a_random_state(tmp_path):
    touch(tmp_path, *(f"a/{number}.png" for number in range(20)))
    state = np.random.RandomState(0)
    first, second = (load_image_folder(tmp_path, random_state=state).data for _ in range(2))
    assert_array_equal(first, load_image_folder(tmp_path).data)
    assert sorted(first) == sorted(second)
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(
    ("name", "value"), [("shuffle", "yes"), ("random_state", "a"), ("return_X_y", 2)]
)
def test_parameters(folder, name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of load_image_folder"):
        load_image_folder(folder, **{name: value})
    with pytest.raises(InvalidParameterError, match="'root' parameter of load_image_folder"):
        load_image_folder(None)


# ---- what systems and people put there ---------------------------------------------------------

SYSTEM_FOLDERS = [
    "__MACOSX",
    "__macosx",
    ".Trashes",
    ".Spotlight-V100",
    ".fseventsd",
    ".TemporaryItems",
    "Network Trash Folder",
    "Temporary Items",
    "$RECYCLE.BIN",
    "$Recycle.Bin",
    "System Volume Information",
    "found.000",
    "lost+found",
    ".Trash-1000",
    ".ipynb_checkpoints",
    "__pycache__",
    ".git",
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    "@Recently-Snapshot",
]
SYSTEM_FILES = [
    ".DS_Store",
    "._cat.png",
    "Icon\r",
    "Icon\uf00d",
    "Thumbs.db",
    "thumbs.db",
    "THUMBS.DB",
    "Thumbs (1).db",
    "Thumbs.db:encryptable",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "Desktop.ini",
    "desktop (2).ini",
    ".directory",
    "a.png:Zone.Identifier",
    "a.pngZone.Identifier",
    "a.png\uf03aZone.Identifier",
    "a.png@SynoEAStream",
    "a.png@SynoResource",
    "Picasa.ini",
    "autorun.inf",
]


@pytest.mark.parametrize("inside", ["", "cat", "cat/within"])
@pytest.mark.parametrize("name", [*SYSTEM_FILES, *(f"{name}/a.png" for name in SYSTEM_FOLDERS)])
def test_names_of_systems_are_ignored(tmp_path, name, inside):
    touch(tmp_path, "cat/tom.png", "dog/rex.png")
    touch(tmp_path / inside, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = load_image_folder(tmp_path, shuffle=False)
    assert images.filenames.tolist() == ["cat/tom.png", "dog/rex.png"]
    assert images.target_names.tolist() == ["cat", "dog"]


def test_a_class_that_holds_only_system_files_is_empty(tmp_path):
    touch(tmp_path, "cat/tom.png", "dog/Thumbs.db", "dog/._rex.png")
    with pytest.raises(
        ValueError, match=r"of class 'dog' has no images .*: remove it, or put imag"
    ):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    "name", ["thumbs", "icon", "desktop", "found", "recycle", "eaDir", "trash"]
)
def test_similar_names_are_classes(tmp_path, name):
    touch(tmp_path, f"{name}/a.png")
    assert load_image_folder(tmp_path).target_names.tolist() == [name]


def test_one_warning_counts_what_is_left_out(tmp_path):
    touch(
        tmp_path, "cat/a.png", "cat/b.HEIC", "cat/c.heic", "cat/d", "cat/in/a.png", "cat/in/d.txt"
    )
    touch(tmp_path, "dog/a.png", "dog/in/deep/b.jpg", "dog/empty/", "top.png", "labels.csv")
    (tmp_path / "dog/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "horse").symlink_to(tmp_path / "nowhere")
    (tmp_path / "dog/loop.png").symlink_to(tmp_path / "dog/loop.png")
    (tmp_path / "dog/in/back").symlink_to(tmp_path)
    with pytest.warns(UserWarning, match="not loaded from") as caught:
        load_image_folder(tmp_path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        f"not loaded from {str(tmp_path)!r}: 3 broken links, such as 'horse'; "
        "1 image outside the class folders, such as 'top.png'; "
        "3 files whose suffixes are not read (.heic, no suffix), such as 'cat/b.HEIC'; "
        "2 images in nested folders, such as 'cat/in/a.png'"
    )


def test_links_to_folders_and_files(tmp_path):
    touch(tmp_path, "root/cat/a.png", "elsewhere/b.png", "c.png")
    (tmp_path / "root/dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/cat/c.png").symlink_to(tmp_path / "c.png")
    images = load_image_folder(tmp_path / "root", shuffle=False)
    assert images.filenames.tolist() == ["cat/a.png", "cat/c.png", "dog/b.png"]


@pytest.mark.parametrize("root", ["~nosuchuser/y", "~nosuchuser"])
def test_home_of_nobody(root):
    with pytest.raises(FileNotFoundError, match=rf"'{root}' does not exist: no user is named 'nos"):
        load_image_folder(root)


def test_broken_link_in_place_of_the_folder(tmp_path):
    (tmp_path / "root").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"root' is a broken link to '.*gone': pass a fold"):
        load_image_folder(tmp_path / "root")


@pytest.mark.parametrize("name", ["", "cat"])
def test_folders_that_may_not_be_read(tmp_path, monkeypatch, name):
    touch(tmp_path, "cat/a.png")
    scan = os.scandir

    def refuse(path):
        if Path(path) == tmp_path / name:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    match = rf"the folder '{tmp_path / name}' cannot be read: permission denied"
    with pytest.raises(PermissionError, match=match):
        load_image_folder(tmp_path)


def test_nested_folders_that_may_not_be_read_are_counted(tmp_path, monkeypatch):
    touch(tmp_path, "cat/a.png", "cat/in/a.png")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "in":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(
        UserWarning, match=r": 1 nested folder that cannot be read, such as 'cat/in'"
    ):
        load_image_folder(tmp_path)


def test_root_in_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(PermissionError, match=r"the image folder '.*' cannot be read: permission"):
        load_image_folder(tmp_path)
