"""Describe a training, to find out whether a checkpoint belongs to it."""

from __future__ import annotations

import numpy as np
import torch

from skcnn.checksums import checksum
from skcnn.training.loader import ImageDataset

_N_COMPARED = 16  # images
_TOLERANCE = 1e-3  # of their values, which can differ a little on another machine


def describe_training(net, dataset, valid):
    """Return all that must be the same when a training continues.

    Parameters
    ----------
    net : ImageNeuralNet
        Net at the beginning of its training.
    dataset : ImageDataset
        Training data.
    valid : ImageDataset or None
        Validation data.

    Returns
    -------
    description : dict of {str: object}
        Plain data and tensors, by names for messages.
    """
    network = {} if net.spec is None else vars(net.spec)
    builder = network.get("name", type(net.module_))
    options = {name: value for name, value in vars(net.options).items() if name != "verbose"}
    return {
        "network": repr({**network, "name": _name(builder)}),
        **{name: repr(value) for name, value in options.items()},
        "number of epochs before this fit": repr(len(net.history)),
        "seed drawn from random_state": repr(net.seed),
        **_describe_data(dataset, "X", "y"),
        **_describe_data(valid, "X_val", "y_val"),
    }


def _name(builder):
    """Return the name of a network, of the class or of the function that builds it."""
    if isinstance(builder, str):
        return builder
    return getattr(builder, "__qualname__", type(builder).__qualname__)


def _describe_data(dataset, X, y):
    """Return the shape, checksums of targets and weights, and some images of a dataset."""
    if dataset is None:
        return {f"shape of {X}": "None"}
    rows = np.arange(len(dataset)) if dataset.rows is None else dataset.rows
    some = np.unique(np.linspace(0, len(rows) - 1, _N_COMPARED).astype(int))
    images = ImageDataset(dataset.images, rows=rows).batch(some).images.flatten(1).double()
    weights = dataset.weights
    return {
        f"shape of {X}": repr((len(rows), *dataset.images.shape[1:])),
        f"values of {y}": checksum(dataset.targets()),
        f"weights of {X}": None if weights is None else checksum(weights[rows]),
        f"images of {X}": {"norms": images.norm(dim=1), "projections": _project(images)},
    }


def _project(images):
    """Return one number per image, which differs for different images."""
    direction = np.random.default_rng(0).standard_normal(images.shape[1])
    return images @ torch.from_numpy(direction)


def check_same_training(saved, description, path):
    """Raise an error that names the first difference of two trainings.

    Parameters
    ----------
    saved, description : dict
        Return values of `describe_training` for the training in a file and for this one.
    path : str
        File, for the message.

    Raises
    ------
    ValueError
        If they differ.
    """
    for name, value in description.items():
        before = saved.get(name)
        if _equal(before, value):
            continue
        difference = f"the {name} differ from those of this fit"
        if isinstance(value, str):
            difference = f"its {name} is {before}, and that of this fit is {value}"
        raise ValueError(
            f"the checkpoint {path!r} belongs to another training: {difference}. Use the same "
            "parameters and data, with an integer random_state in every random step, to continue; "
            "remove the file, or pass another path, to train from the beginning"
        )


def _equal(before, value):
    """Return whether two items of a description are the same, for images almost the same."""
    if not isinstance(value, dict) or not isinstance(before, dict):
        return before == value
    names = ("norms", "projections")
    differences = [(before[name].cpu() - value[name]).abs() for name in names]
    return all(bool((part <= _TOLERANCE * value["norms"]).all()) for part in differences)
