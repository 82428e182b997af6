"""Values of training options that are "auto"."""

from __future__ import annotations

from typing import Any

_LEARNING_RATES = {"adam": 0.003, "adamw": 0.003, "muon": 0.17, "rmsprop": 0.001, "sgd": 0.01}


def resolve_options(
    options: dict[str, Any], *, network: Any = None, n_images: float
) -> dict[str, Any]:
    """Replace "auto" by values for the network, the optimizer and the number of images.

    Parameters
    ----------
    options : dict
        Training options by name. "optimizer", "learning_rate", "schedule", "batch_size" and
        "max_epochs" may be "auto".
    network : str or callable, default=None
        Network to train. The values are the same for all networks except "fast".
    n_images : int
        Number of training images.

    Returns
    -------
    options : dict
        The options, with the chosen values in place of "auto".

    Examples
    --------
    >>> from skcnn.training.automatic import resolve_options
    >>> automatic = dict.fromkeys(
    ...     ("optimizer", "learning_rate", "schedule", "batch_size", "max_epochs"), "auto")
    >>> resolve_options(automatic, network="plain", n_images=50_000)
    {'optimizer': 'adamw', 'learning_rate': 0.003, 'schedule': 'one_cycle', 'batch_size': 64, \
'max_epochs': 20}
    >>> resolve_options(automatic, network="fast", n_images=50_000)
    {'optimizer': 'muon', 'learning_rate': 0.17, 'schedule': 'linear', 'batch_size': 500, \
'max_epochs': 12}
    """
    choices = _fast_options(n_images) if network == "fast" else _plain_options()
    options = {
        name: choices[name] if name in choices and _is_auto(value) else value
        for name, value in options.items()
    }
    if _is_auto(options["learning_rate"]):
        options["learning_rate"] = _LEARNING_RATES[options["optimizer"]]
    return options


def _plain_options():
    return {"optimizer": "adamw", "schedule": "one_cycle", "batch_size": 64, "max_epochs": 20}


def _fast_options(n_images):
    """Return the choices for the fast network: more and smaller steps for fewer images."""
    return {
        "optimizer": "muon",
        "schedule": "linear",
        "batch_size": int(min(max(n_images / 100, 64), 500)),
        "max_epochs": 12 if n_images >= 20_000 else 20,
    }


def _is_auto(value):
    return isinstance(value, str) and value == "auto"
