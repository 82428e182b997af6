"""Images behind http:// URLs, which fsspec reads with aiohttp, from a server on this machine."""

import threading
import time
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from skcnn import (
    CNNClassifier,
    ImageReader,
    ImageResizer,
    load_image_folder,
    remote_files,
    remote_folders,
)
from skcnn.remote_folders import RemotePath, list_url

fsspec = pytest.importorskip("fsspec")
aiohttp = pytest.importorskip("aiohttp")

RNG = np.random.default_rng(0)


class Server(SimpleHTTPRequestHandler):
    """A server of files, and of answers that are wrong in several ways."""

    n_requests = Counter()
    released = threading.Event()
    links = {
        "links": b'<a href="?C=N;O=D">Name</a> <a href="cat/">cat</a> <a href="/in?to=/links/">',
        "links/cat": b'<a href="../">Up</a> <a href="a.png?v=2">a</a> <a href="more/">more</a>',
        "links/forms": b"""<link href="icon.png"> <a href="d/e.png">
            <a href='/links/forms/a%20b.png'> <A class=x HREF=./c.png> <a href="f&amp;g.png">
            <a href="javascript:h.png"> <a href="">
            <a href="//other/links/forms/i.png"> <a href="c.png"> <a href="#k.png">
            <a\nhref="https://HOST/links/forms/j/">""",
    }

    def do_GET(self):
        path = self.path.strip("/")
        self.n_requests[path] += 1
        if path.startswith("slow"):
            self.released.wait(10)
        if path.startswith("status"):
            self.send_error(int(path.removeprefix("status")))
        elif path.startswith("links"):
            content = self.links.get(path, self.links["links/cat"])
            self.answer(content.replace(b"HOST", self.headers["Host"].encode()), 1000)
        elif path.startswith("endless"):
            self.answer_without_end(path)
        elif path.startswith("redirect"):
            self.send_response(302)
            self.send_header("Location", f"/{path}")
            self.end_headers()
        elif path.startswith("page"):
            self.answer(b"<!DOCTYPE html><html>Sign in</html>", 35)
        elif path.startswith("cut") or (path == "recovers" and self.n_requests[path] < 3):
            self.answer(b"\x89PNG\r\n\x1a\n", 1000)
        elif path == "recovers":
            self.path = "/cat/0.png"
            super().do_GET()
        else:
            super().do_GET()

    def answer(self, content, length):
        self.send_response(200)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content.ljust(length) if b"<a " in content else content)
        self.close_connection = True

    def answer_without_end(self, path):
        """Send an image or a page, and up to 1 GB of other bytes. Count the megabytes."""
        self.send_response(200)
        self.end_headers()
        with open(f"{self.directory}/cat/0.png", "rb") as file:
            start = file.read() if path.endswith("png") else b"<!DOCTYPE html>"
        try:
            for _ in range(2**10):
                self.n_requests[f"{path} MB"] += 1
                self.wfile.write(start + bytes(2**20))
                start = b""
        except OSError:  # the reader has ended the request
            pass
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """URL of the server, and the images of its folders."""
    root = tmp_path_factory.mktemp("site")
    images = RNG.integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    images[10:, ..., 0] = 0
    for number, pixels in enumerate(images):
        name = "cat" if number < 10 else "red panda"
        (root / name).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"{number}.png")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=root))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", images
    Server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def no_pauses(monkeypatch):
    pauses = []
    monkeypatch.setattr(remote_files.time, "sleep", pauses.append)
    return pauses


def test_fit_and_predict_from_a_folder(site):
    url, images = site
    folder = load_image_folder(url, shuffle=False)
    assert folder.target_names.tolist() == ["cat", "red panda"]
    by_name = {path.rpartition("/")[2]: path for path in folder.data}
    paths = [by_name[f"{number}.png"] for number in range(20)]
    X = ImageResizer((6, 5), lazy=True).fit_transform(ImageReader().fit_transform(paths))
    assert np.array_equal(X, images)
    y = folder.target[np.argsort([list(folder.data).index(path) for path in paths])]
    cnn = CNNClassifier(channels=(4,), max_epochs=2, random_state=0)
    expected = cnn.fit(images, y).predict_proba(images)
    assert np.array_equal(cnn.fit(X, y).predict_proba(X), expected)


def test_pages_with_other_links(site):
    Server.n_requests.clear()
    with pytest.warns(UserWarning, match=r": 1 image in a nested folder, such as 'cat/more/a.png"):
        folder = load_image_folder(f"{site[0]}/links")
    assert folder.data.tolist() == [f"{site[0]}/links/cat/a.png?v=2"]
    assert folder.target.tolist() == ["cat"]
    assert sorted(Server.n_requests) == ["links", "links/cat", "links/cat/more"]  # no end otherwise
    with pytest.raises(ValueError, match=r"/links/\?token=\*\*\*' is the URL of a folder"):
        load_image_folder(f"{site[0]}/links/?token=1a2b")


def test_forms_of_links(site):
    url = f"{site[0]}/links/forms"
    folders, files = list_url(RemotePath(url))
    assert list(map(str, folders)) == [f"{url}/j"]
    assert [file.name for file in files] == ["a b.png", "c.png", "f&g.png"]


def test_a_page_without_end(site, monkeypatch):
    monkeypatch.setattr(remote_folders, "_MAX_PAGE_BYTES", 2**21)
    Server.n_requests.clear()
    with pytest.raises(OSError, match=r"/endless.html' cannot be read: its page has more than"):
        load_image_folder(f"{site[0]}/endless.html")
    assert Server.n_requests["endless.html MB"] < 20  # besides 2 MB, those in the system's buffers


@pytest.mark.parametrize(
    ("path", "error", "message", "attempts"),
    [
        ("gone.png", FileNotFoundError, "does not exist", 1),
        ("status403", PermissionError, "cannot be read: permission denied", 1),
        ("status410", OSError, "cannot be read: 410", 1),
        ("status500", OSError, "cannot be read: 500", 3),
        ("redirect", OSError, "cannot be read: the server redirects to other addresses w", 10),
        ("page.jpg", ValueError, "is not an image, or its format is not supported", 1),
        ("cut.png", OSError, "cannot be read: Response payload is not completed", 3),
    ],
)
def test_wrong_answers(site, no_pauses, path, error, message, attempts):
    url = f"{site[0]}/{path}"
    Server.n_requests.clear()
    with pytest.raises(error, match=f"file '{url}' {message}"):
        ImageReader().fit_transform([url])[0]
    assert Server.n_requests[path] == attempts
    assert message in ImageReader().find_errors([url])[0]


def test_servers_that_send_without_end(site, monkeypatch):
    monkeypatch.setattr("skcnn.preprocessing._decode._OTHER_BYTES", 2**21)
    Server.n_requests.clear()
    url, images = site
    X = ImageReader().fit_transform([f"{url}/endless.png", f"{url}/endless.html"])
    assert np.array_equal(X[0], images[0])
    with pytest.raises(ValueError, match=r"/endless.html' is not an image"):
        X[1]
    assert "is not an image" in ImageReader().find_errors([f"{url}/endless.html"])[0]
    assert Server.n_requests["endless.png MB"] < 20  # besides 2 MB, those in the system's buffers
    assert Server.n_requests["endless.html MB"] < 2 * 20
    assert (Server.n_requests["endless.png"], Server.n_requests["endless.html"]) == (1, 2)


def test_another_attempt_succeeds(site, no_pauses):
    url, images = site
    Server.n_requests.clear()
    assert np.array_equal(ImageReader().fit_transform([f"{url}/recovers"])[0], images[0])
    assert no_pauses == [0.5, 2.0]


def test_a_server_that_does_not_answer(site, no_pauses, monkeypatch):
    timeout = aiohttp.ClientTimeout(total=0.2)
    monkeypatch.setitem(fsspec.config.conf, "http", {"client_kwargs": {"timeout": timeout}})
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"/slow.png' cannot be read: no answer in time"):
        ImageReader().fit_transform([f"{site[0]}/slow.png"])[0]
    assert time.monotonic() - start < 8


def test_nobody_listens(no_pauses):
    with pytest.raises(OSError, match=r"the image file 'http://127.0.0.1:9/a.png' cannot be read"):
        ImageReader().fit_transform(["http://127.0.0.1:9/a.png"])[0]
    with pytest.raises(OSError, match=r"the image folder 'http://127.0.0.1:9' cannot be read: "):
        load_image_folder("http://127.0.0.1:9")
