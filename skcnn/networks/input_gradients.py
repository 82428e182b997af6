"""Faster gradients of convolutions with respect to images of few channels, on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def speed_up_input_gradients(module: nn.Module) -> None:
    """Replace convolutions with few input channels by layers with a faster gradient.

    To compute the gradient with respect to the input, the kernels of oneDNN compute 16 channels,
    even if the input has only one. The new layers multiply matrices instead. A convolution is only
    replaced if ``in_channels * kernel_height * kernel_width <= out_channels``, so that the product
    of the matrices is not larger than the output. An example is a first layer with 16 kernels of
    3 x 3 pixels for gray images. The outputs do not change. The gradients differ only by rounding
    errors.

    Parameters
    ----------
    module : torch.nn.Module
        Module on the CPU, whose parameters need no gradients. Its layers are replaced in place.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from skcnn.networks.input_gradients import speed_up_input_gradients
    >>> module = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU()).requires_grad_(False)
    >>> images = torch.rand(2, 1, 8, 8).requires_grad_()
    >>> expected, = torch.autograd.grad(module(images).sum(), images)
    >>> speed_up_input_gradients(module)
    >>> found, = torch.autograd.grad(module(images).sum(), images)
    >>> torch.allclose(found, expected, atol=1e-5)
    True
    """
    for parent in list(module.modules()):
        for name, layer in parent._modules.items():
            if layer is not None and _is_slow(layer):
                parent._modules[name] = FewChannelConv2d.of(layer)  # type: ignore[arg-type]


def _is_slow(layer):
    return (
        type(layer) is nn.Conv2d
        and layer.weight.is_cpu
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and not layer.weight.requires_grad
        and layer.weight[0].numel() <= layer.out_channels
        and not (layer._forward_hooks or layer._forward_pre_hooks)
        and not (layer._backward_hooks or layer._backward_pre_hooks)
    )


class FewChannelConv2d(nn.Conv2d):
    """Convolution that computes the gradient with respect to the input as a product of matrices.

    It computes no gradients of the weights. The parameters are those of `torch.nn.Conv2d`.
    """

    @classmethod
    def of(cls, layer: nn.Conv2d) -> FewChannelConv2d:
        """Return a layer with the parameters and the weights of another convolution."""
        options: dict[str, Any] = {
            name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")
        }
        with torch.device("meta"):
            new = cls(layer.in_channels, layer.out_channels, bias=layer.bias is not None, **options)
        new.weight, new.bias = layer.weight, layer.bias
        return new.train(layer.training)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve images."""
        if images.ndim != 4:  # one image without the axis of the images
            return self.convolve(images)
        return _Convolve.apply(images, self)

    def convolve(self, images: Tensor) -> Tensor:
        """Convolve images with the forward pass of `torch.nn.Conv2d`."""
        return super().forward(images)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, layer):
        ctx.layer, ctx.size = layer, images.shape[2:]
        return layer.convolve(images)

    @staticmethod
    def backward(ctx, gradient):
        layer = ctx.layer
        # Inside an autocast of the network, the gradient is in bfloat16.
        windows = layer.weight.flatten(1).T @ gradient.flatten(2).to(layer.weight.dtype)
        sizes = layer.kernel_size, layer.dilation, layer.padding, layer.stride
        return functional.fold(windows, ctx.size, *sizes), None
