"""VGG: convolutions of 3 x 3 pixels between poolings, then three dense layers."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from skcnn.networks.backbone_network import BackboneNetwork, FeatureLayers, initialize
from skcnn.networks.layers import BatchNorm2d, Dropout
from skcnn.networks.pooling import MaxPool2x2

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {  # number of convolutions in each block, by the depth of the network
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(BackboneNetwork):
    """VGG of 11, 13, 16 or 19 layers, with or without batch normalization.

    The parameters have the names of torchvision's checkpoints. Weights are initialized as by
    torchvision: convolutions after He et al. 2015 for the number of outputs, dense layers from a
    normal distribution with a standard deviation of 0.01. An axis of one pixel is not pooled, so
    that images may have any size.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    depth : {11, 13, 16, 19}
        The number of layers with weights.
    batch_norm : bool, default=False
        Whether batch normalization follows each convolution.

    References
    ----------
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    ICLR 2015 (arXiv 1409.1556).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import VGG
    >>> with torch.device("meta"):  # no memory
    ...     network = VGG(3, 64, 64, n_outputs=10, depth=16)
    >>> sum(parameter.numel() for parameter in network.parameters())
    134301514
    """

    features: FeatureLayers

    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        depth: int,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (n_in, n_out) in zip(
            CONVOLUTIONS[depth], pairwise((in_channels, *CHANNELS)), strict=True
        ):
            for n_channels in (n_in, *[n_out] * (number - 1)):
                layers.append(nn.Conv2d(n_channels, n_out, 3, padding=1))
                layers += [BatchNorm2d(n_out)] if batch_norm else []
                layers.append(nn.ReLU())
            layers.append(MaxPool2x2())
        self.features = FeatureLayers(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.classifier = nn.ModuleList(
            [
                *(nn.Linear(CHANNELS[-1] * 7 * 7, 4096), nn.ReLU(), Dropout(0.5)),
                *(nn.Linear(4096, 4096), nn.ReLU(), Dropout(0.5)),
                nn.Linear(4096, n_outputs),
            ]
        )
        self.features.following = (self.avgpool, self.flatten, self.classifier)
        initialize(self)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the layers of each resolution, of the two dense layers, and the head."""
        parts: list[list[nn.Module]] = [[]]
        for layer in self.features:
            parts[-1].append(layer)
            if isinstance(layer, MaxPool2x2):
                parts.append([])
        first, second = list(self.classifier)[:3], list(self.classifier)[3:-1]
        return [*parts[:-1], [self.avgpool, self.flatten, *first], second, [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The last activation before the last pooling."""
        return self.features[-2]
