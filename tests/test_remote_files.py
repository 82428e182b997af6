"""Files behind URLs, in the file system "memory" of fsspec."""

import errno
import io
import pickle
import struct
import sys
import threading
import traceback
import zipfile

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skcnn import ImageFlattener, ImageReader, ImageResizer, load_image_folder, remote_files
from skcnn.exceptions import ImageFileError
from skcnn.remote_folders import RemotePath
from skcnn.urls import is_url, join_url

RNG = np.random.default_rng(0)


def encoded(pixels, image_format="PNG", **options):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, image_format, **options)
    return content.getvalue()


@pytest.fixture
def photos():
    """Images in memory://photos, by their names."""
    names = ["ape/a 1.png", "ape/b.jpg", "cat/c.webp", "cat/d.tif", "cat/e.gif", "cat/f.bmp"]
    formats = ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"]
    images = {name: RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8) for name in names}
    files = fsspec.filesystem("memory")
    for (name, pixels), image_format in zip(images.items(), formats, strict=True):
        files.pipe_file(f"/photos/{name}", encoded(pixels, image_format))
    yield images
    files.rm("/photos", recursive=True)


# ---- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket/a.png", True),
        ("https://example.org/a.png?b=c", True),
        ("simplecache::s3://bucket/a.png", True),
        ("zip://a.png::memory://b.zip", True),
        ("a.png", False),
        ("C:\\photos\\a.png", False),
        ("C://photos/a.png", False),
        ("./a://b.png", False),
        ("a::b.png", False),
        (None, False),
    ],
)
def test_is_url(path, expected):
    assert is_url(path) is expected


@pytest.mark.parametrize(
    ("root", "joined", "relative"),
    [
        ("s3://bucket", "s3://bucket/a/b.PNG", "a/b.PNG"),
        ("memory://", "memory://a/b.PNG", "a/b.PNG"),
        ("zip://x/::s3://b/c.zip", "zip://x/a/b.PNG::s3://b/c.zip", "a/b.PNG"),
        ("simplecache::s3://bucket/x", "simplecache::s3://bucket/x/a/b.PNG", "a/b.PNG"),
    ],
)
def test_joined_names(root, joined, relative):
    assert join_url(root, "a/b.PNG") == joined
    path = RemotePath(joined)
    assert (path.name, path.suffix) == ("b.PNG", ".PNG")
    assert path.relative_to(RemotePath(root)).as_posix() == relative


# ---- images ----------------------------------------------------------------------------------


def test_images_are_those_of_local_files(photos, tmp_path):
    files = fsspec.filesystem("memory")
    urls = [f"memory://photos/{name}" for name in photos]
    images = ImageReader(n_jobs=2).fit_transform(urls)
    assert images.shape == (6, None, None, 3)
    for name, image in zip(photos, pickle.loads(pickle.dumps(images)), strict=True):
        local = tmp_path / name.replace("/", "-")
        local.write_bytes(files.cat_file(f"/photos/{name}"))
        assert np.array_equal(image, ImageReader().fit_transform([local])[0])


def test_the_root_can_be_a_url(photos, tmp_path):
    (tmp_path / "local.png").write_bytes(encoded(np.zeros((2, 3, 3), np.uint8)))
    paths = ["ape/a 1.png", "memory://photos/cat/f.bmp", str(tmp_path / "local.png")]
    expected = [photos["ape/a 1.png"], photos["cat/f.bmp"], np.zeros((2, 3, 3))]
    for root in ("memory://photos", "memory://photos/"):
        images = ImageReader(root=root).fit_transform(paths)
        assert all(map(np.array_equal, images, expected))
    images = ImageReader(root=tmp_path).fit_transform(["local.png", *paths[1:2]])
    assert all(map(np.array_equal, images, (expected[2], expected[1])))


def test_folder_to_predictions(photos):
    fsspec.filesystem("memory").pipe_file("/photos/cat/notes.txt", b"text")
    fsspec.filesystem("memory").pipe_file("/photos/cat/.hidden.png", b"text")
    with pytest.warns(UserWarning, match=r"1 file whose suffix is not read \(.txt\), such as 'c"):
        folder = load_image_folder("memory://photos", shuffle=False)
    assert folder.filenames.tolist() == sorted(photos)
    assert folder.data.tolist() == [f"memory://photos/{name}" for name in sorted(photos)]
    assert folder.target.tolist() == ["ape"] * 2 + ["cat"] * 4
    pipe = make_pipeline(
        ImageReader(), ImageResizer((4, 4)), ImageFlattener(), LogisticRegression()
    )
    assert pipe.fit(folder.data, folder.target).predict(folder.data).shape == (6,)


def test_zipped_folder(photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, pixels in photos.items():
            archive.writestr(name.rpartition(".")[0] + ".png", encoded(pixels))
    folder = load_image_folder(f"zip://::file://{tmp_path}/photos.zip", shuffle=False)
    assert folder.target.tolist() == ["ape"] * 2 + ["cat"] * 4
    images = ImageReader().fit_transform(folder.data)
    for name, image in zip(sorted(photos), images, strict=True):
        assert np.array_equal(image, photos[name])


# ---- errors ----------------------------------------------------------------------------------


def test_errors_name_the_url(photos):
    files = fsspec.filesystem("memory")
    content = encoded(RNG.integers(0, 256, (300, 200, 3), dtype=np.uint8))
    contents = {
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "empty.jpg": b"",
        "cut.png": content[:99_000],
        "large.png": content,
    }
    for name, data in contents.items():
        files.pipe_file(f"/photos/bad/{name}", data)
    urls = [f"memory://photos/bad/{name}" for name in (*contents, "gone.jpg", "good")]
    files.pipe_file("/photos/bad/good", encoded(photos["cat/f.bmp"]))
    problems = {
        "page.jpg": "is not an image, or its format is not supported",
        "empty.jpg": "is empty (0 bytes)",
        "cut.png": "is damaged or truncated",
        "large.png": "is too large: 60,000 pixels",
        "gone.jpg": "does not exist",
    }
    found = ImageReader(max_pixels=59_999).find_errors(urls)
    assert [bool(error) for error in found] == [True, True, True, True, True, False]  # cut is large
    found = ImageReader().find_errors(urls, decode=True)
    for url, error in zip(urls, found, strict=True):
        problem = problems.get(url.rpartition("/")[2], "")
        if "large" not in url and problem:
            assert url in error
            assert problem in error
        else:
            assert error == ""
    assert [bool(error) for error in ImageReader().find_errors(urls)] == [1, 1, 0, 0, 1, 0]
    images = ImageReader().fit_transform(urls)  # URLs are not checked before they are read
    with pytest.raises(FileNotFoundError, match=r"gone.jpg' does not exist. ImageReader.find_err"):
        images[4]


def test_only_the_beginning_is_read_for_a_header(photos, monkeypatch):
    files = fsspec.filesystem("memory")
    pixels = RNG.integers(0, 256, (400, 300, 3), dtype=np.uint8)
    files.pipe_file("/photos/png", encoded(pixels))
    files.pipe_file("/photos/tiff", encoded(pixels, "TIFF"))  # its directory is at the end
    sizes = []

    def read(self, path, start=None, end=None, **kwargs):
        content = original(self, path, start=start, end=end, **kwargs)
        sizes.append(len(content))
        return content

    original = MemoryFileSystem.cat_file
    monkeypatch.setattr(MemoryFileSystem, "cat_file", read)
    assert ImageReader(n_jobs=1).find_errors(["memory://photos/png"]).tolist() == [""]
    assert sizes == [2**16]
    assert ImageReader(n_jobs=1).find_errors(["memory://photos/tiff"]).tolist() == [""]
    assert len(sizes) <= 3


class Endless(MemoryFileSystem):
    """A file system whose files begin with `start` and never end."""

    protocol = "endless"
    start, sizes = b"", []

    def cat_file(self, path, start=None, end=None, **kwargs):
        assert end - (start or 0) < 2**27
        content = (self.start + bytes(max(0, end - len(self.start))))[start:end]
        self.sizes.append(len(content))
        return content


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("image_format", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_files_that_are_much_longer_than_their_images(image_format, options, monkeypatch, caplog):
    fsspec.register_implementation("endless", Endless, clobber=True)
    monkeypatch.setattr("skcnn.preprocessing._decode._OTHER_BYTES", 2**21)
    pixels = RNG.integers(0, 256, (600, 700, 3), dtype=np.uint8)
    content = encoded(pixels, image_format, **options)
    assert len(content) > 2**20  # so that a second request reads the rest
    monkeypatch.setattr(Endless, "start", content)
    monkeypatch.setattr(Endless, "sizes", [])
    n_bytes = 2**21 + 32 * 600 * 700
    max_pixels = 600 * 700  # for the TIFF whose directory is at its end
    assert np.array_equal(
        ImageReader(max_pixels=max_pixels).fit_transform(["endless://a"])[0], pixels
    )
    assert Endless.sizes == [2**20, n_bytes - 2**20 + 1]
    assert caplog.messages == []


@pytest.mark.filterwarnings("error")
def test_a_tiff_whose_directory_has_values_at_its_end(photos, caplog):
    pixels = RNG.integers(0, 2**16, (1000, 600), dtype=np.uint16)
    (height, width), first = pixels.shape, 8 + 2 + 12 * 9 + 4
    offsets = np.arange(first, first + pixels.nbytes, 2 * width, np.uint32)  # a strip for each row
    end = first + pixels.nbytes
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1), (273, 4, height, end), (277, 3, 1, 1), (278, 4, 1, 1)]
    tags += [(279, 4, height, end + offsets.nbytes)]
    content = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    content += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4) + pixels.tobytes()
    content += offsets.tobytes() + np.full_like(offsets, 2 * width).tobytes()
    fsspec.filesystem("memory").pipe_file("/photos/a.tif", content)
    reader = ImageReader("I;16")
    assert np.array_equal(reader.fit_transform(["memory://photos/a.tif"])[0], pixels)
    assert reader.find_errors(["memory://photos/a.tif"]).tolist() == [""]
    assert caplog.messages == []


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "is not an image"),
        (b"II*\0\xff\xff\xff\x7f", "of which 2,100,352 bytes were read. is damaged or truncated"),
        (encoded(np.zeros((20, 20), np.uint8)), "is too large: 400 pixels"),
    ],
    ids=["page", "damaged", "large"],
)
def test_files_of_a_terabyte_that_are_no_images(content, message, monkeypatch):
    fsspec.register_implementation("endless", Endless, clobber=True)
    monkeypatch.setattr("skcnn.preprocessing._decode._OTHER_BYTES", 2**21)
    monkeypatch.setattr(Endless, "start", content)
    monkeypatch.setattr(Endless, "sizes", [])
    images = ImageReader(max_pixels=100).fit_transform(["endless://a"])
    with pytest.raises(ImageFileError, match=message):
        images[0]
    assert sum(Endless.sizes) <= 2**21 + 2**20


class Store(MemoryFileSystem):
    """A file system that refuses parts of empty files, as object stores do."""

    protocol = "store"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("store://"))

    def cat_file(self, path, start=None, end=None, **kwargs):
        content = super().cat_file(path)
        if start is not None and start >= len(content):
            raise OSError(errno.EINVAL, "The requested range is not satisfiable")
        return content[start:end]


@pytest.mark.parametrize("n_bytes", [2**20 - 1, 2**20, 2**20 + 1])
def test_sizes_about_a_megabyte(photos, n_bytes):
    fsspec.register_implementation("store", Store, clobber=True)
    pixels = photos["ape/a 1.png"]
    fsspec.filesystem("memory").pipe_file("/photos/a", encoded(pixels).ljust(n_bytes, b"\0"))
    assert np.array_equal(ImageReader().fit_transform(["store://photos/a"])[0], pixels)


def test_empty_files_of_an_object_store(photos):
    fsspec.register_implementation("store", Store, clobber=True)
    fsspec.filesystem("memory").pipe_file("/photos/empty", b"")
    message = "the image file 'store://photos/empty' is empty (0 bytes)"
    assert ImageReader().find_errors(["store://photos/empty"]).tolist() == [message]
    assert ImageReader().find_errors(["store://photos/empty"], decode=True).tolist() == [message]


class Failing(MemoryFileSystem):
    """A file system that fails a number of times."""

    protocol = "failing"
    error, n_failures = None, 0

    def cat_file(self, path, **kwargs):
        if Failing.n_failures > 0:
            Failing.n_failures -= 1
            raise Failing.error
        return encoded(np.full((2, 2), 7, np.uint8))

    def size(self, path):
        return 1


@pytest.fixture
def failing(monkeypatch):
    fsspec.register_implementation("failing", Failing, clobber=True)
    pauses = []
    monkeypatch.setattr(remote_files.time, "sleep", pauses.append)
    return pauses


class StatusError(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class CodeError(Exception):
    code = 403  # as in the errors of gcsfs


class NoCredentialsError(Exception):
    """Error with the name of an error of botocore."""


@pytest.mark.parametrize(
    ("error", "attempts", "expected", "message"),
    [
        (ConnectionError("connection lost"), 3, OSError, "cannot be read: connection lost"),
        (TimeoutError(), 3, TimeoutError, "cannot be read: no answer in time"),
        (StatusError(503), 3, OSError, "cannot be read: status 503"),
        (StatusError(429), 3, OSError, "cannot be read: status 429"),
        (StatusError(400), 1, OSError, "cannot be read: status 400"),
        (StatusError(403), 1, PermissionError, "cannot be read: permission denied"),
        (CodeError(), 1, PermissionError, "cannot be read: permission denied"),
        (NoCredentialsError("Unable to"), 1, OSError, "cannot be read: Unable to"),
        (OSError(errno.EINVAL, "no name"), 1, OSError, r"cannot be read: \[Errno 22\] no name"),
        (RuntimeError("Failed:\nname\nmore"), 3, OSError, r"cannot be read: Failed: name\. Im"),
        (PermissionError(), 1, PermissionError, "cannot be read: permission denied"),
        (FileNotFoundError(), 1, FileNotFoundError, "does not exist"),
        (IsADirectoryError(), 1, FileNotFoundError, "is a folder, not an image file"),
        (RuntimeError(), 3, OSError, "cannot be read: RuntimeError"),
    ],
    ids=str,
)
def test_attempts(failing, error, attempts, expected, message):
    images = ImageReader().fit_transform(["failing://a.png"])
    Failing.error, Failing.n_failures = error, 3
    with pytest.raises(expected, match=f"the image file 'failing://a.png' {message}"):
        images[0]
    assert failing == [0.5, 2.0][: attempts - 1]
    Failing.n_failures = attempts - 1
    assert images[0].tolist() == np.full((2, 2, 3), 7).tolist()


def test_folders_that_cannot_be_listed(photos):
    with pytest.raises(FileNotFoundError, match="the image folder 'memory://gone' does not exist"):
        load_image_folder("memory://gone")
    with pytest.raises(ValueError, match="the folder 'memory://photos/ape' has no sub-folders"):
        load_image_folder("memory://photos/ape")


def test_passwords_are_not_shown(failing):
    url = "failing://me:pass@host/a.png?size=2&X-Amz-Signature=1a2b"
    shown = "'failing://***@host/a.png?size=2&X-Amz-Signature=***'"
    images = ImageReader().fit_transform([url])
    Failing.error, Failing.n_failures = RuntimeError(f"no answer from {url}"), 3
    with pytest.raises(OSError, match="the image file") as caught:
        images[0]
    found = "".join(traceback.format_exception(caught.value))
    assert f"{shown} cannot be read: no answer from {shown[1:-1]}" in found
    assert "pass" not in found.replace("passwords", "")
    assert "1a2b" not in found
    with pytest.raises(ValueError, match=r"'none://\*\*\*@host' is not a URL that fsspec can read"):
        load_image_folder("none://me:pass@host")


def test_packages_that_are_missing(monkeypatch, photos):
    with pytest.raises(ValueError, match=r"'nowhere://a.png' is not a URL that fsspec can read: P"):
        ImageReader().fit_transform(["nowhere://a.png"])
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match=r"'s3://b/a.png' needs a package .*s3fs"):
        ImageReader().fit_transform(["s3://b/a.png"])
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    message = r"'memory://photos' is a URL, which fsspec reads: install it with .*skcnn\[remote\]"
    with pytest.raises(ImportError, match=message):
        load_image_folder("memory://photos")


def test_threads_read_ahead(photos, monkeypatch):
    threads = set()

    def read(url, n_bytes=None):
        threads.add(threading.current_thread().name)
        return encoded(np.zeros((2, 2), np.uint8))

    monkeypatch.setattr("skcnn.preprocessing._decode.read_url", read)
    urls = [f"memory://{number}.png" for number in range(100)]
    ImageResizer((2, 2), n_jobs=2).fit_transform(ImageReader(n_jobs=2).fit_transform(urls))
    assert threading.current_thread().name not in threads
