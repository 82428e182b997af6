"""Warning about saving an estimator with functions or classes that cannot be imported."""

from __future__ import annotations

import sys
import warnings

# Modules that need no import later, because they copy in memory, compute a hash, start a process
# with the same __main__, or store the definitions of functions and classes.
_NEED_NO_IMPORT = {"copy", "hashing", "reduction", "cloudpickle", "dill"}


def warn_about_main(estimator):
    """Warn if an estimator that is pickled contains functions or classes of the main script.

    A pickle refers to them by name, which does not exist in the `__main__` of another program.

    Parameters
    ----------
    estimator : estimator
        Estimator with some of the parameters `network`, `backbone` and `callbacks`.
    """
    networks = {name: getattr(estimator, name, None) for name in ("network", "backbone")}
    callbacks = getattr(estimator, "callbacks", None)
    callbacks = callbacks if isinstance(callbacks, (list, tuple)) else []
    items = [item[-1] if isinstance(item, (tuple, list)) and item else item for item in callbacks]
    used = {
        name: [network, type(network), getattr(network, "func", None)]  # of a partial
        for name, network in networks.items()
    } | {
        "callbacks": [type(item) for item in items],
    }
    for parameter, values in used.items():
        names = [value.__qualname__ for value in values if _is_in_main(value)]
        if names and not _is_copied():
            warnings.warn(
                f"{', '.join(names)} of the parameter {parameter} is defined in __main__, a script "
                "or notebook, so the saved estimator can be loaded only where __main__ defines it "
                "too: define it in a module that can be imported",
                stacklevel=3,
            )


def _is_in_main(value):
    """Return whether pickle would refer to a class or function of `__main__`."""
    name = getattr(value, "__qualname__", None)
    if getattr(value, "__module__", None) != "__main__" or name is None:
        return False
    return getattr(sys.modules["__main__"], name, None) is value


def _is_copied():
    """Return whether a module of `_NEED_NO_IMPORT` is among the callers."""
    frame = sys._getframe(1)
    while frame is not None:
        if _NEED_NO_IMPORT & set(str(frame.f_globals.get("__name__")).split(".")):
            return True
        frame = frame.f_back
    return False
