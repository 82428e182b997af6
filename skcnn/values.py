"""Checks and conversion of numeric values: byte order, masked values, and range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log10
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

MAX_INTEGER = 2**63 - 1  # of the integer parameters of NumPy and PyTorch


def native(array: NDArray) -> NDArray:
    """Return an array in the byte order of the machine.

    Parameters
    ----------
    array : array of any shape
        Values.

    Returns
    -------
    array : array of the same shape
        The array itself if it has this byte order, otherwise a copy.
    """
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def native_dtype(dtype: Any) -> np.dtype:
    """Return a dtype in the byte order of the machine.

    Parameters
    ----------
    dtype : dtype
        Dtype, or what `numpy.dtype` accepts.

    Returns
    -------
    dtype : numpy.dtype
        The same dtype in the byte order of the machine.
    """
    return np.dtype(dtype).newbyteorder("=")


def refuse_masked(values: Any, name: str) -> None:
    """Raise an error if a masked value is in an array, or in nested lists of arrays.

    A mask without masked values is ignored.

    Parameters
    ----------
    values : object
        Array, list or tuple. Anything else is accepted.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    ValueError
        If a value is masked.
    """
    if isinstance(values, np.ma.MaskedArray):
        n_masked = int(np.ma.count_masked(values))
        if n_masked:
            raise ValueError(
                f"{name} is a masked array with {n_masked} masked value(s), but missing values are "
                "not supported: replace them, as numpy.ma.filled does, or leave out their images"
            )
        return
    if isinstance(values, np.ndarray):
        items = values.ravel().tolist() if values.dtype.kind == "O" else ()
    else:
        items = values if isinstance(values, (list, tuple)) else ()
    types = set(map(type, items))
    if any(issubclass(kind, (list, tuple, np.ndarray)) for kind in types):
        for item in items:
            refuse_masked(item, name)


def check_arguments(**arguments: Any) -> None:
    """Raise an error if targets or weights hold masked values, or integers too large for float64.

    Parameters
    ----------
    **arguments : object
        Array-likes, mappings or None, by the names of the arguments.

    Raises
    ------
    ValueError
        If an argument holds such a value.
    """
    for name, values in arguments.items():
        refuse_masked(values, name)
        if isinstance(values, (list, tuple)) or getattr(values, "dtype", None) == np.dtype(object):
            try:
                items = np.asarray(values, dtype=object).ravel().tolist()
            except ValueError:  # lists of different lengths, which scikit-learn refuses
                continue
            if any(type(item) is int and _is_too_large(item) for item in items):
                raise ValueError(_too_large_integer(name))


def check_numbers(estimator: Any) -> None:
    """Raise an error if a parameter of an estimator is a number that cannot be used.

    It is called before scikit-learn validates the parameters, which cannot print integers of
    thousands of digits.

    Parameters
    ----------
    estimator : estimator
        Estimator with `_parameter_constraints`.

    Raises
    ------
    ValueError
        If a parameter is, or contains, an integer of more than 64 bits, or if a parameter that is
        constrained to an interval is, or contains, a bool that is not allowed, or an object such
        as `fractions.Fraction`.
    """
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name, [])
        is_numeric = any(isinstance(constraint, Interval) for constraint in constraints)
        items = value.values() if isinstance(value, Mapping) else value
        for item in items if isinstance(value, (list, tuple, Mapping)) else [value]:
            if isinstance(item, Integral) and abs(int(item)) > MAX_INTEGER:
                raise ValueError(
                    f"{name} contains an integer of {int(log10(abs(int(item)))) + 1} digits, which "
                    f"is too large: the largest one is {MAX_INTEGER}"
                )
            if not is_numeric:
                continue
            if isinstance(item, (bool, np.bool_)) and "boolean" not in constraints:
                raise ValueError(f"{name} must be a number, got {value!r}")
            if isinstance(item, Real) and not isinstance(item, (int, float, np.number)):
                raise ValueError(
                    f"{name} must be an int or a float, got a {type(item).__name__}: use "
                    f"float({item})"
                )


@contextmanager
def no_overflow(name: str) -> Iterator[None]:
    """Replace the OverflowError for an integer that is too large for float64 by a ValueError.

    Parameters
    ----------
    name : str
        Name of the argument that is converted, for the message.

    Yields
    ------
    None
    """
    try:
        yield
    except OverflowError:
        raise ValueError(_too_large_integer(name)) from None


def check_pixel_values(images: Any, rows: Sequence[int] | NDArray, source: str) -> None:
    """Raise an error if a pixel value is NaN, infinite or too large for float32.

    Parameters
    ----------
    images : array of shape (n_images, ...) or list of arrays
        Images of real numbers.
    rows : sequence of int of length n_images
        Row of each image in the collection, for the message.
    source : str
        Name of the collection, for the message.

    Raises
    ------
    ValueError
        If there is such a value.
    """
    if isinstance(images, np.ndarray) and (images.dtype.kind != "f" or _fit_float32(images)):
        return
    for row, image in zip(rows, images, strict=True):
        if image.dtype.kind == "f" and not _fit_float32(image):
            if np.isnan(image).any():
                what = "NaN"
            elif np.isinf(image).any():
                what = "infinity"
            else:
                what = f"a value too large for float32 ({image.flat[np.abs(image).argmax()]:.3g})"
            raise ValueError(
                f"Input X contains {what}, in image {row} of {source}: pixels must be finite "
                "numbers within the range of float32, so correct this image or leave it out"
            )


def _fit_float32(values):
    """Return whether all values are finite and within the range of float32."""
    if not values.size:
        return True
    limit = np.finfo(np.float32).max
    low, high = values.min(), values.max()  # NaN if one value is NaN
    return bool(low >= -limit and high <= limit)


def _is_too_large(number):
    try:
        float(number)
    except OverflowError:
        return True
    return False


def _too_large_integer(name):
    limit = np.finfo(np.float64).max
    return f"{name} contains an integer too large for float64: numbers must be below {limit:.3g}"
