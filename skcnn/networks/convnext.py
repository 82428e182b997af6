"""ConvNeXt: large depthwise convolutions and layer normalization."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from skcnn.networks.backbone_network import (
    BackboneNetwork,
    FeatureLayers,
    check_least_size,
    initialize,
)
from skcnn.networks.blocks import Block, StochasticDepth
from skcnn.networks.pooling import GlobalAvgPool2d

BLOCKS = (3, 3, 9, 3)  # at each resolution
CHANNELS = (96, 192, 384, 768)
LEAST_SIZE = 32  # the convolutions between resolutions are not padded
_DROP_RATE = 0.1  # of the last block; it increases linearly from 0
_EPS = 1e-6
_LAYER_SCALE = 1e-6


class ConvNeXt(BackboneNetwork):
    """ConvNeXt-Tiny.

    The parameters have the names of torchvision's checkpoints. Weights are initialized as by
    torchvision: from a truncated normal distribution with a standard deviation of 0.02, and 1e-6
    for the scale of each block. Images must have at least 32 x 32 pixels.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.

    Raises
    ------
    ValueError
        If the images are smaller than 32 x 32 pixels.

    References
    ----------
    Liu et al., "A ConvNet for the 2020s", CVPR 2022 (arXiv 2201.03545).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import ConvNeXt
    >>> network = ConvNeXt(3, 32, 32, n_outputs=10).eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 768])
    """

    features: FeatureLayers

    def __init__(self, in_channels: int, height: int, width: int, n_outputs: int) -> None:
        super().__init__()
        check_least_size(self, height, width, least=LEAST_SIZE)
        stem = nn.Conv2d(in_channels, CHANNELS[0], 4, stride=4)
        layers: list[nn.Module] = [nn.Sequential(stem, LayerNorm2d(CHANNELS[0]))]
        rates = iter(torch.linspace(0, _DROP_RATE, sum(BLOCKS), device="cpu").tolist())
        for n_blocks, (n_in, n_out) in zip(BLOCKS, pairwise((*CHANNELS, 0)), strict=True):
            layers.append(nn.Sequential(*(_Block(n_in, next(rates)) for _ in range(n_blocks))))
            if n_out:
                halve = nn.Conv2d(n_in, n_out, 2, stride=2)
                layers.append(nn.Sequential(LayerNorm2d(n_in), halve))
        self.features = FeatureLayers(*layers)
        self.avgpool = GlobalAvgPool2d()
        norm = nn.LayerNorm(CHANNELS[-1], eps=_EPS)
        self.classifier = nn.ModuleList([norm, nn.Identity(), nn.Linear(CHANNELS[-1], n_outputs)])
        self.features.following = (self.avgpool, self.classifier)
        draw = partial(nn.init.trunc_normal_, std=0.02)
        initialize(self, conv=draw, dense=draw)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the first convolution, the layers of each resolution, and the head."""
        layers = list(self.features)
        parts = [layers[:1], layers[1:2], layers[2:4], layers[4:6], layers[6:]]
        parts[-1] += self.features.following_layers()
        return [*parts, [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The blocks of the lowest resolution."""
        return self.features[-1]


class _Block(Block):
    """Depthwise convolution and two dense layers for each pixel; adds their output to the input."""

    def __init__(self, n_channels: int, drop_rate: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(n_channels, n_channels, 7, padding=3, groups=n_channels),
            _ChannelsLast(),
            nn.LayerNorm(n_channels, eps=_EPS),
            nn.Linear(n_channels, 4 * n_channels),
            nn.GELU(),
            nn.Linear(4 * n_channels, n_channels),
            _ChannelsFirst(),
        )
        self.layer_scale = nn.Parameter(torch.full((n_channels, 1, 1), _LAYER_SCALE))
        self.stochastic_depth = StochasticDepth(drop_rate)

    def paths(self) -> list[list[nn.Module]]:
        """Return the layers."""
        return [[self.block]]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Add the scaled output of the layers to the input."""
        return features + self.stochastic_depth(self.layer_scale * outputs[0])


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization of the channels of each pixel.

    Parameters
    ----------
    n_channels : int
        The number of channels.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels, eps=_EPS)

    def forward(self, features: Tensor) -> Tensor:
        """Normalize the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, height, width)
            Normalized feature maps.
        """
        rows = features.permute(0, 2, 3, 1)
        rows = functional.layer_norm(rows, self.normalized_shape, self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)


class _ChannelsLast(nn.Module):
    """Move the channels to the last axis."""

    def forward(self, features: Tensor) -> Tensor:
        """Move the channels."""
        return features.permute(0, 2, 3, 1)


class _ChannelsFirst(nn.Module):
    """Move the channels from the last to the second axis."""

    def forward(self, features: Tensor) -> Tensor:
        """Move the channels."""
        return features.permute(0, 3, 1, 2)
