"""FittedPipeline: the parts of a fitted pipeline. torch_pipeline: all of it as a torch module."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.images import check_images
from skcnn.learned import fitted_view
from skcnn.operations import AffineMap, Operation, Reshape
from skcnn.pixels import dtype_range
from skcnn.preprocessing import ImageReader, ImageResizer
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
    estimator : estimator of this package, Pipeline or search
        Fitted estimator, or fitted pipeline of `ImageResizer`, `ImageNormalizer`, `ImageAugmenter`
        (the identity in prediction) and `ImageFlattener` that ends in one. Pipelines may be nested
        and hold "passthrough" and None. An `ImageReader` at the beginning is left out, because the
        module takes the images that it reads. Of a search, such as `GridSearchCV`, the best
        estimator is used.
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
    pipeline = FittedPipeline.of(estimator)
    path = pipeline.follow(image_shape, dtype)
    network = pipeline.network()
    device = next(chain(network.parameters(), network.buffers())).device
    preprocessing = nn.Sequential(*path.modules()).to(device)
    module = nn.Sequential(OrderedDict(preprocessing=preprocessing, network=network))
    return TorchPipeline(module.eval().requires_grad_(False), path.geometry(), path.limits)


@dataclass(frozen=True)
class FittedPipeline:
    """The parts of a fitted pipeline that ends in an estimator of this package.

    Parameters
    ----------
    reader : ImageReader or None
        The first step, if it reads files.
    transformers : tuple of tuples of (str, transformer)
        The steps between the reader and the last one, with their names in messages. Nested
        pipelines are resolved, and "passthrough" and None are left out.
    name : str
        Name of the last step in messages.
    final : estimator
        A shallow copy of the last step, which does not change if another thread fits it.
    """

    reader: ImageReader | None
    transformers: tuple[tuple[str, Any], ...]
    name: str
    final: Any

    @classmethod
    def of(cls, estimator: Any) -> FittedPipeline:
        """Return the parts of a fitted pipeline.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.

        Returns
        -------
        pipeline : FittedPipeline
            The parts.

        Raises
        ------
        TypeError
            If the last step is not an estimator of this package with a trained network.
        """
        pipeline = cls.of_steps(estimator)
        if not hasattr(pipeline.final, "net_"):
            raise TypeError(
                f"{pipeline.name} has no trained network: pass a fitted estimator of skcnn, or a "
                "pipeline or search that ends in one"
            )
        return pipeline

    @classmethod
    def of_steps(cls, estimator: Any) -> FittedPipeline:
        """Return the parts of a fitted pipeline, whatever its last step is.

        Parameters
        ----------
        estimator : estimator, Pipeline or search
            Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.

        Returns
        -------
        pipeline : FittedPipeline
            The parts. `network` needs a last step with a trained network.
        """
        check_is_fitted(estimator)
        *steps, (name, final) = pipeline_steps(estimator)
        reader = None
        if steps and isinstance(steps[0][1], ImageReader):
            (_, reader), *steps = steps
        return cls(reader, tuple(steps), name, fitted_view(final))

    def network(self) -> nn.Module:
        """Return a copy of the network in evaluation mode, whose parameters need no gradients.

        Returns
        -------
        network : torch.nn.Module
            Takes the images that the last step receives, channels first.
        """
        with self.final.net_.lock.step():  # another thread may train it
            network = deepcopy(self.final.module_)
        return network.eval().requires_grad_(False)

    def network_input(self, images: Any) -> Any:
        """Return the images that the last step receives.

        Parameters
        ----------
        images : images of shape (n_images, ...)
            Original images, not paths.

        Returns
        -------
        images : array or LazyImages of shape (n_images, height, width, n_channels)
            Transformed images.
        """
        for _, step in self.transformers:
            images = step.transform(images)
        return check_images(self.final, images, reset=False)

    def follow(self, image_shape: tuple[int, ...], dtype: Any) -> ImagePath:
        """Follow images of one shape and dtype through the transformers.

        Parameters
        ----------
        image_shape : tuple of int
            Shape of one original image, (height, width) or (height, width, n_channels).
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
            If a step does not accept images of this shape, `image_shape` is not the shape of an
            image, or `dtype` is not a dtype of real numbers.
        """
        return self._follow(_check_shape(image_shape), _check_dtype(dtype))

    def follow_any_size(self, channels: tuple[int, ...], dtype: Any) -> ImagePath:
        """Follow images of one dtype and of any height and width through the transformers.

        Parameters
        ----------
        channels : tuple of int
            () for gray images without an axis of channels, otherwise (n_channels,).
        dtype : dtype
            Dtype of the original images.

        Returns
        -------
        path : ImagePath
            What happens to the images. It has no geometry, which depends on their size.

        Raises
        ------
        TypeError
            If a step is not an image transformer, or `dtype` is not a dtype of NumPy.
        ValueError
            If the first transformer is not an `ImageResizer`, or `dtype` is not a dtype of real
            numbers.
        """
        if not self.resizes_first:
            name = self.transformers[0][0] if self.transformers else self.name
            raise ValueError(
                f"{name} takes images of one size: put an ImageResizer before it, or pass the "
                "shape of an image"
            )
        return self._follow((None, None, *channels), _check_dtype(dtype))

    @property
    def resizes_first(self) -> bool:
        """Whether the first transformer is an `ImageResizer`, which takes images of any size."""
        return bool(self.transformers) and isinstance(self.transformers[0][1], ImageResizer)

    def _follow(self, shape, dtype):
        parts: list[tuple[Operation, tuple, np.dtype]] = []
        limits: tuple[float, float] | None = dtype_range(dtype)
        are_rows, rescaled = False, False
        for step_name, step in self.transformers:
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
            parts.append((operation, shape, dtype))
            shape, dtype = operation.output(shape, dtype)
        _check_layout(self.name, self.final, shape)
        return ImagePath(tuple(parts), limits)


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


def pipeline_steps(estimator: Any) -> list[tuple[str, Any]]:
    """Return the steps of any fitted pipeline of scikit-learn.

    Parameters
    ----------
    estimator : estimator, Pipeline or search
        Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.

    Returns
    -------
    steps : list of tuples of (str, estimator)
        Names for messages, and steps. Nested pipelines and `FrozenEstimator` are resolved, and
        "passthrough" and None are left out.

    Raises
    ------
    TypeError
        If a search has no best estimator.
    """
    return list(_steps("", estimator))


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
    if isinstance(estimator, FrozenEstimator):
        yield from _steps(name, estimator.estimator)
        return
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "cv_results_"):
        raise TypeError(
            f"{type(estimator).__name__} has no best estimator, because it was fitted with "
            f"refit={estimator.refit!r}: fit it with refit=True"
        )
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
