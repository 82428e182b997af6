"""Blocks and layers that several backbones share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial, reduce

import torch
from torch import Tensor, nn

from skcnn.networks.layers import BatchNorm2d


class Block(nn.Module):
    """Part of a network in which one or more paths of layers process the same features.

    `prediction_function` uses the paths to fold batch normalizations into convolutions.
    """

    def paths(self) -> list[list[nn.Module]]:
        """Return the layers of each path, in order.

        Returns
        -------
        paths : list of list of torch.nn.Module
            Layers.
        """
        raise NotImplementedError

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Compute the output of the block from its input and the outputs of its paths.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Input of the block.
        *outputs : tensor of shape (n_images, n_out_channels, out_height, out_width)
            Outputs of the paths.

        Returns
        -------
        features : tensor of shape (n_images, n_out_channels, out_height, out_width)
            Output of the block.
        """
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Compute the output of the block.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_out_channels, out_height, out_width)
            Feature maps.
        """
        return self.join(features, *(apply_layers(path, features) for path in self.paths()))


class Residual(Block):
    """Layers whose input is added to their output if both have the same shape.

    Parameters
    ----------
    name : str
        The name of the attribute that holds the layers, as in the official checkpoint.
    layers : list of torch.nn.Module
        The layers.
    shortcut : bool
        Whether the input is added.
    drop_rate : float, default=0.0
        The fraction of images for which the layers are skipped in training.
    """

    def __init__(
        self, name: str, layers: list[nn.Module], *, shortcut: bool, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.name = name
        self.shortcut = shortcut
        self.add_module(name, nn.Sequential(*layers))
        self.stochastic_depth = StochasticDepth(drop_rate) if shortcut else nn.Identity()

    def paths(self) -> list[list[nn.Module]]:
        """Return the layers."""
        return [[getattr(self, self.name), self.stochastic_depth]]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Add the input to the output of the layers."""
        return features + outputs[0] if self.shortcut else outputs[0]


class SqueezeExcitation(Block):
    """Scale each channel by a factor that depends on the means of all channels.

    Parameters
    ----------
    n_channels : int
        The number of channels.
    n_squeezed : int
        The number of channels between the two dense layers.
    activation, gate : type
        The activation of the first dense layer, and that of the second, which gives the factors.

    References
    ----------
    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018 (arXiv 1709.01507).
    """

    def __init__(
        self, n_channels: int, n_squeezed: int, activation: type[nn.Module], gate: type[nn.Module]
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(n_channels, n_squeezed, 1)
        self.activation = activation()
        self.fc2 = nn.Conv2d(n_squeezed, n_channels, 1)
        self.scale_activation = gate()

    def paths(self) -> list[list[nn.Module]]:
        """Return the layers that compute the factors."""
        return [[self.avgpool, self.fc1, self.activation, self.fc2, self.scale_activation]]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Scale the channels."""
        return features * outputs[0]


class StochasticDepth(nn.Module):
    """Skip a path for random images in training, and scale it for the others.

    Parameters
    ----------
    p : float
        The fraction of images for which the path is skipped.

    References
    ----------
    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016 (arXiv 1603.09382).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, features: Tensor) -> Tensor:
        """Set the features of random images to zero in training.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Output of a path.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, height, width)
            In training, zeros for skipped images; the others are divided by ``1 - p``.
        """
        if not self.training or self.p == 0:
            return features
        kept = torch.empty(len(features), 1, 1, 1, dtype=features.dtype, device=features.device)
        return features * kept.bernoulli_(1 - self.p).div_(1 - self.p)

    def extra_repr(self) -> str:
        """Return the rate for the representation of the module."""
        return f"p={self.p}"


def apply_layers(layers: Iterable[nn.Module], features: Tensor) -> Tensor:
    """Apply layers one after the other.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Layers.
    features : tensor of shape (n_images, ...)
        Input of the first layer.

    Returns
    -------
    features : tensor of shape (n_images, ...)
        Output of the last layer.
    """
    return reduce(lambda x, layer: layer(x), layers, features)


def conv_norm(
    n_in: int,
    n_out: int,
    kernel_size: int,
    stride: int = 1,
    *,
    groups: int = 1,
    eps: float = 1e-5,
    activation: type[nn.Module] | None,
) -> nn.Sequential:
    """Build a convolution that keeps the size at stride 1, batch normalization and activation.

    Returns
    -------
    layers : torch.nn.Sequential
        The layers.
    """
    pad = kernel_size // 2
    conv = nn.Conv2d(n_in, n_out, kernel_size, stride, pad, groups=groups, bias=False)
    layers = [conv, BatchNorm2d(n_out, eps), *([activation()] if activation else [])]
    return nn.Sequential(*layers)


def expand_and_filter(
    n_in: int,
    n_hidden: int,
    kernel_size: int,
    stride: int,
    *,
    activation: type[nn.Module],
    eps: float = 1e-5,
) -> list[nn.Module]:
    """Build the first layers of an inverted residual: a pointwise and a depthwise convolution.

    Returns
    -------
    layers : list of torch.nn.Module
        The layers. There is no pointwise convolution if `n_hidden` is `n_in`.
    """
    build = partial(conv_norm, activation=activation, eps=eps)
    layers: list[nn.Module] = [build(n_in, n_hidden, 1)] if n_hidden != n_in else []
    return [*layers, build(n_hidden, n_hidden, kernel_size, stride, groups=n_hidden)]
