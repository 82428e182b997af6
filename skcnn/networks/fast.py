"""The fast network: a high accuracy after a short training on low-resolution photos."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from sklearn.utils._param_validation import validate_params
from torch import nn

from skcnn.networks.layers import BatchNorm2d
from skcnn.networks.plain import SEQUENCES_OF_SIZES, SIZES
from skcnn.networks.pooling import GlobalMaxPool2d, MaxPool2x2
from skcnn.networks.whitening import Whitening

AUTOMATIC = (64, 256, 256)  # as in Jordan 2024, for 94 % on CIFAR-10


class FastNetwork(nn.Module):
    """Whitened patches, then blocks of two convolutions with one pooling, for images of any size.

    Each block is convolution, pooling, batch normalization, GELU, convolution, batch
    normalization, GELU. The last layer receives the maximum of each feature over the image, so
    that a network built for images of one size takes smaller and larger ones.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    channels : "auto" or sequence of int, default="auto"
        The number of channels of each block. "auto" is (64, 256, 256).

    Raises
    ------
    ValueError
        If an argument is invalid.

    References
    ----------
    Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498), section 3.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import FastNetwork
    >>> network = FastNetwork(3, 32, 32, n_outputs=10, channels=(16, 32))
    >>> network(torch.rand(5, 3, 24, 24)).shape
    torch.Size([5, 10])
    """

    statistics = None  # the weights are trained from scratch

    @validate_params(
        {**SIZES, "channels": SEQUENCES_OF_SIZES["channels"]}, prefer_skip_nested_validation=True
    )
    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        channels: str | Sequence[int] = "auto",
    ) -> None:
        super().__init__()
        sizes = AUTOMATIC if isinstance(channels, str) else tuple(channels)
        self.whitening = Whitening(in_channels, kernel_size=(min(2, height), min(2, width)))
        n_patch = self.whitening.out_channels
        self.activation = nn.GELU()
        self.blocks = nn.Sequential(*(_block(*pair) for pair in pairwise((n_patch, *sizes))))
        self.pool = GlobalMaxPool2d()
        self.output = nn.Linear((n_patch, *sizes)[-1], n_outputs)
        with torch.no_grad():
            nn.init.normal_(self.output.weight, std=0.1 * self.output.in_features**-0.5)
            nn.init.zeros_(self.output.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the outputs.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits of the classes or labels, or standardized targets.
        """
        return self.output(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the features that the last layer receives.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            The maximum of each feature over the image.
        """
        return self.pool(self.blocks(self.activation(self.whitening(images))))

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the last layer.

        Returns
        -------
        stages : list of torch.nn.Module
            The whitening, its activation, each block, the pooling, and the last layer. Calling
            one after the other computes the outputs.
        """
        return [self.whitening, self.activation, *self.blocks, self.pool, self.output]

    @property
    def cam_layer(self) -> nn.Module:
        """The last layer whose outputs are feature maps."""
        return self.blocks[-1] if len(self.blocks) else self.activation


def _block(in_channels, out_channels):
    """Build two convolutions, the first one pooled to half the size.

    Pooling comes before normalization and activation, which then process a quarter of the pixels.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=_conv(in_channels, out_channels),
            pool=MaxPool2x2(),
            norm1=_norm(out_channels),
            activation1=nn.GELU(),
            conv2=_conv(out_channels, out_channels),
            norm2=_norm(out_channels),
            activation2=nn.GELU(),
        )
    )


def _conv(in_channels, out_channels):
    """Build a convolution that initially passes its inputs on (Jordan 2024, section 3.3)."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return conv


def _norm(n_channels):
    """Build a normalization that shifts but does not scale (Jordan 2024, section 3.1)."""
    norm = BatchNorm2d(n_channels)
    norm.weight.requires_grad_(False)
    return norm
