"""FilterDisplay: the weights of a layer as images."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skcnn.inspection._plotting import titled_grid
from skcnn.inspection._weights import layer_filters
from skcnn.pipeline_graph import FittedPipeline
from skcnn.settings import fixed_settings

_POSITIVE = Interval(Integral, 1, None, closed="left")


class FilterDisplay:
    """The weights of a convolution, or of a dense layer that gets the pixels, as images.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    filters : array of shape (n_filters, height, width) or (n_filters, height, width, 3)
        Weights, shown in gray or in color.
    indices : array of shape (n_filters,), default=None
        Number of each filter in the layer. None counts from 0.
    n_filters : int, default=None
        Number of filters of the layer, for the title. None is that of `filters`.
    layer : str, default=None
        Name of the layer, for the title.

    Attributes
    ----------
    ax_ : object array of shape (n_rows, n_columns)
        Axes.
    figure_ : matplotlib figure
        Figure.
    images_ : list of matplotlib AxesImage
        Image of each filter.

    See Also
    --------
    FeatureMapDisplay : Outputs of a layer for one image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import FilterDisplay
    >>> digits = load_digits()
    >>> cnn = CNNClassifier(channels=(8, 16), max_epochs=1, random_state=0)
    >>> display = FilterDisplay.from_estimator(cnn.fit(digits.images, digits.target))
    >>> display.layer, display.filters.shape
    ('network.blocks.0.0', (8, 3, 3))
    """

    ax_: Any
    figure_: Any
    images_: list

    def __init__(
        self,
        filters: Any,
        *,
        indices: Any = None,
        n_filters: int | None = None,
        layer: str | None = None,
    ):
        self.filters = np.asarray(filters)
        self.indices = np.arange(len(self.filters)) if indices is None else np.asarray(indices)
        self.n_filters = len(self.filters) if n_filters is None else n_filters
        self.layer = layer

    @classmethod
    @validate_params(
        {
            "cls": "no_validation",
            "estimator": "no_validation",
            "layer": [str, None],
            "channel": [Interval(Integral, 0, None, closed="left"), None],
            "max_filters": [_POSITIVE],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: str | None = None,
        channel: int | None = None,
        max_filters: int = 64,
        ax: Any = None,
        **style: Any,
    ) -> FilterDisplay:
        """Draw the filters of a layer.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator with a network, or a pipeline or search that ends in one.
        layer : str, default=None
            Name of a `torch.nn.Conv2d`, or of a `torch.nn.Linear` that gets the pixels.
            `network_summary` lists the names. None is the first of these layers that the network
            calls.
        channel : int, default=None
            Input channel to show in gray. None shows the weights of three input channels in color,
            and otherwise the mean over the input channels in gray.
        max_filters : int, default=64
            Maximum number of filters: those with the largest norms, in the order of the layer.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : FilterDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is not one of this package with a trained network.
        ValueError
            If a parameter is invalid, there is no such layer, or its weights are not images.
        """
        pipeline = FittedPipeline.of(estimator)
        with fixed_settings():
            filters, layer = layer_filters(pipeline.network(), pipeline.final.image_shape_, layer)
        n_filters, n_channels = len(filters), filters.shape[3]
        if channel is not None and channel >= n_channels:
            raise ValueError(
                f"channel={channel}, but the filters of {layer!r} have {n_channels} input "
                "channels, which are counted from 0"
            )
        norms = np.linalg.norm(filters.reshape(n_filters, -1), axis=1)
        indices = np.sort(np.argsort(-norms, kind="stable")[:max_filters])
        filters = filters[indices]
        if channel is not None:
            filters = filters[..., channel]
        elif n_channels != 3:
            filters = filters.mean(axis=3)
        display = cls(filters, indices=indices, n_filters=n_filters, layer=layer)
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
        cmap: Any = "gray",
    ) -> FilterDisplay:
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        contrast : {"each", "common"}, default="each"
            Weights of 0 are shown in medium gray. The weight with the largest absolute value, of
            each filter or of all filters, is shown in black or white, or in a saturated color.
        n_columns : int, default=None
            Number of columns. None makes about as many as there are rows.
        cmap : str or matplotlib colormap, default="gray"
            Colors of filters that are not shown in color.

        Returns
        -------
        display : FilterDisplay
            This display.

        Raises
        ------
        ValueError
            If a parameter is invalid.
        """
        n_filters, height, width = self.filters.shape[:3]
        part = f"{n_filters} of " if n_filters < self.n_filters else ""
        title = (self.layer or "", f"{part}{self.n_filters} filters of {height} x {width}")
        self.figure_, self.ax_ = titled_grid(
            title, n_filters, ax, n_columns=n_columns, aspect=height / width
        )
        largest = np.abs(self.filters).reshape(n_filters, -1).max(axis=1)
        if contrast == "common":
            largest = np.full(n_filters, largest.max())
        self.images_ = []
        for axes, weights, index, limit in zip(
            self.ax_.flat, self.filters, self.indices, largest, strict=False
        ):
            shown = 0.5 + weights.astype(np.float64) / (2 * limit or 1.0)
            self.images_.append(axes.imshow(shown, cmap=cmap, vmin=0, vmax=1))
            axes.set_title(str(index), fontsize="x-small", pad=2)
        return self
