"""Checks of the parameter `callbacks`."""

from __future__ import annotations

from sklearn.callback import FitCallback
from skorch.callbacks import Callback, LRScheduler

from skcnn.training.checkpoint import is_checkpoint


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


def check_checkpoints(callbacks, random_state, source):
    """Raise an error if a `TrainingCheckpoint` cannot continue the training.

    Parameters
    ----------
    callbacks : sequence or None
        Parameter `callbacks` of an estimator.
    random_state : int, RandomState instance or None
        Its parameter `random_state`.
    source : {"fit", "partial_fit"}
        Method that trains.

    Raises
    ------
    ValueError
        If there are several, there is no seed, or the method is `partial_fit`.
    """
    n_checkpoints = sum(map(is_checkpoint, callbacks or []))
    if n_checkpoints > 1:
        raise ValueError(
            f"callbacks contains {n_checkpoints} instances of TrainingCheckpoint: pass one"
        )
    if n_checkpoints and random_state is None:
        raise ValueError(
            "TrainingCheckpoint needs the same seed when the training continues, but "
            "random_state=None draws another one in each fit: use an integer random_state"
        )
    if n_checkpoints and source == "partial_fit":
        raise ValueError(
            "partial_fit makes one pass and does not continue from a TrainingCheckpoint: call fit, "
            "or remove it from callbacks"
        )


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
