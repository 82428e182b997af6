"""EfficientNet: inverted residuals with squeeze-and-excitation, scaled in width and depth."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from skcnn.networks.backbone_network import BackboneNetwork, FeatureLayers, initialize
from skcnn.networks.blocks import Residual, SqueezeExcitation, conv_norm, expand_and_filter
from skcnn.networks.layers import Dropout
from skcnn.networks.pooling import GlobalAvgPool2d

DROP_RATE = 0.2  # of the last block; it increases linearly from 0


class Setting(NamedTuple):
    """Blocks with the same number of channels, before scaling."""

    expansion: int
    kernel_size: int
    stride: int
    n_out: int
    n_blocks: int


SETTINGS = (
    Setting(1, 3, 1, 16, 1),
    Setting(6, 3, 2, 24, 2),
    Setting(6, 5, 2, 40, 2),
    Setting(6, 3, 2, 80, 3),
    Setting(6, 5, 1, 112, 3),
    Setting(6, 5, 2, 192, 4),
    Setting(6, 3, 1, 320, 1),
)


class EfficientNet(BackboneNetwork):
    """EfficientNet-B0.

    The parameters have the names of torchvision's checkpoints. Convolutions are initialized as by
    torchvision, after He et al. 2015 for the number of outputs; the head is drawn from a normal
    distribution with a standard deviation of 0.01. Images may have any size.

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
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
    2019 (arXiv 1905.11946).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import EfficientNet
    >>> network = EfficientNet(3, 32, 32, n_outputs=10).eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 1280])
    """

    features: FeatureLayers

    def __init__(self, in_channels: int, height: int, width: int, n_outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm(in_channels, 32, 3, 2, activation=nn.SiLU)]
        n_in, number = 32, 0
        n_blocks = sum(setting.n_blocks for setting in SETTINGS)
        for setting in SETTINGS:
            stage = nn.Sequential()
            for stride in (setting.stride, *[1] * (setting.n_blocks - 1)):
                stage.append(_block(n_in, setting, stride, DROP_RATE * number / n_blocks))
                n_in, number = setting.n_out, number + 1
            layers.append(stage)
        layers.append(conv_norm(n_in, 4 * n_in, 1, activation=nn.SiLU))
        self.features = FeatureLayers(*layers)
        self.avgpool = GlobalAvgPool2d()
        self.classifier = nn.ModuleList([Dropout(0.2), nn.Linear(4 * n_in, n_outputs)])
        self.features.following = (self.avgpool, self.classifier)
        initialize(self)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the first convolution, the blocks by setting, the last convolution, the head."""
        *layers, last = self.features
        parts = [[layer] for layer in layers]
        return [*parts, [last, *self.features.following_layers()], [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The last convolution with its normalization and activation."""
        return self.features[-1]


def _block(n_in, setting, stride, drop_rate):
    n_hidden = n_in * setting.expansion
    sizes = (n_in, n_hidden, setting.kernel_size, stride)
    layers = [
        *expand_and_filter(*sizes, activation=nn.SiLU),
        SqueezeExcitation(n_hidden, n_in // 4, nn.SiLU, nn.Sigmoid),
        conv_norm(n_hidden, setting.n_out, 1, activation=None),
    ]
    shortcut = stride == 1 and n_in == setting.n_out
    return Residual("block", layers, shortcut=shortcut, drop_rate=drop_rate)
