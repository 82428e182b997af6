"""The plain network: convolutions, pooling, dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2, prod, sqrt
from numbers import Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from torch import nn

from skcnn._validation import LAYERS, SIZE_OF_AXIS, Fractions
from skcnn.networks.activations import ACTIVATIONS, MONOTONE
from skcnn.networks.layers import BatchNorm2d, Dropout
from skcnn.networks.pooling import FlattenChannelsLast

POOLINGS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}
SIZES = dict.fromkeys(("in_channels", "height", "width", "n_outputs"), SIZE_OF_AXIS)
# Constraints of the options, also for the parameters of estimators.
CONSTRAINTS = {
    "channels": [StrOptions({"auto"}), LAYERS],
    "kernel_size": SIZE_OF_AXIS,
    "stride": SIZE_OF_AXIS,
    "padding": [StrOptions({"same", "valid"})],
    "pooling": [StrOptions(set(POOLINGS)), None],
    "pool_size": SIZE_OF_AXIS,
    "activation": [StrOptions(set(ACTIVATIONS))],
    "batch_norm": ["boolean"],
    "dropout": [Interval(Real, 0, 1, closed="left"), Fractions()],
    "hidden_units": [LAYERS],
}
# The networks themselves also take arrays.
SEQUENCES_OF_SIZES = {
    name: [*CONSTRAINTS[name], np.ndarray] for name in ("channels", "hidden_units")
}


class PlainNetwork(nn.Module):
    """Blocks of convolution, batch normalization, activation and pooling, then dense layers.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    channels : "auto" or sequence of int, default="auto"
        The number of channels of each block's convolution. ``()`` gives a dense network. "auto"
        is the result of `automatic_channels`.
    kernel_size : int, default=3
        The height and width of the convolutions, in pixels.
    stride : int, default=1
        The step of the convolutions, in pixels.
    padding : {"same", "valid"}, default="same"
        Zeros around the image, so that a convolution of stride 1 keeps its size, or none.
    pooling : {"max", "avg"} or None, default="max"
        The pooling of each block. An axis shorter than the window is not pooled.
    pool_size : int, default=2
        The window and step of the pooling, in pixels.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="relu"
        The activation function.
    batch_norm : bool, default=True
        Whether batch normalization follows each convolution.
    dropout : float or sequence of float, default=0.0
        The fraction of the features dropped in training before each dense layer: one for all, or
        one for each of `hidden_units` and one for the last layer.
    hidden_units : sequence of int, default=(128,)
        The sizes of the dense layers before the last one.

    Raises
    ------
    ValueError
        If an argument is invalid, the images are too small for the convolutions, or `dropout` is a
        sequence whose length is not the number of dense layers.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import PlainNetwork
    >>> network = PlainNetwork(3, 32, 32, n_outputs=10, channels=(16, 32), hidden_units=(64,))
    >>> network(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])
    """

    statistics = None  # the weights are trained from scratch

    @validate_params(
        {**SIZES, **CONSTRAINTS, **SEQUENCES_OF_SIZES}, prefer_skip_nested_validation=True
    )
    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        channels: str | Sequence[int] = "auto",
        kernel_size: int = 3,
        stride: int = 1,
        padding: str = "same",
        pooling: str | None = "max",
        pool_size: int = 2,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float | Sequence[float] = 0.0,
        hidden_units: Sequence[int] = (128,),
    ) -> None:
        super().__init__()
        out_sizes: Sequence[int] = (
            automatic_channels(height, width) if isinstance(channels, str) else channels
        )
        blocks = []
        size: tuple[int, ...] = (height, width)
        for number, out_channels in enumerate(out_sizes, start=1):
            pad = kernel_size - 1 if padding == "same" else 0  # on both sides together
            _check_size(size, pad, kernel_size, number, (height, width))
            size = tuple((axis + pad - kernel_size) // stride + 1 for axis in size)
            window = tuple(pool_size if pooling and axis >= pool_size else 1 for axis in size)
            size = tuple(axis // step for axis, step in zip(size, window, strict=True))
            # An even kernel needs one more zero on the far side, which nn.Conv2d cannot add.
            layers: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if pad % 2 else []
            sizes = (in_channels, out_channels, kernel_size, stride, pad // 2)
            layers.append(nn.Conv2d(*sizes, bias=not batch_norm))
            layers += [BatchNorm2d(out_channels)] if batch_norm else []
            layers += _pool_and_activate(activation, pooling, window)
            blocks.append(nn.Sequential(*layers))
            in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.flatten = FlattenChannelsLast()
        n_features = (in_channels * prod(size), *hidden_units)
        *fractions, last = _each(dropout, len(n_features))
        dense: list[nn.Module] = []
        for fraction, (n_in, n_out) in zip(fractions, pairwise(n_features), strict=True):
            dense += [*_dropout(fraction), nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
        self.dense = nn.Sequential(*dense, *_dropout(last))
        self.output = nn.Linear(n_features[-1], n_outputs)
        self._initialize()

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
            Features.
        """
        return self.dense(self.flatten(self.blocks(images)))

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the last layer.

        Returns
        -------
        stages : list of torch.nn.Module
            Each block, the flattening, the hidden dense layers, and the last layer. Calling one
            after the other computes the outputs.
        """
        return [*self.blocks, self.flatten, self.dense, self.output]

    @property
    def cam_layer(self) -> nn.Module | None:
        """The last block, or None in a dense network."""
        return self.blocks[-1] if len(self.blocks) else None

    def _initialize(self):
        """Draw weights after He et al. 2015 (arXiv 1502.01852); the last layer starts near 0."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.output.weight.mul_(0.1)


@validate_params(
    {"height": SIZE_OF_AXIS, "width": SIZE_OF_AXIS}, prefer_skip_nested_validation=True
)
def automatic_channels(height: int, width: int) -> tuple[int, ...]:
    """Choose the blocks of a plain network from the size of the images.

    Each block halves the image; there are at least two, and as many as leave about 4 x 4 pixels.
    The number of channels doubles from block to block up to 128, so that a large image costs
    little more than a small one.

    Parameters
    ----------
    height, width : int
        The size of the images in pixels.

    Returns
    -------
    channels : tuple of int
        The number of channels of each block.

    Examples
    --------
    >>> from skcnn.networks import automatic_channels
    >>> automatic_channels(32, 32)
    (32, 64, 128)
    """
    n_blocks = max(2, round(log2(max(1.0, sqrt(height * width) / 4))))
    return tuple(max(16, 128 >> (n_blocks - block)) for block in range(1, n_blocks + 1))


def _pool_and_activate(activation, pooling, window):
    """Activate after pooling, on smaller maps, where that does not change the result."""
    activate = ACTIVATIONS[activation]()
    if max(window) == 1:
        return [activate]
    pool = POOLINGS[pooling](window)
    if pooling == "max" and activation in MONOTONE:
        return [pool, activate]
    return [activate, pool]


def _each(dropout, n_layers):
    """Return the fraction dropped before each dense layer."""
    if isinstance(dropout, Real):
        return [dropout] * n_layers
    if len(dropout) != n_layers:
        raise ValueError(
            f"the length of dropout={dropout!r} is {len(dropout)}, and there are {n_layers} dense "
            "layers, the last one included: give one number, or one for each"
        )
    return list(dropout)


def _dropout(fraction):
    return [Dropout(fraction)] if fraction else []


def _check_size(size, pad, kernel_size, number, image_size):
    if min(size) + pad < kernel_size:
        raise ValueError(
            f"images of {image_size[0]} x {image_size[1]} pixels are too small for the network: "
            f"convolution {number} is left with {size[0]} x {size[1]}, less than its "
            f'kernel_size={kernel_size}; use padding="same", fewer channels, or larger images'
        )
