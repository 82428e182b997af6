"""Where the cells of feature maps lie in the input of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skcnn.inspection._network import recorded_feature_maps
from skcnn.operations import AffineMap

Axis = tuple[float, float]  # step and first position of the cells of an axis, in pixels


@torch.no_grad()
def cell_geometry(network: nn.Module, layer: nn.Module, image_shape: tuple[int, ...]) -> AffineMap:
    """Return the map from cells of a layer's feature maps to pixels of the network's input.

    A cell lies in the center of its receptive field, which follows from the sizes, steps and
    padding of the convolutions and poolings. Feature maps that are stretched over the image instead
    are displaced, by up to the distance of two cells, where images are not padded, or padded on one
    side only, or where a pooling leaves out the last row.

    Parameters
    ----------
    network : torch.nn.Module
        Network in evaluation mode.
    layer : torch.nn.Module
        Layer of the network that computes feature maps.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the input.

    Returns
    -------
    cells : AffineMap
        From (row, column) of a cell to pixel coordinates of its center.
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
    (down, top), (across, left) = tracker.axes(maps[0])
    return AffineMap(((down, 0.0), (0.0, across)), (top, left))


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
        """Return step and first position of both axes; unknown maps are stretched."""
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
        known = [one for one in same if id(one) in self._known]
        if known or same:
            return self.axes((known or same)[0])
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
        (step * inner_step, first + step * inner_first)
        for (step, first), (inner_step, inner_first) in zip(outer, inner, strict=True)
    ]


def _stretched(n_cells, n_pixels) -> list[Axis]:
    steps = [pixels / cells for cells, pixels in zip(n_cells, n_pixels, strict=True)]
    return [(step, (step - 1) / 2) for step in steps]


def _convolution(weight, bias, stride, padding, dilation, transposed, *_) -> list[Axis]:
    axes = _window(weight.shape[2:], stride, padding, dilation)
    return [(1 / step, -first / step) for step, first in axes] if transposed else axes


def _max_pool(kernel_size, stride=(), padding=(0,), dilation=(1,), *_) -> list[Axis]:
    return _window(kernel_size, stride or kernel_size, padding, dilation)


def _average_pool(kernel_size, stride=(), padding=(0,), *_) -> list[Axis]:
    return _window(kernel_size, stride or kernel_size, padding, (1,))


def _window(kernel_size, stride, padding, dilation) -> list[Axis]:
    sizes = (_pair(values) for values in (kernel_size, stride, padding, dilation))
    return [
        (float(step), gap * (size - 1) / 2 - pad)
        for size, step, pad, gap in zip(*sizes, strict=True)
    ]


def _padding(pad, *_) -> list[Axis]:
    left, _, top, _ = [*pad, 0, 0, 0][:4]
    return [(1.0, -float(top)), (1.0, -float(left))]


def _slice(dim=0, start=None, _end=None, step=1, *_) -> list[Axis]:
    axes = [(1.0, 0.0), (1.0, 0.0)]
    if dim % 4 >= 2 and (start or 0) >= 0:
        axes[dim % 4 - 2] = (float(step), float(start or 0))
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
