"""Networks: pure PyTorch modules, and the table of their names."""

from skcnn.networks.convolutions import Conv2d, ConvNorm, Whitening
from skcnn.networks.fast import FastNetwork
from skcnn.networks.layers import BatchNorm2d, Dropout, Linear, Standardize
from skcnn.networks.plain import PlainNetwork, automatic_channels
from skcnn.networks.spec import NETWORKS, NetworkSpec

__all__ = [
    "NETWORKS",
    "BatchNorm2d",
    "Conv2d",
    "ConvNorm",
    "Dropout",
    "FastNetwork",
    "Linear",
    "NetworkSpec",
    "PlainNetwork",
    "Standardize",
    "Whitening",
    "automatic_channels",
]
