"""AugmentationDisplay: images and their random variants in each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from skcnn._plotting import import_pyplot
from skcnn._validation import check_positive_int
from skcnn.images import inspect_images, reshape_images
from skcnn.inspection._image_grid import draw_image_grid
from skcnn.inspection._text import fit_name
from skcnn.lazy import LazyImages
from skcnn.pipeline_graph import pipeline_steps
from skcnn.pixels import dtype_range
from skcnn.preprocessing import ImageAugmenter
from skcnn.preprocessing._base import ImageTransformer

_WIDTH = 1.3  # of an image in inches


class AugmentationDisplay:
    """Images and the variants of them that a network is trained on, epoch by epoch.

    It is recommended to use `from_estimator` to create a display. Each row shows an image, first
    without augmentation.

    Parameters
    ----------
    originals : array of shape (n_images, height, width) or (n_images, height, width, n_channels)
        Images without augmentation.
    variants : array of shape (n_images, n_epochs, ...)
        Variants of each image in each epoch, from epoch 0.

    Attributes
    ----------
    ax_ : object array of shape (n_images, n_epochs + 1)
        Axes of the images.
    figure_ : matplotlib figure
        Figure.
    images_ : list of matplotlib AxesImage
        The images that are drawn, row by row.

    See Also
    --------
    skcnn.ImageAugmenter : Transformer that makes the variants.
    PredictionGridDisplay : Images and predictions.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ImageAugmenter
    >>> from skcnn.inspection import AugmentationDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> augmenter = ImageAugmenter(rotation=20, shift=0.1, random_state=0)
    >>> display = AugmentationDisplay.from_estimator(augmenter, X, n_images=3, n_epochs=4)
    >>> display.variants.shape
    (3, 4, 8, 8)
    """

    ax_: Any
    figure_: Any
    images_: list

    def __init__(self, originals: Any, variants: Any):
        self.originals = originals
        self.variants = variants

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_images: int = 4,
        n_epochs: int = 6,
        ax: Any = None,
        **style: Any,
    ) -> AugmentationDisplay:
        """Augment images and draw them.

        Parameters
        ----------
        estimator : ImageAugmenter, Pipeline or search
            Augmenter, or pipeline that contains one, fitted or not. Clones of it and of the steps
            before it are fitted on `X`, and `estimator` is not changed. If a pipeline contains
            several augmenters, the effect of all of them is shown. Of a search, such as
            `GridSearchCV`, it is `best_estimator_`.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images as `estimator` takes them. The first ones are shown. If they are the training
            images and the `random_state` of the augmenter is an int, the variants are those that a
            network is trained on. Otherwise, they are other variants of the same kind.
        n_images : int, default=4
            Number of images to show.
        n_epochs : int, default=6
            Number of epochs.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : AugmentationDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If there is no `ImageAugmenter`.
        ValueError
            If nothing is enabled in the augmenter, or a number is not positive.
        """
        check_positive_int("n_images", n_images)
        check_positive_int("n_epochs", n_epochs)
        import_pyplot()
        view = _augmented(estimator, X, n_images)
        variants = [np.asarray(view.at_epoch(epoch)) for epoch in range(n_epochs)]
        return cls(np.asarray(view.clean()), np.stack(variants, axis=1)).plot(ax, **style)

    def plot(
        self,
        ax: Any = None,
        *,
        cell_size: tuple[float, float] | None = None,
        font_size: float = 9.0,
    ) -> AugmentationDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        cell_size : tuple of (float, float), default=None
            Width and height of an image in inches, in a new figure. None makes images 1.3 inches
            wide, and as high as their shape requires.
        font_size : float, default=9.0
            Size of the text in points.

        Returns
        -------
        display : AugmentationDisplay
            This display.
        """
        if cell_size is None:
            height, width = self.originals.shape[1:3]
            cell_size = (_WIDTH, _WIDTH * float(np.clip(height / width, 0.3, 3)) + 0.05)
        n_columns = self.variants.shape[1] + 1
        columns = ["original", *(f"epoch {epoch}" for epoch in range(n_columns - 1))]

        def caption(number, width):
            first_row = number < n_columns
            return [fit_name(columns[number], "{}", width, font_size)] if first_row else []

        drawn = draw_image_grid(
            ax,
            [
                image
                for original, variants in zip(self.originals, self.variants, strict=True)
                for image in (original, *variants)
            ],
            caption,
            "",
            n_lines=1,
            n_columns=n_columns,
            cell_size=cell_size,
            font_size=font_size,
        )
        self.figure_, self.ax_, self.images_ = drawn.figure, drawn.axes, drawn.images
        return self


def _augmented(estimator, X, n_images) -> LazyImages:
    """Return a view of the first images, augmented as `fit` of a pipeline does it."""
    steps = [step for _, step in pipeline_steps(estimator)]
    numbers = [n for n, step in enumerate(steps) if isinstance(step, ImageAugmenter)]
    if not numbers:
        raise TypeError(
            f"there is no ImageAugmenter in {type(estimator).__name__}: pass an augmenter, or a "
            "pipeline that contains one"
        )
    steps = steps[: numbers[-1] + 1]
    form, X = inspect_images(X)
    if form != "ragged" and all(isinstance(step, ImageTransformer) for step in steps):
        view = _fit_transform(steps, _safe_indexing(X, slice(0, n_images)))
        if dtype_range(view.dtype) is not None:  # nothing depends on the other images
            return view
    return _fit_transform(steps, X)[:n_images]


def _fit_transform(steps, X) -> LazyImages:
    """Return the output of clones of transformers, the last of which is an augmenter."""
    *before, augmenter = map(clone, steps)
    for step in before:
        X = step.fit_transform(X)
    view = augmenter.set_output(transform="default").fit_transform(X)
    if not (isinstance(view, LazyImages) and view.is_random):
        raise ValueError(
            "nothing is enabled in the ImageAugmenter, so that there are no variants: pass it "
            "options, such as horizontal_flip=True or rotation=15"
        )
    if view.ndim > 2:
        return view
    height, width, n_channels = augmenter.image_shape_
    return reshape_images(view, (height, width, n_channels)[: 2 if n_channels == 1 else 3])
