"""What a collection of images is: the gate that every public method takes its images through."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt, prod
from numbers import Integral
from pathlib import Path

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

from skcnn.lazy import LazyImages
from skcnn.operations import Reshape

MAX_ROW_OF_PIXELS = 64  # more flat features than this, not a square number, need `image_shape`
MAX_CHANNELS_ON_SIGHT = 4  # more on the last axis and 1, 3 or 4 on the second: channels first


def check_images(estimator, X, *, reset, min_samples=1):
    """Turn what a public method was given into one checked internal form.

    Remembers ``n_features_in_``, ``image_shape_`` (and ``feature_names_in_``) on the estimator
    where `reset`, and holds later images to them where not.

    Parameters
    ----------
    estimator : estimator instance
        Who asks; its parameter `image_shape`, if it has one, says how to read flat rows.
    X : images
        An array of shape (n_images, height, width) or (n_images, height, width, n_channels), flat
        rows of shape (n_images, n_features), or `LazyImages`.
    reset : bool
        Whether the estimator is being fitted.
    min_samples : int, default=1
        How many images there must be.

    Returns
    -------
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        Channels last, of the dtype given; arrays are not copied.

    Raises
    ------
    ValueError
        If `X` is no such collection, or its images are not of the shape seen in fit.
    TypeError
        If `X` is sparse, or holds objects that are no images.
    """
    form, X = inspect_images(X)
    name = type(estimator).__name__
    if form == "paths":
        raise ValueError(
            f"{name} takes images, but X holds file paths such as {_first(X)!r}: "
            "put an ImageReader and an ImageResizer before it"
        )
    if form == "ragged" or (form == "lazy" and None in X.shape):
        raise ValueError(
            f"{name} takes images of one size, but X holds images of different sizes: "
            "put an ImageResizer before it"
        )
    if (form == "flat" or X.ndim == 2) and X.shape != (0,):  # an empty list is no flat rows
        return _check_rows(estimator, X, reset=reset, min_samples=min_samples)
    if len(X) < min_samples:
        raise ValueError(
            f"Found {len(X)} image(s) (X of shape {X.shape}) while a minimum of {min_samples} is "
            f"required by {name}."
        )
    _check_pixels(X, name)
    image_shape = (*X.shape[1:], 1)[:3]
    _check_axes(X, image_shape, estimator, reset=reset)
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        _remember(estimator, image_shape)
    return reshape_images(X, image_shape)


def reshape_images(images, image_shape):
    """Give every image another shape of the same size, without copying or reading.

    Parameters
    ----------
    images : array or LazyImages of shape (n_images, ...)
        The images.
    image_shape : tuple of int
        The shape of one image: the form that a user gave, or the internal one.

    Returns
    -------
    images : array or LazyImages of shape (n_images, *image_shape)
        A view of the same images.
    """
    if images.shape[1:] == tuple(image_shape):
        return images
    if isinstance(images, LazyImages):
        return images.then(Reshape(image_shape))
    return images.reshape(len(images), *image_shape)


def inspect_images(X):
    """Tell which form of collection `X` is.

    Parameters
    ----------
    X : object
        What a user gave as images.

    Returns
    -------
    form : {"array", "flat", "ragged", "paths", "lazy"}
        "flat" is also the form of all that scikit-learn's own validation should judge: frames,
        sparse matrices, one-dimensional numbers.
    X : object
        The same collection: lists and array-likes of numbers as an array, paths and ragged images
        as a one-dimensional object array, anything else as it came.

    Raises
    ------
    TypeError
        If its elements are neither numbers, images nor paths.
    ValueError
        If it has more than four axes.
    """
    if isinstance(X, LazyImages):
        return "lazy", X
    if issparse(X):
        return "flat", X
    if isinstance(X, Mapping):
        raise TypeError(
            f"X is a {type(X).__name__}, not a collection of images: give its data, and its target "
            "as y"
        )
    if hasattr(X, "iloc") or hasattr(X, "iter_rows"):  # a pandas or polars frame or series
        values = np.asarray(X) if len(np.shape(X)) == 1 or np.shape(X)[1] == 1 else None
        if values is None or values.dtype.kind not in "OUT":
            return "flat", X
        X = values
    if not isinstance(X, np.ndarray):
        X = _as_array(X)
    if X.ndim > 4:
        raise ValueError(
            f"X has {X.ndim} axes (shape {X.shape}): images are of shape (n_images, height, width) "
            "or (n_images, height, width, n_channels)"
        )
    if X.dtype.kind not in "OUT":
        return ("array" if X.ndim > 2 else "flat"), X
    column = X[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X
    if column.ndim == 1 and len(column):
        if all(isinstance(item, (str, Path)) for item in column):
            return "paths", column.astype(object)
        if all(_is_image(item) for item in column):
            if len({np.shape(item) for item in column}) == 1:
                return inspect_images(list(column))
            return "ragged", column
        if X.ndim == 1:
            odd = [item for item in column if not (_is_image(item) or _is_path(item))]
            if not odd:
                raise TypeError("X holds both images and paths: give a collection of one kind")
            raise TypeError(
                f"X holds an object of type {type(odd[0]).__name__}, which is no image: each must "
                "be an array of shape (height, width) or (height, width, n_channels), or a path"
            )
    if X.ndim > 2 and X.dtype.kind == "O":
        return "array", X.astype(np.float64)
    return ("array" if X.ndim > 2 else "flat"), X


def image_shape_of_rows(n_features, image_shape=None):
    """Say how a flat row is laid out as an image.

    Parameters
    ----------
    n_features : int
        How long a row is.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, n_channels). None reads a square number as a gray
        square, and up to 64 other values as one row of pixels.

    Returns
    -------
    image_shape : tuple of (int, int, int)
        Height, width and number of channels.

    Raises
    ------
    ValueError
        If `image_shape` is needed, or does not fit.
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
        f"X has rows of {n_features} values, which is not a square number: say how they are laid "
        "out with image_shape=(height, width) or (height, width, n_channels)"
    )


def _check_rows(estimator, X, *, reset, min_samples):
    """Check flat rows scikit-learn's way, and lay them out as images."""
    image_shape = getattr(estimator, "image_shape", None)
    if isinstance(X, LazyImages):
        rows = X
        stand_in = np.broadcast_to(np.uint8(0), rows.shape)  # counts and names, without reading
        validate_data(estimator, stand_in, reset=reset, ensure_min_samples=min_samples)
    else:
        if not reset and np.shape(X) == estimator.image_shape_[:2] != (1, estimator.n_features_in_):
            _refuse_one_image(X)
        rows = validate_data(
            estimator, X, reset=reset, ensure_min_samples=min_samples, order=None, copy=False
        )
        _check_range(rows, type(estimator).__name__)
    if reset:
        _remember(estimator, image_shape_of_rows(rows.shape[1], image_shape))
    return reshape_images(rows, estimator.image_shape_)


def _remember(estimator, image_shape):
    estimator.image_shape_ = tuple(int(axis) for axis in image_shape)
    estimator.n_features_in_ = prod(estimator.image_shape_)


def _check_axes(X, image_shape, estimator, *, reset):
    """Refuse images that are laid out another way than they should be."""
    name = type(estimator).__name__
    asked = getattr(estimator, "image_shape", None)
    asked = None if asked is None else (*asked, 1)[:3]
    expected = asked if reset else estimator.image_shape_
    if expected != image_shape:
        _check_order_of_axes(X, name)
    if 0 in image_shape:
        raise ValueError(f"X of shape {X.shape} holds images without pixels")
    if reset and asked is not None and asked != image_shape:
        raise ValueError(
            f"X holds images of shape {X.shape[1:]}, but image_shape="
            f"{tuple(estimator.image_shape)} was asked for: image_shape describes flat rows, and "
            "images need none"
        )
    if reset or image_shape == estimator.image_shape_:
        return
    (height, width, channels), seen = image_shape, estimator.image_shape_
    if X.shape == seen:
        _refuse_one_image(X)
    advice = (
        "choose the channels with ImageReader(mode=...) or convert them"
        if channels != seen[2]
        else f"put an ImageResizer({seen[:2]}) before it"
    )
    raise ValueError(
        f"X holds images of {height} x {width} pixels with {channels} channel(s), but {name} is "
        f"expecting {seen[0]} x {seen[1]} with {seen[2]}, as in fit: {advice}"
    )


def _check_order_of_axes(X, name):
    """Refuse what looks like channels first, or like one image; `image_shape` overrules it."""
    _, second, third, last = (*X.shape, 1)[:4]
    if X.ndim == 4 and second in (1, 3, 4) and min(third, last) > MAX_CHANNELS_ON_SIGHT:
        raise ValueError(
            f"X of shape {X.shape} looks like channels first, (n_images, n_channels, height, "
            f"width), but {name} takes channels last: use np.moveaxis(X, 1, -1) (or say that it is "
            f"right with image_shape={X.shape[1:]})"
        )
    if X.ndim == 3 and third in (3, 4) and min(X.shape[:2]) > 2 * MAX_CHANNELS_ON_SIGHT:
        _refuse_one_image(X)


def _refuse_one_image(X):
    raise ValueError(
        f"X of shape {np.shape(X)} looks like one image: give a collection of one, X[np.newaxis]"
    )


def _check_pixels(X, name):
    """Refuse values that are no pixels; a lazy view's are looked at when they are read."""
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported: X must hold real pixel values")
    if X.dtype.kind not in "buif":
        raise ValueError(f"X has dtype {X.dtype}, and pixels are numbers")
    if not isinstance(X, LazyImages):
        assert_all_finite(X, input_name="X")
        _check_range(X, name)


def _check_range(X, name):
    """Refuse finite values that the network's float32 cannot hold."""
    if X.dtype.kind == "f" and X.dtype.itemsize > 4 and X.size:
        limit = np.finfo(np.float32).max
        if max(X.max(), -X.min()) > limit:
            raise ValueError(f"Input X contains a value too large for {name}'s float32 ({limit})")


def _as_array(X):
    """Make an array of a list or array-like, a one-dimensional object array where sizes differ."""
    if isinstance(X, (list, tuple)):  # images of Pillow's, say, become arrays
        X = [np.asarray(item) if _is_array_like_image(item) else item for item in X]
    if isinstance(X, list) and len(X) and (_is_path(X[0]) or _is_image(X[0])):
        shapes = {np.shape(item) for item in X}
        if _is_image(X[0]) and len(shapes) == 1:
            return np.asarray(X)
        items = np.empty(len(X), dtype=object)
        for row, item in enumerate(X):
            items[row] = item
        return items
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError(
            "X holds lists or objects of different shapes: give each image as an array, "
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


def _is_array_like_image(item):
    return hasattr(item, "__array_interface__") and not hasattr(item, "shape")


def _first(X):
    return str(X[0])
