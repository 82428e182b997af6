"""The service of the gallery: its answers, its limits, and its start."""

import hashlib
import http.client
import importlib.util
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skcnn
from skcnn import ImageFlattener, ImageReader, ImageResizer
from tests.ecosystem._digits import X, network, y

pytest.importorskip("fastapi")
pytest.importorskip("multipart")
pytest.importorskip("skops")
pytest.importorskip("uvicorn")

import skops.io
import uvicorn
from fastapi.testclient import TestClient

SCRIPT = Path(__file__).parents[2] / "examples" / "08_scale_and_deploy" / "service.py"
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def encoded(image, image_format="PNG", **options):
    content = io.BytesIO()
    image.save(content, image_format, **options)
    return content.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def photos():
    """Return the contents of files that are difficult to read in the same way twice, by name."""
    pixels = np.random.default_rng(0).integers(0, 256, (21, 30, 4), dtype=np.uint8)
    color, opacity = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels, "RGBA")
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    return {
        "color.png": encoded(color),
        "rotated.jpg": encoded(color, "JPEG", exif=exif(6)),
        "cmyk.jpg": encoded(color.convert("CMYK"), "JPEG"),
        "palette.gif": encoded(color.convert("P"), "GIF"),
        "opacity.png": encoded(opacity),
        "gray.bmp": encoded(color.convert("L"), "BMP"),
        "16 bits.tif": encoded(deep, "TIFF"),
        "lossless.webp": encoded(color.rotate(180), "WEBP", lossless=True),
        "digit.png": encoded(Image.fromarray(16 * X[5, ..., 0])),
    }


def bomb():
    """Return a PNG of less than 100 bytes whose header says 30,000 x 30,000 pixels."""
    content = bytearray(encoded(Image.new("L", (8, 8))))
    content[16:24] = 2 * (30_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.fixture(scope="module")
def service():
    spec = importlib.util.spec_from_file_location("skcnn_example_service", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    n_threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    paths = [folder / f"{number}.png" for number in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(16 * image[..., 0]).save(path)
    steps = ImageReader(), ImageResizer((8, 8)), network()
    return make_pipeline(*steps).fit(paths, NAMES[y])


@pytest.fixture(scope="module")
def model(pipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "digits.skops"
    skops.io.dump(pipe, path)
    return path


@pytest.fixture(scope="module")
def app(service, model):
    return service.create_app(model)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app) as client:
        yield client


def post_one(client, content, **options):
    return client.post("/predict", files={"image": ("upload", content)}, **options)


def post_several(client, contents):
    return client.post("/predict-batch", files=[("images", ("upload", one)) for one in contents])


def answers(pipe, folder, contents):
    """Return the answers that the pipeline gives for files with the same contents."""
    paths = [folder / f"{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [
        {"label": label, "probabilities": dict(zip(pipe.classes_, row, strict=True))}
        for label, row in zip(pipe.predict(paths), pipe.predict_proba(paths).tolist(), strict=True)
    ]


class TestAnswers:
    def test_one_image_is_read_as_a_file_is(self, client, pipe, tmp_path):
        contents = photos().values()
        expected = answers(pipe, tmp_path, contents)
        assert len({json.dumps(answer) for answer in expected}) == len(expected)
        for content, answer in zip(contents, expected, strict=True):
            response = post_one(client, content)
            assert response.status_code == 200
            assert response.json() == answer

    def test_several_images(self, client, pipe, tmp_path):
        contents = list(photos().values())
        response = post_several(client, contents)
        assert response.status_code == 200
        assert response.json() == answers(pipe, tmp_path, contents)

    def test_label_is_that_of_predict(self, service, pipe, tmp_path):
        (tmp_path / "0").write_bytes(photos()["digit.png"])
        final = FixedThresholdClassifier(
            DummyClassifier(), threshold=0.7, pos_label=True, response_method="predict_proba"
        )
        steps = pipe[0], pipe[1], ImageFlattener(), final
        other = make_pipeline(*steps).fit(3 * [tmp_path / "0"], [True, True, False])
        skops.io.dump(other, tmp_path / "model.skops")
        client = TestClient(service.create_app(tmp_path / "model.skops"))
        assert other.predict([tmp_path / "0"]).tolist() == [False]  # not the most probable class
        answer = post_one(client, photos()["digit.png"]).json()
        expected = {"True": pytest.approx(2 / 3), "False": pytest.approx(1 / 3)}
        assert answer == {"label": False, "probabilities": expected}

    def test_health(self, client):
        assert client.get("/health").json() == {"status": "ok"}

    def test_version(self, client, model):
        assert client.get("/version").json() == {
            "skcnn": skcnn.__version__,
            "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
            "classes": sorted(NAMES),
        }


class TestLimits:
    @pytest.mark.parametrize(
        ("content", "status", "detail"),
        [
            (b"", 422, "An uploaded file is empty (0 bytes)."),
            (b"no image", 415, "Image 1 is damaged, or not a JPEG, PNG"),
            (photos()["color.png"][:500], 415, "Image 1 is damaged"),
            (encoded(Image.new("RGB", (9, 9)), "PPM"), 415, "Image 1 is damaged"),
            (bomb(), 413, "Image 1 has more than 25,000,000 pixels."),
        ],
        ids=["empty", "text", "truncated", "another format", "decompression bomb"],
    )
    def test_image(self, client, content, status, detail):
        response = post_one(client, content)
        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)

    def test_the_first_image_that_is_refused_is_named(self, client):
        good = photos()["color.png"]
        refused = post_several(client, [good, b"no image", bomb()])
        assert (refused.status_code, refused.json()["detail"][:7]) == (415, "Image 2")
        refused = post_several(client, [good, good, bomb(), b"no image"])
        assert (refused.status_code, refused.json()["detail"][:7]) == (413, "Image 3")
        assert post_several(client, [good, b""]).status_code == 422

    def test_number_of_images(self, client, service):
        good = photos()["digit.png"]
        assert len(post_several(client, service.MAX_IMAGES * [good]).json()) == service.MAX_IMAGES
        refused = post_several(client, (service.MAX_IMAGES + 1) * [good])
        assert refused.status_code == 413
        assert refused.json() == {"detail": "Send at most 32 images, got 33."}

    def test_body_that_is_announced(self, client, service):
        assert post_one(client, bytes(service.MAX_BYTES)).status_code == 413
        too_much = service.MAX_BATCH_BYTES // service.MAX_IMAGES
        refused = post_several(client, service.MAX_IMAGES * [bytes(too_much)])
        assert refused.status_code == 413

    def test_requests_without_an_image(self, client):
        assert client.post("/predict").status_code == 422
        assert client.post("/predict", content=b"an image?").status_code == 422
        assert client.post("/predict-batch").status_code == 422
        two = client.post("/predict", files=2 * [("image", ("upload", b"an image"))])
        assert two.status_code == 422
        assert two.json() == {"detail": "Send one image, or several to /predict-batch."}
        broken = {"content-type": "multipart/form-data; boundary=b"}
        assert client.post("/predict", content=b"--c", headers=broken).status_code == 400
        assert client.get("/predict").status_code == 405


class TestStart:
    @pytest.fixture
    def exits(self, service, capsys):
        """Function that returns the message with which the service exits instead of starting."""

        def exits(path=None):
            with pytest.raises(SystemExit) as stopped:
                service.create_app(path)
            assert stopped.value.code == 2
            (sentence,) = capsys.readouterr().err.splitlines()
            return sentence

        return exits

    def test_model_of_the_environment(self, service, model, exits, monkeypatch):
        monkeypatch.setenv("MODEL", str(model))
        assert TestClient(service.create_app()).get("/version").status_code == 200
        monkeypatch.delenv("MODEL")
        assert exits().startswith("Set the environment variable MODEL")

    def test_missing_model(self, exits, tmp_path):
        expected = "The model 'lost.skops' cannot be used: No such file or directory"
        assert exits("lost.skops") == expected
        assert exits(tmp_path).startswith(f"The model {str(tmp_path)!r} cannot be used: ")

    def test_file_that_is_not_a_model(self, exits, model, tmp_path):
        content = model.read_bytes()
        with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
            archive.writestr("notes.txt", "no model")
        (tmp_path / "half").write_bytes(content[: len(content) // 2])
        (tmp_path / "empty").touch()
        for path in (SCRIPT, *tmp_path.iterdir()):
            assert "cannot be used: it is damaged, or not a file of skops: save" in exits(path)

    def test_model_with_types_that_are_not_trusted(self, exits, pipe, tmp_path):
        path = tmp_path / "model.skops"
        own = make_pipeline(pipe[0], FunctionTransformer(post_one), *pipe[1:])
        skops.io.dump(own, path)
        assert "types that are not trusted: tests.ecosystem.test_service.post_one" in exits(path)

    def test_model_of_several_labels(self, exits, pipe, tmp_path, monkeypatch):
        monkeypatch.setattr(pipe[-1], "target_type_", "multilabel")
        skops.io.dump(pipe, tmp_path / "model.skops")
        assert "it predicts several labels" in exits(tmp_path / "model.skops")

    @pytest.mark.parametrize("steps", [slice(1, None), slice(0, 2)], ids=["no reader", "no labels"])
    def test_pipeline_of_other_steps(self, exits, pipe, steps, tmp_path):
        path = tmp_path / "model.skops"
        skops.io.dump(pipe[steps], path)
        assert "not a pipeline of an ImageReader and a classifier" in exits(path)


@contextmanager
def running(app):
    """Run a server in a thread of this process, and yield it and its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield server, listening.getsockname()
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
    listening.close()


@pytest.fixture(scope="module")
def server(app):
    """Address of a server."""
    with running(app) as (_, address):
        yield address


def multipart(content):
    start = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return start + content + b"\r\n--b--\r\n"


def post(server, content):
    connection = http.client.HTTPConnection(*server, timeout=30)
    try:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        connection.request("POST", "/predict", multipart(content), headers)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


def start_upload(connection, content):
    """Send the first half of an upload when the server asks for it. Return the other half."""
    body = multipart(content)
    connection.sendall(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body[: len(body) // 2])
    return body[len(body) // 2 :]


def receive(connection):
    """Return the status and the answer."""
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    return response.status, json.load(response)


class TestServer:
    def test_clients_at_a_time(self, server, pipe, tmp_path):
        contents = list(photos().values()) * 8
        expected = answers(pipe, tmp_path, contents)
        with ThreadPoolExecutor(16) as clients:
            received = list(clients.map(lambda content: post(server, content), contents))
        assert received == [(200, answer) for answer in expected]

    def test_health_while_all_slots_compute(self, server, service, monkeypatch):
        computing, finish = threading.Semaphore(0), threading.Event()

        def wait(model, uploads):
            computing.release()
            finish.wait(30)
            return [{}]

        monkeypatch.setattr(service, "predict", wait)
        with ThreadPoolExecutor(service.MAX_COMPUTING + 2) as clients:
            sent = [
                clients.submit(post, server, b"image") for _ in range(service.MAX_COMPUTING + 2)
            ]
            for _ in range(service.MAX_COMPUTING):
                assert computing.acquire(timeout=30)
            connection = http.client.HTTPConnection(*server, timeout=30)
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
            connection.close()
            assert not computing.acquire(timeout=0.2)  # other requests wait
            finish.set()
            assert [one.result() for one in sent] == [(200, {})] * len(sent)

    def test_body_of_unknown_length_is_refused_before_its_end(self, server, service):
        part, n_bytes = bytes(2**16), 0
        with socket.create_connection(server, timeout=30) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            )
            for chunk in [multipart(b"")[:-9], *(10 * service.MAX_BYTES // len(part) * [part])]:
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                n_bytes += len(chunk)
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
        assert service.MAX_BYTES < n_bytes < 5 * service.MAX_BYTES

    def test_request_that_has_started_before_sigterm(self, app, pipe, tmp_path):
        content = photos()["digit.png"]
        with (
            running(app) as (server, address),
            socket.create_connection(address, timeout=30) as connection,
        ):
            rest = start_upload(connection, content)
            server.handle_exit(signal.SIGTERM, None)
            time.sleep(0.3)  # the server looks every 0.1 seconds
            connection.sendall(rest)
            assert receive(connection) == (200, answers(pipe, tmp_path, [content])[0])


@pytest.fixture
def gunicorn(model, tmp_path):
    """Process of gunicorn with two workers, and the address that it listens to."""
    pytest.importorskip("gunicorn")
    pytest.importorskip("uvicorn_worker")
    listening = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--worker-class"]
    command += ["uvicorn_worker.UvicornWorker", "--bind", f"fd://{listening.fileno()}"]
    command += ["--timeout", "300", "--graceful-timeout", "60", "service:create_app()"]
    process = subprocess.Popen(
        command,
        cwd=SCRIPT.parent,
        env=os.environ | {"MODEL": str(model), "HOME": str(tmp_path)},  # gunicorn writes there
        pass_fds=[listening.fileno()],
    )
    yield process, listening.getsockname()
    process.terminate()
    process.wait(90)
    listening.close()


def processes_of(parent, number):
    """Return the numbers of the processes that a process starts, as soon as they exist."""
    deadline = time.monotonic() + 60
    while True:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if len(children) == number or time.monotonic() > deadline:
            return [int(child) for child in children]
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_gunicorn_with_workers_that_are_forked(gunicorn, pipe, tmp_path):
    process, address = gunicorn
    content = photos()["digit.png"]
    expected = 200, answers(pipe, tmp_path, [content])[0]
    connection = http.client.HTTPConnection(*address, timeout=300)  # waits for the start
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    workers = processes_of(process.pid, 2)
    assert len(workers) == 2
    for other in workers:  # one worker is stopped, so that the other one answers
        os.kill(other, signal.SIGSTOP)
        assert post(address, content) == expected
        os.kill(other, signal.SIGCONT)
    with socket.create_connection(address, timeout=60) as connection:
        rest = start_upload(connection, content)
        process.terminate()
        time.sleep(0.5)  # so that the workers know
        connection.sendall(rest)
        assert receive(connection) == expected
    assert process.wait(90) == 0


def test_command_line_exits_with_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, "missing.skops"])
    with pytest.raises(SystemExit, match=r"^2$"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().err.startswith("The model 'missing.skops' cannot be used: No")
