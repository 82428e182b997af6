"""Parameters of a pretrained backbone, and the module that is built from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skcnn._validation import SIZE, SIZE_OF_AXIS
from skcnn.networks import NetworkSpec
from skcnn.networks.backbones import backbone_info
from skcnn.pixel_scale import ScaleMonitor
from skcnn.pixels import ValueRange, channel_statistics
from skcnn.training.forks import computing

_MAX_IMAGES = 2048  # maximum number of images used for the pixel statistics
# Images with a side below _SMALL are enlarged to _ENLARGED pixels, by at most _MAX_FACTOR. Measured
# in docs/benchmarks/transfer.rst: more pixels cost more time and improve little.
_SMALL, _ENLARGED, _MAX_FACTOR = 128, 160, 5


@dataclass(eq=False, repr=False)
class BackboneParameters:
    """Parameters of a pretrained backbone.

    Parameters
    ----------
    backbone : str or callable, default="efficientnet_lite0"
        Network without its head: a name in `skcnn.networks.BACKBONES` such as "resnet50"; "timm/"
        and the name of a model of timm (the extra ``skcnn[timm]`` installs timm); or a callable
        ``(in_channels, height, width, n_outputs)`` that returns a `torch.nn.Module` with pretrained
        weights: see `skcnn.networks.as_backbone` for its requirements.
    weights : "imagenet", path or None, default="imagenet"
        Pretrained weights: "imagenet" for the official weights, or the path of a file
        (.safetensors, .pth or .pt). The extra ``skcnn[pretrained]`` contains the official weights
        of "efficientnet_lite0", "efficientnet_lite1" and "efficientnet_lite2". Those of other
        backbones are downloaded once. None starts with random weights. A callable as `backbone`
        loads its own weights, and `weights` must then be "imagenet" or None, without effect.
    input_size : "auto", int, tuple of (int, int) or None, default="auto"
        Height and width in pixels to which the network resizes images; an integer is both. None
        keeps the size of the images. "auto" enlarges images whose shorter side has fewer than 128
        pixels, so that this side has 160 pixels, but by a factor of at most 5, because the
        pretrained features are less accurate on images that are much smaller than 224 x 224. "auto"
        keeps the size of the images if `backbone` is a callable or `weights` is None.
    """

    backbone: str | Callable[[int, int, int, int], nn.Module] = "efficientnet_lite0"
    _: KW_ONLY
    weights: str | os.PathLike | None = "imagenet"
    input_size: str | int | Sequence[int] | None = "auto"

    _parameter_constraints: ClassVar[dict] = {
        "backbone": [str, callable],
        "weights": [str, os.PathLike, None],
        "input_size": [
            StrOptions({"auto"}),
            *SIZE_OF_AXIS,
            SIZE,
            None,
        ],
    }

    def _network_spec(self, image_shape, n_outputs):
        """Return the description of the network for images of the given shape."""
        if isinstance(self.backbone, nn.Module):
            raise TypeError(
                f"backbone is an instance of {type(self.backbone).__name__}: give a callable "
                "(in_channels, height, width, n_outputs) that builds one"
            )
        height, width, n_channels = image_shape
        if isinstance(self.backbone, str):
            backbone_info(self.backbone)  # raises an error about unknown names
        elif self.weights not in ("imagenet", None):
            raise ValueError(
                f"weights={self.weights!r} has no effect on a backbone that is a callable: load "
                "the weights in the callable, and use the default of weights"
            )
        return NetworkSpec(
            self.backbone,
            n_channels,
            height,
            width,
            n_outputs,
            weights=self.weights if isinstance(self.backbone, str) else None,
            input_size=self._resized(height, width),
            backbone=True,
        )

    def _resized(self, height, width):
        """Return the size to which the network resizes images, or None to keep their size."""
        if self.input_size is None:
            return None
        if isinstance(self.input_size, str):
            if not isinstance(self.backbone, str) or self.weights is None:
                return None
            if min(height, width) >= _SMALL:
                return None
            factor = min(_MAX_FACTOR, _ENLARGED / min(height, width))
            size = (round(factor * height), round(factor * width))
        elif isinstance(self.input_size, Integral):
            size = (self.input_size, self.input_size)
        else:
            size = tuple(self.input_size)
        return None if size == (height, width) else size


def build_module(spec, images, weights=None, rows=None, *, progress=False):
    """Build the module of a spec, and set the statistics with which it standardizes images.

    If the network has pretrained weights and the range of the pixel values is detected, these are
    the statistics that the weights expect. Otherwise, they are those of the training images.

    Parameters
    ----------
    spec : NetworkSpec
        Description of the network.
    images : array or LazyImages of shape (n_all_images, height, width, n_channels)
        Images.
    weights : float array of shape (n_all_images,), default=None
        Weights of the images. None gives all images the same weight.
    rows : int array of shape (n_images,), default=None
        Rows of the training images. None selects all.
    progress : bool, default=False
        Whether a download of weights shows its progress.

    Returns
    -------
    module : torch.nn.Sequential
        Module, with the pretrained weights of the spec if it has any.
    pixel_scale : PixelScale
        Scale of the pixel values.
    pixel_range : tuple of (float, float) or None
        Detected range of the pixel values: (0, 1), (-1, 1) or (0, 255). None if the network has no
        pretrained weights, or if none of these ranges is detected.
    """
    with computing():
        module = spec.build(pretrained=spec.weights is not None, progress=progress)
    monitor, values = ScaleMonitor(), ValueRange()

    def observe(chunk):
        monitor.add(chunk)
        values.add(chunk)

    mean, scale = channel_statistics(
        images, weights, rows, max_images=_MAX_IMAGES, float32=True, observe=observe
    )
    statistics = getattr(module.network, "statistics", None)
    limits = None if statistics is None else values.usual()
    if limits is not None:
        low, high = limits
        mean, scale = (np.array(part) * (high - low) for part in statistics[1:])
        mean = mean + low
    elif statistics is not None:  # of gray images that are repeated to several channels
        mean, scale = (np.broadcast_to(part, len(statistics.mean)) for part in (mean, scale))
    module.standardize.set_statistics(mean, scale)
    return module, monitor.scale(), limits
