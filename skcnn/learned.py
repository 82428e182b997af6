"""Fitted attributes of an estimator when a fit fails, or runs in another thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any, TypeVar

from skcnn.locks import ProcessLock

Estimator = TypeVar("Estimator")


@dataclass(frozen=True)
class _Fit:
    """A fit in progress: its process and thread, and the fitted attributes before it."""

    process: int
    thread: int
    before: dict[str, Any]

    def is_elsewhere(self):
        return (self.process, self.thread) != (os.getpid(), get_ident())


_fits: dict[int, _Fit] = {}  # by the id of the estimator
_lock = ProcessLock()


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Restore the fitted attributes of an estimator if an exception is raised in the context.

    Fits of one estimator in several threads take turns.

    Parameters
    ----------
    estimator : estimator instance
        Estimator being fitted.
    """
    before, is_nested = _begin(estimator)
    try:
        yield
    except BaseException:
        for name in _fitted_attributes(estimator):
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
    finally:
        if not is_nested:
            _end(estimator)


def fitted_view(estimator: Estimator) -> Estimator:
    """Return a shallow copy of an estimator whose fitted attributes belong to one fit.

    Methods that use fitted attributes use them on this copy, because another thread may fit the
    estimator at the same time. Before that fit ends, copies have the attributes of the previous
    fit.

    Parameters
    ----------
    estimator : estimator instance
        Estimator, fitted or not.

    Returns
    -------
    view : estimator instance
        Copy with the same parameters.
    """
    with _lock.held():
        attributes = dict(vars(estimator))
        fit = _fits.get(id(estimator))
        if fit is not None and fit.is_elsewhere():
            for name in _fitted_names(attributes):
                del attributes[name]
            attributes.update(fit.before)
    view = object.__new__(type(estimator))
    vars(view).update(attributes)
    return view


def _begin(estimator):
    """Return the fitted attributes, and whether this thread is fitting the estimator already."""
    with _lock.held() as lock:
        lock.wait_for(lambda: not _is_fitted_by_another_thread(estimator))
        outer = _fits.get(id(estimator))
        if outer is not None and outer.process != os.getpid():
            before = outer.before  # the fork interrupted that fit
        else:
            before = _fitted_attributes(estimator)
            if outer is not None:
                return before, True
        _fits[id(estimator)] = _Fit(os.getpid(), get_ident(), before)
        return before, False


def _end(estimator):
    with _lock.held() as lock:
        del _fits[id(estimator)]
        lock.notify_all()


def _is_fitted_by_another_thread(estimator):
    fit = _fits.get(id(estimator))
    return fit is not None and fit.process == os.getpid() and fit.thread != get_ident()


def _fitted_attributes(estimator):
    attributes = dict(vars(estimator))
    return {name: attributes[name] for name in _fitted_names(attributes)}


def _fitted_names(attributes):
    return [name for name in attributes if name.endswith("_") and not name.startswith("_")]
