"""Checks of a network that a user's callable builds, before it is trained."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from skcnn.networks.convolutions import DefinedGradients


def copy_network(network: nn.Module, in_channels: int, height: int, width: int) -> nn.Module:
    """Copy a network, because a callable may return the same module in each call.

    Parameters
    ----------
    network : torch.nn.Module
        A network. Its lazy layers are initialized, as they cannot be copied otherwise.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.

    Returns
    -------
    network : torch.nn.Module
        A copy in float32.
    """
    tensors = chain(network.parameters(), network.buffers())
    if any(is_lazy(tensor) for tensor in tensors):
        with torch.no_grad():
            network.float().eval()(torch.zeros(2, in_channels, height, width))
    return copy.deepcopy(network).float()


def check_network(
    network: nn.Module, in_channels: int, height: int, width: int, n_outputs: int
) -> None:
    """Raise an error if a network cannot be trained, or its outputs are not usable.

    The network computes the outputs of 2 images in evaluation mode, and a copy of it the outputs of
    3 images in training mode. All pixels of the images are 0.

    Parameters
    ----------
    network : torch.nn.Module
        A network in float32. It is left in evaluation mode.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs.

    Raises
    ------
    ValueError
        If outputs are not floating point numbers of shape (n_images, n_outputs), if no parameter is
        trainable, or if outputs do not depend on the trainable parameters.
    """
    images = torch.zeros(3, in_channels, height, width)
    with torch.no_grad():
        _check_outputs(network.eval()(images[:2]), 2, n_outputs, "eval")
    parameters = list(network.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        state = "are frozen (requires_grad=False)" if parameters else "do not exist"
        raise ValueError(f"it cannot be trained, because its parameters {state}")
    if any(parameter.is_inference() for parameter in parameters):  # built in inference mode
        return
    trained = copy.deepcopy(network).train()
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        with DefinedGradients(trained):
            outputs = trained(images.clone())
        _check_outputs(outputs, 3, n_outputs, "train")
        if not _depends_on(outputs, [p for p in trained.parameters() if p.requires_grad]):
            raise ValueError(
                "it cannot be trained, because its outputs do not depend on its trainable "
                "parameters: remove detach() and torch.no_grad() from forward"
            )


def _depends_on(outputs, parameters):
    """Return whether outputs depend on at least one of the parameters."""
    if not outputs.requires_grad:
        return False
    gradients = torch.autograd.grad(outputs.float().sum(), parameters, allow_unused=True)
    return any(gradient is not None for gradient in gradients)


def _check_outputs(outputs, n_images, n_outputs, mode):
    """Raise an error if the outputs are not usable."""
    expected = f"must return a tensor of shape ({n_images}, {n_outputs})"
    where = f"for {n_images} images in {mode} mode"
    if not isinstance(outputs, torch.Tensor):
        raise ValueError(f"it returns {type(outputs).__name__} {where}, but {expected}")
    if tuple(outputs.shape) != (n_images, n_outputs):
        raise ValueError(
            f"it returns outputs of shape {tuple(outputs.shape)} {where}, but {expected}"
        )
    if not outputs.is_floating_point():
        raise ValueError(
            f"it returns outputs of dtype {outputs.dtype} {where}, but they must be floats"
        )
    if outputs.layout != torch.strided:
        raise ValueError(f"it returns outputs in a sparse layout {where}: use to_dense()")
