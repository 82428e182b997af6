"""Check of the types of numeric parameters."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval


def check_number_types(estimator):
    """Raise an error if a numeric parameter is a bool, or an object such as `fractions.Fraction`.

    Parameters
    ----------
    estimator : estimator
        Estimator with `_parameter_constraints`.

    Raises
    ------
    ValueError
        If a parameter that is constrained to an interval is, or contains, such a value.
    """
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name, [])
        if not any(isinstance(constraint, Interval) for constraint in constraints):
            continue
        for number in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(number, (bool, np.bool_)):
                raise ValueError(f"{name} must be a number, got {value!r}")
            if isinstance(number, Real) and not isinstance(number, (int, float, np.number)):
                raise ValueError(
                    f"{name} must be an int or a float, got a {type(number).__name__}: use "
                    f"float({number})"
                )
