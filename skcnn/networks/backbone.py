"""Interface of networks that serve as a backbone: features, stages and input statistics."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import nn


class Statistics(NamedTuple):
    """Scale, mean and standard deviation of the pixel values that pretrained weights expect.

    A pixel value x enters the network as ``(x / scale - mean) / deviation``.

    Parameters
    ----------
    scale : float
        The pixel value that is scaled to 1, such as 255.
    mean : tuple of float, of length n_channels
        The mean of each channel.
    deviation : tuple of float, of length n_channels
        The standard deviation of each channel.

    Examples
    --------
    >>> from skcnn.networks import Statistics
    >>> Statistics(255.0, mean=(0.5,), deviation=(0.25,)).scale
    255.0
    """

    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@runtime_checkable
class Backbone(Protocol):
    """Interface of networks that can be fine-tuned, used as feature extractors, and inspected.

    Attributes
    ----------
    statistics : Statistics or None
        Statistics of the pixel values that the weights expect. None if the weights are not
        pretrained: the statistics are then learned from the training images.
    cam_layer : torch.nn.Module or None
        The layer whose outputs are weighted in a class activation map: feature maps of shape
        (n_images, n_channels, map_height, map_width). None if the network has no feature maps.

    Examples
    --------
    >>> from skcnn.networks import Backbone, PlainNetwork
    >>> isinstance(PlainNetwork(3, 8, 8, n_outputs=2), Backbone)
    True
    """

    statistics: Statistics | None

    @property
    def cam_layer(self) -> nn.Module | None:
        """The layer whose outputs are weighted in a class activation map."""
        ...

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the features that the last layer, the head, receives.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            Features.
        """
        ...

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the head.

        Returns
        -------
        stages : list of torch.nn.Module
            Parts that have no parameter in common and contain all parameters; the last one is the
            head. A part may have no parameters. Calling the parts one after the other computes the
            outputs of the network, except for models of timm and networks of the user: of their
            parts, only the head can be called, and the others can only be frozen
            (``requires_grad_(False)`` and ``eval()``) or get learning rates of their own.
        """
        ...
