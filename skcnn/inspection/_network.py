"""The layers of a network by name, and their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from skcnn.networks.names import unknown_name


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
    tensor = torch.as_tensor(images).to(device, torch.float32)
    return tensor.permute(0, 3, 1, 2).contiguous()
