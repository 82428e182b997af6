"""Sample weights: checks, scaling, and the rows with a positive weight."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from skcnn._tensors import tensors_to_arrays
from skcnn.values import no_overflow

_MAX_SCALED_WEIGHT = 1e30  # a batch of losses times such weights is finite in float32
_SMALL, _LARGE = 1e-100, 1e100  # sums of weights in between neither underflow nor overflow


def check_weights(sample_weight, images):
    """Check the weights of images.

    Parameters
    ----------
    sample_weight : array-like of shape (n_images,) or None
        Weights given by the user.
    images : array or LazyImages of shape (n_images, ...)
        Images.

    Returns
    -------
    weights : float64 array of shape (n_images,) or None
        None if `sample_weight` is None.

    Raises
    ------
    ValueError
        If a weight is negative, or all are zero.
    """
    if sample_weight is None:
        return None
    return _check_sample_weight(
        tensors_to_arrays(sample_weight, "sample_weight"),
        np.empty(len(images)),  # only its length is used
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )


def mean_weight(weights):
    """Compute the mean of weights without overflow.

    Parameters
    ----------
    weights : float64 array of shape (n_images,)
        Finite weights.

    Returns
    -------
    mean : float
        Mean.
    """
    with np.errstate(over="ignore"):
        mean = weights.mean()
    largest = weights.max()
    return mean if np.isfinite(mean) else largest * (weights / largest).mean()


def divide_weights(weights, scale):
    """Divide weights by their scale.

    Parameters
    ----------
    weights : float64 array of shape (n_images,)
        Finite weights.
    scale : float
        Positive number.

    Returns
    -------
    weights : float64 array of shape (n_images,)
        Scaled weights.

    Raises
    ------
    ValueError
        If a scaled weight is too large for float32, which can occur if `scale` is the mean of
        other weights.
    """
    with np.errstate(over="ignore"):
        scaled = weights / scale
    if scaled.max() > _MAX_SCALED_WEIGHT:
        raise ValueError(
            f"sample_weight is up to {weights.max():g}, but had a mean of {scale:g} in the first "
            f"call of partial_fit: use weights of at most {_MAX_SCALED_WEIGHT:g} times that mean"
        )
    return scaled


def scaled_weights(sample_weight):
    """Convert the weights of a score to an array, and divide extreme weights by their maximum.

    Parameters
    ----------
    sample_weight : array-like of shape (n_images,) or None
        Weights given by the user.

    Returns
    -------
    weights : array of shape (n_images,) or None
        Weights whose sum neither overflows nor loses digits.
    """
    if sample_weight is None:
        return None
    with no_overflow("sample_weight"):
        weights = np.asarray(tensors_to_arrays(sample_weight), dtype=np.float64)
    largest = weights.max(initial=0.0)
    is_usual = _SMALL <= largest <= _LARGE or largest in (0, np.inf)
    return weights if is_usual or np.isnan(largest) else weights / largest


def rows_with_weight(weights, images, minimum=2):
    """Return the rows of the images with a positive weight.

    Parameters
    ----------
    weights : float64 array of shape (n_images,) or None
        Weights. None means equal weights.
    images : array or LazyImages of shape (n_images, ...)
        Images.
    minimum : int, default=2
        Minimum number of rows.

    Returns
    -------
    rows : int array of shape (n_rows,)
        Rows in ascending order.

    Raises
    ------
    ValueError
        If there are fewer rows.
    """
    rows = np.arange(len(images)) if weights is None else np.flatnonzero(weights)
    if len(rows) < minimum:
        raise ValueError(
            f"{len(rows)} of {len(images)} images have a weight above 0 (class_weight included), "
            f"but at least {minimum} are needed"
        )
    return rows
