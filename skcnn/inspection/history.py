"""HistoryDisplay: loss and score of every epoch, of one or several trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from skcnn._plotting import distinct_colors
from skcnn.inspection._history_lines import HistoryLines, LegendEntries, make_panels
from skcnn.pipeline_graph import pipeline_steps


class HistoryDisplay:
    """Learning curves: the loss and the score of every epoch.

    It is recommended to use `from_estimator` to create a display. Training is drawn dashed and
    validation solid, each estimator in its own color, and a circle marks the best epoch if there
    are validation images. Of several fits of one estimator, such as the folds of a
    cross-validation, each is a thin line, and a thick line is their mean over the epochs that all
    of them have.

    Parameters
    ----------
    histories : list of dict, list of lists of dict, or dict of {str: list}
        One training as a list with a record per epoch, as in the attribute `history_`: "train_loss"
        and optionally "epoch" (default: the number of the record, from 1), "train_score",
        "valid_loss", "valid_score", "best" (True for the best epoch) and "phase" ("head" for the
        first epochs, in which only the head was trained). A list of trainings holds several fits of
        one estimator, and a dict holds the trainings of estimators by their names.
    score_name : str, default="score"
        Name of the score.

    Attributes
    ----------
    histories : dict of {str: list of lists of dict}
        Records of each fit of each estimator.
    score_name : str
        Name of the score.
    ax_ : object array of shape (2,) or (1,)
        Axes of the losses and of the scores, the latter only if there are scores.
    figure_ : matplotlib figure
        Figure.
    lines_ : dict of {(str, str): list of matplotlib Line2D}
        Lines by the name of the estimator and the name of the value, such as "train_loss": one for
        each fit, and if there are several, their mean at the end.
    best_ : list of matplotlib Line2D
        Marks of the best epochs.
    legend_ : matplotlib legend or None
        Legend.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores for different numbers of training images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import HistoryDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=3, early_stopping=True, random_state=0)
    >>> display = HistoryDisplay.from_estimator(cnn.fit(X, y))
    >>> display.ax_[1].get_ylabel()
    'accuracy'
    """

    histories: dict[str, list[list[dict]]]
    score_name: str
    ax_: Any
    figure_: Any
    lines_: dict
    best_: list
    legend_: Any

    def __init__(self, histories: Any, *, score_name: str = "score"):
        self.histories = _named_trainings(histories)
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **style: Any) -> HistoryDisplay:
        """Draw the learning curves of fitted estimators.

        Parameters
        ----------
        estimator : estimator, Pipeline or search, list of them, or dict of {str: any of these}
            Fitted estimator with the attribute `history_`, such as `CNNClassifier`, or a pipeline
            or search that ends in one. A list holds several fits of one estimator, such as
            ``cross_validate(..., return_estimator=True)["estimator"]``. To compare different
            estimators, pass a dict of them by name.
        ax : matplotlib axes or array of shape (2,), default=None
            Axes to divide, or one for each panel. None makes a new figure.
        **style : object
            Options of `plot`.

        Returns
        -------
        display : HistoryDisplay
            Display with the plot.

        Raises
        ------
        TypeError
            If an estimator does not train in epochs.
        ValueError
            If there is no estimator, a list holds estimators of different classes, or classifiers
            are compared with regressors.
        """
        named = estimator if isinstance(estimator, Mapping) else {None: estimator}
        fits = {name: _final_steps(one) for name, one in named.items()}
        if not fits:
            raise ValueError("there is no estimator in the dict: pass {name: fitted estimator}")
        score_names = {_score_name(final) for finals in fits.values() for final in finals}
        if len(score_names) > 1:
            raise ValueError(
                f"the scores of these estimators are different, {' and '.join(sorted(score_names))}"
                ": draw classifiers and regressors separately"
            )
        histories = {
            type(finals[0]).__name__ if name is None else name: list(map(_records, finals))
            for name, finals in fits.items()
        }
        display = cls(histories, score_name=score_names.pop())
        return display.plot(ax, **style)

    def plot(
        self,
        ax: Any = None,
        *,
        colors: Any = None,
        legend: bool = True,
        line_kwargs: dict | None = None,
    ) -> HistoryDisplay:
        """Draw the learning curves.

        Parameters
        ----------
        ax : matplotlib axes or array of shape (2,), default=None
            Axes to divide, or one for each panel. None makes a new figure.
        colors : list of matplotlib colors, default=None
            Color of each estimator. None uses distinct colors.
        legend : bool, default=True
            Whether to draw a legend. It is above the lines.
        line_kwargs : dict, default=None
            Options of all lines, as of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : HistoryDisplay
            This display.

        Raises
        ------
        ValueError
            If the number of axes or of colors is wrong.
        """
        n_names = len(self.histories)
        colors = distinct_colors(n_names) if colors is None else list(colors)
        if len(colors) < n_names:
            raise ValueError(f"there are {len(colors)} colors for {n_names} estimators")
        labels = {"loss": "loss", "score": self.score_name}
        if not any(f"{part}_score" in record for part in _PARTS for record in self._records()):
            del labels["score"]
        entries = LegendEntries.of(self.histories, colors) if legend else None
        self.ax_, self.legend_ = make_panels(ax, list(labels.values()), entries)
        self.figure_ = self.ax_[0].figure
        self.lines_, self.best_ = {}, []
        for panel, axes in zip(labels, self.ax_, strict=True):
            drawn = HistoryLines(axes, panel, line_kwargs or {})
            for (name, fits), color in zip(self.histories.items(), colors, strict=False):
                for part in _PARTS:
                    self.lines_[name, f"{part}_{panel}"] = drawn.draw(fits, part, color)
                self.best_ += drawn.mark_best(fits, color)
                drawn.mark_phases(fits, color)
            epochs = [record["epoch"] for record in self._records()]
            axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        return self

    def _records(self):
        return [record for fits in self.histories.values() for fit in fits for record in fit]


_PARTS = ("train", "valid")


def _named_trainings(histories) -> dict[str, list[list[dict]]]:
    """Return histories in any form as lists of records of each fit of each name."""
    named = histories if isinstance(histories, Mapping) else {"": histories}
    found = {}
    for name, trainings in named.items():
        trainings = list(trainings)
        one_fit = bool(trainings) and isinstance(trainings[0], Mapping)
        fits = [trainings] if one_fit else [list(training) for training in trainings]
        found[name] = [[{"epoch": i, **r} for i, r in enumerate(fit, 1)] for fit in fits]
    records = [record for fits in found.values() for fit in fits for record in fit]
    if not records or not all(all(fits) and fits for fits in found.values()):
        raise ValueError("a history has no records: pass one dict for each epoch")
    if not all("train_loss" in record for record in records):
        raise ValueError(
            'each record of a history must have a "train_loss", as in the attribute history_ of '
            f"CNNClassifier, but one has {sorted(map(str, records[0]))}"
        )
    return found


def _final_steps(estimator) -> list[Any]:
    """Return the last steps of the fits of one estimator."""
    several = isinstance(estimator, (list, tuple, np.ndarray))
    finals = []
    for one in estimator if several else [estimator]:
        check_is_fitted(one)
        name, final = pipeline_steps(one)[-1]
        if not hasattr(final, "history_"):
            raise TypeError(
                f"{name} has no history_: learning curves are drawn of estimators that train in "
                "epochs, such as CNNClassifier, and of pipelines and refitted searches that end in "
                "one"
            )
        finals.append(final)
    if not finals:
        raise ValueError("there is no estimator in the list: pass fitted estimators")
    classes = list(dict.fromkeys(type(final).__name__ for final in finals))
    if len(classes) > 1:
        raise ValueError(
            "a list holds several fits of one estimator, such as the folds of a cross-validation, "
            f"but these are {' and '.join(classes)}: pass a dict of {{name: estimator}}"
        )
    return finals


def _records(final) -> list[dict]:
    """Return the history of an estimator, with the phase in which only the head was trained."""
    records = [dict(record) for record in final.history_]
    n_head_epochs = getattr(final, "n_head_epochs_", 0) if getattr(final, "fine_tune", 0) else 0
    for record in records[:n_head_epochs]:
        record["phase"] = "head"
    return records


def _score_name(final) -> str:
    return "accuracy" if is_classifier(final) else "R²" if is_regressor(final) else "score"
