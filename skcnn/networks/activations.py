"""Activation functions whose values for an image do not depend on the rest of the batch.

PyTorch computes the last few elements of an array with other instructions than the rest, which
shows in the last digits of some functions. Outside training, those are put together here from
functions of which it does not.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import nn


class _Even(nn.Module):
    """Computes an activation by `_outside` outside training, and as the class beside it within."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Activate.

        Parameters
        ----------
        features : tensor of any shape
            What comes in.

        Returns
        -------
        features : tensor of the same shape
            What goes out.
        """
        if self.training or torch.is_grad_enabled():
            return super().forward(features)
        return self._outside(features)

    def _outside(self, features):
        raise NotImplementedError


class ELU(_Even, nn.ELU):
    """Exponential linear unit (Clevert et al. 2016, arXiv 1511.07289).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.activations import ELU
    >>> ELU()(torch.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """

    def _outside(self, features):
        return torch.where(features > 0, features, torch.expm1(features))


class GELU(_Even, nn.GELU):
    """Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv 1606.08415).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.activations import GELU
    >>> GELU()(torch.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """

    def _outside(self, features):
        return torch.erf(features * sqrt(0.5)).add_(1).mul_(features).mul_(0.5)


class SiLU(_Even, nn.SiLU):
    """Sigmoid linear unit (Elfwing et al. 2018, arXiv 1702.03118).

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.activations import SiLU
    >>> SiLU()(torch.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """

    def _outside(self, features):
        return features / torch.exp(-features).add_(1)


ACTIVATIONS = {
    "elu": ELU,
    "gelu": GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": SiLU,
    "tanh": nn.Tanh,
}
