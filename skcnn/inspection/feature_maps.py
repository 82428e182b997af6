"""FeatureMapDisplay: the outputs of a layer for one image."""

from __future__ import annotations

from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from torch import Tensor, nn

from skcnn.inspection._network import as_tensor, find_layer, layer_name, recorded_outputs
from skcnn.inspection._plotting import show_image, titled_grid
from skcnn.lazy import LazyImages
from skcnn.original_images import original_images
from skcnn.pipeline_graph import FittedPipeline
from skcnn.settings import fixed_settings

_POSITIVE = Interval(Integral, 1, None, closed="left")


class FeatureMapDisplay:
    """Feature maps: the outputs of a layer of the network for one image, beside the image.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    maps : array of shape (n_maps, map_height, map_width)
        Feature maps.
    image : array of shape (height, width) or (height, width, n_channels)
        Original image.
    indices : array of shape (n_maps,), default=None
        Number of each map in the layer. None counts from 0.
    n_maps : int, default=None
        Number of maps of the layer, for the title. None is that of `maps`.
    layer : str, default=None
        Name of the layer, for the title.

    Attributes
    ----------
    ax_ : object array of shape (n_rows, n_columns)
        Axes: those of the image, and of each map.
    figure_ : matplotlib figure
        Figure.
    image_ : matplotlib AxesImage
        Original image.
    images_ : list of matplotlib AxesImage
        Image of each map.
    colorbar_ : matplotlib colorbar or None
        Color bar, for ``contrast="common"``.

    See Also
    --------
    FilterDisplay : Weights of a layer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import FeatureMapDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(8, 16), max_epochs=1, random_state=0).fit(X, y)
    >>> display = FeatureMapDisplay.from_estimator(cnn, X[:1], layer="network.blocks.0")
    >>> display.maps.shape
    (8, 4, 4)
    """

    ax_: Any
    figure_: Any
    image_: Any
    images_: list
    colorbar_: Any

    def __init__(
        self,
        maps: Any,
        image: Any,
        *,
        indices: Any = None,
        n_maps: int | None = None,
        layer: str | None = None,
    ):
        self.maps = np.asarray(maps)
        self.image = np.asarray(image)
        self.indices = np.arange(len(self.maps)) if indices is None else np.asarray(indices)
        self.n_maps = len(self.maps) if n_maps is None else n_maps
        self.layer = layer

    @classmethod
    @validate_params(
        {
            "cls": "no_validation",
            "estimator": "no_validation",
            "X": "no_validation",
            "layer": [str, None],
            "max_maps": [_POSITIVE],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        layer: str | None = None,
        max_maps: int = 35,
        ax: Any = None,
        **style: Any,
    ) -> FeatureMapDisplay:
        """Draw the feature maps of one image.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator with a network, or a pipeline or search that ends in one.
        X : images of shape (1, height, width), (1, height, width, n_channels) or \
                (1, n_features), or path
            One image in any form that the estimator takes: an array, a list with one photo, or a
            path.
        layer : str, default=None
            Name of a layer whose outputs are feature maps. `network_summary` lists the names. None
            is the layer of class activation maps, `cam_layer`, if the network has this attribute,
            and otherwise the first convolution.
        max_maps : int, default=35
            Maximum number of maps: those with the largest means, in the order of the layer.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : FeatureMapDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is not one of this package with a trained network.
        ValueError
            If a parameter is invalid, there is not exactly one image, there is no such layer, or
            its outputs are not feature maps.
        """
        pipeline = FittedPipeline.of(estimator)
        X = [X] if isinstance(X, (str, PathLike)) else X
        images = original_images(X, estimator)
        if len(images) != 1:
            raise ValueError(
                f"X has {len(images)} images, but the feature maps of one image are drawn: pass a "
                "collection of one image, such as X[:1] or image[np.newaxis]"
            )
        with fixed_settings(), torch.no_grad():
            network = pipeline.network()
            part = _default_layer(network) if layer is None else find_layer(network, layer)
            layer = layer_name(network, part)
            is_lazy = pipeline.reader is not None or isinstance(X, LazyImages)
            received = pipeline.network_input(images if is_lazy else X)  # rows stay rows
            inputs = as_tensor(np.asarray(received), network)
            with recorded_outputs(part) as outputs:
                network(inputs)
            maps = _checked_maps(outputs.get(part), layer)
        indices = np.sort(np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:max_maps])
        display = cls(maps[indices], images[0], indices=indices, n_maps=len(maps), layer=layer)
        return display.plot(ax, **style)

    @validate_params(
        {
            "self": "no_validation",
            "ax": "no_validation",
            "contrast": [StrOptions({"each", "common"})],
            "n_columns": [_POSITIVE, None],
            "cmap": "no_validation",
        },
        prefer_skip_nested_validation=False,
    )
    def plot(
        self,
        ax: Any = None,
        *,
        contrast: str = "each",
        n_columns: int | None = None,
        cmap: Any = "viridis",
    ) -> FeatureMapDisplay:
        """Draw the image and its feature maps.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        contrast : {"each", "common"}, default="each"
            Whether the colors of each map range from its minimum to its maximum, or those of all
            maps from their minimum to their maximum, with a color bar.
        n_columns : int, default=None
            Number of columns. None makes about as many as there are rows.
        cmap : str or matplotlib colormap, default="viridis"
            Colors of the maps.

        Returns
        -------
        display : FeatureMapDisplay
            This display.

        Raises
        ------
        ValueError
            If a parameter is invalid.
        """
        n_maps, height, width = self.maps.shape
        part = f"{n_maps} of " if n_maps < self.n_maps else ""
        title = (self.layer or "", f"{part}{self.n_maps} feature maps of {height} x {width}")
        aspect = max(height / width, self.image.shape[0] / self.image.shape[1])
        self.figure_, self.ax_ = titled_grid(
            title, n_maps + 1, ax, n_columns=n_columns, aspect=aspect
        )
        first, *others = self.ax_.flat
        self.image_ = show_image(first, self.image)
        first.set_title("image", fontsize="x-small", pad=2)
        is_common = contrast == "common"
        self.images_ = []
        for axes, values, index in zip(others, self.maps, self.indices, strict=False):
            shown = self.maps if is_common else values
            limits = {"vmin": shown.min(), "vmax": shown.max()}
            self.images_.append(axes.imshow(values, cmap=cmap, **limits))
            axes.set_title(str(index), fontsize="x-small", pad=2)
        self.colorbar_ = (
            self.figure_.colorbar(self.images_[0], ax=self.ax_, shrink=0.8) if is_common else None
        )
        return self


def _default_layer(network) -> nn.Module:
    """Return the layer of class activation maps, or the first convolution."""
    layer = getattr(network.get_submodule("network"), "cam_layer", None)
    convolutions = (part for part in network.modules() if isinstance(part, nn.Conv2d))
    layer = next(convolutions, None) if layer is None else layer
    if layer is None:
        raise ValueError(
            "the network has no convolution, so it has no feature maps: FilterDisplay shows the "
            "weights of a dense network as images"
        )
    return layer


def _checked_maps(outputs, layer) -> np.ndarray:
    """Return the feature maps of one image, or raise an error if the outputs are something else."""
    if outputs is None:
        raise ValueError(f"the network does not call the layer {layer!r}: name another one")
    if not (isinstance(outputs, Tensor) and outputs.ndim == 4 and len(outputs) == 1):
        found = tuple(outputs.shape[1:]) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"the outputs of the layer {layer!r} for one image are {found}, and not feature maps "
            "of shape (n_maps, height, width): name a layer before the maps are pooled or flattened"
        )
    return outputs[0].float().cpu().numpy()
