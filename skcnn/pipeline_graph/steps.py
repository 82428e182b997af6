"""pipeline_steps: the steps of any fitted pipeline of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline


def pipeline_steps(estimator: Any, *, samplers: bool = False) -> list[tuple[str, Any]]:
    """Return the steps of any fitted pipeline of scikit-learn.

    Parameters
    ----------
    estimator : estimator, Pipeline or search
        Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.
    samplers : bool, default=False
        Whether the samplers of a pipeline of imbalanced-learn are among the steps. They do nothing
        in prediction.

    Returns
    -------
    steps : list of tuples of (str, estimator)
        Names for messages, and steps. Nested pipelines and `FrozenEstimator` are resolved, and
        "passthrough" and None are left out.

    Raises
    ------
    TypeError
        If a search has no best estimator.
    """
    return [
        (name, step)
        for name, step in _steps("", estimator)
        if samplers or not hasattr(step, "fit_resample")
    ]


def _steps(name, estimator) -> Iterator[tuple[str, Any]]:
    """Yield the fitted steps of a pipeline, nested ones included, with names for messages."""
    if isinstance(estimator, FrozenEstimator):
        yield from _steps(name, estimator.estimator)
        return
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "cv_results_"):
        raise TypeError(
            f"{type(estimator).__name__} has no best estimator, because it was fitted with "
            f"refit={estimator.refit!r}: fit it with refit=True"
        )
    if not isinstance(estimator, Pipeline):
        yield f"{name}{type(estimator).__name__}", estimator
        return
    for step_name, step in estimator.steps:
        if step is not None and not (isinstance(step, str) and step == "passthrough"):
            yield from _steps(f"{step_name!r}: ", step)
