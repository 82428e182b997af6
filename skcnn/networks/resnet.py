"""ResNet: residual blocks of two or three convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from torch import Tensor, nn

from skcnn.networks.backbone_network import BackboneNetwork, initialize
from skcnn.networks.blocks import Block, apply_layers
from skcnn.networks.layers import BatchNorm2d
from skcnn.networks.pooling import GlobalAvgPool2d

EXPANSION = 4  # ratio of the channels of the last convolution of a bottleneck to the others


class ResNet(BackboneNetwork):
    """ResNet with basic blocks (18 and 34 layers) or bottlenecks (50 and 101 layers).

    The parameters have the names of torchvision's checkpoints. As in torchvision, the second
    convolution of a bottleneck has the stride, and convolutions are initialized after He et al.
    2015 for the number of outputs. The head is drawn from a normal distribution with a standard
    deviation of 0.01. Images may have any size.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    blocks : sequence of int
        The number of blocks at each of the four resolutions.
    bottleneck : bool, default=False
        Whether blocks are bottlenecks of three convolutions.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import ResNet
    >>> network = ResNet(3, 32, 32, n_outputs=10, blocks=(2, 2, 2, 2)).eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 512])
    """

    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        blocks: Sequence[int],
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        n_in = 64
        for number, n_blocks in enumerate(blocks, start=1):
            n_hidden, stride = 64 * 2 ** (number - 1), 1 if number == 1 else 2
            layer = nn.Sequential()
            for step in (stride, *[1] * (n_blocks - 1)):
                block = _ResidualBlock(n_in, n_hidden, step, bottleneck=bottleneck)
                layer.append(block)
                n_in = block.n_out
            self.add_module(f"layer{number}", layer)
        self.avgpool = GlobalAvgPool2d()
        self.fc = nn.Linear(n_in, n_outputs)
        self.n_resolutions = len(blocks)
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
        """Return the layers before the blocks, the blocks of each resolution, and the head."""
        stem = [self.conv1, self.bn1, self.relu, self.maxpool]
        numbers = range(1, self.n_resolutions + 1)
        *layers, last = (getattr(self, f"layer{number}") for number in numbers)
        return [stem, *([layer] for layer in layers), [last, self.avgpool], [self.fc]]

    @property
    def cam_layer(self) -> nn.Module:
        """The blocks of the lowest resolution."""
        return getattr(self, f"layer{self.n_resolutions}")


class _ResidualBlock(Block):
    """Two or three convolutions, whose input is added to their output, and an activation.

    If the shapes of input and output differ, a convolution projects the input.
    """

    def __init__(self, n_in: int, n_hidden: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        self.n_out = n_hidden * EXPANSION if bottleneck else n_hidden
        sizes = [(n_in, n_hidden, 3, stride), (n_hidden, n_hidden, 3, 1)]
        if bottleneck:
            sizes = [
                (n_in, n_hidden, 1, 1),
                (n_hidden, n_hidden, 3, stride),
                (n_hidden, self.n_out, 1, 1),
            ]
        self.n_layers = len(sizes)
        for number, size in enumerate(sizes, start=1):
            self.add_module(f"conv{number}", _conv(*size))
            self.add_module(f"bn{number}", BatchNorm2d(size[1]))
            self.add_module(f"relu{number}", nn.ReLU())
        self.downsample = None
        if stride != 1 or n_in != self.n_out:
            projection = _conv(n_in, self.n_out, 1, stride)
            self.downsample = nn.Sequential(projection, BatchNorm2d(self.n_out))

    def paths(self) -> list[list[nn.Module]]:
        """Return the convolutions, and the projection of the input if there is one."""
        numbers = range(1, self.n_layers + 1)
        layers = [
            getattr(self, f"{kind}{number}")
            for number in numbers
            for kind in ("conv", "bn", "relu")
        ]
        return [layers[:-1], *([[self.downsample]] if self.downsample is not None else [])]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Add the input or its projection, and activate."""
        output, shortcut = (*outputs, features)[:2]
        return getattr(self, f"relu{self.n_layers}")(output + shortcut)


def _conv(n_in, n_out, kernel_size, stride):
    pad = kernel_size // 2
    return nn.Conv2d(n_in, n_out, kernel_size, stride, pad, bias=False)
