"""Checks of parameters and weights that `_parameter_constraints` does not cover."""

from __future__ import annotations

import copy

import numpy as np
import torch
from sklearn.callback import FitCallback
from sklearn.utils.validation import _check_sample_weight
from skorch.callbacks import Callback, LRScheduler

from skcnn.training.transforms import resize


def check_weights(sample_weight, images):
    """Check the weights of images.

    Parameters
    ----------
    sample_weight : array-like of shape (n_images,) or None
        Weights given by the user.
    images : array or LazyImages of shape (n_images, ...)
        Images.

    Returns
    -------
    weights : float64 array of shape (n_images,) or None
        None if `sample_weight` is None.

    Raises
    ------
    ValueError
        If a weight is negative, or all are zero.
    """
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight,
        np.empty(len(images)),  # only its length is used
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )


def rows_with_weight(weights, images):
    """Return the rows of the images with a positive weight.

    Parameters
    ----------
    weights : float64 array of shape (n_images,) or None
        Weights. None means equal weights.
    images : array or LazyImages of shape (n_images, ...)
        Images.

    Returns
    -------
    rows : int array of shape (n_rows,)
        Rows in ascending order.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    rows = np.arange(len(images)) if weights is None else np.flatnonzero(weights)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} of {len(images)} images have a weight above 0 (class_weight included), "
            "and at least 2 are needed"
        )
    return rows


def check_same_network(spec, fitted):
    """Raise an error if the training of a network would continue with other network parameters.

    Parameters
    ----------
    spec : NetworkSpec
        Network that the parameters describe.
    fitted : NetworkSpec
        Network that was trained.

    Raises
    ------
    ValueError
        If they differ.
    """
    if spec == fitted:
        return
    before, after = ({"network": s.name, **(s.options or {})} for s in (fitted, spec))
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            raise ValueError(
                f"the network was built with {name}={before.get(name)!r} and its training cannot "
                f"continue with {after.get(name)!r}: clone the estimator to train a new network"
            )


def check_callbacks(callbacks, schedule):
    """Raise an error if a callback is not skorch's, or sets the learning rate despite a schedule.

    Parameters
    ----------
    callbacks : sequence or None
        Parameter `callbacks` of an estimator.
    schedule : str or None
        Its parameter `schedule`.

    Raises
    ------
    TypeError
        If an element is not a callback of skorch.
    ValueError
        If there are both an LRScheduler and a `schedule`.
    """
    for item in callbacks or []:
        callback = item[1] if isinstance(item, tuple) else item
        if isinstance(callback, LRScheduler) and schedule is not None:
            raise ValueError(
                f"callbacks contains an LRScheduler, but schedule={schedule!r} also sets the "
                "learning rate: use schedule=None"
            )
        if isinstance(callback, Callback):
            continue
        if isinstance(callback, FitCallback) and not isinstance(callback, type):
            name = type(callback).__name__
            raise TypeError(
                f"{name} is a callback of scikit-learn, but the parameter callbacks takes those of "
                f"skorch: use set_callbacks({name}(...))"
            )
        raise TypeError(
            "callbacks must contain instances of skorch.callbacks.Callback, or pairs of a name and "
            f"one, got {callback!r}"
        )


def check_progressive_resizing(start, image_shape, module):
    """Raise an error if the network takes images of one size only, with progressive resizing.

    Parameters
    ----------
    start : float
        Parameter `progressive_resizing` of an estimator.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    module : torch.nn.Module
        Network, including the standardization of its input.

    Raises
    ------
    ValueError
        If the module does not take the smallest images.
    """
    if start == 1.0:
        return
    height, width, n_channels = image_shape
    device = next(module.parameters()).device
    images = resize(torch.zeros(2, n_channels, height, width, device=device), start)
    try:
        with torch.no_grad():
            copy.deepcopy(module).eval()(images)
    except Exception as error:
        raise ValueError(
            f"progressive_resizing={start} shrinks images, but the network does not take "
            f"{images.shape[2]} x {images.shape[3]} pixels ({error}): use a network for images of "
            'any size, such as network="fast", or progressive_resizing=1.0'
        ) from error
