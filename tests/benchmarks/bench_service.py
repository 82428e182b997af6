"""Load test of the service of the gallery, with the pipeline and with bare onnxruntime.

    python tests/benchmarks/bench_service.py

A photo of 512 x 512 pixels (JPEG) is sent to ``examples/08_scale_and_deploy/service.py`` on this
machine, in one process of uvicorn, by 1, 4 and 16 clients. Each client waits for the answer before
it sends the photo again, for some seconds in each round. The same service runs with onnxruntime
instead of the pipeline: Pillow decodes the photo, and the exported graph resizes and classifies it
with one thread. Without HTTP, as many threads call `predict_proba` for the file. The networks have
random or pretrained weights, which does not matter for the time.
"""

import http.client
import json
import multiprocessing
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import skops.io
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved
from PIL import Image
from skimage.data import astronaut
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer, TransferClassifier
from skcnn.export import to_onnx

FOLDER = Path(__file__).parents[2] / "examples" / "08_scale_and_deploy"
CLIENTS = (1, 4, 16)
BOUNDARY = b"boundary"


def pipelines():
    """Return pipelines that are not fitted, by the name of their network."""
    return {
        "fast, 96 x 96": make_pipeline(
            ImageReader(), ImageResizer((96, 96)), CNNClassifier("fast", max_epochs=1)
        ),
        "efficientnet_lite0, 224 x 224": make_pipeline(
            ImageReader(),
            ImageResizer((224, 224)),
            TransferClassifier("efficientnet_lite0", max_epochs=1),
        ),
    }


class OnnxModel:
    """Classifier of image files that has no part of the pipeline.

    Parameters
    ----------
    path : Path
        Exported pipeline.
    """

    net_ = None  # as for a network, the service takes the most probable class

    def __init__(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options)
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.classes_ = np.array(json.loads(metadata["classes"]))

    def __getitem__(self, number):
        return self

    def predict_proba(self, paths):
        """Return the probabilities of each class."""
        images = [np.asarray(Image.open(path).convert("RGB"))[np.newaxis] for path in paths]
        rows = [self.session.run(["probabilities"], {"images": image})[0] for image in images]
        return np.concatenate(rows)


def serve(path, listening):
    """Run the service until it is terminated; the ending of the file decides what classifies."""
    import uvicorn

    sys.path.insert(0, str(FOLDER))
    import service

    if path.suffix == ".onnx":
        service.load_model = lambda path: (OnnxModel(path), "")
    config = uvicorn.Config(service.create_app(path), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


class Service:
    """A service in another process.

    Parameters
    ----------
    path : Path
        Model.
    photo : bytes
        File that is sent.
    """

    def __init__(self, path, photo):
        self.body = (
            b'--%s\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n%s'
            b"\r\n--%s--\r\n" % (BOUNDARY, photo, BOUNDARY)
        )
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        spawned = multiprocessing.get_context("spawn")
        self.process = spawned.Process(target=serve, args=(path, self.listening), daemon=True)
        self.process.start()
        self.post(0)

    def post(self, seconds):
        """Send the photo for some seconds. Return the time and the status of each request."""
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        measured = []
        end = time.perf_counter() + seconds
        while not measured or time.perf_counter() < end:
            start = time.perf_counter()
            connection.request("POST", "/predict", self.body, headers)
            response = connection.getresponse()
            response.read()
            measured.append((time.perf_counter() - start, response.status))
        connection.close()
        return measured

    def close(self):
        """End the process."""
        self.process.terminate()
        self.process.join()
        self.listening.close()


def call(pipe, path, seconds):
    """Classify a file for some seconds. Return the time of each call, and the status 200."""

    measured = []
    end = time.perf_counter() + seconds
    while not measured or time.perf_counter() < end:
        start = time.perf_counter()
        pipe.predict_proba([path])
        measured.append((time.perf_counter() - start, 200))
    return measured


def load(post, n_clients, seconds):
    """Run clients in threads, and return the requests per second and all requests."""
    start = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as clients:
        parts = list(clients.map(post, n_clients * [seconds]))
    elapsed = time.perf_counter() - start
    requests = [request for part in parts for request in part]
    return len(requests) / elapsed, requests


def rows_of(network, results, n_clients):
    """Return one row for each contender."""
    rates = {name: np.median([rate for rate, _ in measured]) for name, measured in results.items()}
    rows = []
    for name, measured in results.items():
        requests = [request for _, part in measured for request in part]
        seconds = np.array([duration for duration, _ in requests])
        rows.append(
            {
                "network": network,
                "clients": str(n_clients),
                "measurement": name,
                "requests/s": f"{rates[name]:.1f}",
                "ratio to onnxruntime": f"{rates[name] / rates['service, onnxruntime']:.2f}x",
                "p50, ms": f"{1e3 * np.quantile(seconds, 0.5):.1f}",
                "p99, ms": f"{1e3 * np.quantile(seconds, 0.99):.1f}",
                "errors": str(sum(status != 200 for _, status in requests)),
            }
        )
    return rows


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__, rounds=3)
    options.add_argument(
        "--seconds", type=float, default=2.5, help="seconds of a round (default: %(default)s)"
    )
    arguments = parse_arguments(options)
    seconds = 0.3 if arguments.quick else arguments.seconds
    torch.set_num_threads(1)
    rows = []
    with TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        Image.fromarray(astronaut()).save(photo, quality=90)
        for network, pipe in pipelines().items():
            pipe.set_params(imagereader__n_jobs=1, imageresizer__n_jobs=1)
            pipe.fit(8 * [photo], 4 * ["cat", "dog"])
            skops.io.dump(pipe, Path(folder, "model.skops"))
            to_onnx(pipe, Path(folder, "model.onnx"))
            services = {
                "service, pipeline": Service(Path(folder, "model.skops"), photo.read_bytes()),
                "service, onnxruntime": Service(Path(folder, "model.onnx"), photo.read_bytes()),
            }
            posts = {name: service.post for name, service in services.items()}
            posts["predict_proba, no HTTP"] = lambda s, pipe=pipe: call(pipe, photo, s)
            for n_clients in CLIENTS:
                contenders = {
                    name: lambda post=post, n=n_clients: load(post, n, seconds)
                    for name, post in posts.items()
                }
                label = f"{network}, {n_clients} clients"
                results = run_interleaved(contenders, arguments.rounds, label)
                rows += rows_of(network, results, n_clients)
            for service in services.values():
                service.close()
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
