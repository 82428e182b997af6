"""`fetch_fashion_mnist` and `fetch_cifar10` with small files from a local server."""

import errno
import gzip
import hashlib
import io
import os
import re
import socket
import struct
import tarfile
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.utils import Bunch

from skcnn import download
from skcnn.datasets import cifar10, fashion_mnist

N_IMAGES = {"train": 50, "test": 20}


# ------------------------------------------------------------------------------------------------
# The server. `behaviors` lists its responses to the next requests; later ones get whole files.


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        body = self.server.files[self.path.rsplit("/", 1)[-1]]
        behaviors = self.server.behaviors
        getattr(self, behaviors.pop(0) if behaviors else "whole")(body)

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def whole(self, body):
        self.answer(body, Content_Length=len(body))

    def cut(self, body):
        self.answer(body[: len(body) // 2], Content_Length=len(body))

    def cut_early(self, body):
        self.answer(body[:1000], Content_Length=len(body))

    def cut_without_a_length(self, body):
        self.answer(body[: len(body) // 2])

    def cut_in_a_chunk(self, body):
        self.answer(b"ffff\r\n" + body[:9], Transfer_Encoding="chunked")

    def wrong(self, body):
        self.answer(body[:-1] + b"x", Content_Length=len(body))

    def empty(self, body):
        self.answer(b"", Content_Length=0)

    def large(self, body):
        self.answer(bytes(10**6), Content_Length=10**6)

    def missing(self, body):
        self.answer(b"", 404)

    def unavailable(self, body):
        self.answer(b"", 503)

    def moved(self, body):
        self.answer(b"", 302, Location=f"/elsewhere{self.path}")

    def no_answer(self, body):
        pass

    def silent(self, body):
        self.server.closed.wait(10)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, handler=Handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.files, self.behaviors, self.requests = {}, [], []
        self.closed = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        if not self.closed.is_set():
            self.closed.set()
            self.shutdown()
            self.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


# ------------------------------------------------------------------------------------------------
# The files of each data set in its official format, with random images


def make_idx_file(values):
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


def fashion_mnist_files(images, codes):
    files = {fashion_mnist.IMAGES[part]: make_idx_file(images[part]) for part in images}
    return files | {fashion_mnist.LABELS[part]: make_idx_file(codes[part]) for part in codes}


def cifar10_files(images, codes):
    """Return an archive with unordered batches and a file that is not a batch."""
    rows = {
        part: np.hstack([codes[part][:, None], np.moveaxis(images[part], -1, 1).reshape(-1, 3072)])
        for part in images
    }
    batches = np.split(rows["train"], 5)
    contents = {f"data_batch_{number}.bin": batches[number - 1].tobytes() for number in (2, 1)}
    contents |= {"batches.meta.txt": b"airplane\n", "test_batch.bin": rows["test"].tobytes()}
    contents |= {f"data_batch_{number}.bin": batches[number - 1].tobytes() for number in (3, 4, 5)}
    return {"cifar-10-binary.tar.gz": make_archive(contents)}


def make_archive(contents):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def serve(name, files, server, monkeypatch):
    """Make a fetcher download from the server and expect its files."""
    server.files = files
    checksums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    if name == "fashion_mnist":
        monkeypatch.setattr(fashion_mnist, "BASE_URL", server.url)
        monkeypatch.setattr(fashion_mnist, "SHA256", checksums)
    else:
        monkeypatch.setattr(cifar10, "URL", f"{server.url}/cifar-10-binary.tar.gz")
        monkeypatch.setattr(cifar10, "SHA256", checksums["cifar-10-binary.tar.gz"])


@pytest.fixture(params=["fashion_mnist", "cifar10"])
def data(request, server, monkeypatch, tmp_path):
    """Return a fetcher with its server, its data home and the expected results."""
    name = request.param
    shape = (28, 28) if name == "fashion_mnist" else (32, 32, 3)
    module, files = {
        "fashion_mnist": (fashion_mnist, fashion_mnist_files),
        "cifar10": (cifar10, cifar10_files),
    }[name]
    random = np.random.default_rng(0)
    images = {
        part: random.integers(0, 256, (n, *shape), dtype=np.uint8) for part, n in N_IMAGES.items()
    }
    codes = {part: random.integers(0, 10, n, dtype=np.uint8) for part, n in N_IMAGES.items()}
    files = files(images, codes)
    serve(name, files, server, monkeypatch)
    home = tmp_path / "home"

    def fetch(**parameters):
        fetcher = getattr(module, f"fetch_{name}")
        return fetcher(**{"data_home": home, "n_retries": 0, "delay": 0} | parameters)

    return SimpleNamespace(
        name=name,
        fetch=fetch,
        images=images,
        target={part: np.array(module.TARGET_NAMES)[codes[part]] for part in codes},
        files=files,
        server=server,
        home=home,
        folder=home / name,
    )


def list_files(home):
    """List the files in a folder and those below it."""
    return sorted(path.name for path in home.rglob("*") if not path.is_dir())


# ------------------------------------------------------------------------------------------------
# Results


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_images_and_class_names(data, subset):
    parts = ["train", "test"] if subset == "all" else [subset]
    bunch = data.fetch(subset=subset)
    assert isinstance(bunch, Bunch)
    assert_array_equal(bunch.data, np.concatenate([data.images[p] for p in parts]), strict=True)
    assert_array_equal(bunch.target, np.concatenate([data.target[p] for p in parts]))
    assert bunch.target.dtype.kind == "U"
    assert len(bunch.target_names) == 10
    assert set(bunch.target) <= set(bunch.target_names)
    assert bunch.data.flags.c_contiguous
    assert bunch.data.flags.writeable
    assert bunch.DESCR.startswith({"fashion_mnist": "Fashion", "cifar10": "CIFAR"}[data.name])


def test_default_subset_is_train(data):
    assert_array_equal(data.fetch().data, data.images["train"])


def test_data_and_target_as_tuple(data):
    X, y = data.fetch(subset="test", return_X_y=True)
    assert_array_equal(X, data.images["test"], strict=True)
    assert_array_equal(y, data.target["test"])


def test_nothing_is_printed(data, capfd):
    data.fetch()
    assert capfd.readouterr() == ("", "")


def test_every_file_has_a_checksum():
    names = [*fashion_mnist.IMAGES.values(), *fashion_mnist.LABELS.values()]
    assert sorted(fashion_mnist.SHA256) == sorted(names)
    for sha256 in (cifar10.SHA256, *fashion_mnist.SHA256.values()):
        assert re.fullmatch("[0-9a-f]{64}", sha256)


@pytest.mark.parametrize(
    "parameters", [{"subset": "validation"}, {"n_retries": -1}, {"delay": -1.0}, {"data_home": 3}]
)
def test_invalid_parameters(data, parameters):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter of fetch_"):
        data.fetch(**parameters)
    assert not data.home.exists()


# ------------------------------------------------------------------------------------------------
# Location of the files


def test_files_keep_their_official_names(data):
    data.fetch(subset="all")
    assert {path.name: path.read_bytes() for path in data.folder.iterdir()} == data.files


def test_only_the_files_of_the_subset_are_downloaded(data):
    data.fetch(subset="test")
    name = "t10k" if data.name == "fashion_mnist" else "cifar"
    assert list_files(data.home) == sorted(file for file in data.files if file.startswith(name))


def test_second_call_does_not_download(data):
    first = data.fetch(subset="all")
    data.server.close()
    for parameters in ({}, {"download_if_missing": False}):
        assert_array_equal(data.fetch(subset="all", **parameters).data, first.data)


@pytest.mark.parametrize("kind", [str, Path])
def test_data_home(data, kind, tmp_path):
    data.fetch(data_home=kind(tmp_path / "other"))
    assert list_files(tmp_path / "other" / data.name)
    assert not data.home.exists()


def test_default_data_home_is_that_of_scikit_learn(data, monkeypatch, tmp_path):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "other"))
    data.fetch(data_home=None)
    assert list_files(tmp_path / "other" / data.name)


def test_existing_files_are_not_downloaded(data):
    data.folder.mkdir(parents=True)
    for name, content in data.files.items():
        (data.folder / name).write_bytes(content)
    for parameters in ({}, {"download_if_missing": False}):
        assert_array_equal(data.fetch(subset="test", **parameters).data, data.images["test"])
    assert data.server.requests == []


@pytest.mark.skipif(os.name != "posix", reason="requires POSIX permissions")
def test_files_have_default_permissions(data):
    data.fetch()
    (data.folder / "mine").touch()
    assert len({path.stat().st_mode for path in data.folder.iterdir()}) == 1


def test_missing_file_without_download(data):
    with pytest.raises(OSError, match=r"does not exist, and download_if_missing=False: put the "):
        data.fetch(download_if_missing=False)
    assert data.server.requests == list_files(data.home) == []


# ------------------------------------------------------------------------------------------------
# Failed downloads leave no files

BROKEN = {
    "cut": r"the connection broke off after [\d,]+ of [\d,]+ bytes",
    "cut_without_a_length": "the SHA-256 of the file is [0-9a-f]{64}, but should start with",
    "cut_in_a_chunk": "IncompleteRead",
    "wrong": "the SHA-256 of the file is [0-9a-f]{64}, but should start with",
    "empty": "the SHA-256 of the file is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca49",
    "missing": "HTTP Error 404",
    "unavailable": "HTTP Error 503",
    "no_answer": "closed connection without response",
    "silent": "timed out",
}


@pytest.mark.parametrize("behavior", BROKEN)
def test_broken_download(data, behavior):
    data.server.behaviors = [behavior]
    expected = rf"(?s)http.* could not be downloaded \(.*{BROKEN[behavior]}.*\): try again later"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "TIMEOUT", 0.05 if behavior == "silent" else download.TIMEOUT)
        with pytest.raises(OSError, match=expected):
            data.fetch()
    assert list_files(data.home) == []
    assert_array_equal(data.fetch().data, data.images["train"])


@pytest.mark.parametrize("behavior", ["whole", "cut"])
def test_default_timeout_of_sockets_does_not_change(data, behavior):
    data.server.behaviors = [behavior]
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(123.0)
        with nullcontext() if behavior == "whole" else pytest.raises(OSError, match="broke off"):
            data.fetch()
        assert socket.getdefaulttimeout() == 123.0
    finally:
        socket.setdefaulttimeout(before)


def test_no_server(data):
    data.server.close()
    with pytest.raises(OSError, match=r"\(.*refused.*\): try again later, or put the official"):
        data.fetch()
    assert list_files(data.home) == []


@pytest.mark.parametrize("data", ["fashion_mnist"], indirect=True)
def test_broken_download_of_the_second_file(data):
    data.server.behaviors = ["whole", "cut"]
    with pytest.raises(OSError, match="train-labels"):
        data.fetch()
    assert list_files(data.home) == ["train-images-idx3-ubyte.gz"]


@pytest.mark.filterwarnings("ignore:http.* is downloaded again")
def test_retries(data, monkeypatch):
    slept = []
    monkeypatch.setattr(download.time, "sleep", slept.append)
    data.server.behaviors = ["missing", "cut", "wrong", "whole"]
    assert_array_equal(data.fetch(n_retries=3, delay=7.0).data, data.images["train"])
    assert slept == [7.0] * 3
    assert data.server.requests[:4] == data.server.requests[:1] * 4
    assert list_files(data.home) == sorted({path[1:] for path in data.server.requests})


def test_every_retry_warns(data):
    data.server.behaviors = ["wrong", "unavailable", "cut", "whole"]
    with (
        pytest.warns(UserWarning, match="http.* is downloaded again: ") as warned,
        pytest.raises(OSError, match="broke off"),
    ):
        data.fetch(n_retries=2)
    assert [str(one.message).split()[5] for one in warned] == ["SHA-256", "Error"]
    assert len(data.server.requests) == 3
    assert list_files(data.home) == []


def test_redirects_are_followed(data):
    data.server.behaviors = ["moved"]
    assert_array_equal(data.fetch().data, data.images["train"])
    assert data.server.requests[1].startswith("/elsewhere/")


def fail_while_writing(monkeypatch, error):
    """Make a download raise an error after 10 bytes of it are written."""

    class File(io.FileIO):
        def write(self, content):
            super().write(content[:10])
            raise error

    monkeypatch.setattr(
        download, "open", lambda path, mode: File(path, mode.replace("b", "")), raising=False
    )


def test_full_disk(data):
    with pytest.MonkeyPatch.context() as patch:
        fail_while_writing(patch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(OSError, match=rf"No space left on device: .*{data.name}") as raised:
            data.fetch(n_retries=3)
    assert raised.value.errno == errno.ENOSPC
    assert len(data.server.requests) == 1  # a full disk is not the server's fault: no retry
    assert list_files(data.home) == []
    assert_array_equal(data.fetch().data, data.images["train"])


def test_file_size_limit(data):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    data.server.behaviors = ["large"]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match="File too large") as raised:
            data.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert list_files(data.home) == []


def test_ctrl_c_during_a_download(data):
    with pytest.MonkeyPatch.context() as patch:
        fail_while_writing(patch, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            data.fetch(n_retries=3)
    assert len(data.server.requests) == 1
    assert list_files(data.home) == []


def test_file_in_place_of_the_folder(data):
    data.home.mkdir()
    data.folder.touch()
    with pytest.raises(FileExistsError) as raised:
        data.fetch()
    assert raised.value.filename == str(data.folder)
    assert list_files(data.home) == [data.name]


# ------------------------------------------------------------------------------------------------
# Files that differ from the official ones


@pytest.fixture
def damaged_file(data):
    data.fetch(subset="all")
    path = data.folder / min(data.files)
    path.write_bytes(b"half of it")
    data.server.requests.clear()
    return path


def test_damaged_file_is_replaced_with_a_warning(data, damaged_file):
    with pytest.warns(
        UserWarning, match=f"{damaged_file.name}' is not the official file.* replaces it"
    ):
        bunch = data.fetch(subset="all")
    assert_array_equal(bunch.target, np.concatenate(list(data.target.values())))
    assert {path.name: path.read_bytes() for path in data.folder.iterdir()} == data.files
    assert data.server.requests == [f"/{damaged_file.name}"]


@pytest.mark.filterwarnings("ignore:.* is not the official file")
def test_damaged_file_is_kept_if_the_download_fails(data, damaged_file):
    data.server.behaviors = ["cut"]
    with pytest.raises(OSError, match="try again later"):
        data.fetch(subset="all")
    assert list_files(data.home) == sorted(data.files)
    assert damaged_file.read_bytes() == b"half of it"


def test_damaged_file_without_download(data, damaged_file):
    expected = (
        rf"{damaged_file.name}' is not the official file: .*=False: delete it, and put the official"
    )
    with pytest.raises(OSError, match=expected):
        data.fetch(subset="all", download_if_missing=False)
    assert damaged_file.read_bytes() == b"half of it"
    assert data.server.requests == []


# ------------------------------------------------------------------------------------------------
# Concurrent downloads, and files of the wrong format


def test_concurrent_downloads(data):
    n_threads = 5
    barrier, results = threading.Barrier(n_threads), []

    def fetch():
        barrier.wait()
        results.append(data.fetch(subset="all").data)

    threads = [threading.Thread(target=fetch) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == n_threads
    for images in results:
        assert_array_equal(images, np.concatenate(list(data.images.values())))
    assert {path.name: path.read_bytes() for path in data.folder.iterdir()} == data.files


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x08\3\0\0", b"\0\0\x0b\1\0\0\0\1\0\0", b"\0\0\x08\1\0\0\0\2\0"],
    ids=["empty", "no dimensions", "no shape", "int16", "too short"],
)
def test_invalid_idx_file(server, monkeypatch, tmp_path, content):
    names = [*fashion_mnist.IMAGES.values(), *fashion_mnist.LABELS.values()]
    serve("fashion_mnist", dict.fromkeys(names, gzip.compress(content)), server, monkeypatch)
    with pytest.raises(ValueError, match=r"train-images.* is not a file of uint8 values"):
        fashion_mnist.fetch_fashion_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, r"has no file 'data_batch_1.bin'"),
        ({"data_batch_1.bin": bytes(3072)}, r"'data_batch_1.bin' .* not .* records of 3073 bytes"),
    ],
)
def test_invalid_archive(server, monkeypatch, tmp_path, contents, message):
    serve("cifar10", {"cifar-10-binary.tar.gz": make_archive(contents)}, server, monkeypatch)
    with pytest.raises(ValueError, match=message):
        cifar10.fetch_cifar10(data_home=tmp_path)
