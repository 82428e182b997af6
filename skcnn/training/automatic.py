"""Values of the training options for which "auto" stands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_LEARNING_RATES = {"adam": 0.003, "adamw": 0.003, "muon": 0.17, "rmsprop": 0.001, "sgd": 0.01}


def resolve_options(
    options: dict[str, Any], *, recipe: str = "plain", n_images: int
) -> dict[str, Any]:
    """Replace "auto" by values for the recipe, the optimizer and the number of images.

    Parameters
    ----------
    options : dict
        Training options by name. "optimizer", "learning_rate", "schedule", "weight_decay",
        "batch_size" and "max_epochs" may be "auto".
    recipe : {"plain", "fast", "head", "fine_tuning"}, default="plain"
        What is trained: the fast network ("fast"), only the head of a pretrained network ("head"),
        stages of a pretrained network ("fine_tuning"), or any other network ("plain").
    n_images : int
        Number of training images.

    Returns
    -------
    options : dict
        Options with the chosen values in place of "auto". Numbers of NumPy are converted to numbers
        of Python, because small integers of NumPy overflow.

    Examples
    --------
    >>> from skcnn.training.automatic import resolve_options
    >>> automatic = dict.fromkeys(
    ...     ("optimizer", "learning_rate", "schedule", "batch_size", "max_epochs"), "auto")
    >>> resolve_options(automatic, recipe="plain", n_images=50_000)
    {'optimizer': 'adamw', 'learning_rate': 0.003, 'schedule': 'one_cycle', 'batch_size': 64, \
'max_epochs': 20}
    >>> resolve_options(automatic, recipe="fast", n_images=50_000)
    {'optimizer': 'muon', 'learning_rate': 0.17, 'schedule': 'linear', 'batch_size': 500, \
'max_epochs': 12}
    """
    choices = _RECIPES[recipe](n_images)
    if options["optimizer"] not in ("auto", choices["optimizer"]):
        # The rate and the decay of the recipe are for its own optimizer.
        choices = {**choices, "learning_rate": "auto", "weight_decay": "auto"}
    options = {
        name: choices[name] if name in choices and _is_auto(value) else value
        for name, value in options.items()
    }
    if _is_auto(options["learning_rate"]):
        options["learning_rate"] = _LEARNING_RATES[options["optimizer"]]
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in options.items()
    }


def _plain_options(n_images):
    return {"optimizer": "adamw", "schedule": "one_cycle", "batch_size": 64, "max_epochs": 20}


def _fast_options(n_images):
    """Return the choices for the fast network: more and smaller steps for fewer images."""
    return {
        "optimizer": "muon",
        "schedule": "linear",
        "batch_size": int(min(max(n_images / 100, 64), 500)),
        "max_epochs": 12 if n_images >= 20_000 else 20,
    }


def _head_options(n_images):
    """Return the choices for training only the head: at least 5 epochs and 200 steps."""
    return {
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "schedule": "one_cycle",
        "weight_decay": 0.5,
        "batch_size": 32,
        "max_epochs": max(5, math.ceil(200 / math.ceil(n_images / 32))),
    }


def _fine_tuning_options(n_images):
    """Return the choices for training stages: at least 10 epochs and 100 steps."""
    return {
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "schedule": "one_cycle",
        "weight_decay": 0.05,
        "batch_size": 32,
        "max_epochs": max(10, math.ceil(100 / math.ceil(n_images / 32))),
    }


def _is_auto(value):
    return isinstance(value, str) and value == "auto"


_RECIPES = {
    "fast": _fast_options,
    "fine_tuning": _fine_tuning_options,
    "head": _head_options,
    "plain": _plain_options,
}
