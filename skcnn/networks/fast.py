"""The fast network: much accuracy in little time on low-resolution photos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from skcnn.networks.activations import GELU
from skcnn.networks.convolutions import Conv2d, ConvNorm, Whitening
from skcnn.networks.layers import BatchNorm2d, Linear

AUTOMATIC = (64, 256, 256)  # Jordan's 94 % network


class FastNetwork(nn.Module):
    """Whitened patches, then blocks of two convolutions with one pooling, for images of any size.

    Each block is convolution, pooling, batch normalisation, GELU, convolution, batch
    normalisation, GELU. The largest value of each feature over the image goes into the last layer,
    so that a network that was built for images of one size takes smaller and larger ones.

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
        self.activation = GELU()
        self.blocks = nn.ModuleList(FastBlock(*pair) for pair in pairwise((n_patch, *sizes)))
        self.output = Linear((n_patch, *sizes)[-1], n_outputs)
        with torch.no_grad():
            nn.init.normal_(self.output.weight, std=0.1 * self.output.in_features**-0.5)
            nn.init.zeros_(self.output.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the outputs.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardised images.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits of the classes or labels, or standardised targets.
        """
        features = self.activation(self.whitening(images))
        for block in self.blocks:
            features = block(features)
        return self.output(features.amax(dim=(2, 3)))


class FastBlock(nn.Module):
    """Two convolutions, the first of them pooled to half the size.

    Pooling comes before normalisation and activation, which then work on a quarter of the pixels.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels that come in and go out.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.fast import FastBlock
    >>> FastBlock(8, 16)(torch.rand(2, 8, 15, 15)).shape
    torch.Size([2, 16, 7, 7])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = _layer(in_channels, out_channels)
        self.activation = GELU()
        self.second = _layer(out_channels, out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the features of the next block.

        Parameters
        ----------
        features : tensor of shape (n_images, in_channels, height, width)
            What comes in.

        Returns
        -------
        features : tensor of shape (n_images, out_channels, height // 2, width // 2)
            What goes out; an axis of one pixel stays as it is.
        """
        window = [min(2, axis) for axis in features.shape[2:]]
        if self.training or torch.is_grad_enabled():
            conv, norm = self.first.conv, self.first.norm
            features = norm(functional.max_pool2d(conv(features), window))
        else:  # the scale of the normalisation is positive, so that it commutes with the maximum
            features = functional.max_pool2d(self.first.folded(features), window)
        return self.activation(self.second(self.activation(features)))


def _layer(in_channels, out_channels):
    """Make a convolution and its normalisation (Jordan 2024, sections 3.1 and 3.3).

    The filters pass their inputs on at first; the normalisation shifts but does not scale.
    """
    conv = Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    norm = BatchNorm2d(out_channels)
    norm.weight.requires_grad_(False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return ConvNorm(conv, norm)
