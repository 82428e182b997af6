"""Checks of a network before training starts or continues."""

from __future__ import annotations

import copy

import torch

from skcnn.networks.layers import ResizeInput
from skcnn.training.transforms import resize


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
    before, after = (
        {
            "network" if s.weights is None else "backbone": s.name,
            "weights": s.weights,
            "input_size": s.input_size,
            **(s.options or {}),
        }
        for s in (fitted, spec)
    )
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            raise ValueError(
                f"the network was built with {name}={before.get(name)!r} and its training cannot "
                f"continue with {after.get(name)!r}: clone the estimator to train a new network"
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
        If the module does not take the smallest images, or resizes all images.
    """
    if start == 1.0:
        return
    sizes = [layer.size for layer in module if isinstance(layer, ResizeInput)]
    if sizes:
        raise ValueError(
            f"progressive_resizing={start} saves no time, because the network resizes all images "
            f"to {sizes[0]}: use input_size=None, or progressive_resizing=1.0"
        )
    height, width, n_channels = image_shape
    device = next(module.parameters()).device
    images = resize(torch.zeros(2, n_channels, height, width, device=device), start)
    try:
        with torch.no_grad():
            copy.deepcopy(module).eval()(images)
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"progressive_resizing={start} shrinks images, but the network does not take "
            f"{images.shape[2]} x {images.shape[3]} pixels ({error}): use a network for images of "
            'any size, such as network="fast", or progressive_resizing=1.0'
        ) from error
