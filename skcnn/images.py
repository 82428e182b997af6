"""Input validation: what a collection of images is, and what estimators remember of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt, prod
from numbers import Integral
from pathlib import Path

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from skcnn._tensors import tensors_to_arrays
from skcnn.lazy import LazyImages
from skcnn.operations import Reshape
from skcnn.pillow_images import is_pillow_image, pillow_images_to_arrays
from skcnn.values import check_pixel_values, native, no_overflow, refuse_masked

MAX_ROW_OF_PIXELS = 64  # more features, unless a square number, need `image_shape`
MAX_CHANNELS_ON_SIGHT = 4  # a longer last axis after 1, 3 or 4 is not that of the channels


def check_images(estimator, X, *, reset, min_samples=1):
    """Validate the images that a public method was given.

    With `reset`, ``n_features_in_``, ``image_shape_`` (and ``feature_names_in_``) are set on the
    estimator, otherwise the images are compared with them.

    Parameters
    ----------
    estimator : estimator instance
        Estimator that was given the images. Its parameter `image_shape`, if it has one, is the
        layout of flat rows.
    X : images
        Array of shape (n_images, height, width) or (n_images, height, width, n_channels), flat
        rows of shape (n_images, n_features), or `LazyImages`.
    reset : bool
        Whether the estimator is being fitted.
    min_samples : int, default=1
        Minimum number of images.

    Returns
    -------
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        Images of the dtype of `X`, in the byte order of the machine; arrays of this byte order are
        not copied.

    Raises
    ------
    ValueError
        If `X` cannot be used as images, or they have another shape than in fit.
    TypeError
        If `X` is sparse, or holds objects that are not images.
    """
    form, X = inspect_images(X)
    name = type(estimator).__name__
    if form == "paths":
        raise ValueError(
            f"{name} takes images, but X holds file paths such as {_first(X)!r}: "
            "put an ImageReader and an ImageResizer before it"
        )
    if form == "ragged" or (form == "lazy" and None in X.shape):
        found = (
            "X holds images of different sizes"
            if form == "ragged"
            else "the sizes of the images that X reads are not known and may differ"
        )
        raise ValueError(
            f"{name} takes images of one size, but {found}: put an ImageResizer before it"
        )
    if (form == "flat" or X.ndim == 2) and X.shape != (0,):  # not an empty list
        return _check_rows(estimator, X, reset=reset, min_samples=min_samples)
    if len(X) < min_samples:
        raise ValueError(
            f"Found {len(X)} image(s) (X of shape {X.shape}) while a minimum of {min_samples} is "
            f"required by {name}."
        )
    _check_pixels(X)
    image_shape = (*X.shape[1:], 1)[:3]
    _check_axes(X, image_shape, estimator, reset=reset)
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        _remember(estimator, image_shape)
    return reshape_images(X, image_shape)


def reshape_images(images, image_shape):
    """Reshape every image, without copying or reading.

    Parameters
    ----------
    images : array or LazyImages of shape (n_images, ...)
        Images.
    image_shape : tuple of int
        New shape of one image.

    Returns
    -------
    images : array or LazyImages of shape (n_images, *image_shape)
        View of the same images.
    """
    if images.shape[1:] == tuple(image_shape):
        return images
    if isinstance(images, LazyImages):
        return images.then(Reshape(image_shape))
    return images.reshape(len(images), *image_shape)


def inspect_images(X):
    """Return which form of collection `X` is.

    Parameters
    ----------
    X : object
        Collection of images.

    Returns
    -------
    form : {"array", "flat", "ragged", "paths", "lazy"}
        Form of the collection. "flat" includes everything that scikit-learn's own validation
        handles: frames, sparse matrices, one-dimensional numbers.
    X : object
        The collection: lists and array-likes of numbers as an array in the byte order of the
        machine, paths and ragged images as a one-dimensional object array, anything else unchanged.

    Raises
    ------
    TypeError
        If its elements are not numbers, images or paths.
    ValueError
        If it has more than four axes, or masked values.
    """
    X = tensors_to_arrays(X)
    if isinstance(X, LazyImages):
        _check_ndim(X, least=2)
        return "lazy", X
    refuse_masked(X, "X")
    if issparse(X):
        return "flat", X
    if isinstance(X, Mapping):
        raise TypeError(
            f"X is a {type(X).__name__}, not a collection of images: pass its data as X and its "
            "target as y"
        )
    if hasattr(X, "iloc") or hasattr(X, "iter_rows"):  # a pandas or polars frame or series
        values = np.asarray(X) if len(np.shape(X)) == 1 or np.shape(X)[1] == 1 else None
        if values is None or values.dtype.kind not in "OUT":
            return "flat", X
        X = values
    X = native(_as_array(X))
    _check_ndim(X)
    column = X[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X
    if X.dtype.kind in "OUT" and column.ndim == 1 and len(column):
        if any(map(is_pillow_image, column)):
            return inspect_images(list(column))
        if all(map(_is_path, column)):
            return "paths", column.astype(object)
        if all(map(_is_image, column)):
            of_one_size = len({np.shape(item) for item in column}) == 1
            return inspect_images(list(column)) if of_one_size else ("ragged", column)
        if X.ndim == 1:
            _raise_unknown_object(column)
    if X.ndim > 2 and X.dtype.kind == "O":
        with no_overflow("X"):
            X = X.astype(np.float64)
    return ("array" if X.ndim > 2 else "flat"), X


def _check_ndim(X, least=0):
    if not least <= X.ndim <= 4:
        raise ValueError(
            f"X has {X.ndim} axes (shape {X.shape}): images are of shape (n_images, height, width) "
            "or (n_images, height, width, n_channels)"
        )


def _raise_unknown_object(items):
    others = [item for item in items if not (_is_image(item) or _is_path(item))]
    if not others:
        raise TypeError("X holds both images and paths: pass a collection of one kind")
    raise TypeError(
        f"X holds an object of type {type(others[0]).__name__}, which is not an image: each must "
        "be an array of shape (height, width) or (height, width, n_channels), or a path"
    )


def image_shape_of_rows(n_features, image_shape=None):
    """Return the shape of the images that flat rows hold.

    Parameters
    ----------
    n_features : int
        Length of a row.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels). None takes a square number of features for
        a gray square, and up to 64 others for one row of pixels.

    Returns
    -------
    image_shape : tuple of (int, int, int)
        Height, width and number of channels.

    Raises
    ------
    ValueError
        If `image_shape` is required, or has another number of values.
    """
    if image_shape is not None:
        if prod(image_shape) != n_features:
            raise ValueError(
                f"image_shape={tuple(image_shape)} has {prod(image_shape)} values, but X has rows "
                f"of {n_features}: image_shape is (height, width) or (height, width, n_channels)"
            )
        return (*image_shape, 1)[:3]
    side = isqrt(n_features)
    if side * side == n_features:
        return (side, side, 1)
    if n_features <= MAX_ROW_OF_PIXELS:
        return (1, n_features, 1)
    raise ValueError(
        f"X has rows of {n_features} values, which is not a square number: set their layout with "
        "image_shape=(height, width) or (height, width, n_channels)"
    )


def _check_rows(estimator, X, *, reset, min_samples):
    """Validate flat rows with scikit-learn's `validate_data`, and return them as images."""
    if getattr(getattr(X, "dtype", None), "kind", "f") in "mMV":
        _check_dtype(X)
    image_shape = getattr(estimator, "image_shape", None)
    if isinstance(X, LazyImages):
        rows = X
        stand_in = np.broadcast_to(np.uint8(0), rows.shape)  # has the shape, and needs no reading
        validate_data(estimator, stand_in, reset=reset, ensure_min_samples=min_samples)
    else:
        if not reset and np.shape(X) == estimator.image_shape_[:2] != (1, estimator.n_features_in_):
            _raise_one_image(X)
        with no_overflow("X"):
            rows = validate_data(
                estimator, X, reset=reset, ensure_min_samples=min_samples, order=None, copy=False
            )
        rows = native(rows)  # of a frame
        check_pixel_values(rows, range(len(rows)), "X")
    if reset:
        _remember(estimator, image_shape_of_rows(rows.shape[1], image_shape))
    return reshape_images(rows, estimator.image_shape_)


def _remember(estimator, image_shape):
    estimator.image_shape_ = tuple(int(axis) for axis in image_shape)
    estimator.n_features_in_ = prod(estimator.image_shape_)


def _check_axes(X, image_shape, estimator, *, reset):
    """Raise an error if images have another shape than `image_shape` or than those of fit."""
    name = type(estimator).__name__
    given = getattr(estimator, "image_shape", None)
    given = None if given is None else (*given, 1)[:3]
    expected = given if reset else estimator.image_shape_
    if expected != image_shape:
        _check_order_of_axes(X, name)
    if 0 in image_shape:
        raise ValueError(f"X of shape {X.shape} holds images without pixels")
    if reset and given is not None and given != image_shape:
        raise ValueError(
            f"X holds images of shape {X.shape[1:]}, but image_shape is "
            f"{tuple(estimator.image_shape)}: image_shape describes flat rows, and images do not "
            "need it"
        )
    if reset or image_shape == estimator.image_shape_:
        return
    (height, width, channels), seen = image_shape, estimator.image_shape_
    if X.shape == seen:
        _raise_one_image(X)
    advice = (
        "set the channels with ImageReader(mode=...) or convert them"
        if channels != seen[2]
        else f"put an ImageResizer({seen[:2]}) before it"
    )
    raise ValueError(
        f"X holds images of {height} x {width} pixels with {channels} channel(s), but {name} is "
        f"expecting {seen[0]} x {seen[1]} with {seen[2]}, as in fit: {advice}"
    )


def _check_order_of_axes(X, name):
    """Raise an error if `X` looks like channels first, or like one image."""
    _, second, third, last = (*X.shape, 1)[:4]
    if X.ndim == 4 and second in (1, 3, 4) and min(third, last) > MAX_CHANNELS_ON_SIGHT:
        raise ValueError(
            f"X of shape {X.shape} looks like channels first, (n_images, n_channels, height, "
            f"width), but {name} takes channels last: use np.moveaxis(X, 1, -1), or confirm the "
            f"layout with image_shape={X.shape[1:]}"
        )
    if X.ndim == 3 and third in (3, 4) and min(X.shape[:2]) > 2 * MAX_CHANNELS_ON_SIGHT:
        _raise_one_image(X)


def _raise_one_image(X):
    raise ValueError(
        f"X of shape {np.shape(X)} looks like one image: pass a collection of one, X[np.newaxis]"
    )


def _check_pixels(X):
    """Raise an error if values are not pixels; those of a lazy view are checked when read."""
    _check_dtype(X)
    if not isinstance(X, LazyImages):
        check_pixel_values(X, range(len(X)), "X")


def _check_dtype(X):
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported: X must hold real pixel values")
    if X.dtype.kind not in "buif":
        raise ValueError(f"X has dtype {X.dtype}, but pixels must be numbers")


def _as_array(X):
    """Return a list or array-like as an array, of objects if the sizes differ."""
    if isinstance(X, np.ndarray):
        return X if isinstance(X, np.memmap) else np.asarray(X)  # not another subclass
    if isinstance(X, (list, tuple)):
        X = pillow_images_to_arrays(X)
    elif is_pillow_image(X):
        raise ValueError("X is one Pillow image: pass a list of one, [image]")
    if isinstance(X, list) and len(X) and (_is_path(X[0]) or _is_image(X[0])):
        shapes = {np.shape(item) for item in X}
        if _is_image(X[0]) and len(shapes) == 1:
            return np.asarray(X)
        items = np.empty(len(X), dtype=object)
        for row, item in enumerate(X):
            items[row] = item
        return items
    try:
        array = np.asarray(X)
        if array.ndim == 0 and array.dtype.kind == "O" and not _is_path(X):
            raise TypeError(f"X is a {type(X).__name__}, not a collection of images")
        return array
    except ValueError:
        raise ValueError(
            "X holds lists or objects of different shapes: pass each image as an array, "
            "[np.asarray(image) for image in X]"
        ) from None


def _is_path(item):
    return isinstance(item, (str, Path))


def _is_image(item):
    shape = getattr(item, "shape", None)
    return (
        shape is not None
        and len(shape) in (2, 3)
        and all(isinstance(axis, Integral) for axis in shape)
        and getattr(getattr(item, "dtype", None), "kind", "f") != "O"
    )


def _first(X):
    return str(X[0])
