"""Learned attributes of an estimator, restored if a fit fails."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator):
    """Restore the learned attributes of an estimator if an exception is raised.

    Parameters
    ----------
    estimator : estimator
        Estimator being fitted.

    Yields
    ------
    None
    """
    before = _learned(estimator)
    try:
        yield
    except BaseException:
        for name in _learned(estimator):
            delattr(estimator, name)
        vars(estimator).update(before)
        raise


def _learned(estimator):
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }
