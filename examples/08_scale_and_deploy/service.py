"""Web service that classifies uploaded images with a saved pipeline.

Start it with a file of `skops.io.dump`, and send it a photo::

    pip install "skcnn[service]"
    python service.py model.skops
    curl -F image=@photo.jpg http://127.0.0.1:8000/predict
"""

import argparse
import asyncio
import hashlib
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import skops.io
import torch
import uvicorn
from fastapi import FastAPI, HTTPException, UploadFile
from fastapi.concurrency import run_in_threadpool
from PIL import Image

import skcnn
from skcnn.exceptions import ImageFileError, ImageTooLargeError
from skcnn.export import trusted_types

MAX_BYTES = 10 * 2**20  # of a request with one image
MAX_BATCH_BYTES = 100 * 2**20  # of a request with several images
MAX_IMAGES = 32  # of a request
MAX_PIXELS = 25_000_000  # of an image; reading takes up to 20 bytes per pixel
MAX_COMPUTING = os.cpu_count()  # requests at a time, each with one thread
MAX_OPEN = 100  # connections and waiting requests, before others get 503
TRUSTED = trusted_types()  # names of the types that a model file can contain


def load_model(path):
    """Load a pipeline that reads image files, and limit the memory and the threads that it uses.

    Parameters
    ----------
    path : str or Path
        File that `skops.io.dump` has written.

    Returns
    -------
    model : Pipeline
        Fitted pipeline of an `ImageReader`, other steps and a classifier.
    sha256 : str
        Checksum of the file.
    """
    content = Path(path).read_bytes()
    try:
        unknown = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)
    except Exception as error:  # its type depends on the contents of the file
        raise ValueError(
            "it is damaged, or not a file of skops: save the pipeline again with skops.io.dump"
        ) from error
    if unknown:
        raise ValueError(
            f"it contains types that are not trusted: {', '.join(sorted(unknown))}. If you trust "
            "the file, add them to TRUSTED in service.py"
        )
    model = skops.io.loads(content, trusted=TRUSTED)
    steps = getattr(model, "steps", [("", None)])
    if not isinstance(steps[0][1], skcnn.ImageReader) or not hasattr(model, "predict_proba"):
        raise ValueError(
            "it is not a pipeline of an ImageReader and a classifier: save the whole pipeline, "
            "which begins with an ImageReader"
        )
    if getattr(steps[-1][1], "target_type_", None) == "multilabel":
        raise ValueError(
            "it predicts several labels for each image, and the service answers with one: use a "
            "classifier that was fitted with one label for each image"
        )
    model[0].set_params(root=None, max_pixels=MAX_PIXELS)
    for _, step in steps:
        if hasattr(step, "n_jobs"):
            step.set_params(n_jobs=1)  # requests run in parallel instead
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:  # the first prediction takes longer than all others
        path = os.path.join(folder, "black.png")
        Image.new("RGB", (64, 64)).save(path)
        model.predict_proba([path])
    return model, hashlib.sha256(content).hexdigest()


def predict(model, uploads):
    """Return the answer for each uploaded image.

    The pipeline reads the uploads from files, so that the answers are those of the same files.
    """
    if not all(upload.size for upload in uploads):
        raise HTTPException(422, "An uploaded file is empty (0 bytes).")
    with TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(number)) for number in range(len(uploads))]
        for path, upload in zip(paths, uploads, strict=True):
            with open(path, "wb") as file:
                shutil.copyfileobj(upload.file, file)
        try:
            probabilities = model.predict_proba(paths)
        except ImageFileError as error:
            raise refusal(model[0], paths) from error
        if hasattr(model[-1], "net_"):  # a network predicts the most probable class
            labels = model.classes_[probabilities.argmax(axis=1)]
        else:
            labels = model.predict(paths)
    classes = model.classes_.astype(str).tolist()
    return [
        {"label": label, "probabilities": dict(zip(classes, row, strict=True))}
        for label, row in zip(labels.tolist(), probabilities.tolist(), strict=True)
    ]


def refusal(reader, paths):
    """Return the HTTP error of the first image that cannot be read."""
    for number, path in enumerate(paths, 1):
        try:
            reader.transform([path])[0]
        except ImageTooLargeError:
            return HTTPException(413, f"Image {number} has more than {MAX_PIXELS:,} pixels.")
        except ImageFileError:
            return HTTPException(
                415,
                f"Image {number} is damaged, or not a JPEG, PNG, GIF, BMP, TIFF or WebP file.",
            )
    return HTTPException(500, "An image could not be read.")


def stop(message):
    """Print a message, and exit with code 2."""
    print(message, file=sys.stderr)
    sys.exit(2)


def create_app(path=None):
    """Return the application, or exit with a message and code 2 if the model cannot be used.

    Parameters
    ----------
    path : str or Path, default=None
        File of the pipeline. None reads it from the environment variable MODEL.
    """
    path = path or os.environ.get("MODEL")
    if not path:
        stop("Set the environment variable MODEL to the skops file of a pipeline.")
    try:
        model, sha256 = load_model(path)
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        stop(f"The model {str(path)!r} cannot be used: {reason}")
    app = FastAPI(title="Image classifier", version=skcnn.__version__)
    slots = asyncio.Semaphore(MAX_COMPUTING)

    async def answer(uploads):
        async with slots:
            return await run_in_threadpool(predict, model, uploads)

    @app.post("/predict", max_body_size=MAX_BYTES)
    async def predict_one(image: list[UploadFile]):
        if len(image) > 1:
            raise HTTPException(422, "Send one image, or several to /predict-batch.")
        return (await answer(image))[0]

    @app.post("/predict-batch", max_body_size=MAX_BATCH_BYTES)
    async def predict_batch(images: list[UploadFile]):
        if len(images) > MAX_IMAGES:
            raise HTTPException(413, f"Send at most {MAX_IMAGES} images, got {len(images)}.")
        return await answer(images)

    @app.get("/health")
    async def health():
        return {"status": "ok"}

    @app.get("/version")
    async def version():
        classes = model.classes_.tolist()
        return {"skcnn": skcnn.__version__, "model_sha256": sha256, "classes": classes}

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Classify uploaded images with a saved pipeline.")
    parser.add_argument("model", help="file of a pipeline, written by skops.io.dump")
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: %(default)s)")
    options = parser.parse_args()
    uvicorn.run(
        create_app(options.model),
        host=options.host,
        port=options.port,
        limit_concurrency=MAX_OPEN,
        log_level="warning",
    )
