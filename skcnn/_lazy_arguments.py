"""Validation of the arguments of LazyImages: source, operations, indices, keys and numbers."""

from __future__ import annotations

import reprlib
from numbers import Integral

import numpy as np

from skcnn.values import native, refuse_masked


def check_source(source):
    """Raise an error if images cannot be read from `source`."""
    if hasattr(source, "read_parts"):
        raise TypeError(
            "LazyImages takes an array or a source of images, got LazyImages: use the view itself, "
            "or its source"
        )
    if not (hasattr(source, "shape") and hasattr(source, "dtype")):
        raise TypeError(
            "LazyImages takes an array, or an object with shape, dtype and __getitem__, got "
            f"{type(source).__name__}: convert images of one size with numpy.asarray, and images "
            "of different sizes with ImageResizer"
        )
    try:
        np.dtype(source.dtype)
    except TypeError:
        raise TypeError(
            f"LazyImages takes a source whose dtype is one of NumPy, got {source.dtype}: convert "
            "the images with numpy.asarray"
        ) from None
    if not len(source.shape):
        raise ValueError("LazyImages takes an array of images, got a single number")
    if isinstance(source, np.ndarray) and source.dtype.kind not in "buif":
        raise TypeError(f"LazyImages takes an array of real numbers, got dtype {source.dtype}")
    refuse_masked(source, "source")


def check_operations(operations):
    """Return operations as a tuple, or raise an error if one is not an operation."""
    operations = tuple(operations) if isinstance(operations, (list, tuple)) else (operations,)
    for operation in operations:
        if isinstance(operation, type) or not all(
            hasattr(operation, name) for name in ("__call__", "output", "random")
        ):
            raise TypeError(
                "operations of LazyImages are instances of skcnn.operations.Operation, got "
                f"{short_repr(operation)}"
            )
    return operations


def as_index(key, n_images):
    """Return one integer as an array of one index from 0 to `n_images` - 1."""
    if np.asarray(key).dtype == bool:  # an array of one bool would be a mask
        raise IndexError(f"LazyImages is indexed by integers, not by one bool, got {key!r}")
    return as_indices([key], n_images)


def as_indices(key, n_images):
    """Return an index array or a mask as an array of indices from 0 to `n_images` - 1."""
    indices = _as_array(key)
    if indices.ndim != 1:
        raise IndexError(f"LazyImages takes indices of one axis, got shape {indices.shape}")
    if not len(indices):
        return np.zeros(0, dtype=int)
    if indices.dtype == bool and len(indices) == n_images:
        return np.flatnonzero(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError(
            "LazyImages is indexed by integers, a slice, an array of integers or a mask with a "
            f"value for each of the {n_images} images, got {short_repr(key)}"
        )
    outside = (indices >= n_images) | (indices < -n_images)
    if outside.any():
        raise IndexError(
            f"index {indices[outside][0]} is out of bounds for LazyImages of {n_images} images"
        )
    indices = native(indices).astype(int, copy=False)
    return np.where(indices < 0, indices + n_images, indices) if indices.min() < 0 else indices


def _as_array(numbers):
    """Return an array, or an array without axes if the items have different lengths."""
    refuse_masked(numbers, "an array of rows, keys or indices")
    try:
        return np.asarray(numbers)
    except ValueError:
        return np.empty((), dtype=object)


def check_slice(key):
    """Return a slice, or raise an error if it does not hold integers."""
    try:
        key.indices(1)
    except (TypeError, ValueError):
        raise IndexError(
            f"LazyImages takes slices of integers with a step other than 0, got {key}"
        ) from None
    return key


def check_batch(images, source, n_images):
    """Return the images that a source returned, or raise an error if they do not fit its shape.

    Parameters
    ----------
    images : object
        Result of ``source[rows]``.
    source : object
        Source of the images.
    n_images : int
        Number of rows.

    Returns
    -------
    images : array of shape (n_images, ...) or list of arrays
        Images.
    """
    expected = tuple(source.shape[1:])
    if isinstance(images, list) and n_images and None not in expected:
        images = _stacked(images)
    elif not isinstance(images, list):
        images = np.asarray(images)
    problem = _problem(images, source.shape, n_images)
    if problem is not None:  # the name of an array takes longer than to read a batch of it
        error, message = problem
        raise error(f"the source {short_repr(source)} returned {message}")
    return images


def _problem(images, source_shape, n_images):
    """Return the error and the message for images that do not fit their source, or None."""
    expected = tuple(source_shape[1:])
    if not isinstance(images, list) and images.ndim == 0:
        return TypeError, "an object that is neither an array nor a list of images"
    if len(images) != n_images:
        return ValueError, f"{len(images)} image(s) for {n_images} rows"
    shapes = map(np.shape, images) if isinstance(images, list) else [images.shape[1:]]
    for shape in shapes if n_images else ():
        if len(shape) != len(expected) or any(
            known not in (None, axis) for known, axis in zip(expected, shape, strict=True)
        ):
            return ValueError, (
                f"images of shape {shape}, but its attribute shape is {tuple(source_shape)}"
            )
    return None


def _stacked(images):
    """Return images of one size as an array, and images of different sizes as a list."""
    return np.asarray(images) if len(set(map(np.shape, images))) == 1 else images


def check_keys(keys, n_images):
    """Return keys, or raise an error if they are not one integer for each image."""
    keys = _as_array(keys)
    if keys.dtype.kind not in "iu" or keys.shape != (n_images,):
        if keys.shape[:1] not in ((), (n_images,)):
            raise ValueError(f"there are {len(keys)} keys, but {n_images} images")
        raise ValueError(
            f"keys must be one integer for each of the {n_images} images, got an array of shape "
            f"{keys.shape} and dtype {keys.dtype}"
        )
    return keys


def check_epoch(epoch):
    """Return the number of an epoch, or raise an error if it is not an integer."""
    if not isinstance(epoch, Integral) or isinstance(epoch, bool):
        raise TypeError(f"epoch must be an integer, got {short_repr(epoch)}")
    return epoch


def check_part_size(n_images):
    """Return the number of images in a part, or raise an error if it is not a positive integer."""
    if not isinstance(n_images, Integral) or isinstance(n_images, bool) or n_images < 1:
        raise ValueError(f"n_images must be an integer of at least 1, got {short_repr(n_images)}")
    return int(n_images)


def check_n_jobs(n_jobs):
    """Return the parameter `n_jobs`, or raise an error if it is invalid."""
    is_int = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool) and n_jobs != 0
    if not (is_int or n_jobs is None or (isinstance(n_jobs, str) and n_jobs == "auto")):
        raise ValueError(
            f'n_jobs must be an integer other than 0, "auto" or None, got {short_repr(n_jobs)}'
        )
    return n_jobs


def short_repr(value):
    """Return the representation of a value, shortened for a message."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"an object of type {type(value).__name__}"
