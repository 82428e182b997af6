"""The weights of convolutions and of dense layers as images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skcnn.inspection._network import as_tensor, find_layer, layer_name


def layer_filters(
    module: nn.Module, image_shape: tuple[int, int, int], name: str | None
) -> tuple[np.ndarray, str]:
    """Return the weights of a layer as images, and the name of the layer.

    Parameters
    ----------
    module : torch.nn.Module
        Module of an estimator in evaluation mode, which has the child "network".
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    name : str or None
        Name of a convolution, or of a dense layer that gets the pixels. None chooses the first
        convolution or dense layer that the network calls.

    Returns
    -------
    filters : float32 array of shape (n_filters, height, width, n_channels)
        Weights.
    name : str
        Name of the layer.

    Raises
    ------
    ValueError
        If there is no such layer, or its weights are not images.
    """
    layer = None if name is None else find_layer(module, name)
    inputs = _first_inputs(module, as_tensor(np.zeros((1, *image_shape), np.float32), module))
    called = [part for part in inputs if isinstance(part, (nn.Conv2d, nn.Linear))]
    if layer is None and not called:
        raise ValueError("the network calls no Conv2d and no Linear layer: name a layer")
    layer = called[0] if layer is None else layer
    name = layer_name(module, layer)
    if isinstance(layer, nn.Conv2d):
        weights = layer.weight
    elif isinstance(layer, nn.Linear):
        network = module.get_submodule("network")  # without the standardization
        order = _pixel_order(network, inputs[network].shape, layer)
        if order is None:
            raise ValueError(
                f"the dense layer {name!r} gets features and not pixels, so its weights are not "
                f"images: the first layer with weights is {layer_name(module, called[0])!r}"
            )
        weights = layer.weight[:, order]
    else:
        raise ValueError(
            f"the layer {name!r} is a {type(layer).__name__}: filters are the weights of a Conv2d, "
            "or of a Linear that gets the pixels"
        )
    return weights.detach().movedim(1, -1).float().cpu().numpy(), name


@torch.no_grad()
def _first_inputs(module, images) -> dict[nn.Module, Tensor]:
    """Return the modules that are called, in this order, with the input of their first call."""
    inputs: dict[nn.Module, Tensor] = {}

    def record(part, args):
        if args and isinstance(args[0], Tensor):
            inputs.setdefault(part, args[0].clone())  # the next layer may work in place

    handles = [part.register_forward_pre_hook(record) for part in module.modules()]
    try:
        module(images)
    finally:
        for handle in handles:
            handle.remove()
    return inputs


def _pixel_order(network, shape, layer):
    """Return the position of each pixel in the input of a layer, None if it is not the pixels.

    Networks flatten images in different orders. The order is that in which an image arrives whose
    pixels are numbered.
    """
    device = layer.weight.device
    numbers = torch.arange(shape.numel(), dtype=torch.float32, device=device)
    found = _first_inputs(network, numbers.reshape(shape)).get(layer)
    if found is None or not torch.equal(found.flatten().sort().values, numbers):
        return None
    return found.flatten().argsort().reshape(shape[1:])
