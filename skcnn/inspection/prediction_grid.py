"""PredictionGridDisplay: images with their true and their predicted labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skcnn._plotting import import_pyplot
from skcnn.inspection._grid_predictions import (
    GridPredictions,
    check_predictor,
    check_truth,
    one_per_image,
    rows_of,
)
from skcnn.inspection._image_grid import draw_image_grid
from skcnn.inspection._selection import check_selection, random_rows
from skcnn.inspection._text import fit_name
from skcnn.inspection._titles import number_format, prediction_lines
from skcnn.original_images import original_images


class PredictionGridDisplay:
    """A grid of images with the predicted label, its probability, and the true label.

    It is recommended to use `from_estimator` or `from_predictions` to create a display. A wrong
    prediction has a frame and a second line with the true label. Numbers, which regressors predict,
    always have this line.

    Parameters
    ----------
    images : list of arrays of shape (height, width) or (height, width, n_channels)
        Images, which may differ in size.
    y_pred : array of shape (n_images,)
        Predicted labels or numbers.
    y_true : array of shape (n_images,), default=None
        True labels or numbers.
    wrong : bool array of shape (n_images,), default=None
        Whether each prediction is wrong. None for numbers, and without true labels.
    probability : float array of shape (n_images,), default=None
        Probability of the predicted label.
    counts : int array of shape (n_images,), default=None
        How often the true label is confused with the predicted one.
    rows : int array of shape (n_images,), default=None
        Row of each image in the collection.
    display_labels : dict, default=None
        Text for each label. None shows the labels.
    title : str, default=""
        Title of the grid.

    Attributes
    ----------
    ax_ : object array of shape (n_rows, n_columns)
        Axes of the images; those without an image are not visible.
    figure_ : matplotlib figure
        Figure.
    images_ : list of matplotlib AxesImage
        The images that are drawn.
    title_ : matplotlib Text
        Title of the grid.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Numbers of images by true and predicted label.
    AugmentationDisplay : Images and their random variants.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import PredictionGridDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=2, random_state=0).fit(X[:1000], y[:1000])
    >>> display = PredictionGridDisplay.from_estimator(cnn, X[1000:], y[1000:], select="wrong")
    >>> bool((display.y_true != display.y_pred).all())
    True
    """

    ax_: Any
    figure_: Any
    images_: list
    title_: Any

    def __init__(
        self,
        images: Any,
        y_pred: Any,
        *,
        y_true: Any = None,
        wrong: Any = None,
        probability: Any = None,
        counts: Any = None,
        rows: Any = None,
        display_labels: dict | None = None,
        title: str = "",
    ):
        self.images = images
        self.y_pred = y_pred
        self.y_true = y_true
        self.wrong = wrong
        self.probability = probability
        self.counts = counts
        self.rows = rows
        self.display_labels = display_labels
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        select: str = "random",
        n_images: int = 12,
        random_state: Any = None,
        display_labels: ArrayLike | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **style: Any,
    ) -> PredictionGridDisplay:
        """Predict images and draw some of them.

        Parameters
        ----------
        estimator : classifier or regressor
            Fitted estimator, or pipeline or search, of this package or of scikit-learn.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images as `estimator` takes them. They are shown as they are here, not as later steps of
            a pipeline change them. Only the files that are shown are read once more for it.
        y : array-like of shape (n_images,), default=None
            True labels or numbers. None if they are unknown.
        select : {"random", "wrong", "least_confident", "most_confused"}, default="random"
            Images to show:

            - "random": random images, the only ones that are predicted.
            - "wrong": wrong predictions, the most confident one first, or random ones if there are
              no probabilities. For regressors, the largest absolute errors, in this order.
            - "least_confident": the lowest probabilities of the predicted label, in this order.
            - "most_confused": up to 4 wrong predictions of each pair of a true and a predicted
              label, the most confident ones first. The pair that occurs most often comes first, and
              pairs that occur equally often are in the order of the labels.
        n_images : int, default=12
            Maximum number of images to show.
        random_state : int, RandomState instance or None, default=None
            Determines the choice of random images.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for ``estimator.classes_``. None shows the labels.
        image_shape : tuple of int, default=None
            Layout of flat rows, (height, width) or (height, width, n_channels). None uses that of
            the estimator, or else takes a square number of features for a gray square.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : PredictionGridDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If the estimator is neither a classifier nor a regressor.
        ValueError
            If the selection needs probabilities, classes or true labels that there are not, or the
            number of labels is wrong.
        """
        import_pyplot()
        is_regression = check_predictor(estimator)
        check_selection(select, n_images, has_truth=y is not None, is_regression=is_regression)
        images = original_images(X, estimator, image_shape)
        true = None if y is None else one_per_image(y, "y", len(images))
        classes = None if is_regression else getattr(estimator, "classes_", None)
        if true is not None and (is_regression or isinstance(classes, np.ndarray)):
            check_truth(true, "y", classes)
        names = _names(display_labels, classes)
        if select == "random":
            selection = random_rows(len(images), n_images, random_state)
            true = None if true is None else true[selection.rows]
            shown = GridPredictions.of_estimator(estimator, rows_of(X, selection.rows), true)
        else:
            predictions = GridPredictions.of_estimator(estimator, X, true)
            selection = predictions.select(select, n_images, random_state)
            shown = predictions.take(selection.rows)
        return cls._of(images, shown, selection, names).plot(ax, **style)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        y_proba: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        select: str = "random",
        n_images: int = 12,
        random_state: Any = None,
        display_labels: ArrayLike | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **style: Any,
    ) -> PredictionGridDisplay:
        """Draw some of the images that were predicted before.

        Parameters
        ----------
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images in any form. Only the files that are shown are read.
        y_true : array-like of shape (n_images,) or None
            True labels or numbers. None if they are unknown.
        y_pred : array-like of shape (n_images,)
            Predicted labels or numbers. Values with a fraction are numbers, other values labels.
        y_proba : array-like of shape (n_images, n_classes) or (n_images,), default=None
            Probability of each label, as `predict_proba` returns it, or of the predicted label.
        labels : array-like of shape (n_classes,), default=None
            Labels in the order of the columns of `y_proba`, such as ``estimator.classes_``. None
            uses the sorted labels of `y_true` and `y_pred`.
        select : {"random", "wrong", "least_confident", "most_confused"}, default="random"
            Images to show, as in `from_estimator`.
        n_images : int, default=12
            Maximum number of images to show.
        random_state : int, RandomState instance or None, default=None
            Determines the choice of random images.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for `labels`. None shows the labels.
        image_shape : tuple of int, default=None
            Layout of flat rows, (height, width) or (height, width, n_channels). None takes a square
            number of features for a gray square.
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : PredictionGridDisplay
            Display with the plot.

        Raises
        ------
        ValueError
            If the selection needs probabilities, classes or true labels that there are not, or the
            arrays do not fit together.
        """
        import_pyplot()
        images = original_images(X, image_shape=image_shape)
        predictions = GridPredictions.of_arrays(y_true, y_pred, y_proba, labels)
        one_per_image(y_pred, "y_pred", len(images))
        is_regression = predictions.classes is None
        check_selection(select, n_images, has_truth=y_true is not None, is_regression=is_regression)
        selection = predictions.select(select, n_images, random_state)
        names = _names(display_labels, predictions.classes if labels is None else labels)
        return cls._of(images, predictions.take(selection.rows), selection, names).plot(ax, **style)

    @classmethod
    def _of(cls, images, predictions, selection, names):
        """Return the display of the predictions of the selected rows."""
        wrong = predictions.is_wrong()
        is_mixed = wrong is not None and wrong.any() and not wrong.all()
        return cls(
            [np.asarray(images[int(row)]) for row in selection.rows],
            predictions.predicted,
            y_true=predictions.true,
            wrong=wrong,
            probability=predictions.probability,
            counts=selection.counts,
            rows=selection.rows,
            display_labels=names,
            title=selection.title + (", framed if wrong" if is_mixed else ""),
        )

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        cell_size: tuple[float, float] = (1.8, 2.0),
        font_size: float = 9.0,
        wrong_color: Any = "#D55E00",
    ) -> PredictionGridDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes whose area is divided. None makes a new figure.
        n_columns : int, default=None
            Number of columns. None makes the grid about twice as wide as high.
        cell_size : tuple of (float, float), default=(1.8, 2.0)
            Width and height of an image with its text in inches, in a new figure.
        font_size : float, default=9.0
            Size of the text in points. Names that are too long for the width of an image are
            shortened in the middle.
        wrong_color : matplotlib color, default="#D55E00"
            Color of the frames of wrong predictions.

        Returns
        -------
        display : PredictionGridDisplay
            This display.
        """
        drawn = draw_image_grid(
            ax,
            self.images,
            lambda number, width: self._lines(number, width, font_size),
            self.title,
            n_lines=1 if self.y_true is None else 2,
            n_columns=n_columns,
            cell_size=cell_size,
            font_size=font_size,
        )
        self.figure_, self.ax_, self.images_ = drawn.figure, drawn.axes, drawn.images
        self.title_ = drawn.title
        for number, image in enumerate(drawn.images):
            is_wrong = self.wrong is not None and self.wrong[number]
            style = (wrong_color, 3.5) if is_wrong else ("0.6", 0.8)
            for spine in image.axes.spines.values():
                spine.set(edgecolor=style[0], linewidth=style[1])
        return self

    def _lines(self, number, width, font_size):
        """Return the lines of text about an image."""
        has_truth = self.y_true is not None and (self.wrong is None or self.wrong[number])
        return prediction_lines(
            self._text(self.y_pred[number]),
            None if self.probability is None else self.probability[number],
            self._text(self.y_true[number]) if has_truth else None,
            None if self.counts is None else self.counts[number],
            lambda name, template: fit_name(name, template, width, font_size),
        )

    def _text(self, label):
        """Return the text of a label or of a number."""
        if self.display_labels is not None and label in self.display_labels:
            return str(self.display_labels[label])
        is_number = isinstance(label, (float, np.floating)) and self.wrong is None
        if not is_number:
            return str(label)
        numbers = [self.y_pred] if self.y_true is None else [self.y_pred, self.y_true]
        return format(label, number_format(np.concatenate(numbers)))


def _names(display_labels, labels) -> dict | None:
    """Return the name of each label."""
    if display_labels is None:
        return None
    if labels is None:
        raise ValueError("display_labels are names of labels, but numbers are predicted: omit them")
    names, labels = list(display_labels), np.asarray(labels).tolist()
    if len(names) != len(labels):
        raise ValueError(f"there are {len(names)} display_labels for {len(labels)} labels")
    return dict(zip(labels, names, strict=True))
