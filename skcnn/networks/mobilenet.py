"""MobileNetV2 and MobileNetV3: inverted residuals of depthwise convolutions."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from skcnn.networks.backbone_network import BackboneNetwork, FeatureLayers, initialize
from skcnn.networks.blocks import Residual, SqueezeExcitation, conv_norm, expand_and_filter
from skcnn.networks.layers import BatchNorm2d, Dropout
from skcnn.networks.pooling import GlobalAvgPool2d

_EPS = 1e-3  # of the batch normalizations of MobileNetV3


class _Setting(NamedTuple):
    """Blocks of MobileNetV2 with the same number of channels."""

    expansion: int
    n_out: int
    n_blocks: int
    stride: int


class _Row(NamedTuple):
    """Block of MobileNetV3."""

    kernel_size: int
    n_hidden: int
    n_out: int
    squeeze: bool
    hard_swish: bool
    stride: int


V2_SETTINGS = (
    _Setting(1, 16, 1, 1),
    _Setting(6, 24, 2, 2),
    _Setting(6, 32, 3, 2),
    _Setting(6, 64, 4, 2),
    _Setting(6, 96, 3, 1),
    _Setting(6, 160, 3, 2),
    _Setting(6, 320, 1, 1),
)
V3_ROWS = {
    "small": (
        _Row(3, 16, 16, True, False, 2),
        _Row(3, 72, 24, False, False, 2),
        _Row(3, 88, 24, False, False, 1),
        _Row(5, 96, 40, True, True, 2),
        _Row(5, 240, 40, True, True, 1),
        _Row(5, 240, 40, True, True, 1),
        _Row(5, 120, 48, True, True, 1),
        _Row(5, 144, 48, True, True, 1),
        _Row(5, 288, 96, True, True, 2),
        _Row(5, 576, 96, True, True, 1),
        _Row(5, 576, 96, True, True, 1),
    ),
    "large": (
        _Row(3, 16, 16, False, False, 1),
        _Row(3, 64, 24, False, False, 2),
        _Row(3, 72, 24, False, False, 1),
        _Row(5, 72, 40, True, False, 2),
        _Row(5, 120, 40, True, False, 1),
        _Row(5, 120, 40, True, False, 1),
        _Row(3, 240, 80, False, True, 2),
        _Row(3, 200, 80, False, True, 1),
        _Row(3, 184, 80, False, True, 1),
        _Row(3, 184, 80, False, True, 1),
        _Row(3, 480, 112, True, True, 1),
        _Row(3, 672, 112, True, True, 1),
        _Row(5, 672, 160, True, True, 2),
        _Row(5, 960, 160, True, True, 1),
        _Row(5, 960, 160, True, True, 1),
    ),
}
V3_FEATURES = {"small": 1024, "large": 1280}


class MobileNetV2(BackboneNetwork):
    """MobileNetV2: inverted residuals with linear bottlenecks.

    The parameters have the names of torchvision's checkpoints. Weights are initialized as by
    torchvision: convolutions after He et al. 2015 for the number of outputs, the head from a
    normal distribution with a standard deviation of 0.01. Images may have any size.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.

    References
    ----------
    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018 (arXiv
    1801.04381).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import MobileNetV2
    >>> network = MobileNetV2(3, 32, 32, n_outputs=10).eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 1280])
    """

    features: FeatureLayers

    def __init__(self, in_channels: int, height: int, width: int, n_outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm(in_channels, 32, 3, 2, activation=nn.ReLU6)]
        n_in = 32
        for setting in V2_SETTINGS:
            for block in range(setting.n_blocks):
                stride = 1 if block else setting.stride
                layers.append(_v2_block(n_in, setting.expansion, setting.n_out, stride))
                n_in = setting.n_out
        layers.append(conv_norm(n_in, 1280, 1, activation=nn.ReLU6))
        self.features = FeatureLayers(*layers)
        self.avgpool = GlobalAvgPool2d()
        self.classifier = nn.ModuleList([Dropout(0.2), nn.Linear(1280, n_outputs)])
        self.features.following = (self.avgpool, self.classifier)
        initialize(self)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the first convolution, the blocks by setting, the last convolution, the head."""
        stem, *blocks, last = self.features
        parts = [[stem]]
        for setting in V2_SETTINGS:
            parts.append(blocks[: setting.n_blocks])
            blocks = blocks[setting.n_blocks :]
        return [*parts, [last, *self.features.following_layers()], [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The last convolution with its normalization and activation."""
        return self.features[-1]


class MobileNetV3(BackboneNetwork):
    """MobileNetV3: inverted residuals with squeeze-and-excitation and hard swish.

    The parameters have the names of torchvision's checkpoints. Weights are initialized as by
    torchvision: convolutions after He et al. 2015 for the number of outputs, dense layers from a
    normal distribution with a standard deviation of 0.01. Images may have any size.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    variant : {"small", "large"}
        The size of the network.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019 (arXiv 1905.02244).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import MobileNetV3
    >>> network = MobileNetV3(3, 32, 32, n_outputs=10, variant="small").eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 1024])
    """

    features: FeatureLayers

    def __init__(
        self, in_channels: int, height: int, width: int, n_outputs: int, *, variant: str
    ) -> None:
        super().__init__()
        self.variant = variant
        layers: list[nn.Module] = [
            conv_norm(in_channels, 16, 3, 2, activation=nn.Hardswish, eps=_EPS)
        ]
        n_in = 16
        for row in V3_ROWS[variant]:
            layers.append(_v3_block(n_in, row))
            n_in = row.n_out
        layers.append(conv_norm(n_in, 6 * n_in, 1, activation=nn.Hardswish, eps=_EPS))
        self.features = FeatureLayers(*layers)
        self.avgpool = GlobalAvgPool2d()
        n_features = V3_FEATURES[variant]
        self.classifier = nn.ModuleList(
            [
                *(nn.Linear(6 * n_in, n_features), nn.Hardswish(), Dropout(0.2)),
                nn.Linear(n_features, n_outputs),
            ]
        )
        self.features.following = (self.avgpool, self.classifier)
        initialize(self)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the first convolution, the blocks by size, the last convolution, the head."""
        stem, *blocks, last = self.features
        parts: list[list[nn.Module]] = [[stem]]
        for row, block in zip(V3_ROWS[self.variant], blocks, strict=True):
            if row.stride == 2 or len(parts) == 1:
                parts.append([])
            parts[-1].append(block)
        return [*parts, [last, *self.features.following_layers()], [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The last convolution with its normalization and activation."""
        return self.features[-1]


def _v2_block(n_in, expansion, n_out, stride):
    n_hidden = n_in * expansion
    layers = expand_and_filter(n_in, n_hidden, 3, stride, activation=nn.ReLU6)
    layers += [nn.Conv2d(n_hidden, n_out, 1, bias=False), BatchNorm2d(n_out)]
    return Residual("conv", layers, shortcut=stride == 1 and n_in == n_out)


def _v3_block(n_in, row):
    activation = nn.Hardswish if row.hard_swish else nn.ReLU
    sizes = (n_in, row.n_hidden, row.kernel_size, row.stride)
    layers = expand_and_filter(*sizes, activation=activation, eps=_EPS)
    if row.squeeze:
        n_squeezed = _multiple_of_8(row.n_hidden // 4)
        layers.append(SqueezeExcitation(row.n_hidden, n_squeezed, nn.ReLU, nn.Hardsigmoid))
    layers.append(conv_norm(row.n_hidden, row.n_out, 1, activation=None, eps=_EPS))
    return Residual("block", layers, shortcut=row.stride == 1 and n_in == row.n_out)


def _multiple_of_8(number):
    """Round to a multiple of 8 that is at least 90 % of the number."""
    rounded = max(8, (number + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * number else rounded
