"""Layers that the networks share: standardisation, normalisation, dropout, dense layers."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_MOMENTUM = 0.1
_FEW_ROWS, _FEW_WEIGHTS = 64, 2**21  # as measured: what of a dense layer stays in the cache
_LEVELS = 2**16  # of the random numbers that decide what is dropped


class Standardize(nn.Module):
    """Subtract a mean and divide by a scale, each channel its own.

    The first layer of every network, so that a saved network knows the scale of its input. It
    takes any dtype and gives float32.

    Parameters
    ----------
    mean : array of shape (n_channels,)
        What is subtracted.
    scale : array of shape (n_channels,)
        What the rest is divided by.

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
        mean, scale : array of shape (n_channels,)
            As for the class.
        """
        shape = (1, -1, 1, 1)
        factor = 1.0 / np.asarray(scale, np.float64)
        self.mean.copy_(torch.as_tensor(np.asarray(mean, np.float32)).reshape(shape))
        self.factor.copy_(torch.as_tensor(factor.astype(np.float32)).reshape(shape))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Standardise images.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Pixel values of any dtype.

        Returns
        -------
        images : float32 tensor of shape (n_images, n_channels, height, width)
            With mean 0 and variance 1 over the images that the mean and scale were learned from.
        """
        values = images.float()
        centred = values - self.mean if values is images else values.sub_(self.mean)
        return centred.mul_(self.factor)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation whose running statistics are right from the first batches on.

    PyTorch's running mean starts from 0 and its variance from 1, which still weighs 35 % after
    ten batches. This one averages the first ten batches and goes on with a momentum of 0.1, so
    that a network trained for a few steps on a small data set predicts as it was trained.

    Parameters
    ----------
    num_features : int
        The number of channels.

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

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.is_young = True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise images by the batch in training, by the running statistics otherwise.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Activations.

        Returns
        -------
        images : tensor of shape (n_images, n_channels, height, width)
            Normalised activations.
        """
        if self.training and self.is_young:  # only then, since a GPU has to be asked
            n_batches = int(cast(torch.Tensor, self.num_batches_tracked))
            self.momentum = max(_MOMENTUM, 1 / (n_batches + 1))
            self.is_young = self.momentum > _MOMENTUM
        return super().forward(images)

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self.is_young = True  # until the number of batches that was loaded is looked at


class Dropout(nn.Dropout):
    """Dropout with a mask of random bits on the processor, where PyTorch's takes longer.

    A feature is kept with a probability that is a multiple of 2**-16, and what is kept is divided
    by exactly that.

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
            What comes in.

        Returns
        -------
        features : tensor of the same shape
            What is left, scaled so that the expectation stays.
        """
        n_kept = round((1 - self.p) * _LEVELS)
        if not self.training or features.device.type != "cpu" or not 0 < n_kept < _LEVELS:
            return super().forward(features)
        n_words = -(-features.numel() // 4)
        words = torch.empty(n_words, dtype=torch.int64).random_(-(2**63), None)
        levels = words.view(torch.int16)[: features.numel()].view(features.shape)
        kept = levels < n_kept - _LEVELS // 2
        return features * kept.to(features.dtype).mul_(_LEVELS / n_kept)


class Linear(nn.Linear):
    """Dense layer whose predictions for an image do not depend on the rest of the batch.

    A matrix product of another height, or of rows that lie otherwise in memory, is summed in
    another order, which shows in the last digits. Outside training, this layer therefore multiplies
    16 rows at a time, rows and features filled up with zeros to multiples of 16.

    Parameters
    ----------
    in_features : int
        The number of features that come in.
    out_features : int
        The number that come out.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import Linear
    >>> layer, features = Linear(300, 2).eval(), torch.rand(5, 300)
    >>> with torch.no_grad():
    ...     torch.equal(layer(features)[:1], layer(features[:1]))
    True
    """

    n_rows = 16

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Multiply and add.

        Parameters
        ----------
        features : tensor of shape (n_images, in_features)
            What comes in.

        Returns
        -------
        features : tensor of shape (n_images, out_features)
            What goes out.
        """
        if self.training or torch.is_grad_enabled():
            if self._is_small(features):
                with torch.autocast(features.device.type, enabled=False):
                    return super().forward(features.float())
            return super().forward(features)
        n_images = len(features)
        n_filling = -self.in_features % self.n_rows
        filled = functional.pad(features, (0, n_filling, 0, -n_images % self.n_rows))
        weight = functional.pad(self.weight, (0, n_filling)) if n_filling else self.weight
        blocks = [functional.linear(b, weight, self.bias) for b in filled.split(self.n_rows)]
        return torch.cat(blocks)[:n_images]

    def _is_small(self, features):
        """Tell whether to cast the weights to bfloat16 takes longer than it saves."""
        rows_and_weights = len(features) <= _FEW_ROWS and self.weight.numel() <= _FEW_WEIGHTS
        return rows_and_weights and features.is_cpu and torch.is_autocast_enabled("cpu")
