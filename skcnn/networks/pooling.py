"""Pooling and flattening layers of the networks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class MaxPool2x2(nn.Module):
    """Max pooling of 2 x 2 pixels that leaves an axis of one pixel unchanged.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import MaxPool2x2
    >>> MaxPool2x2()(torch.rand(2, 3, 1, 9)).shape
    torch.Size([2, 3, 1, 4])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, height // 2, width // 2)
            Pooled feature maps.
        """
        return functional.max_pool2d(features, [min(2, axis) for axis in features.shape[2:]])


class MaxPool3x3(nn.Module):
    """Max pooling of windows of 3 x 3 pixels with stride 2.

    Windows at the border are smaller. An axis of fewer than three pixels is pooled to one.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import MaxPool3x3
    >>> MaxPool3x3()(torch.rand(2, 3, 1, 8)).shape
    torch.Size([2, 3, 1, 4])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, height // 2, width // 2)
            Pooled feature maps, of at least one pixel.
        """
        window = [min(3, axis) for axis in features.shape[2:]]
        return functional.max_pool2d(features, window, stride=2, ceil_mode=True)


class GlobalAvgPool2d(nn.Module):
    """Mean of each channel over all pixels.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import GlobalAvgPool2d
    >>> GlobalAvgPool2d()(torch.rand(2, 3, 4, 5)).shape
    torch.Size([2, 3])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels)
            The mean of each map.
        """
        return features.mean(dim=(2, 3))


class GlobalMaxPool2d(nn.Module):
    """Maximum of each channel over all pixels.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import GlobalMaxPool2d
    >>> GlobalMaxPool2d()(torch.rand(2, 3, 4, 5)).shape
    torch.Size([2, 3])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, n_channels)
            The maximum of each map.
        """
        return features.amax(dim=(2, 3))


class FlattenChannelsLast(nn.Module):
    """Flatten feature maps with channels last, without a copy in channels-last memory format.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import FlattenChannelsLast
    >>> FlattenChannelsLast()(torch.tensor([[[[1, 2]], [[3, 4]]]]))
    tensor([[1, 3, 2, 4]])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Flatten the features.

        Parameters
        ----------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps.

        Returns
        -------
        features : tensor of shape (n_images, height * width * n_channels)
            Rows of features.
        """
        return features.permute(0, 2, 3, 1).flatten(1)


class UnflattenChannelsLast(nn.Module):
    """Reshape rows of features to feature maps, as the inverse of `FlattenChannelsLast`.

    Parameters
    ----------
    height, width : int
        Size of the maps.
    n_channels : int
        Number of maps.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pooling import UnflattenChannelsLast
    >>> UnflattenChannelsLast(1, 2, 2)(torch.tensor([[1, 3, 2, 4]]))
    tensor([[[[1, 2]],
    <BLANKLINE>
             [[3, 4]]]])
    """

    def __init__(self, height: int, width: int, n_channels: int) -> None:
        super().__init__()
        self.shape = (height, width, n_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Reshape the features.

        Parameters
        ----------
        features : tensor of shape (n_images, height * width * n_channels)
            Rows of features.

        Returns
        -------
        features : tensor of shape (n_images, n_channels, height, width)
            Feature maps in channels-last memory format.
        """
        return features.unflatten(1, self.shape).permute(0, 3, 1, 2)
