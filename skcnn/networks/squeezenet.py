"""SqueezeNet: fire modules that squeeze the channels before they expand them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skcnn.networks.backbone_network import (
    BackboneNetwork,
    FeatureLayers,
    check_least_size,
    initialize,
)
from skcnn.networks.blocks import Block
from skcnn.networks.layers import Dropout
from skcnn.networks.pooling import GlobalAvgPool2d, MaxPool3x3

FIRE = (  # number of channels in, squeezed, and out
    (16, 128),
    (16, 128),
    (32, 256),
    (32, 256),
    (48, 384),
    (48, 384),
    (64, 512),
    (64, 512),
)
# Channels and kernel size of the first convolution. Images must be at least as large as the kernel.
STEM = {"1.0": (96, 7), "1.1": (64, 3)}
POOLED_BEFORE = {"1.0": (0, 3, 7), "1.1": (0, 2, 4)}  # fire modules that follow a pooling


class SqueezeNet(BackboneNetwork):
    """SqueezeNet 1.0 or 1.1.

    The parameters have the names of torchvision's checkpoints. Weights are initialized as by
    torchvision: uniformly after He et al. 2015 for the number of inputs, the head from a normal
    distribution with a standard deviation of 0.01. Images must be at least as large as the window
    of the first convolution: 7 x 7 pixels for version 1.0, and 3 x 3 for 1.1.

    The official head is a convolution of 1 x 1 pixels, an activation and the mean over the image.
    Here the head is a dense layer that takes the means, with the same weights. It has no
    activation, with which predictions of a regressor could not be negative.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    version : {"1.0", "1.1"}
        The version. 1.1 needs 2.4 times fewer computations.

    Raises
    ------
    ValueError
        If the images are smaller than the first convolution.

    References
    ----------
    Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
    size", 2016 (arXiv 1602.07360).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import SqueezeNet
    >>> network = SqueezeNet(3, 32, 32, n_outputs=10, version="1.1").eval()
    >>> network.features(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 512])
    """

    features: FeatureLayers

    def __init__(
        self, in_channels: int, height: int, width: int, n_outputs: int, *, version: str
    ) -> None:
        super().__init__()
        self.version = version
        n_in, kernel_size = STEM[version]
        check_least_size(self, height, width, least=kernel_size)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, n_in, kernel_size, stride=2),
            nn.ReLU(),
        ]
        for number, (n_squeezed, n_out) in enumerate(FIRE):
            layers += [MaxPool3x3()] if number in POOLED_BEFORE[version] else []
            layers.append(_Fire(n_in, n_squeezed, n_out))
            n_in = n_out
        self.features = FeatureLayers(*layers)
        self.avgpool = GlobalAvgPool2d()
        self.classifier = nn.ModuleList([Dropout(0.5), _PointwiseLinear(n_in, n_outputs)])
        self.features.following = (self.avgpool, self.classifier)
        initialize(self, conv=nn.init.kaiming_uniform_)

    def _parts(self) -> list[list[nn.Module]]:
        """Return the layers of each resolution, and the head."""
        parts: list[list[nn.Module]] = [[]]
        for layer in self.features:
            parts[-1].append(layer)
            if isinstance(layer, MaxPool3x3):
                parts.append([])
        return [*parts[:-1], [*parts[-1], *self.features.following_layers()], [self.classifier[-1]]]

    @property
    def cam_layer(self) -> nn.Module:
        """The last fire module."""
        return self.features[-1]


class _Fire(Block):
    """Convolution to few channels, then convolutions of 1 x 1 and 3 x 3 pixels side by side."""

    def __init__(self, n_in: int, n_squeezed: int, n_out: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(n_in, n_squeezed, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(n_squeezed, n_out // 2, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(n_squeezed, n_out // 2, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def paths(self) -> list[list[nn.Module]]:
        """Return the first convolution, and the other two."""
        expand = _Concatenation(
            [self.expand1x1, self.expand1x1_activation],
            [self.expand3x3, self.expand3x3_activation],
        )
        return [[self.squeeze, self.squeeze_activation, expand]]

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Return the output of the convolutions."""
        return outputs[0]


class _Concatenation(Block):
    """Paths of layers whose outputs are concatenated; the layers belong to another module."""

    def __init__(self, *paths: list[nn.Module]) -> None:
        super().__init__()
        self._paths = list(paths)  # PyTorch does not register the layers in a list

    def paths(self) -> list[list[nn.Module]]:
        """Return the layers."""
        return self._paths

    def join(self, features: Tensor, *outputs: Tensor) -> Tensor:
        """Concatenate the channels."""
        return torch.cat(outputs, dim=1)


class _PointwiseLinear(nn.Linear):
    """Dense layer that also loads the weights of a convolution of 1 x 1 pixels."""

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        name = f"{prefix}weight"
        if name in state_dict:
            state_dict[name] = state_dict[name].flatten(1)
        super()._load_from_state_dict(state_dict, prefix, *arguments)
