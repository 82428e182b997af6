"""Check of the types of numeric parameters."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval


def check_number_types(estimator):
    """Raise an error if a numeric parameter of an estimator has a type that is not supported.

    Parameters
    ----------
    estimator : estimator
        Estimator with `_parameter_constraints`.

    Raises
    ------
    ValueError
        If a numeric parameter is a bool or a fraction.
    """
    for name, value in estimator.get_params(deep=False).items():
        for number in value if isinstance(value, (tuple, list)) else [value]:
            if not _is_numeric(estimator, name):
                continue
            if isinstance(number, (bool, np.bool_)):
                raise ValueError(f"{name} must be a number, got {value!r}")
            if isinstance(number, Real) and not isinstance(number, (int, float, np.number)):
                raise ValueError(
                    f"{name} must be an int or a float, got a {type(number).__name__}: use "
                    f"float({number})"
                )


def _is_numeric(estimator, name):
    """Return whether a parameter is constrained to an interval."""
    constraints = estimator._parameter_constraints.get(name, [])
    return any(isinstance(constraint, Interval) for constraint in constraints)
