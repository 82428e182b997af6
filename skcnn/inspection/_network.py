"""The layers of a network by name, and their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

from skcnn.networks import Backbone, as_backbone
from skcnn.networks.layers import ResizeInput, Standardize
from skcnn.networks.names import unknown_name
from skcnn.networks.pretrained import StandardizeGray
from skcnn.training.loader import as_tensor as images_to_tensor


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """Find a layer of a module by its name.

    Parameters
    ----------
    module : torch.nn.Module
        Module.
    name : str
        Name of the layer in ``module.named_modules()``.

    Returns
    -------
    layer : torch.nn.Module
        The layer.

    Raises
    ------
    ValueError
        If there is no such layer; the message has the most similar names.
    """
    layers = dict(module.named_modules())
    if name not in layers or name == "":
        known = [known for known in layers if known]
        raise ValueError(
            unknown_name(name, known, kind="layer", listed="network_summary(estimator)")
        )
    return layers[name]


def layer_name(module: nn.Module, layer: nn.Module) -> str:
    """Return the name of a layer in ``module.named_modules()``."""
    return next(name for name, part in module.named_modules() if part is layer)


@contextmanager
def recorded_outputs(*layers: nn.Module) -> Iterator[dict[nn.Module, torch.Tensor]]:
    """Record the outputs of layers while the context is open.

    Parameters
    ----------
    *layers : torch.nn.Module
        Layers.

    Yields
    ------
    outputs : dict of {torch.nn.Module: tensor}
        Output of the last call of each layer, as a copy that later in-place operations do not
        change, but that is part of the graph of gradients.
    """
    outputs: dict[nn.Module, torch.Tensor] = {}

    def record(layer, _inputs, output):
        outputs[layer] = output
        return output.clone()  # the next layer may work in place

    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def recorded_feature_maps(
    layer: nn.Module, *, differentiable: bool = False
) -> Iterator[list[torch.Tensor]]:
    """Record the feature maps that a layer computes while the context is open.

    Parameters
    ----------
    layer : torch.nn.Module
        Layer.
    differentiable : bool, default=False
        Whether gradients with respect to the feature maps can be computed. They then are leaves of
        the graph of gradients: no gradients are computed for the layers before them, and all
        weights may be frozen.

    Yields
    ------
    maps : list with one tensor of shape (n_images, n_channels, n_rows, n_columns)
        The last outputs with these axes and more than one row or column, or else the last outputs
        with these axes. A module such as an activation may be called several times, also for
        features that are no maps.

    Raises
    ------
    ValueError
        At the end of the context, if there were no feature maps.
    """
    maps: list[torch.Tensor] = []
    shapes = []

    def record(_layer, _inputs, output):
        shapes.append(tuple(getattr(output, "shape", ())))
        if len(shapes[-1]) != 4 or (maps and output[0, 0].numel() <= 1 < maps[0][0, 0].numel()):
            return output
        maps[:] = [output.detach().requires_grad_() if differentiable else output]
        return maps[0].clone()  # the next layer may work in place

    with layer.register_forward_hook(record):
        yield maps
    if not maps:
        raise ValueError(
            f"the outputs of the layer have the shapes {sorted(set(shapes))}, not that of feature "
            "maps, (n_images, n_channels, n_rows, n_columns): choose another layer"
        )


def backbone_of(module: nn.Module, image_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    """Return the network of a module as a backbone.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module of an estimator, which ends in the network.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    n_outputs : int
        The number of outputs.

    Returns
    -------
    backbone : torch.nn.Module
        The network itself if it follows the `Backbone` protocol, otherwise a wrapper of it.

    Raises
    ------
    ValueError
        If a network of the user does not end in a linear layer.
    """
    *inputs, network = module.children()
    if isinstance(network, Backbone):
        return network
    height, width, n_channels = image_shape
    for layer in inputs:
        if isinstance(layer, ResizeInput):
            height, width = layer.size
    return as_backbone(network, n_channels, height, width, n_outputs)


def as_tensor(images, module: nn.Module) -> torch.Tensor:
    """Return a batch of images as a channels-first tensor on the device of a module.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Images.
    module : torch.nn.Module
        Module.

    Returns
    -------
    images : float32 tensor of shape (n_images, n_channels, height, width)
        Images.
    """
    device = next(iter([*module.parameters(), *module.buffers()])).device
    return images_to_tensor(images).to(device, torch.float32).contiguous()


def mean_pixel(module: nn.Module) -> torch.Tensor:
    """Return the pixel that a module standardizes to zero: that which tells the network nothing.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module of an estimator, which starts with a `Standardize`.

    Returns
    -------
    pixel : tensor of shape (1, n_channels, 1, 1)
        Mean of the training images, or of those of pretrained weights. A gray pixel, if their
        channels are copies of one gray channel, is the mean of the three.
    """
    standardize = cast(Standardize, next(module.children()))
    if isinstance(standardize, StandardizeGray):
        return standardize.mean.mean(dim=1, keepdim=True)
    return standardize.mean


def pixel_deviation(module: nn.Module) -> torch.Tensor:
    """Return the deviation from the mean pixel that a module standardizes to one, over channels.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module of an estimator, which starts with a `Standardize`.

    Returns
    -------
    deviation : tensor of shape ()
        Mean of the standard deviations of the channels.
    """
    return (1 / cast(Standardize, next(module.children())).factor).mean()
