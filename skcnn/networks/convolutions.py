"""Convolutions whose gradients a kernel of oneDNN computes wrongly on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# The error is known below 8 channels, the number that a register of AVX2 holds.
_MIN_CHANNELS = 16


class DefinedGradients:
    """Context in which the gradients of strided convolutions are defined on the CPU.

    Two errors in oneDNN concern the gradients of the weights of a convolution with a stride:

    * In bfloat16, they are undefined if the stride is at least the height or the width of the
      input. In the context, such a convolution is computed in float32.
    * On a CPU without AVX512, the kernel for 1 x 1 convolutions of fewer than 8 channels in
      channels-last memory format writes past the end of its memory [1]_. In the context, the pixels
      that such a convolution reads are selected first, and convolved without a stride.

    The context can be used more than once.

    Parameters
    ----------
    module : torch.nn.Module
        Module whose layers of type `torch.nn.Conv2d` are computed in the context.

    References
    ----------
    .. [1] Issue 6035 of oneDNN, "1x1 convolution backward_weights writes past the rtus workspace".

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.convolutions import DefinedGradients
    >>> conv = torch.nn.Conv2d(3, 4, 1, stride=2)
    >>> with DefinedGradients(conv):
    ...     outputs = conv(torch.rand(1, 3, 5, 5))
    >>> outputs.shape
    torch.Size([1, 4, 3, 3])
    """

    def __init__(self, module: nn.Module) -> None:
        convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
        self._strided = [conv for conv in convolutions if max(conv.stride) > 1]
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        # Before the hooks of the user, which may change the outputs.
        self._hooks = [
            conv.register_forward_hook(_convolve_again, prepend=True) for conv in self._strided
        ]

    def __exit__(self, *error: object) -> None:
        while self._hooks:
            self._hooks.pop().remove()


def _convolve_again(conv: nn.Conv2d, inputs: tuple[Any, ...], outputs: Tensor) -> Tensor | None:
    """Return the outputs in another way, or None if the gradients of `outputs` are defined."""
    images = inputs[0]
    if images.device.type != "cpu":
        return None
    if conv.kernel_size == (1, 1) and conv.in_channels < _MIN_CHANNELS:
        with _SelectPixels():
            return conv.forward(*inputs)
    axes = zip(images.shape[-2:], conv.stride, strict=True)
    if torch.is_autocast_enabled("cpu") and any(1 < step >= axis for axis, step in axes):
        with torch.autocast("cpu", enabled=False):
            return conv.forward(images.float(), *inputs[1:])
    return None


class _SelectPixels(TorchFunctionMode):
    """Mode in which a 1 x 1 convolution with a stride is one of every n-th pixel without it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return (_convolve_selected if func is torch.conv2d else func)(*args, **kwargs)


def _convolve_selected(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return the outputs of `torch.conv2d`, whose parameters these are."""
    if tuple(weight.shape[2:]) != (1, 1):
        return torch.conv2d(images, weight, bias, stride, padding, dilation, groups)
    rows, columns = np.broadcast_to(stride, 2).tolist()
    if not isinstance(padding, str):  # without a stride, "same" and "valid" pad nothing here
        height, width = np.broadcast_to(padding, 2).tolist()
        images = functional.pad(images, (width, width, height, height))
    return torch.conv2d(images[..., ::rows, ::columns], weight, bias, groups=groups)
