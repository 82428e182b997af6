"""`load_image_folder` on temporary folders."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.utils import Bunch

from skcnn.datasets import load_image_folder


@pytest.fixture
def folder(tmp_path):
    names = ["dog/b.png", "dog/a.JPG", "cat/10.png", "cat/9.tiff", "cat/x.webp", "ape/é.gif"]
    others = ["cat/.hidden.png", "cat/notes.txt", "cat/thumbs/t.png", ".cache/c.png", "top.png"]
    for name in names + others:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "root"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_paths_and_classes(folder, kind):
    images = load_image_folder(kind(folder))
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


def test_files_are_sorted_by_name(folder, monkeypatch):
    expected = load_image_folder(folder).data
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: sorted(listed(path), reverse=True))
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
    with pytest.raises(ValueError, match=r"of class 'bird' has no images .*: remove it, or put"):
        load_image_folder(folder)


def test_parent_of_the_folder(folder):
    (folder / "top.png").unlink()
    with pytest.raises(ValueError, match=r"it has the sub-folders 'ape', 'cat'.* perhaps .*root"):
        load_image_folder(folder.parent)
