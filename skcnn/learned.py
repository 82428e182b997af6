"""What an estimator has learned, and how it is kept when learning more goes wrong."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator):
    """Put back the learned attributes of an estimator if anything goes wrong within.

    Parameters
    ----------
    estimator : estimator
        Who is being fitted.

    Yields
    ------
    None
        Nothing.
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
