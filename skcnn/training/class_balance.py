"""Frequencies of the classes of a dataset, and epochs in which all classes are equally frequent."""

from __future__ import annotations

import numpy as np
import torch


def class_counts(dataset, n_classes=0, *, weighted=True):
    """Count the images of each class.

    Parameters
    ----------
    dataset : ImageDataset
        Images whose targets are class indices.
    n_classes : int, default=0
        Number of classes, if the last ones may have no images.
    weighted : bool, default=True
        Whether to return the sum of the weights of the images instead of their number.

    Returns
    -------
    counts : float64 tensor of shape (n_classes,)
        Counts.
    """
    rows = slice(None) if dataset.rows is None else dataset.rows
    y = dataset.y[rows]
    weights = torch.ones(len(y))
    if weighted and dataset.weights is not None:
        weights = dataset.weights[rows]
    return torch.bincount(y, weights.double(), minlength=n_classes)


def log_frequencies(dataset):
    """Compute the logarithm of the weighted frequency of each class.

    Parameters
    ----------
    dataset : ImageDataset
        Images whose targets are class indices.

    Returns
    -------
    log_frequencies : float32 tensor of shape (n_classes,)
        Log frequencies: minus infinity for a class without images, or with weights of 0 only.
    """
    counts = class_counts(dataset)
    return (counts / counts.sum()).log().float()


def balanced_rows(y, rng):
    """Draw an epoch with the same number of images of each class, in random order.

    All images of a class are drawn before one of them is drawn again.

    Parameters
    ----------
    y : int array of shape (n_images,)
        Class indices. A class without images is not drawn.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    rows : int array of shape (n_images,)
        Rows of the images. The numbers of images of two classes differ by at most 1.
    """
    classes = np.unique(y)
    n_drawn = np.full(len(classes), len(y) // len(classes))
    n_drawn[rng.permutation(len(classes))[: len(y) % len(classes)]] += 1
    drawn = [
        _cycle(np.flatnonzero(y == label), size, rng)
        for label, size in zip(classes, n_drawn, strict=True)
    ]
    return rng.permutation(np.concatenate(drawn))


def _cycle(rows, size, rng):
    """Repeat all rows as often as possible, and draw the others without replacement."""
    n_passes, n_others = divmod(size, len(rows))
    return np.concatenate([np.tile(rows, n_passes), rng.permutation(rows)[:n_others]])
