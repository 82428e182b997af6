"""Checks of numeric parameters that scikit-learn's constraints do not cover."""

from __future__ import annotations

from math import log10
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

_MAX_INT = 2**63 - 1  # of PyTorch


def check_numbers(estimator):
    """Raise an error if a parameter of an estimator is a number of an unsuitable size or type.

    Parameters
    ----------
    estimator : estimator
        Estimator with `_parameter_constraints`.

    Raises
    ------
    ValueError
        If an integer does not fit 64 bits, or a numeric parameter is a bool or a fraction.
    """
    for name, value in estimator.get_params(deep=False).items():
        for number in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(number, Integral) and abs(int(number)) > _MAX_INT:
                n_digits = int(log10(abs(int(number)))) + 1
                raise ValueError(
                    f"{name} contains an integer of {n_digits} digits, which is too large: the "
                    f"largest one is {_MAX_INT}"
                )
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
