"""What an estimator has learned, and how it is kept when learning more goes wrong."""

from __future__ import annotations

import copy
from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator, net):
    """Put back what an estimator had learned if anything goes wrong while it learns more.

    Parameters
    ----------
    estimator : estimator
        Who is being fitted.
    net : ImageNet or None
        The net that is trained further, if there is one.

    Yields
    ------
    net : ImageNet or None
        The same.
    """
    before = _learned(estimator)
    if net is not None:
        weights, n_epochs = copy.deepcopy(net.module_.state_dict()), len(net.history)
    try:
        yield net
    except BaseException:
        for name in _learned(estimator):
            delattr(estimator, name)
        vars(estimator).update(before)
        if net is not None:
            net.module_.load_state_dict(weights)
            net.optimizer_ = None  # its moments may hold what made the loss diverge
            del net.history[n_epochs:]
        raise


def _learned(estimator):
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }
