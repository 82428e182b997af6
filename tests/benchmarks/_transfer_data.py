"""Data and single fits of the benchmark of transfer learning, for several processes."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skcnn import ImageReader, ImageResizer, load_image_folder


@cache
def cifar10(data):
    """Return the images and labels of the training set, and of the test set."""
    with np.load(data / "cifar10.npz") as file:
        return tuple(file[key] for key in ("X_train", "y_train", "X_test", "y_test"))


@cache
def folder(path, size):
    """Return the images of a folder, resized, and their labels."""
    files = load_image_folder(path, shuffle=False)
    resizer = ImageResizer(size, aspect="stretch")
    return make_pipeline(ImageReader(), resizer).fit_transform(files.data), files.target


@dataclass(frozen=True)
class Sets:
    """Function without arguments that returns data, and is small for other processes.

    Parameters
    ----------
    convert : callable
        Called with what `load` returns.
    load : callable
        Called with `arguments`, to load the data once in every process.
    arguments : tuple
        Arguments of `load`.
    """

    convert: Callable
    load: Callable
    arguments: tuple

    def __init__(self, convert, load, *arguments):
        vars(self).update(convert=convert, load=load, arguments=arguments)

    def __call__(self):
        return _converted(self)


@cache
def _converted(sets):
    return sets.convert(sets.load(*sets.arguments))


def draw(y, n_per_class, seed):
    """Return the rows of `n_per_class` random images of each class, in random order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(y == label))[:n_per_class] for label in np.unique(y)]
    return rng.permutation(np.concatenate(rows))


def corrupted(images, kind):
    """Return images with noise, blur or the artifacts of JPEG."""
    if kind == "noise":
        noise = np.random.default_rng(0).normal(0, 0.08 * 255, size=images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)
    if kind == "blur":
        sigma = images.shape[1] / 40
        return gaussian_filter(images, (0, sigma, sigma, 0))
    return np.array([_jpeg(image) for image in images]) if kind == "JPEG" else images


def _jpeg(image):
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=15)
    return np.asarray(Image.open(buffer))


def log(*values):
    print(*values, file=sys.stderr, flush=True)


def fit(model, X, y):
    """Fit, and return the seconds."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def score_fit(model, sets, n_per_class, seed, device):
    """Fit a model to images that a seed selects, and return its test accuracies and the seconds.

    Parameters
    ----------
    model : estimator or Pipeline
        Model.
    sets : callable
        ``sets()`` returns the training images and labels, and the test images by name and labels.
    n_per_class : int
        Number of training images of each class.
    seed : int
        Seed of the selection and of training.
    device : str
        Device.

    Returns
    -------
    scores : dict of {str: float}
        Accuracy for each set of test images.
    seconds : float
        Time of `fit`.
    n_images : int
        Number of training images.
    """
    X, y, tests, y_test = sets()
    model = clone(model)
    final = model[-1] if hasattr(model, "steps") else model
    final.set_params(random_state=seed, device=device)
    rows = draw(y, n_per_class, seed)
    seconds = fit(model, X[rows], y[rows])
    scores = {kind: model.score(images, y_test) for kind, images in tests.items()}
    log(sets.load.__name__, n_per_class, seed, scores, f"{seconds:.1f} s", str(model)[:200])
    return scores, seconds, len(rows)


def clean(parts):
    """Return training data, and test data that are not corrupted."""
    X, y, X_test, y_test = parts
    return X, y, {"clean": X_test}, y_test


def shifted(parts):
    """Return training data, and corrupted test data."""
    X, y, X_test, y_test = parts
    kinds = ("clean", "noise", "blur", "JPEG")
    return X, y, {kind: corrupted(X_test, kind) for kind in kinds}, y_test


def folders(path, test, size):
    """Return the images and labels of two folders."""
    return *folder(path / "train", size), *folder(path / test, size)
