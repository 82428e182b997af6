"""torch_pipeline: a fitted pipeline as one torch module, with its geometry and pixel range."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.operations import AffineMap, Operation, Reshape
from skcnn.pixels import dtype_range
from skcnn.preprocessing._resize_operation import Resize
from skcnn.preprocessing.normalizer import Normalize
from skcnn.settings import fixed_settings
from skcnn.values import native_dtype


@dataclass(frozen=True)
class TorchPipeline:
    """A fitted pipeline for images of one shape and dtype, as a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        Takes float32 tensors of shape (n_images, n_channels, height, width) that hold the original
        pixel values, and returns the outputs of the network, of shape (n_images, n_outputs): logits
        of a classifier, standardized targets of a regressor (``y_mean_ + y_scale_ * outputs`` are
        the predictions). It is a copy in evaluation mode whose parameters need no gradients,
        differentiable in the pixel values, and consists of ``module.preprocessing`` and
        ``module.network``. Test-time augmentation is not part of it.
    geometry : AffineMap
        From pixel coordinates (row, column) of the network's input to those of the original image.
    pixel_range : tuple of (float, float) or None
        Smallest and largest original pixel value: those of the dtype for uint8 and uint16,
        otherwise those that a fitted step knows. None if no step knows them.
    """

    module: nn.Module
    geometry: AffineMap
    pixel_range: tuple[float, float] | None


@fixed_settings()
def torch_pipeline(estimator: Any, image_shape: tuple[int, ...], dtype: Any) -> TorchPipeline:
    """Return a fitted pipeline as a torch module.

    Parameters
    ----------
    estimator : estimator of this package or Pipeline
        Fitted estimator, or fitted pipeline of `ImageResizer`, `ImageNormalizer`, `ImageAugmenter`
        (the identity in prediction) and `ImageFlattener` that ends in one. Pipelines may be nested
        and hold "passthrough" and None.
    image_shape : tuple of int
        Shape of one original image, (height, width) or (height, width, n_channels). For images of
        different sizes, call the function once for each shape.
    dtype : dtype
        Dtype of the original images. It decides whether resized images are rounded.

    Returns
    -------
    pipeline : TorchPipeline
        The module, its geometry and the pixel range.

    Raises
    ------
    TypeError
        If a step is not an image transformer, the last step is not an estimator of this package, or
        `dtype` is not a dtype of NumPy.
    ValueError
        If a step has no torch form or does not accept images of this shape, `image_shape` is not
        the shape of an image, or `dtype` is not a dtype of real numbers.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import CNNClassifier, ImageResizer
    >>> from skcnn.pipeline_graph import torch_pipeline
    >>> X, y = np.random.default_rng(0).integers(0, 256, (20, 12, 12), np.uint8), [0, 1] * 10
    >>> pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(max_epochs=1, random_state=0))
    >>> graph = torch_pipeline(pipe.fit(X, y), X.shape[1:], X.dtype)
    >>> logits = graph.module(torch.from_numpy(X[:, None].astype(np.float32)))
    >>> probabilities = logits.softmax(dim=1).numpy()
    >>> bool(np.allclose(probabilities, pipe.predict_proba(X), atol=1e-5))
    True
    >>> graph.geometry([[0, 0], [5, 5]])
    array([[ 0.5,  0.5],
           [10.5, 10.5]])
    """
    check_is_fitted(estimator)
    *transformers, (name, final) = _steps("", estimator)
    if not hasattr(final, "net_"):
        raise TypeError(
            "a pipeline has a torch form if it ends in an estimator of skcnn with a trained "
            f"network, not in {name}"
        )
    shape, dtype = _check_shape(image_shape), _check_dtype(dtype)
    geometry, modules = AffineMap(), []
    limits: tuple[float, float] | None = dtype_range(dtype)
    are_rows, rescaled = False, False
    for step_name, step in transformers:
        operation = _operation_of(step_name, step)
        resizes, flattens = isinstance(operation, Resize), isinstance(operation, Reshape)
        if are_rows or not resizes:
            _check_layout(step_name, step, shape)
        are_rows = flattens or (are_rows and not resizes)
        if flattens:  # the next step lays the rows out as the same images again
            continue
        if limits is None and not rescaled:
            limits = _known_range(step)
        rescaled = rescaled or isinstance(operation, Normalize)
        modules.append(operation.to_torch(shape, dtype))
        geometry = geometry.compose(operation.geometry(shape))
        shape, dtype = operation.output(shape, dtype)
    _check_layout(name, final, shape)
    with final.net_.lock.step():  # another thread may train it
        network = deepcopy(final.module_)
    device = next(chain(network.parameters(), network.buffers())).device
    preprocessing = nn.Sequential(*modules).to(device)
    module = nn.Sequential(OrderedDict(preprocessing=preprocessing, network=network))
    return TorchPipeline(module.eval().requires_grad_(False), geometry, limits)


def _check_shape(image_shape) -> tuple[int, ...]:
    """Return the shape of an image as integers."""
    if not IMAGE_SHAPE.is_satisfied_by(image_shape):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (height, width, n_channels), "
            "positive integers: pass X.shape[1:] of an array of images"
        )
    return tuple(map(int, image_shape))


def _check_dtype(dtype) -> np.dtype:
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


def _steps(name, estimator) -> Iterator[tuple[str, Any]]:
    """Yield the fitted steps of a pipeline, nested ones included, with names for messages."""
    if not isinstance(estimator, Pipeline):
        yield f"{name}{type(estimator).__name__}", estimator
        return
    for step_name, step in estimator.steps:
        if step is not None and not (isinstance(step, str) and step == "passthrough"):
            yield from _steps(f"{step_name!r}: ", step)


def _operation_of(name, step) -> Operation:
    if not hasattr(step, "_operation"):
        raise TypeError(
            f"the step {name} has no torch form: a pipeline may hold ImageResizer, "
            "ImageNormalizer, ImageAugmenter and ImageFlattener before an estimator of skcnn"
        )
    return step._operation()


def _check_layout(name, step, shape) -> None:
    """Raise an error if a step was fitted on images, or on rows laid out as images, of others."""
    found, expected = (*shape, 1)[:3], step.image_shape_
    if found != expected:
        raise ValueError(
            f"images of {found[0]} x {found[1]} pixels with {found[2]} channel(s) reach {name}, "
            f"which was fitted on {expected[0]} x {expected[1]} pixels with {expected[2]}"
        )


def _known_range(step) -> tuple[float, float] | None:
    """Return the range of the pixel values that a fitted step takes, None if it knows none."""
    if hasattr(step, "pixel_range_"):
        return step.pixel_range_
    if getattr(step, "method", None) == "unit":
        low = float(step.mean_[0])
        return low, low + float(step.scale_[0])
    return None
