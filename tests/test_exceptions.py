"""Errors about image files have types of their own."""

import pickle
import zlib

import numpy as np
import pytest
from PIL import Image

from skcnn import ImageReader
from skcnn.exceptions import ImageFileError, ImageTooLargeError


def png(path, size=(8, 8)):
    Image.new("RGB", size).save(path, "PNG")
    return path.read_bytes()


def bomb(path):
    """Write a PNG of less than 100 bytes whose header says 30,000 x 30,000 pixels."""
    content = bytearray(png(path))
    content[16:24] = 2 * (30_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


WRITERS = {
    "empty": (lambda path: path.write_bytes(b""), ImageFileError),
    "text": (lambda path: path.write_text("no image"), ImageFileError),
    "truncated": (lambda path: path.write_bytes(png(path)[:45]), ImageFileError),
    "not supported": (lambda path: Image.new("RGB", (4, 4)).save(path, "PPM"), ImageFileError),
    "bomb": (bomb, ImageTooLargeError),
    "above max_pixels": (lambda path: png(path, (101, 100)), ImageTooLargeError),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_type_of_the_error(tmp_path, kind):
    write, expected = WRITERS[kind]
    path = tmp_path / "upload"
    write(path)
    with pytest.raises(ImageFileError) as caught:
        np.asarray(ImageReader(max_pixels=10_000).fit_transform([path])[0])
    assert caught.type is expected
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), expected)


def test_missing_file_is_another_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ImageReader().fit_transform([tmp_path / "missing.png"])
