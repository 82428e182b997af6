"""The images as they were passed, or read from paths, and not what a network gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skcnn.images import image_shape_of_rows, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.pipeline_graph import pipeline_steps
from skcnn.preprocessing import ImageReader


def original_images(
    X: Any, estimator: Any = None, image_shape: tuple[int, ...] | None = None
) -> Any:
    """Return images of any form as a collection that is indexed by image.

    Parameters
    ----------
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form: array, flat rows, images of different sizes, `LazyImages`, or paths.
    estimator : estimator or Pipeline, default=None
        Fitted estimator. If its first step is an `ImageReader`, this reads the paths, and flat rows
        have the layout that the first step with an `image_shape_` was fitted on.
    image_shape : tuple of int, default=None
        Layout of flat rows, (height, width) or (height, width, n_channels). None uses that of the
        estimator, or else takes a square number of features for a gray square.

    Returns
    -------
    images : array, object array or LazyImages of length n_images
        Each item is an image of shape (height, width) or (height, width, n_channels). Files are
        read when they are indexed. Augmentation is left out.

    Raises
    ------
    TypeError
        If `X` is sparse.
    ValueError
        If `X` is not a collection of images.
    """
    form, X = inspect_images(X)
    if issparse(X):
        raise TypeError("X is sparse, but images must be dense: pass X.toarray()")
    steps = [] if estimator is None else [step for _, step in pipeline_steps(estimator)]
    if form == "paths":
        reader = steps[0] if steps and isinstance(steps[0], ImageReader) else ImageReader().fit(X)
        return reader.transform(X)
    if form == "lazy":
        X = X.clean()
    if form == "flat" and X.ndim < 2:
        found = "one value" if X.ndim == 0 else "one axis"
        raise ValueError(
            f"X has {found}, but images of shape (n_images, height, width), or paths in a list, "
            "were expected: pass [X] for one path or image"
        )
    if X.ndim != 2:
        return X
    if image_shape is None:
        shapes = [step.image_shape_ for step in steps if hasattr(step, "image_shape_")]
        image_shape = shapes[0] if shapes else None
    X = X if form == "lazy" else np.asarray(X)  # of a frame
    image_shape = image_shape_of_rows(X.shape[1], image_shape)
    return reshape_images(X, image_shape[:2] if image_shape[2] == 1 else image_shape)


def original_batches(images: Any, batch_size: int) -> Iterator:
    """Yield batches of images; of files, while threads read the next ones.

    Parameters
    ----------
    images : array, object array or LazyImages of length n_images
        Images, as `original_images` returns them.
    batch_size : int
        Number of images in a batch.

    Yields
    ------
    batch : array or list of arrays
        Consecutive images.
    """
    if isinstance(images, LazyImages):
        yield from images.read_parts(batch_size)
        return
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]
