"""Convolutions that the networks share: the same for one image, folded, whitening."""

from __future__ import annotations

from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from skcnn.networks.layers import BatchNorm2d

_MAX_PATCHES = 2**19  # of which a whitening is learned
_SMALLEST_VARIANCE = 5e-4  # below it patches are noise that is not blown up


class Conv2d(nn.Conv2d):
    """Convolution whose predictions for an image do not depend on the rest of the batch.

    PyTorch convolves a single small image with another kernel than a batch, which shows in the
    last digits. Outside training, this layer asks for the batch's kernel on the processor.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels that come in and go out.
    kernel_size : int or tuple of (int, int)
        The height and width of the filters, in pixels.
    stride : int, default=1
        The step, in pixels.
    padding : int, default=0
        The zeros around the image, in pixels.
    bias : bool, default=True
        Whether something is added.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import Conv2d
    >>> layer, images = Conv2d(32, 8, 3).eval(), torch.rand(5, 32, 8, 8)
    >>> with torch.no_grad():
    ...     torch.equal(layer(images)[:1], layer(images[:1]))
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)

    def _conv_forward(self, images, weight, bias):
        outside = not (self.training or torch.is_grad_enabled())
        if outside and _on_processor(images) and torch.backends.mkldnn.is_available():
            sizes = (self.padding, self.stride, self.dilation, self.groups)
            return torch.mkldnn_convolution(images, weight, bias, *sizes)
        return super()._conv_forward(images, weight, bias)


class ConvNorm(nn.Module):
    """Convolution and batch normalisation, which are a single convolution outside training.

    Parameters
    ----------
    conv : Conv2d
        The convolution, without bias.
    norm : BatchNorm2d
        The normalisation of its outputs.

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018 (arXiv 1712.05877),
    section 3.2, on folding.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import BatchNorm2d, Conv2d, ConvNorm
    >>> layer = ConvNorm(Conv2d(3, 8, 3, bias=False), BatchNorm2d(8)).eval()
    >>> images = torch.rand(2, 3, 8, 8)
    >>> with torch.no_grad():
    ...     torch.allclose(layer(images), layer.norm(layer.conv(images)), atol=1e-5)
    True
    """

    def __init__(self, conv: Conv2d, norm: BatchNorm2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve and normalise.

        Parameters
        ----------
        images : tensor of shape (n_images, in_channels, height, width)
            What comes in.

        Returns
        -------
        features : tensor of shape (n_images, out_channels, out_height, out_width)
            What goes out.
        """
        if self.training or torch.is_grad_enabled():
            return self.norm(self.conv(images))
        return self.folded(images)

    def folded(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve with filters that normalise, by the running statistics.

        Parameters
        ----------
        images : tensor of shape (n_images, in_channels, height, width)
            What comes in.

        Returns
        -------
        features : tensor of shape (n_images, out_channels, out_height, out_width)
            What goes out.
        """
        norm = self.norm
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight * (variance + norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None]
        bias = torch.addcmul(norm.bias, mean, scale, value=-1)
        return self.conv._conv_forward(images, weight, bias)


class Whitening(Conv2d):
    """Convolution that takes the correlations out of small patches.

    Its filters are the principal components of the patches of the first images that it is trained
    on, each scaled to unit variance and each once more with the opposite sign. They are not
    trained further.

    Parameters
    ----------
    in_channels : int
        The number of channels.
    kernel_size : tuple of (int, int), default=(2, 2)
        The height and width of a patch, in pixels.

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
        self.is_new = True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Whiten the patches of images.

        Parameters
        ----------
        images : tensor of shape (n_images, in_channels, height, width)
            Standardised images.

        Returns
        -------
        features : tensor of shape (n_images, out_channels, height - 1, width - 1)
            The size is that for patches of 2 x 2 pixels.
        """
        if self.training and self.is_new:  # only then, since a GPU has to be asked
            if not self.is_learned:
                self._learn(images.detach())
            self.is_new = False
        return super().forward(images)

    @torch.no_grad()
    def _learn(self, images):
        n_images = max(1, _MAX_PATCHES // prod(images.shape[2:]))
        patches = functional.unfold(images[:n_images].float(), self.kernel_size)
        with torch.autocast(images.device.type, enabled=False):
            patches = patches.transpose(0, 1).flatten(1)
            # On the processor, which has the decomposition whatever the device.
            values, vectors = torch.linalg.eigh((patches @ patches.T / patches.shape[1]).cpu())
        filters = (vectors / (values.clamp(min=0) + _SMALLEST_VARIANCE).sqrt()).T.flip(0)
        filters = filters.reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))
        self.is_learned.fill_(True)

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self.is_new = True  # until the flag that was loaded is looked at


def _on_processor(images):
    is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return images.is_cpu and images.dtype == torch.float32 and not is_traced
