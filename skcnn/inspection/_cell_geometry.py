"""Where the cells of feature maps lie in the input of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skcnn.inspection._network import mean_pixel, pixel_deviation, recorded_feature_maps
from skcnn.operations import AffineMap

# Step and first position of the cells of an axis, and the size of their receptive field, in pixels.
Axis = tuple[float, float, float]


@torch.no_grad()
def cell_geometry(network: nn.Module, layer: nn.Module, image_shape: tuple[int, ...]) -> AffineMap:
    """Return the map from cells of a layer's feature maps to pixels of the network's input.

    A cell lies in the center of its receptive field, which follows from the sizes, steps and
    padding of the convolutions and poolings. Feature maps that are stretched over the image instead
    are displaced where images are not padded, or padded on one side only, or where a pooling leaves
    out the last row.

    A receptive field that is larger than the image has a different center in effect: much of it is
    outside, and deep networks learn to shift it. It is measured for the cells in the middle, as the
    center of the gradients with respect to the pixels of random images.

    Parameters
    ----------
    network : torch.nn.Module
        Network of an estimator in evaluation mode, which starts with a `Standardize`.
    layer : torch.nn.Module
        Layer of the network that computes feature maps.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the input.

    Returns
    -------
    cells : AffineMap
        From (row, column) of a cell to pixel coordinates of its center.

    References
    ----------
    Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
    NeurIPS 2016 (arXiv 1701.04128), on the gradients.
    """
    height, width, n_channels = image_shape
    device = next(iter([*network.parameters(), *network.buffers()])).device
    image = torch.zeros((1, n_channels, height, width), device=device)
    tracker = _CellTracker(image)
    with recorded_feature_maps(layer) as maps:
        try:
            with tracker:
                network(image)
        except MemoryError:
            raise
        except Exception:  # networks of the user may not run in this mode
            network(image)
    axes = tracker.axes(maps[0])
    steps, firsts, sizes = zip(*axes, strict=True)
    if sizes[0] > height or sizes[1] > width:
        firsts = _measured(network, layer, image, steps) or firsts
    return AffineMap(((steps[0], 0.0), (0.0, steps[1])), firsts)


@torch.enable_grad()
def _measured(network, layer, image, steps) -> tuple[float, float] | None:
    """Return the position of the first cell, measured in the middle; None without gradients."""
    images = _noise(network, image).requires_grad_()
    with recorded_feature_maps(layer) as maps:
        network(images)
    size = maps[0].shape[2:]
    rows, columns = (slice((n - 1) // 2, n // 2 + 1) for n in size)
    (gradients,) = torch.autograd.grad(maps[0][:, :, rows, columns].sum(), images)
    weights = gradients.abs().sum(dim=1).double()
    weights = weights[weights.sum(dim=(1, 2)) > 0]
    if not len(weights) or not weights.isfinite().all():
        return None
    weights = (weights / weights.sum(dim=(1, 2), keepdim=True)).mean(dim=0)
    firsts = []
    for axis, (n_cells, step) in enumerate(zip(size, steps, strict=True)):
        profile = weights.sum(dim=1 - axis)
        center = float(profile @ torch.arange(len(profile)).to(profile))
        firsts.append(center - step * (n_cells - 1) / 2)
    return firsts[0], firsts[1]


def _noise(network, image) -> Tensor:
    """Return a random image with patterns of all sizes, and its mirror images.

    The images are the same in each call. The effects of their patterns on the center cancel.
    """
    generator = torch.Generator().manual_seed(0)
    n_channels, height, width = image.shape[1:]
    total, side = torch.zeros((1, n_channels, height, width)), 1
    while side < min(height, width):
        shape = (1, n_channels, -(-height // side), -(-width // side))
        values = torch.randn(shape, generator=generator)
        total += functional.interpolate(values, (height, width), mode="bilinear")
        side *= 2
    noise = total / (total.std() or 1.0)
    noise = torch.cat([noise, noise.flip(2), noise.flip(3), noise.flip(2, 3)])
    return mean_pixel(network) + pixel_deviation(network) * noise.to(image.device)


class _CellTracker(TorchDispatchMode):
    """Follow the positions of cells through the operations of a network.

    Parameters
    ----------
    image : tensor of shape (1, n_channels, height, width)
        Input of the network.
    """

    def __init__(self, image: Tensor):
        super().__init__()
        self.size = image.shape[2:]
        self._known: dict[int, tuple[Tensor, list[Axis]]] = {}  # keeps tensors, so ids stay unique

    def axes(self, maps: Tensor) -> list[Axis]:
        """Return both axes of feature maps; unknown maps are stretched over the image."""
        if id(maps) in self._known:
            return self._known[id(maps)][1]
        return _stretched(maps.shape[2:], self.size)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        outputs = function(*args, **(kwargs or {}))
        inputs = [one for one in tree_leaves(args) if _has_axes(one)]
        for output in tree_leaves(outputs):
            if _has_axes(output) and id(output) not in self._known:
                axes = self._output_axes(function.overloadpacket, args, inputs, output)
                if axes is not None:
                    self._known[id(output)] = output, axes
        return outputs

    def _output_axes(self, operation, args, inputs, output):
        """Return the axes of an output, None if they are unknown."""
        if operation in _FOLLOWED and inputs and inputs[0] is args[0]:
            inner = _FOLLOWED[operation](*args[1:])
            return _composed(self.axes(inputs[0]), inner)
        if operation in _MOVES_AXES:
            return None
        same = [one for one in inputs if one.shape[2:] == output.shape[2:]]
        known = [self.axes(one) for one in same if id(one) in self._known]
        if known:
            return max(known, key=lambda axes: axes[0][2])  # of the longest branch
        if same:
            return self.axes(same[0])
        if inputs:  # adaptive poolings and interpolations
            return _composed(
                self.axes(inputs[0]), _stretched(output.shape[2:], inputs[0].shape[2:])
            )
        return None


def _has_axes(value):
    return isinstance(value, Tensor) and value.ndim == 4


def _composed(outer: Sequence[Axis], inner: Sequence[Axis]) -> list[Axis]:
    """Return the axes of cells that are given in cells, whose own axes are the outer ones."""
    return [
        (step * inner_step, first + step * inner_first, size + step * (inner_size - 1))
        for (step, first, size), (inner_step, inner_first, inner_size) in zip(
            outer, inner, strict=True
        )
    ]


def _stretched(n_cells, n_pixels) -> list[Axis]:
    steps = [pixels / cells for cells, pixels in zip(n_cells, n_pixels, strict=True)]
    return [(step, (step - 1) / 2, max(1.0, step)) for step in steps]


def _convolution(weight, bias, stride, padding, dilation, transposed, *_) -> list[Axis]:
    axes = _window(weight.shape[2:], stride, padding, dilation)
    return [(1 / step, -first / step, 1.0) for step, first, _ in axes] if transposed else axes


def _max_pool(kernel_size, stride=(), padding=(0,), dilation=(1,), *_) -> list[Axis]:
    return _window(kernel_size, stride or kernel_size, padding, dilation)


def _average_pool(kernel_size, stride=(), padding=(0,), *_) -> list[Axis]:
    return _window(kernel_size, stride or kernel_size, padding, (1,))


def _window(kernel_size, stride, padding, dilation) -> list[Axis]:
    sizes = (_pair(values) for values in (kernel_size, stride, padding, dilation))
    return [
        (float(step), gap * (size - 1) / 2 - pad, gap * (size - 1) + 1.0)
        for size, step, pad, gap in zip(*sizes, strict=True)
    ]


def _padding(pad, *_) -> list[Axis]:
    left, _, top, _ = [*pad, 0, 0, 0][:4]
    return [(1.0, -float(top), 1.0), (1.0, -float(left), 1.0)]


def _slice(dim=0, start=None, _end=None, step=1, *_) -> list[Axis]:
    axes = [(1.0, 0.0, 1.0), (1.0, 0.0, 1.0)]
    if dim % 4 >= 2 and (start or 0) >= 0:
        axes[dim % 4 - 2] = (float(step), float(start or 0), 1.0)
    return axes


def _pair(values):
    return [*values, *values][:2]


_aten: Any = torch.ops.aten
_FOLLOWED = {
    _aten.avg_pool2d: _average_pool,
    _aten.constant_pad_nd: _padding,
    _aten.convolution: _convolution,
    _aten.max_pool2d_with_indices: _max_pool,
    _aten.reflection_pad2d: _padding,
    _aten.replication_pad2d: _padding,
    _aten.slice: _slice,
}
_MOVES_AXES = {_aten.permute, _aten.transpose, _aten.t, _aten.view, _aten._unsafe_view}
