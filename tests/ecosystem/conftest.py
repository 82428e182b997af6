"""Digits that are hard to read, in all forms of images, and a network that is too confident."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageFlattener,
    ImageReader,
    ImageResizer,
    TransferClassifier,
)
from tests.ecosystem._parts import TRAIN, part

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Paths of 1,300 gray images of two sizes in random order, and their labels."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))[:1300]
    noisy = 8 * X[order].reshape(-1, 8, 8) + rng.normal(64, 56, size=(1300, 8, 8))
    folder = tmp_path_factory.mktemp("digits")
    paths = np.array([folder / f"{number}.png" for number in range(1300)], dtype=object)
    for number, image in enumerate(noisy.clip(0, 255).astype(np.uint8)):
        size = 1 + number % 2
        Image.fromarray(np.kron(image, np.ones((size, size), np.uint8))).save(paths[number])
    return paths, NAMES[y[order]]


@pytest.fixture(scope="session")
def labels(digits):
    """Labels of all images."""
    return digits[1]


@pytest.fixture(scope="session")
def forms(digits):
    """A fitted estimator and all images, by the form of the images. The networks are the same."""
    paths, y = digits
    options = {"hidden_units": (64,), "dropout": 0.0, "weight_decay": 0.0, "learning_rate": 0.01}
    cnn = CNNClassifier(channels=(16,), max_epochs=20, random_state=0, **options)
    pipe = make_pipeline(ImageReader("L"), ImageResizer((8, 8)), cnn)
    pipe.fit(part(paths, TRAIN), y[TRAIN])
    photos = list(pipe[:1].transform(paths))
    objects = np.empty(len(photos), dtype=object)
    objects[:] = photos
    images = pipe[1:2].transform(photos)
    lazy = ImageResizer((8, 8), lazy=True).fit_transform(photos)
    return {
        "images": (cnn, images),
        "images with a color axis": (cnn, images[..., np.newaxis]),
        "list of images": (cnn, list(images)),
        "lazy images": (cnn, lazy),
        "rows": (cnn, ImageFlattener().fit_transform(images)),
        "list of photos": (pipe[1:], photos),
        "array of photos": (pipe[1:], objects),
        "array of paths": (pipe, paths),
        "array of strings": (pipe, paths.astype(str)),
        "list of paths": (pipe, list(paths)),
        "list of strings": (pipe, paths.astype(str).tolist()),
        "series of paths": (pipe, pd.Series(paths.astype(str))),
        "frame of paths": (pipe, pd.DataFrame({"path": paths.astype(str)})),
    }


@pytest.fixture(scope="session")
def pretrained(forms, labels):
    """A pretrained network that was fitted on the first 60 of 260 larger images."""
    images = ImageResizer((32, 32)).fit_transform(forms["images"][1][:260])
    model = TransferClassifier(input_size=None, max_epochs=3, random_state=0)
    return model.fit(images[:60], labels[:60]), images


@pytest.fixture(scope="session")
def brightness(forms):
    """A regressor of the mean pixel value, and the values of all images."""
    images = forms["images"][1]
    y = images.mean(axis=(1, 2))
    regressor = CNNRegressor(channels=(8,), max_epochs=3, random_state=0)
    return regressor.fit(images[TRAIN], y[TRAIN]), y
