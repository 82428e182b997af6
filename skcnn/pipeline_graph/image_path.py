"""ImagePath: what the transformers of a fitted pipeline do to images of one shape and dtype."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.operations import AffineMap, Operation, Reshape
from skcnn.pixels import dtype_range
from skcnn.preprocessing._resize_operation import Resize
from skcnn.preprocessing.normalizer import Normalize
from skcnn.values import native_dtype


@dataclass(frozen=True)
class ImagePath:
    """What the transformers of a pipeline do to images of one shape and dtype.

    Parameters
    ----------
    parts : tuple of tuples of (Operation, tuple, numpy.dtype)
        Operations, with the shape and the dtype of the images that each receives. Height and width
        are None if they differ from image to image.
    limits : tuple of (float, float) or None
        Smallest and largest original pixel value, as `TorchPipeline.pixel_range`.
    """

    parts: tuple[tuple[Operation, tuple, np.dtype], ...]
    limits: tuple[float, float] | None

    def modules(self) -> list[nn.Module]:
        """Return the operations as torch modules."""
        return [operation.to_torch(shape, dtype) for operation, shape, dtype in self.parts]

    def geometry(self) -> AffineMap:
        """Return the map from coordinates of the network's input to those of the original."""
        geometry = AffineMap()
        for operation, shape, _ in self.parts:
            geometry = geometry.compose(operation.geometry(shape))
        return geometry


def follow_images(
    transformers: tuple[tuple[str, Any], ...], name: str, final: Any, shape: tuple, dtype: Any
) -> ImagePath:
    """Follow images through transformers.

    Parameters
    ----------
    transformers : tuple of tuples of (str, transformer)
        Fitted transformers, with their names in messages.
    name : str
        Name of the last step in messages.
    final : estimator
        Last step.
    shape : tuple
        Shape of one original image. Height and width are None if they differ from image to image.
    dtype : dtype
        Dtype of the original images.

    Returns
    -------
    path : ImagePath
        What happens to the images.

    Raises
    ------
    TypeError
        If a step is not an image transformer, or `dtype` is not a dtype of NumPy.
    ValueError
        If a step does not accept images of this shape, or `dtype` is not a dtype of real numbers.
    """
    dtype = _checked_dtype(dtype)
    parts: list[tuple[Operation, tuple, np.dtype]] = []
    limits: tuple[float, float] | None = dtype_range(dtype)
    are_rows, rescaled = False, False
    for step_name, step in transformers:
        operation = operation_of(step_name, step)
        resizes, flattens = isinstance(operation, Resize), isinstance(operation, Reshape)
        if are_rows or not resizes:
            _check_layout(step_name, step, shape)
        are_rows = flattens or (are_rows and not resizes)
        if flattens:  # the next step lays the rows out as the same images again
            continue
        if limits is None and not rescaled:
            limits = _known_range(step)
        rescaled = rescaled or isinstance(operation, Normalize)
        parts.append((operation, shape, dtype))
        shape, dtype = operation.output(shape, dtype)
    _check_layout(name, final, shape)
    return ImagePath(tuple(parts), limits)


def checked_shape(image_shape: Any) -> tuple[int, ...]:
    """Return the shape of an image as integers.

    Parameters
    ----------
    image_shape : tuple of int
        Shape that a user gave.

    Returns
    -------
    shape : tuple of int
        (height, width) or (height, width, n_channels).

    Raises
    ------
    ValueError
        If it is not the shape of an image.
    """
    if not IMAGE_SHAPE.is_satisfied_by(image_shape):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (height, width, n_channels), "
            "positive integers: pass X.shape[1:] of an array of images"
        )
    return tuple(map(int, image_shape))


def _checked_dtype(dtype) -> np.dtype:
    """Return a dtype of pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about deprecated names of dtypes
            found = None if dtype is None else np.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise TypeError(
            f"dtype={dtype!r} is not a dtype of numpy: pass X.dtype of an array of images"
        )
    if found.kind not in "buif":
        raise ValueError(f"dtype={found} does not hold pixels, which must be real numbers")
    return native_dtype(found)


def operation_of(name: str, step: Any) -> Operation:
    """Return the operation of an image transformer.

    Parameters
    ----------
    name : str
        Name of the step in messages.
    step : transformer
        Fitted step of a pipeline.

    Returns
    -------
    operation : Operation
        Its operation on batches of images.

    Raises
    ------
    TypeError
        If the step is not an image transformer.
    """
    if not hasattr(step, "_operation"):
        raise TypeError(
            f"the step {name} cannot be converted to PyTorch: use only ImageResizer, "
            "ImageNormalizer, ImageAugmenter and ImageFlattener before an estimator of skcnn"
        )
    return step._operation()


def _check_layout(name, step, shape) -> None:
    """Raise an error if a step was fitted on images of another shape."""
    found, expected = (*shape, 1)[:3], step.image_shape_
    if found != expected:
        raise ValueError(
            f"images of {found[0]} x {found[1]} pixels with {found[2]} channel(s) reach {name}, "
            f"which was fitted on {expected[0]} x {expected[1]} pixels with {expected[2]}: use "
            "images of the same shape as in fit"
        )


def _known_range(step) -> tuple[float, float] | None:
    """Return the range of pixel values that a fitted step has learned, None if there is none."""
    if hasattr(step, "pixel_range_"):
        return step.pixel_range_
    if getattr(step, "method", None) == "unit":
        low = float(step.mean_[0])
        return low, low + float(step.scale_[0])
    return None
