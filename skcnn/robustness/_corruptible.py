"""Images of any form that are corrupted: validation, range of the pixels, and views."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.pixels import ValueRange, check_pixel_range, dtype_range
from skcnn.preprocessing import ImageReader
from skcnn.preprocessing._ragged import RaggedImages
from skcnn.robustness.corruptions import Corrupt

# Constraints of the parameters of `corrupt` and `corruption_report` about the images.
IMAGE_PARAMETERS = {
    "image_shape": [IMAGE_SHAPE, None],
    "pixel_range": [tuple, list, None],
    "random_state": ["random_state"],
}
_READ = 2_000_000  # number of values to read at a time


class CorruptibleImages:
    """Validated images of any form, and the range of their pixels.

    Parameters
    ----------
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images, as `corrupt` takes them.
    image_shape : tuple of int or None
        Layout of flat rows.
    pixel_range : tuple of (float, float) or None
        Smallest and largest pixel value; None finds them.
    reader : ImageReader, default=None
        Fitted reader of paths. None reads them in color.

    Attributes
    ----------
    form : {"array", "flat", "ragged", "paths", "lazy"}
        Form of `X`.
    images : LazyImages
        The images: of shape (n_images, height, width, n_channels), or of different sizes.
    shape : tuple
        Shape of one image in `X`.
    pixel_range : tuple of (float, float)
        Smallest and largest pixel value.
    """

    def __init__(self, X, image_shape=None, pixel_range=None, reader=None):
        if pixel_range is not None:
            pixel_range = check_pixel_range(pixel_range)
        self.form, X = inspect_images(X)
        if self.form == "paths":
            X = (ImageReader().fit(X) if reader is None else reader).transform(X)
        elif self.form == "ragged":
            X = RaggedImages(X)
        self.shape = tuple(np.shape(X)[1:])
        if None not in self.shape:
            X = check_images(_Images(image_shape), X, reset=True)
        self.images = X if isinstance(X, LazyImages) else LazyImages(X)
        self.pixel_range = _find_range(self.images) if pixel_range is None else pixel_range

    def corrupted(self, kind: str, severity: int, seed: int) -> LazyImages:
        """Return a view of the corrupted images, in the shape of those in `X`.

        Parameters
        ----------
        kind : str
            Kind of the corruption.
        severity : int
            Severity, 1 to 5.
        seed : int
            Seed of the random numbers.

        Returns
        -------
        view : LazyImages of shape (n_images, ...)
            Corrupted images.
        """
        view = self.images.then(Corrupt(kind, int(severity), self.pixel_range, seed))
        return view if None in self.shape else reshape_images(view, self.shape)

    def clean(self) -> LazyImages:
        """Return a view of the images, in the shape of those in `X`."""
        return self.images if None in self.shape else reshape_images(self.images, self.shape)


def draw_seed(random_state: Any) -> int:
    """Draw the seed of all corruptions.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        Source of the seed.

    Returns
    -------
    seed : int
        Seed.
    """
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def images_at_a_time(shape: tuple) -> int:
    """Return the number of images to read at a time.

    Parameters
    ----------
    shape : tuple
        Shape of one image; None for an axis whose length differs from image to image.

    Returns
    -------
    n_images : int
        Number of images.
    """
    return 8 if None in shape else max(1, _READ // prod(shape))


class _Images(BaseEstimator):
    """Stand-in for an estimator, whose name `check_images` uses in its messages."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape


_Images.__name__ = "corrupt"


def _find_range(images):
    """Return the range of pixel values that the dtype fixes, or else the one of the images."""
    if images.dtype.kind == "b":
        return 0.0, 1.0
    limits = dtype_range(images.dtype)
    if limits is not None:
        return float(limits[0]), float(limits[1])
    values = ValueRange()
    for part in images.clean().read_parts(images_at_a_time(images.shape[1:])):
        for image in part if isinstance(part, list) else [part]:
            values.add(image)
    limits = values.limits()
    if limits[0] == limits[1]:
        raise ValueError(
            f"all pixels of X have the value {limits[0]:g}, so their range is not known: pass "
            "pixel_range=(low, high)"
        )
    return limits
