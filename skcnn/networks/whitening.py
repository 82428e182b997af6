"""Convolution that whitens small patches of the images."""

from __future__ import annotations

from math import prod
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function

_MAX_PATCHES = 2**19  # maximum number of patches from which the filters are learned
_MIN_VARIANCE = 5e-4  # added to each variance, so that noise is not amplified


class Whitening(nn.Conv2d):
    """Convolution that removes the correlations within small patches.

    The filters are the principal components of the patches of the first batch seen in training,
    each scaled to unit variance, followed by the same filters with the opposite sign. They are not
    trained further.

    Parameters
    ----------
    in_channels : int
        Number of channels of the images.
    kernel_size : tuple of (int, int), default=(2, 2)
        Height and width of a patch, in pixels.

    References
    ----------
    Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498), section
    3.2, after Page, "How to train your ResNet 8", 2019.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import Whitening
    >>> whitening = Whitening(1)
    >>> whitened = whitening(torch.rand(100, 1, 8, 8))[:, :4]
    >>> whitened.square().mean(dim=(0, 2, 3)).round(decimals=1)
    tensor([1., 1., 1., 1.])
    """

    def __init__(self, in_channels: int, kernel_size: tuple[int, int] = (2, 2)) -> None:
        super().__init__(in_channels, 2 * in_channels * prod(kernel_size), kernel_size, bias=False)
        self.weight.requires_grad_(False)
        self.is_learned: torch.Tensor
        self.register_buffer("is_learned", torch.tensor(False))
        self._check_is_learned = True  # the buffer is read only once, since reading waits for a GPU

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Whiten the patches of images.

        Parameters
        ----------
        images : tensor of shape (n_images, in_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, out_channels, height - 1, width - 1)
            Whitened patches. The shape is that for the default `kernel_size` of (2, 2).
        """
        if self.training and self._check_is_learned:
            if not self.is_learned:
                self._learn(images.detach())
            self._check_is_learned = False
        return super().forward(images)

    @torch.no_grad()
    def _learn(self, images):
        n_images = max(1, _MAX_PATCHES // prod(images.shape[2:]))
        with torch.autocast(images.device.type, enabled=False):
            products = patch_products(images, self.kernel_size, n_images)
        # On the CPU, because not every device implements the decomposition.
        values, vectors = torch.linalg.eigh(products.cpu())
        filters = (vectors / (values.clamp(min=0) + _MIN_VARIANCE).sqrt()).T.flip(0)
        filters = filters.reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))
        self.is_learned.fill_(True)

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self._check_is_learned = True


def patch_products(
    images: torch.Tensor, kernel_size: tuple[int, int], n_images: int
) -> torch.Tensor:
    """Compute the mean products of the pixels of a patch.

    Parameters
    ----------
    images : tensor of shape (n_all_images, n_channels, height, width)
        Images.
    kernel_size : tuple of (int, int)
        Height and width of a patch, in pixels.
    n_images : int
        Maximum number of images to use, which are the first ones.

    Returns
    -------
    products : float32 tensor of shape (n_values, n_values)
        Means over all patches, for each pair of values of a patch.
    """
    if has_torch_function((images,)):  # the batch may be a part of a larger one
        arguments = (images, kernel_size, n_images)
        return cast(torch.Tensor, handle_torch_function(patch_products, (images,), *arguments))
    patches = functional.unfold(images[:n_images].float(), kernel_size)
    patches = patches.transpose(0, 1).flatten(1)
    return patches @ patches.T / patches.shape[1]
