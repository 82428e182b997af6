"""ActivationMapDisplay: images with maps of where a network finds evidence for a class."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skcnn.inspection._grid_predictions import one_per_image
from skcnn.inspection._image_grid import draw_image_grid
from skcnn.inspection._map_targets import output_labels, target_columns
from skcnn.inspection._text import fit_name
from skcnn.inspection.activation_maps import explain
from skcnn.original_images import original_images
from skcnn.pipeline_graph import FittedPipeline
from skcnn.settings import fixed_settings

_POSITIVE = Interval(Integral, 1, None, closed="left")
_NAMES = {
    "grad_cam": "Grad-CAM",
    "grad_cam++": "Grad-CAM++",
    "cam": "CAM",
    "score_cam": "Score-CAM",
    "occlusion": "Occlusion",
    "saliency": "Saliency",
    "integrated_gradients": "Integrated gradients",
}
_N_COLORS = 256
# Blue for negative and orange for positive values, of Okabe and Ito.
_SIGNED = [(0, "#0072B2"), (0.5, "#56B4E9"), (0.5, "#E69F00"), (1, "#D55E00")]


class ActivationMapDisplay:
    """Images with class activation maps: where a network finds evidence for a class.

    It is recommended to use `from_estimator` to create a display. Maps are drawn over the gray
    image, transparent where they are close to 0.

    Parameters
    ----------
    images : sequence of arrays of shape (height, width) or (height, width, n_channels)
        Original images, which may differ in size.
    maps : sequence of arrays of shape (height, width)
        Map of each image. Maps with negative values get two colors, for evidence for and against
        the target.
    targets : sequence of length n_images, default=None
        Label, or column of the targets, that each map explains.
    y_true : sequence of length n_images, default=None
        True labels or numbers.
    title : str, default=""
        Title of the grid.

    Attributes
    ----------
    ax_ : object array of shape (n_rows, n_columns)
        Axes; those without an image are not visible.
    figure_ : matplotlib figure
        Figure.
    images_ : list of matplotlib AxesImage
        Images, and the gray images below the maps.
    maps_ : list of matplotlib AxesImage
        Maps.
    colorbar_ : matplotlib colorbar
        Color bar.
    title_ : matplotlib Text
        Title of the grid.

    See Also
    --------
    class_activation_map : Compute the maps.
    FeatureMapDisplay : Draw the feature maps of a layer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import ActivationMapDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(16,), max_epochs=2, random_state=0).fit(X, y)
    >>> display = ActivationMapDisplay.from_estimator(cnn, X, y, method="occlusion", n_images=4)
    >>> display.maps.shape
    (4, 8, 8)
    """

    ax_: Any
    figure_: Any
    images_: list
    maps_: list
    colorbar_: Any
    title_: Any

    def __init__(
        self,
        images: Any,
        maps: Any,
        *,
        targets: Any = None,
        y_true: Any = None,
        title: str = "",
    ):
        self.images = images
        self.maps = maps
        self.targets = targets
        self.y_true = y_true
        self.title = title

    @classmethod
    @validate_params(
        {
            "cls": "no_validation",
            "estimator": "no_validation",
            "X": "no_validation",
            "y": "no_validation",
            "target": "no_validation",
            "method": [StrOptions(set(_NAMES))],
            "layer": [str, None],
            "window": [_POSITIVE, None],
            "n_images": [_POSITIVE],
            "batch_size": [_POSITIVE],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        target: Any = None,
        method: str = "grad_cam",
        layer: str | None = None,
        window: int | None = None,
        n_images: int = 6,
        batch_size: int = 64,
        ax: Any = None,
        **style: Any,
    ) -> ActivationMapDisplay:
        """Compute the maps of the first images and draw them.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator, as for `class_activation_map`.
        X : images of shape (n_all_images, ...) or paths of shape (n_all_images,)
            Images in any form that the estimator takes. Only those that are shown are read.
        y : array-like of shape (n_all_images,), default=None
            True labels or numbers. None if they are unknown.
        target : label, int, or array-like of shape (n_all_images,), default=None
            Output of the network to explain, as for `class_activation_map`. None is the predicted
            class.
        method : {"grad_cam", "grad_cam++", "cam", "score_cam", "occlusion", "saliency", \
                "integrated_gradients"}, default="grad_cam"
            Method, as for `class_activation_map`.
        layer : str, default=None
            Name of the layer whose feature maps are weighted. None is the last one with such maps.
        window : int, default=None
            Side of the squares of "occlusion" in pixels. None is a fifth of the shorter side.
        n_images : int, default=6
            Maximum number of images to show: the first ones.
        batch_size : int, default=64
            Number of images that the network gets at a time.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : ActivationMapDisplay
            Display with the plot.

        Raises
        ------
        ImportError
            If captum or matplotlib is required and not installed.
        TypeError
            If the estimator is not one of this package with a trained network.
        ValueError
            If `class_activation_map` raises it, or the number of labels is wrong.
        """
        with fixed_settings():
            pipeline = FittedPipeline.of(estimator)
            images = original_images(X, estimator)
            columns = target_columns(pipeline.final, target, len(images))
            true = None if y is None else one_per_image(y, "y", len(images))[:n_images]
            shown = images[:n_images]
            columns = None if columns is None else columns[:n_images]
            maps, columns = explain(pipeline, shown, columns, method, layer, window, batch_size)
        labels = output_labels(pipeline.final)
        display = cls(
            list(shown),
            maps,
            targets=[labels[column] for column in columns],
            y_true=true,
            title=_NAMES[method] + (f", layer {layer}" if layer else ""),
        )
        return display.plot(ax, **style)

    @validate_params(
        {
            "self": "no_validation",
            "ax": "no_validation",
            "contrast": [StrOptions({"each", "common"})],
            "show_images": ["boolean"],
            "n_columns": [_POSITIVE, None],
            "cell_size": "no_validation",
            "font_size": [Interval(Real, 0, None, closed="neither")],
            "cmap": "no_validation",
            "alpha": [Interval(Real, 0, 1, closed="both")],
        },
        prefer_skip_nested_validation=True,
    )
    def plot(
        self,
        ax: Any = None,
        *,
        contrast: str = "each",
        show_images: bool = True,
        n_columns: int | None = None,
        cell_size: tuple[float, float] = (1.8, 1.9),
        font_size: float = 9.0,
        cmap: Any = None,
        alpha: float = 0.8,
    ) -> ActivationMapDisplay:
        """Draw the images and their maps.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        contrast : {"each", "common"}, default="each"
            With "each", the colors of a map end at the 99 % quantile of its absolute values that
            are not 0. With "common", those of all maps end at the quantile of the values of all.
        show_images : bool, default=True
            Whether each image is also shown without its map, to the left of it.
        n_columns : int, default=None
            Number of columns of images with maps. None makes the grid about twice as wide as high.
        cell_size : tuple of (float, float), default=(1.8, 1.9)
            Width and height of one image with its text in inches, in a new figure.
        font_size : float, default=9.0
            Size of the text in points.
        cmap : str or matplotlib colormap, default=None
            Colors of the maps. None is "inferno", or blue and orange if there are negative values.
        alpha : float, default=0.8
            Opacity of the largest values, from 0 to 1.

        Returns
        -------
        display : ActivationMapDisplay
            This display.

        Raises
        ------
        ValueError
            If a parameter is invalid.
        """
        captions = [_Captions(self, number, font_size) for number in range(len(self.images))]
        shown, lines = [], []
        for image, caption in zip(self.images, captions, strict=True):
            pair = [(image, caption.of_image), (_gray(image), caption.of_map)]
            shown += [one for one, _ in pair[not show_images :]]
            lines += [line for _, line in pair[not show_images :]]
        n_each = 1 + show_images
        n_columns = _n_columns(len(self.images), n_each) if n_columns is None else n_columns
        drawn = draw_image_grid(
            ax,
            shown,
            lambda number, width: lines[number](width, not show_images),
            self.title,
            n_lines=1 if show_images or self.y_true is None else 2,
            n_columns=n_columns * n_each,
            cell_size=cell_size,
            font_size=font_size,
        )
        self.figure_, self.ax_, self.images_ = drawn.figure, drawn.axes, drawn.images
        self.title_ = drawn.title
        self._draw_maps(drawn.images[n_each - 1 :: n_each], contrast, cmap, alpha)
        return self

    def _draw_maps(self, artists, contrast, cmap, alpha):
        """Draw the maps over images, with a color bar."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        maps = [np.asarray(one, np.float64) for one in self.maps]
        is_signed = any(one.min() < 0 for one in maps)
        colors = _transparent(cmap, alpha, is_signed)
        limits = [_limit(np.abs(one).ravel()) for one in maps]
        if contrast == "common":
            limits = [_limit(np.concatenate([np.abs(one).ravel() for one in maps]))] * len(maps)
        self.maps_ = []
        for artist, one, limit in zip(artists, maps, limits, strict=True):
            norm = Normalize(-limit if is_signed else 0.0, limit)
            self.maps_.append(artist.axes.imshow(one, cmap=colors, norm=norm))
        end = limits[0] if contrast == "common" else 1.0
        self.colorbar_ = self.figure_.colorbar(
            ScalarMappable(Normalize(-end if is_signed else 0.0, end), colors),
            ax=self.ax_,
            shrink=0.8,
            aspect=25,
            extend="both" if is_signed else "max",
        )
        relative = "" if contrast == "common" else " / 99 % quantile of the map"
        self.colorbar_.set_label(f"relevance{relative}")


class _Captions:
    """The text above an image and above its map."""

    def __init__(self, display, number, font_size):
        self.target = None if display.targets is None else display.targets[number]
        self.true = None if display.y_true is None else display.y_true[number]
        self.font_size = font_size

    def of_image(self, width, _):
        """Return the line above the image."""
        return [] if self.true is None else [self._fit(self.true, "true: {}", width)]

    def of_map(self, width, is_alone):
        """Return the lines above the map."""
        lines = [] if self.target is None else [self._fit(self.target, "map of: {}", width)]
        return lines + (self.of_image(width, True) if is_alone else [])

    def _fit(self, name, template, width):
        return fit_name(str(name), template, width, self.font_size)


def _n_columns(n_images, n_each):
    """Return the number of columns of images with maps."""
    return min(n_images, max(1, round(np.sqrt(2 * n_images / n_each))))


def _gray(image):
    """Return an image with one channel, of the same dtype."""
    image = np.asarray(image)
    if image.ndim == 2:
        return image
    gray = image[..., :3].mean(axis=2) if image.shape[2] == 4 else image.mean(axis=2)
    return (np.round(gray) if image.dtype.kind in "iu" else gray).astype(image.dtype)


def _limit(strengths):
    """Return the 99 % quantile of the absolute values that are not 0, or 1 without any."""
    strengths = strengths[strengths > 0]
    return float(np.quantile(strengths, 0.99)) if len(strengths) else 1.0


def _transparent(cmap, alpha, is_signed):
    """Return a color map whose opacity grows from 0 with the absolute value."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    if cmap is None:
        signed = LinearSegmentedColormap.from_list("blue and orange", _SIGNED)
        cmap = signed if is_signed else "inferno"
    cmap = colormaps[cmap] if isinstance(cmap, str) else cmap
    positions = np.linspace(0, 1, _N_COLORS)
    colors = cmap(positions)
    strength = np.abs(2 * positions - 1) if is_signed else positions
    colors[:, 3] = alpha * np.minimum(1, 2 * strength)
    return ListedColormap(colors, name=f"transparent {cmap.name}")
