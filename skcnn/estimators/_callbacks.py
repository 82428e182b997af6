"""Checks of the parameter `callbacks`."""

from __future__ import annotations

from sklearn.callback import FitCallback
from skorch.callbacks import Callback, LRScheduler


def check_callbacks(callbacks, schedule):
    """Raise an error if an element of `callbacks` is not a callback, or conflicts with another.

    Parameters
    ----------
    callbacks : sequence or None
        Parameter `callbacks` of an estimator.
    schedule : str or None
        Its parameter `schedule`.

    Raises
    ------
    TypeError
        If an element is not a callback of skorch, or a pair of a name and one.
    ValueError
        If a name or a callback occurs twice, or there are both an LRScheduler and a `schedule`.
    """
    names, found = [], []
    for item in callbacks or []:
        callback = item
        if isinstance(item, (tuple, list)):
            if len(item) != 2 or not isinstance(item[0], str):
                raise TypeError(
                    f"callbacks contains {item!r}, but each item must be a callback of skorch, or "
                    "a pair (name, callback) whose name is a str"
                )
            name, callback = item
            names.append(name)
        _check_callback(callback)
        found.append(callback)
        if isinstance(callback, LRScheduler) and schedule is not None:
            raise ValueError(
                f"callbacks contains an LRScheduler, but schedule={schedule!r} also sets the "
                "learning rate: use schedule=None"
            )
    for number, callback in enumerate(found):
        if any(callback is other for other in found[:number]):
            raise ValueError(
                f"callbacks contains the same {type(callback).__name__} twice: pass it once, or "
                "two instances"
            )
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(f"callbacks contains the name {repeated[0]!r} twice: use unique names")


def _check_callback(callback):
    """Raise an error if an object is not an instance of skorch's callbacks."""
    if isinstance(callback, Callback):
        return
    name = getattr(callback, "__name__", type(callback).__name__)
    if isinstance(callback, type) and issubclass(callback, (Callback, FitCallback)):
        raise TypeError(f"callbacks contains the class {name}: pass an instance, {name}(...)")
    if isinstance(callback, FitCallback):
        raise TypeError(
            f"{name} is a callback of scikit-learn, but the parameter callbacks takes those of "
            f"skorch: use set_callbacks({name}(...))"
        )
    raise TypeError(
        "callbacks must contain instances of skorch.callbacks.Callback, or pairs of a name and "
        f"one, got {callback!r}"
    )
