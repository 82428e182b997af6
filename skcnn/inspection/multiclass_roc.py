"""MulticlassRocDisplay: one-versus-rest ROC curves, with a table of their areas."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from skcnn._plotting import distinct_colors, import_pyplot
from skcnn.inspection._predictions import Predictions, classifier_name
from skcnn.inspection._roc_curves import check_weights, roc_curves, warn_about_missing
from skcnn.inspection._text import literal_name

# The line styles of the classes in color.
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
_GRAY = "#9a9a9a"
_ROWS = 10  # classes in the table
_NAME, _TITLE = 24, 48  # characters of the name of a class, and of the classifier
_SIZE = (7.2, 4.6)  # of a new figure in inches: a square for the curves, and the table


class MulticlassRocDisplay:
    """ROC curves of each class against the others, with their averages.

    It is recommended to use `from_estimator` or `from_predictions` to create the display. All
    parameters are stored as attributes.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        Labels of the classes.
    fpr, tpr : list of arrays of shape (n_thresholds,)
        False and true positive rates of each class against the others; arrays of NaN for a class
        without images.
    roc_auc : float array of shape (n_classes,)
        Area under the curve of each class.
    micro, macro : dict
        Averages, with the keys "fpr", "tpr" and "roc_auc". The micro-average is the curve of
        all pairs of an image and a class together. The macro-average is the mean of the true
        positive rates of the classes at each false positive rate, and its area is the mean of the
        areas.
    name : str, default=None
        Name of the classifier, the title of the figure.

    Attributes
    ----------
    ax_ : matplotlib axes
        Axes with the curves.
    figure_ : matplotlib figure
        Figure of the axes.
    lines_ : list of matplotlib lines
        Curve of each class; None for a class without images.
    macro_line_ : matplotlib line
        Curve of the macro-average.
    micro_line_ : matplotlib line
        Curve of the micro-average.
    legend_ : matplotlib legend
        Table of the areas.

    See Also
    --------
    classification_summary : Metrics with confidence intervals.
    sklearn.metrics.RocCurveDisplay : ROC curve of two classes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import MulticlassRocDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=2, random_state=0).fit(X[:1000], y[:1000])
    >>> display = MulticlassRocDisplay.from_estimator(cnn, X[1000:], y[1000:])
    >>> bool(display.macro["roc_auc"] > 0.9)
    True
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]
    macro_line_: Any
    micro_line_: Any
    legend_: Any

    def __init__(
        self,
        *,
        classes: Any,
        fpr: Any,
        tpr: Any,
        roc_auc: Any,
        micro: dict[str, Any],
        macro: dict[str, Any],
        name: str | None = None,
    ):
        self.classes = classes
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.micro = micro
        self.macro = macro
        self.name = name

    def plot(
        self, ax: Any = None, *, n_highlighted: int = 4, log_scale: bool = False
    ) -> MulticlassRocDisplay:
        """Draw the curves, and a table of the areas to their right.

        The classes are sorted by their areas, the smallest first.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure. The table is outside the axes: make a figure
            of your own with ``layout="constrained"``.
        n_highlighted : int, default=4
            Number of classes, at most 6, that are drawn in color: those of the smallest areas. The
            others are gray.
        log_scale : bool, default=False
            Whether the axis of the false positive rate is logarithmic, which separates curves that
            are close to the upper left corner.

        Returns
        -------
        display : MulticlassRocDisplay
            This display.
        """
        _check_n_highlighted(n_highlighted)
        if ax is None:
            ax = import_pyplot().subplots(figsize=_SIZE, layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        start = self._smallest_rate() if log_scale else 0.0  # a log axis has no 0

        def draw(fpr, tpr, **style):
            return ax.plot(np.maximum(fpr, start), tpr, **style)[0]

        order, colors = self._order(), distinct_colors(len(_STYLES))
        self.lines_ = [None] * len(self.classes)
        for place, number in reversed(list(enumerate(order))):  # the smallest area on top
            style = {"color": _GRAY, "linewidth": 0.8}
            if place < n_highlighted:
                style = {"color": colors[place], "linestyle": _STYLES[place], "linewidth": 1.5}
            self.lines_[number] = draw(self.fpr[number], self.tpr[number], **style)
        micro, macro, text_color = self.micro, self.macro, ax.xaxis.label.get_color()
        self.micro_line_ = draw(
            micro["fpr"], micro["tpr"], color=text_color, linestyle=(0, (1, 1)), linewidth=1.5
        )
        self.macro_line_ = draw(macro["fpr"], macro["tpr"], color=text_color, linewidth=2)
        ax.set(xlabel="False positive rate", ylabel="True positive rate")
        ax.set_title(literal_name(self.name or "", _TITLE))
        if log_scale:
            bottom = self._lowest_visible_rate()
            margin = 0.02 * (1 - bottom) or 0.01
            ax.set(xscale="log", xlim=(start, 1), ylim=(bottom - margin, 1 + margin))
        else:
            ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        self.legend_ = self._draw_table(order)
        return self

    def _order(self):
        """Return the classes that have a curve, by area."""
        known = np.flatnonzero(~np.isnan(self.roc_auc))
        return known[np.argsort(np.asarray(self.roc_auc)[known], kind="stable")].tolist()

    def _smallest_rate(self):
        """Return half the smallest false positive rate of any curve that is not 0."""
        rates = np.concatenate([*self.fpr, self.micro["fpr"]])
        return rates[rates > 0].min() / 2  # the last rate of a curve is 1

    def _lowest_visible_rate(self):
        """Return the lowest true positive rate of any curve on a log axis, which has no 0."""
        curves = [(self.fpr[number], self.tpr[number]) for number in self._order()]
        curves.append((self.micro["fpr"], self.micro["tpr"]))
        return min(tpr[fpr == 0].max() for fpr, tpr in curves)

    def _draw_table(self, order):
        rows = [
            (self.macro_line_, self.macro["roc_auc"], "macro-average"),
            (self.micro_line_, self.micro["roc_auc"], "micro-average"),
        ]
        shown = order if len(order) <= _ROWS + 1 else order[:_ROWS]
        for row in shown:
            name = literal_name(self.classes[row], _NAME)
            rows.append((self.lines_[row], self.roc_auc[row], name))
        if len(shown) < len(order):
            first, n_others = order[len(shown)], len(order) - len(shown)
            rows.append((self.lines_[first], self.roc_auc[first], f"or more: {n_others} others"))
        lines, areas, names = zip(*rows, strict=True)
        return self.ax_.legend(
            lines,
            [f"{area:.4f}  {name}" for area, name in zip(areas, names, strict=True)],
            title="Area under the curve",
            alignment="left",
            loc="upper left",
            bbox_to_anchor=(1, 1.02),
            frameon=False,
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        name: str | None = None,
        ax: Any = None,
        n_highlighted: int = 4,
        log_scale: bool = False,
    ) -> MulticlassRocDisplay:
        """Predict images, and draw the curves.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier with `predict_proba`, of this package or of scikit-learn, or a fitted
            pipeline or search that ends in one.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Test images, in any form that the classifier takes.
        y : array-like of shape (n_images,)
            True labels.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images. None gives all images the same weight.
        name : str, default=None
            Title of the figure. None uses the name of the classifier.
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure.
        n_highlighted : int, default=4
            Number of classes in color, as in `plot`.
        log_scale : bool, default=False
            Whether the axis of the false positive rate is logarithmic, as in `plot`.

        Returns
        -------
        display : MulticlassRocDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If the estimator is not a classifier, or has no `predict_proba`.
        ValueError
            If `y` is not one known label for each image, or holds only one class, or another
            argument is not valid.

        Warns
        -----
        UserWarning
            If a class has no images.
        """
        import_pyplot()
        _check_n_highlighted(n_highlighted)
        weights = check_weights(sample_weight, y)
        predictions = Predictions.of_estimator(estimator, X, y, caller=cls.__name__)
        display = cls(**roc_curves(predictions, weights), name=name or classifier_name(estimator))
        return display.plot(ax, n_highlighted=n_highlighted, log_scale=log_scale)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_proba: Any,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        name: str | None = None,
        ax: Any = None,
        n_highlighted: int = 4,
        log_scale: bool = False,
    ) -> MulticlassRocDisplay:
        """Draw the curves of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_images,)
            True labels.
        y_proba : array-like of shape (n_images, n_classes)
            Probability of each class, as `predict_proba` returns it.
        labels : array-like of shape (n_classes,), default=None
            Label of each column of `y_proba`, such as ``estimator.classes_``. None takes the sorted
            labels of `y_true`.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images. None gives all images the same weight.
        name : str, default=None
            Title of the figure.
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure.
        n_highlighted : int, default=4
            Number of classes in color, as in `plot`.
        log_scale : bool, default=False
            Whether the axis of the false positive rate is logarithmic, as in `plot`.

        Returns
        -------
        display : MulticlassRocDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the arrays do not fit together, `y_proba` does not hold probabilities, `y_true` holds
            only one class, or another argument is not valid.

        Warns
        -----
        UserWarning
            If a class has no images.
        """
        import_pyplot()
        _check_n_highlighted(n_highlighted)
        predictions = Predictions.of_arrays(y_true, y_proba, labels=labels)
        weights = check_weights(sample_weight, predictions.true)
        curves = roc_curves(predictions, weights)
        warn_about_missing(curves)
        display = cls(**curves, name=name)
        return display.plot(ax, n_highlighted=n_highlighted, log_scale=log_scale)


def _check_n_highlighted(n_highlighted):
    is_int = isinstance(n_highlighted, Integral) and not isinstance(n_highlighted, bool)
    if not is_int or not 0 <= n_highlighted <= len(_STYLES):
        raise ValueError(
            f"n_highlighted={n_highlighted!r} must be an integer from 0 to {len(_STYLES)}, the "
            "number of colors that are easy to tell apart"
        )
