"""Digits, the forms of images that the tests pass to other packages, and networks for them."""

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from skcnn import CNNClassifier, ImageReader, ImageResizer, LazyImages

X, y = load_digits(return_X_y=True)
X, y = X[:200].reshape(-1, 8, 8, 1).astype(np.uint8), y[:200]


def network(**options):
    """Return a network that is trained in a fraction of a second."""
    defaults = {"channels": (8,), "batch_size": 32, "learning_rate": 0.01, "max_epochs": 2}
    return CNNClassifier(random_state=0, **{**defaults, **options})


def pipeline(*, reads=False, **options):
    """Return a pipeline for photos, or for paths of photos."""
    steps = [("read", ImageReader("L"))] if reads else []
    return Pipeline([*steps, ("resize", ImageResizer((8, 8))), ("cnn", network(**options))])


def forms(folder, images=X):
    """Return pairs of an estimator and the images in a form that it takes, by the form's name.

    The pixels are the same in every form, so that all of them give the same predictions.
    """
    paths = np.array([str(folder / f"{number}.png") for number in range(len(images))])
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    objects = np.empty(len(images), dtype=object)
    objects[:] = list(images)
    return {
        "images": (pipeline(), images),
        "gray images": (pipeline(), images[..., 0]),
        "rows": (network(image_shape=(8, 8)), images.reshape(len(images), -1)),
        "list of photos": (pipeline(), list(images)),
        "array of photos": (pipeline(), objects),
        "list of paths": (pipeline(reads=True), paths.tolist()),
        "array of paths": (pipeline(reads=True), paths),
        "column of paths": (pipeline(reads=True), paths[:, np.newaxis]),
        "frame of paths": (pipeline(reads=True), pd.DataFrame({"path": paths})),
        "series of paths": (pipeline(reads=True), pd.Series(paths)),
        "lazy images": (pipeline(), LazyImages(images)),
    }
