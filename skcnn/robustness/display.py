"""RobustnessDisplay: accuracy against the strength of an attack or the severity of corruptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from skcnn._plotting import distinct_colors, get_axes, import_pandas, import_pyplot
from skcnn.pipeline_graph import pipeline_steps
from skcnn.robustness.attacks import AutoAttack
from skcnn.robustness.attacks._base import Attack
from skcnn.robustness.corruption_errors import corruption_report
from skcnn.robustness.scores import robust_score

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class RobustnessDisplay:
    """Accuracy of classifiers against the strength of an attack or the severity of corruptions.

    It is recommended to use `from_estimator` or `from_corruptions` to create the display. All
    parameters are stored as attributes.

    Parameters
    ----------
    levels : array of shape (n_levels,)
        Values of epsilon or severities; 0 for images without a change.
    scores : dict of {str: float array of shape (n_levels,)}
        Accuracy of each classifier by its name.
    level_name : str, default="epsilon"
        Name of the levels, the label of the x-axis.
    title : str, default=None
        Title of the figure, such as the attack.

    Attributes
    ----------
    ax_ : matplotlib axes
        Axes with the curves.
    figure_ : matplotlib figure
        Figure of the axes.
    lines_ : list of matplotlib lines
        Curve of each classifier.

    See Also
    --------
    robust_score : Accuracy for one epsilon.
    corruption_report : Accuracy by kind and severity of corruptions.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import PGD, RobustnessDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=2, random_state=0).fit(X[:1000], y[:1000])
    >>> display = RobustnessDisplay.from_estimator(
    ...     cnn, X[1000:1200], y[1000:1200], PGD(1, n_steps=5), epsilons=[1, 2, 4]
    ... )
    >>> display.levels
    array([0, 1, 2, 4])
    >>> scores = display.scores["CNNClassifier"]
    >>> bool(scores[0] > 0.8 > 0.2 > scores[3])
    True
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]

    def __init__(
        self,
        *,
        levels: Any,
        scores: dict[str, Any],
        level_name: str = "epsilon",
        title: str | None = None,
    ):
        self.levels = levels
        self.scores = scores
        self.level_name = level_name
        self.title = title

    def plot(self, ax: Any = None) -> RobustnessDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure.

        Returns
        -------
        display : RobustnessDisplay
            This display.
        """
        ax = get_axes(ax)
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        for number, (name, scores) in enumerate(self.scores.items()):
            color = distinct_colors(len(self.scores))[number]
            marker = _MARKERS[number % len(_MARKERS)]
            label = name.replace("$", r"\$")  # no formula
            style = {"color": color, "marker": marker, "markersize": 5, "label": label}
            self.lines_ += ax.plot(self.levels, scores, **style)
        ax.set(xlabel=self.level_name, ylabel="Accuracy", ylim=(-0.03, 1.03))
        ax.grid(alpha=0.3)
        if self.title is not None:
            ax.set_title(self.title, fontsize=10)
        if len(self.scores) > 1:
            ax.legend(frameon=False)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        attack: Attack | None = None,
        *,
        epsilons: Any,
        pixel_range: tuple[float, float] | None = None,
        random_state: Any = 0,
        ax: Any = None,
    ) -> RobustnessDisplay:
        """Attack images with several values of epsilon, and draw the accuracy.

        Parameters
        ----------
        estimator : classifier or dict of {str: classifier}
            Fitted classifier of this package, or pipeline or search that ends in one; or several,
            by the names in the legend.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Test images, in any form that the classifiers take.
        y : array-like of shape (n_images,)
            Correct labels.
        attack : attack, default=None
            Attack, whose epsilon is replaced. None is `AutoAttack`.
        epsilons : array-like of shape (n_epsilons,)
            Maximum distances to the original images, in units of the pixel values. The accuracy
            without an attack, at 0, is added.
        pixel_range : tuple of (float, float), default=None
            Smallest and largest pixel value, as for `adversarial_examples`.
        random_state : int, RandomState instance or None, default=0
            Determines the random numbers of the attack.
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure.

        Returns
        -------
        display : RobustnessDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If an estimator is not a classifier of this package.
        ValueError
            If an epsilon is negative or in the wrong units, or another argument is not valid.
        """
        import_pyplot()
        attack = AutoAttack(1.0) if attack is None else attack
        if not isinstance(attack, Attack):
            raise TypeError(f"attack={attack!r} must be an attack, such as PGD(8), or None")
        levels = _levels(epsilons)
        scores = {}
        for name, one in _named(estimator).items():
            scores[name] = np.array(
                [one.score(X, y)]
                + [
                    robust_score(
                        one,
                        X,
                        y,
                        clone(attack).set_params(epsilon=epsilon),
                        pixel_range=pixel_range,
                        random_state=random_state,
                    )
                    for epsilon in levels[1:].tolist()
                ]
            )
        unit = "largest change of a pixel value" if attack.norm == "linf" else "Euclidean distance"
        display = cls(
            levels=levels,
            scores=scores,
            level_name=f"epsilon ({unit})",
            title=f"{type(attack).__name__}, norm={attack.norm!r}",
        )
        return display.plot(ax)

    @classmethod
    def from_corruptions(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        kinds: Any = None,
        severities: Any = (1, 2, 3, 4, 5),
        pixel_range: tuple[float, float] | None = None,
        random_state: Any = 0,
        ax: Any = None,
    ) -> RobustnessDisplay:
        """Corrupt images, and draw the mean accuracy over the kinds of corruptions.

        Parameters
        ----------
        estimator : classifier or dict of {str: classifier}
            Fitted classifier of this package or of scikit-learn; or several, by the names in the
            legend.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Test images, in any form that the classifiers take.
        y : array-like of shape (n_images,)
            Correct labels.
        kinds : str or sequence of str, default=None
            Kinds of corruptions, as for `corruption_report`.
        severities : sequence of int, default=(1, 2, 3, 4, 5)
            Severities, from 1 to 5. The accuracy without corruption, at 0, is added.
        pixel_range : tuple of (float, float), default=None
            Smallest and largest pixel value, as for `corrupt`.
        random_state : int, RandomState instance or None, default=0
            Determines the random numbers of the corruptions.
        ax : matplotlib axes, default=None
            Axes to draw in. None makes a new figure.

        Returns
        -------
        display : RobustnessDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib or pandas is not installed.
        ValueError
            If a kind or a severity is unknown, or another argument is not valid.
        """
        import_pyplot()
        import_pandas()
        scores, levels = {}, np.array([])
        for name, one in _named(estimator).items():
            report = corruption_report(
                one,
                X,
                y,
                kinds=kinds,
                severities=severities,
                pixel_range=pixel_range,
                random_state=random_state,
            )
            levels = np.array([0, *report.accuracy.columns])
            scores[name] = np.array([one.score(X, y), *report.accuracy.mean(axis=0)])
        title = "Mean over the kinds of corruptions"
        return cls(levels=levels, scores=scores, level_name="severity", title=title).plot(ax)


def _levels(epsilons):
    """Return 0 and the values of epsilon in increasing order."""
    levels = np.asarray(epsilons)
    is_valid = levels.ndim == 1 and levels.dtype.kind in "iuf" and len(levels) > 0
    if not is_valid or not (levels >= 0).all():
        raise ValueError(
            f"epsilons={epsilons!r} must be a list of distances in units of the pixel values, such "
            "as [2, 4, 8]"
        )
    return np.unique(np.concatenate([[0], levels]).astype(levels.dtype))


def _named(estimator):
    """Return estimators by name."""
    if isinstance(estimator, Mapping):
        if not estimator:
            raise ValueError("estimator is an empty dict: pass at least one classifier")
        return {str(name): one for name, one in estimator.items()}
    return {type(pipeline_steps(estimator)[-1][1]).__name__: estimator}
