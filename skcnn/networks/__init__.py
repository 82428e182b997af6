"""Networks: pure PyTorch modules, and the table of their names."""

from skcnn.networks.fast import FastNetwork
from skcnn.networks.inference import prediction_function
from skcnn.networks.layers import BatchNorm2d, Dropout, Standardize
from skcnn.networks.plain import PlainNetwork, automatic_channels
from skcnn.networks.spec import NETWORKS, NetworkSpec
from skcnn.networks.whitening import Whitening

__all__ = [
    "NETWORKS",
    "BatchNorm2d",
    "Dropout",
    "FastNetwork",
    "NetworkSpec",
    "PlainNetwork",
    "Standardize",
    "Whitening",
    "automatic_channels",
    "prediction_function",
]
