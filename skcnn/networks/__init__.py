"""Networks: pure PyTorch modules, and the table of their names."""

from skcnn.networks.layers import BatchNorm2d, Linear, Standardize
from skcnn.networks.plain import PlainNetwork, automatic_channels

NETWORKS = {"plain": PlainNetwork}

__all__ = ["NETWORKS", "BatchNorm2d", "Linear", "PlainNetwork", "Standardize", "automatic_channels"]
