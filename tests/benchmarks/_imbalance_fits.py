"""Data, remedies and single fits of the benchmark of class imbalance, for several processes."""

import time
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, ImageEmbedder
from skcnn.imbalance import ImageSampler, LogitAdjustedClassifier

RECIPE = {"network": "fast", "progressive_resizing": 0.6, "test_time_augmentation": "flip_shift"}
AUGMENTATION = {"horizontal_flip": True, "shift": 2}

# Parameters of the classifier, and the module of imbalanced-learn that has a sampler of that name.
REMEDIES = {
    "none": ({}, None),
    "class_weight": ({"class_weight": "balanced"}, None),
    "RandomOverSampler": ({}, "over_sampling"),
    "RandomUnderSampler": ({}, "under_sampling"),
    "SMOTE": ({}, "over_sampling"),
    "sampling": ({"sampling": "balanced"}, None),
    "focal": ({"loss": "focal"}, None),
    "logit_adjustment": ({"logit_adjustment": 1.0}, None),
    "cutmix": ({"cutmix": 1.0}, None),
    "cutmix, logit_adjustment": ({"cutmix": 1.0, "logit_adjustment": 1.0}, None),
}
# Results that are computed from the network of another remedy.
ADJUSTED = {"none": "post-hoc adjustment", "cutmix": "cutmix, post-hoc adjustment"}
RETRAINED = {"none": "re-trained classifier"}


@dataclass(frozen=True)
class Task:
    """One fit, as plain data that is sent to another process.

    Parameters
    ----------
    data : Path
        "digits" for the digits of scikit-learn, or a file with `X_train`, `y_train`, `X_test` and
        `y_test`.
    factor : int
        Number of images of the most frequent class divided by that of the rarest.
    n_max : int
        Number of images of the most frequent class.
    remedy : str
        Key of `REMEDIES`.
    seed : int
        Seed of the images, and of training.
    recipe : tuple of (str, object)
        Parameters of the classifier.
    augmentation : tuple of (str, object)
        Parameters of the augmenter.
    n_test : int or None
        Number of test images; None for all.
    """

    data: Path
    factor: int
    n_max: int
    remedy: str
    seed: int
    recipe: tuple
    augmentation: tuple
    n_test: int | None = None


@cache
def load(path):
    """Return the images and labels of the training set, and of the test set."""
    if path.name == "digits":
        X, y = load_digits(return_X_y=True)
        X = X.reshape(-1, 8, 8)
        return X[:1300], y[:1300], X[1300:], y[1300:]
    with np.load(path) as file:
        return tuple(file[key] for key in ("X_train", "y_train", "X_test", "y_test"))


def class_sizes(n_max, factor, n_classes):
    """Return the number of images of each class, which decreases exponentially."""
    return (n_max * factor ** (-np.arange(n_classes) / (n_classes - 1))).astype(int)


def long_tailed_rows(y, n_max, factor, seed):
    """Return the rows of random images, with the numbers of `class_sizes`."""
    rng = np.random.default_rng(seed)
    classes = np.unique(y)
    sizes = class_sizes(n_max, factor, len(classes))
    rows = [
        rng.permutation(np.flatnonzero(y == label))[:size]
        for label, size in zip(classes, sizes, strict=True)
    ]
    return rng.permutation(np.concatenate(rows))


def run(task):
    """Fit one network, and return the recalls of all remedies that it serves.

    Parameters
    ----------
    task : Task
        What to fit.

    Returns
    -------
    records : list of dict
        Factor, remedy, seed, number of images and epochs, seconds, and the recall of each class.
    """
    X, y, X_test, y_test = load(task.data)
    step = 1 if task.n_test is None else len(y_test) // task.n_test
    X_test, y_test = X_test[::step], y_test[::step]
    rows = long_tailed_rows(y, task.n_max, task.factor, task.seed)
    X, y = X[rows], y[rows]
    parameters, module = REMEDIES[task.remedy]
    cnn = CNNClassifier(**dict(task.recipe), **parameters, random_state=task.seed)
    augmenter = ImageAugmenter(**dict(task.augmentation), random_state=task.seed)
    start = time.perf_counter()
    if module is None:
        make_pipeline(augmenter, cnn).fit(X, y)
    else:
        sampler = getattr(import_module(f"imblearn.{module}"), task.remedy)
        resampler = ImageSampler(sampler(random_state=task.seed))
        make_pipeline(augmenter, cnn).fit(*resampler.fit_resample(X, y))
    seconds = time.perf_counter() - start
    models = {task.remedy: cnn}
    if task.remedy in ADJUSTED:
        adjusted = LogitAdjustedClassifier(FrozenEstimator(cnn)).fit(X, y)
        models[ADJUSTED[task.remedy]] = adjusted
    if task.remedy in RETRAINED:
        models[RETRAINED[task.remedy]] = retrained(cnn, task.seed).fit(X, y)
    records = []
    for name, model in models.items():
        recalls = recall_score(
            y_test, model.predict(X_test), labels=cnn.classes_, average=None, zero_division=0
        )
        record = {"factor": task.factor, "remedy": name, "seed": task.seed, "images": len(y)}
        record |= {"epochs": cnn.n_epochs_, "seconds": round(seconds, 1)}
        records.append(record | {f"recall {n}": round(r, 4) for n, r in enumerate(recalls)})
    return records


def retrained(cnn, seed):
    """Return a pipeline of the features of a network, and a new classifier (Kang et al. 2020)."""
    head = CNNClassifier(
        channels=(),
        hidden_units=(),
        dropout=0.0,
        image_shape=(1, cnn.module_.network.stages()[-1].in_features),
        sampling="balanced",
        device=cnn.device,
        random_state=seed,
    )
    return make_pipeline(ImageEmbedder(cnn, device=cnn.device), head)
