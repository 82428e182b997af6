"""Downloads that continue a partial file, from a local server that breaks off midway."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from skcnn import download
from skcnn.download import official_file
from tests.datasets.test_fetch import Handler, Server, fail_while_writing

CONTENT = np.random.default_rng(0).bytes(200_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class RangeHandler(Handler):
    """A handler that supports requests for the end of a file."""

    def do_GET(self):  # noqa: N802
        self.server.ranges.append(self.headers["Range"])
        super().do_GET()

    def answer(self, body, code=200, **headers):
        wanted = self.headers["Range"]
        if wanted and code == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            total = int(headers["Content_Length"])
            if start >= total:
                return super().answer(b"", 416, Content_Range=f"bytes */{total}")
            headers["Content_Range"] = f"bytes {start}-{total - 1}/{total}"
            headers["Content_Length"] = total - start
            body, code = body[start:], 206
        return super().answer(body, code, **headers)

    def cut_at_three_quarters(self, body):
        self.answer(body[: 3 * len(body) // 4], Content_Length=len(body))

    def stall(self, body):
        self.answer(body[: len(body) // 2], Content_Length=len(body))
        self.wfile.flush()
        self.server.closed.wait(10)

    def without_ranges(self, body):
        Handler.answer(self, body, Content_Length=len(body))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(RangeHandler)
    server.files, server.ranges = {"file.bin": CONTENT}, []
    yield server
    server.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file.bin"


@pytest.fixture
def part(path):
    path.parent.mkdir()
    return path.with_name("file.bin.part")


def get(server, path, **parameters):
    parameters = {"resume": True, "delay": 0} | parameters
    return official_file(f"{server.url}/file.bin", SHA256, path, **parameters)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("behavior", ["cut", "stall"])
def test_the_next_call_continues(server, path, behavior, monkeypatch):
    server.behaviors = [behavior]
    with monkeypatch.context() as patch:
        patch.setattr(download, "TIMEOUT", 0.2 if behavior == "stall" else 30)
        reason = {"cut": "broke off after 100,000 of 200,001 bytes", "stall": "timed out"}
        message = rf"^http.*{reason[behavior]}; the next attempt continues after 100,000 bytes\): "
        with pytest.raises(OSError, match=message):
            get(server, path)
    assert contents(path.parent) == {"file.bin.part": CONTENT[:HALF]}
    assert get(server, path) == path
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == [None, "bytes=100000-"]


def test_without_resume_nothing_is_left(server, path):
    server.behaviors = ["cut"]
    with pytest.raises(OSError, match=r"broke off after 100,000 of 200,001 bytes\): try again"):
        get(server, path, resume=False)
    assert contents(path.parent) == {}


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.filterwarnings("ignore:http.* is downloaded again")
def test_retries_continue(server, path, resume):
    server.behaviors = ["cut", "unavailable", "cut_at_three_quarters"]
    get(server, path, n_retries=3, resume=resume)
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_progress_is_continued_at_once(server, path, monkeypatch):
    monkeypatch.setattr(download, "LEAST_PROGRESS", 50_000)
    server.behaviors = ["cut", "cut_at_three_quarters", "unavailable"]
    with pytest.raises(OSError, match=r"503.*the next attempt continues after 150,000 bytes"):
        get(server, path)
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_servers_without_ranges(server, path, part):
    part.write_bytes(CONTENT[:1000])
    server.behaviors = ["without_ranges"]
    get(server, path)
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == ["bytes=1000-"]


def test_a_complete_partial_file(server, path, part):
    part.write_bytes(CONTENT)
    get(server, path)
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == []


@pytest.mark.parametrize("n_bytes", [1000, 200_001, 300_000])
def test_a_partial_file_of_another_version(server, path, part, n_bytes):
    part.write_bytes(bytes(n_bytes))
    get(server, path)
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == [f"bytes={n_bytes}-", None]


def test_wrong_files_are_removed(server, path, part):
    part.write_bytes(bytes(1000))
    server.behaviors = ["whole", "wrong", "whole"]
    with pytest.raises(OSError, match=rf"the SHA-256 of the file is \w+, but should .* {SHA256}\)"):
        get(server, path)
    assert contents(path.parent) == {}
    assert server.ranges == ["bytes=1000-", None]


def test_closed_network(server, path):
    server.close()
    url, folder = f"{server.url}/file.bin", path.parent
    message = rf"^{url} could .*refused.*\): .* file 'file.bin' into the folder '{folder}'$"
    with pytest.raises(OSError, match=message):
        get(server, path)
    assert contents(folder) == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_the_partial_file_stays(server, path, error, monkeypatch):
    with monkeypatch.context() as patch:
        fail_while_writing(patch, error)
        with pytest.raises(type(error)):
            get(server, path, n_retries=3)
    assert contents(path.parent) == {"file.bin.part": CONTENT[:10]}
    get(server, path)
    assert server.ranges == [None, "bytes=10-"]


def test_progress_bar(server, path, part, capfd):
    part.write_bytes(CONTENT[:HALF])
    get(server, path, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "50%" in shown.err
    assert "100%" in shown.err


# ------------------------------------------------------------------------------------------------
# Several processes. They import the module alone, which is fast.

SCRIPT = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("download", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.official_file(sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]), resume=True)
"""


def start(server, path):
    arguments = [download.__file__, f"{server.url}/file.bin", SHA256, str(path)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments])


def wait_for(condition, seconds=30):
    stop = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.01)


def test_processes_wait_for_each_other(server, path):
    processes = [start(server, path) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == [None]


@pytest.mark.skipif(os.name != "posix", reason="requires signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_ended_processes(server, path, name):
    server.behaviors = ["stall"]
    process, part = start(server, path), path.with_name("file.bin.part")
    wait_for(lambda: part.exists() and part.stat().st_size == HALF)
    process.send_signal(getattr(signal, name))
    assert process.wait(60) != 0
    get(server, path)
    assert contents(path.parent) == {"file.bin": CONTENT}
    assert server.ranges == [None, "bytes=100000-"]
