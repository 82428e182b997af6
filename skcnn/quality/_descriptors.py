"""Compact descriptors of images, made in one pass, from which duplicates are found."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.preprocessing._resize import resize_images

SIDE = 32  # pixels of the luminance
MIN_SIZE = 8  # pixels; a smaller image has too few of them to tell a copy from another image

# About 1 kB for an image, whatever its size.
DESCRIPTOR = np.dtype(
    [
        ("digest", np.uint64, 2),  # of the shape and of the values of all pixels
        ("low", np.float64),  # smallest value of the luminance
        ("span", np.float64),  # largest value minus smallest; 0 without structure
        ("luminance", np.uint8, (SIDE, SIDE)),  # relative to `low` and `span`
    ]
)

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as in Pillow


def describe(images: Any) -> NDArray:
    """Describe a batch of images, so that `match` can find duplicates without reading them again.

    Rows of several batches are joined with `numpy.concatenate`, in the order of the images.

    Parameters
    ----------
    images : array of shape (n_images, height, width[, n_channels]) or list of arrays
        Finite pixel values. The images of a list may differ in size and in number of channels.
        Three channels are RGB, and four are RGB and one that is ignored. Any other number counts as
        gray, with the mean of the channels.

    Returns
    -------
    rows : array of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors.
    """
    rows = np.zeros(len(images), DESCRIPTOR)
    if isinstance(images, np.ndarray) and images.dtype.kind != "O":
        images = images[..., np.newaxis] if images.ndim == 3 else images
        rows["digest"] = [_digest(image) for image in images]
        _describe(images, rows)
        return rows
    for row, image in enumerate(images):
        image = np.asarray(image)
        rows[row : row + 1] = describe(image[np.newaxis])
    return rows


def value_span(rows: NDArray) -> float:
    """Return the largest minus the smallest luminance of a collection.

    Parameters
    ----------
    rows : array of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors.

    Returns
    -------
    span : float
        Difference, 1 if it is zero.
    """
    high = (rows["low"] + rows["span"]).max(initial=-np.inf)
    span = float(high - rows["low"].min(initial=np.inf))
    return span if 0 < span < np.inf else 1.0


def luminance(rows: NDArray, span: float) -> NDArray[np.float32]:
    """Return the luminance of images, up to a constant for each.

    Parameters
    ----------
    rows : array of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors.
    span : float
        Values that become 1: the `value_span` of the collection.

    Returns
    -------
    luminance : float32 array of shape (n_images, SIDE, SIDE)
        Luminance.
    """
    scale = (rows["span"] / (255 * span)).astype(np.float32)
    return rows["luminance"] * scale[:, np.newaxis, np.newaxis]


def batches(n_rows: int, size: int) -> list[slice]:
    """Return consecutive slices of rows; none for no rows.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    size : int
        Largest number of rows of a slice.

    Returns
    -------
    batches : list of slice
        Slices.
    """
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _digest(image):
    """Return 128 bits that differ for images that differ in shape or in any value."""
    with np.errstate(invalid="ignore"):  # values that uint8 cannot represent
        values = image.astype(np.uint8, copy=False)
    if values is not image and not np.array_equal(values, image):
        values = image.astype(np.float64) + 0.0  # no negative zeros
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values))
    return np.frombuffer(digest.digest(), np.uint64)


def _describe(images, rows):
    """Fill rows for images of shape (n_images, height, width, n_channels)."""
    if not len(images) or min(images.shape[1:3]) < MIN_SIZE:
        return
    small = resize_images(images, (SIDE, SIDE)).astype(np.float64)
    is_color = small.shape[3] in (3, 4)
    gray = small[..., :3] @ _LUMA if is_color else small.mean(axis=3)
    rows["low"] = gray.min(axis=(1, 2))
    rows["span"] = gray.max(axis=(1, 2)) - rows["low"]
    scale = np.where(rows["span"] > 0, rows["span"], 1)[:, np.newaxis, np.newaxis]
    low = rows["low"][:, np.newaxis, np.newaxis]
    rows["luminance"] = np.rint((gray - low) / scale * 255)
