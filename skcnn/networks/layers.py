"""Layers shared by the networks: standardization, resizing, normalization, dropout."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function

_MOMENTUM = 0.1
_LEVELS = 2**16  # of the random integers that a mask is made from


class Standardize(nn.Module):
    """Subtract a mean from each channel and divide by a scale.

    The first layer of every network, so that a saved network contains the scale of its input. It
    takes any dtype and returns float32.

    Parameters
    ----------
    mean : array of shape (n_channels,)
        The mean of each channel.
    scale : array of shape (n_channels,)
        The standard deviation of each channel.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import Standardize
    >>> Standardize([100.0], [50.0])(torch.tensor([[[[0, 200]]]], dtype=torch.uint8))
    tensor([[[[-2.,  2.]]]])
    """

    def __init__(self, mean, scale) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.factor: torch.Tensor
        for name in ("mean", "factor"):
            self.register_buffer(name, torch.empty(1, len(mean), 1, 1))
        self.set_statistics(mean, scale)

    @torch.no_grad()
    def set_statistics(self, mean, scale) -> None:
        """Set the mean and the scale.

        Parameters
        ----------
        mean : array of shape (n_channels,)
            The mean of each channel.
        scale : array of shape (n_channels,)
            The standard deviation of each channel.
        """
        shape = (1, -1, 1, 1)
        factor = 1.0 / np.asarray(scale, np.float64)
        self.mean.copy_(torch.as_tensor(np.asarray(mean, np.float32)).reshape(shape))
        self.factor.copy_(torch.as_tensor(factor.astype(np.float32)).reshape(shape))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Standardize images.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Pixel values of any dtype.

        Returns
        -------
        images : float32 tensor of shape (n_images, n_channels, height, width)
            Standardized pixel values.
        """
        values = images.float()
        is_input = images.dtype == torch.float32  # which must not be changed
        centered = values - self.mean if is_input else values.sub_(self.mean)
        return centered.mul_(self.factor)


class ResizeInput(nn.Module):
    """Resize images to the size that a network gets, by bilinear interpolation.

    Images that shrink along an axis are smoothed first.

    Parameters
    ----------
    height, width : int
        New size in pixels.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import ResizeInput
    >>> ResizeInput(1, 4)(torch.tensor([[[[0.0, 4.0]]]]))
    tensor([[[[0., 1., 3., 4.]]]])
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Resize images.

        Parameters
        ----------
        images : float tensor of shape (n_images, n_channels, height, width)
            Images.

        Returns
        -------
        images : float tensor of shape (n_images, n_channels, new_height, new_width)
            Resized images.
        """
        if tuple(images.shape[2:]) == self.size:
            return images
        shrinks = any(new < old for new, old in zip(self.size, images.shape[2:], strict=True))
        return functional.interpolate(images, self.size, mode="bilinear", antialias=shrinks)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalization whose running statistics are accurate from the first batches on.

    PyTorch's running mean starts at 0 and its running variance at 1, and these initial values still
    have a weight of 35 % after ten batches. This layer averages the first ten batches and then
    continues with a momentum of 0.1, so that a network trained for a few steps on a small data set
    predicts as it was trained.

    Parameters
    ----------
    num_features : int
        The number of channels.
    eps : float, default=1e-5
        Added to the variance, for numerical stability.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167), section 3.1.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import BatchNorm2d
    >>> layer = BatchNorm2d(1)
    >>> _ = layer(torch.full((2, 1, 1, 1), 3.0))
    >>> layer.running_mean
    tensor([3.])
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps)
        self._averages_first_batches = True  # reading the number of batches waits for a GPU

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalize images by the batch in training, by the running statistics otherwise.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        images : tensor of shape (n_images, n_channels, height, width)
            Normalized feature maps.
        """
        if self.training and self._averages_first_batches:
            n_batches = int(cast(torch.Tensor, self.num_batches_tracked))
            self.momentum = max(_MOMENTUM, 1 / (n_batches + 1))
            self._averages_first_batches = self.momentum > _MOMENTUM
        return super().forward(images)

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self._averages_first_batches = True


class Dropout(nn.Dropout):
    """Dropout that draws its mask as 16-bit integers on the CPU, faster than PyTorch.

    A feature is kept with a probability that is a multiple of 2**-16, and the features kept are
    divided by exactly this probability.

    Parameters
    ----------
    p : float
        The fraction of the features dropped in training.

    References
    ----------
    Srivastava et al., "Dropout", JMLR 15 (2014), section 4.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import Dropout
    >>> dropped = Dropout(0.25)(torch.ones(1000, 1000))
    >>> dropped.unique(), dropped.mean().round(decimals=2)
    (tensor([0.0000, 1.3333]), tensor(1.))
    """

    def __init__(self, p: float) -> None:
        super().__init__(p)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Drop features in training.

        Parameters
        ----------
        features : tensor of any shape
            Features.

        Returns
        -------
        features : tensor of the same shape
            The features kept, scaled so that the expected value stays the same, and zeros.
        """
        n_kept = round((1 - self.p) * _LEVELS)
        if not self.training or features.device.type != "cpu" or not 0 < n_kept < _LEVELS:
            return super().forward(features)
        kept = random_levels(features) < n_kept - _LEVELS // 2
        return features * kept.to(features.dtype).mul_(_LEVELS / n_kept)


def random_levels(features: torch.Tensor) -> torch.Tensor:
    """Draw a random integer for each feature.

    Parameters
    ----------
    features : tensor of any shape
        Features, on the CPU.

    Returns
    -------
    levels : int16 tensor of the same shape
        Integers from -2**15 to 2**15 - 1.
    """
    if has_torch_function((features,)):  # the batch may be a part of a larger one
        return cast(torch.Tensor, handle_torch_function(random_levels, (features,), features))
    n_words = -(-features.numel() // 4)
    words = torch.empty(n_words, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[: features.numel()].view(features.shape)
