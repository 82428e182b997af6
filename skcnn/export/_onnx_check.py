"""Comparison of an ONNX model with the pipeline from which it was made."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skcnn.export._onnx_exporter import IMAGES
from skcnn.export._onnx_graph import PIXELS, Graph
from skcnn.export._onnx_heads import TOLERANCE
from skcnn.original_images import original_images
from skcnn.preprocessing._resize import resize_images

if TYPE_CHECKING:
    from onnx import ModelProto

_BATCH = 32  # images
# With several resizers, pixels may differ because the first one rounded a pixel up instead of down:
# at most this fraction of all pixels, or this number if there are few pixels.
_MAX_ROUNDED, _MIN_ROUNDED = 1e-3, 2


def batches_for_check(graph: Graph, X: Any = None) -> list[NDArray]:
    """Return the images with which a model is checked.

    Parameters
    ----------
    graph : Graph
        What the model computes.
    X : images or paths, default=None
        Images of the user. None makes random ones.

    Returns
    -------
    batches : list of arrays of shape (n_images, ...)
        Images of one size each.

    Raises
    ------
    ValueError
        If an image does not have the shape or the dtype that the model takes.
    """
    return list(_random_batches(graph) if X is None else _given_batches(graph, X))


def check_model(graph: Graph, model: ModelProto, batches: list[NDArray]) -> ModelProto:
    """Compare a model with the pipeline, and return it without the output "pixels".

    The images that the last step receives are compared with those of the transformers, and the
    results with those of the last step. Resized pixels near a half may be rounded up by one and
    down by the other, which changes the results: the last step gets these pixels from the model.

    Parameters
    ----------
    graph : Graph
        What the model computes.
    model : onnx.ModelProto
        Model with the outputs `graph.head.names` and "pixels".
    batches : list of arrays of shape (n_images, ...)
        Images.

    Returns
    -------
    checked : onnx.ModelProto
        Copy whose outputs are `graph.head.names`.

    Raises
    ------
    RuntimeError
        If the model and the pipeline differ.
    """
    checked = copy.deepcopy(model)
    results_only = [value for value in model.graph.output if value.name != PIXELS]
    del checked.graph.output[:]
    checked.graph.output.extend(results_only)
    preprocessing, session = _session(model), _session(checked)
    for images in batches:
        (pixels,) = preprocessing.run([PIXELS], {IMAGES: images})
        results = session.run(list(graph.head.names), {IMAGES: images})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the scale of random pixels
            _compare(graph, images, np.moveaxis(pixels, 1, -1), results)
    return checked


def check_scale(graph: Graph, images: NDArray) -> None:
    """Raise an error if integer images are on another scale than those of fit.

    Parameters
    ----------
    graph : Graph
        Graph of images whose dtype the user did not give.
    images : array of shape (n_images, ...)
        Images with values from the whole range of the dtype.

    Raises
    ------
    ValueError
        If the pipeline warns about their scale.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = graph.pipeline.network_input(images)
        for method in ("predict", "transform"):
            if hasattr(graph.pipeline.final, method):
                getattr(graph.pipeline.final, method)(pixels)
    for warning in caught:
        if "pixel values" in str(warning.message):
            raise ValueError(
                f"the pipeline was not fitted on {graph.dtype} images with values from 0 to "
                f"{np.iinfo(graph.dtype).max}: set dtype to that of the images, such as "
                'dtype="float32"'
            )


def _compare(graph, images, pixels, results):
    """Raise an error if pixels or results differ from those of the pipeline."""
    expected = np.asarray(graph.pipeline.network_input(images), np.float32)
    limit = TOLERANCE * max(1.0, float(abs(expected).max(initial=0.0)))
    is_other = ~(abs(pixels - expected) <= limit)
    common = np.where(is_other, pixels, expected)
    if is_other.any():
        is_other &= ~_is_half(graph, images, pixels, expected, limit)
    n_other = np.count_nonzero(is_other)
    if n_other > max(_MIN_ROUNDED, _MAX_ROUNDED * pixels.size):
        raise RuntimeError(
            f"the ONNX model is not saved, because for images of shape {images.shape[1:]} "
            f"{n_other} of {pixels.size} preprocessed pixel values differ from those of the "
            "pipeline"
        )
    for name, difference in graph.head.differences(common, *results).items():
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"the ONNX model is not saved, because its output {name!r} differs by up to "
                f"{difference:.3g} from that of the pipeline, for images of shape "
                f"{images.shape[1:]}; at most {TOLERANCE} is accepted"
            )


def _is_half(graph, images, pixels, expected, limit):
    """Return where pixels are rounded in opposite directions from a value between two integers."""
    exact = np.asarray(graph.pipeline.network_input(images.astype(np.float64)))  # is not rounded
    is_opposite = (pixels - exact) * (expected - exact) < 0
    return is_opposite & (abs(abs(pixels - exact) - abs(expected - exact)) <= limit)


def _session(model):
    """Return a session of onnxruntime without messages."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _random_batches(graph) -> Iterator[NDArray]:
    """Yield batches of random images with smooth areas and noise."""
    shape = graph.example_shape()
    shapes = [shape, shape]
    if None in graph.shape:
        height, width = graph.pipeline.transformers[0][1].size
        shapes += [(height // 2 + 1, width, *shape[2:]), (height, width, *shape[2:])]
    rng = np.random.default_rng(0)
    low, high = _pixel_range(graph)
    for n_images, one_shape in zip((3, 1, 1, 2), shapes, strict=False):
        coarse = rng.random((n_images, 4, 4, *one_shape[2:]), np.float32)
        smooth = resize_images(coarse, one_shape[:2])
        values = 0.8 * smooth + 0.2 * rng.random(smooth.shape, np.float32)
        images = low + (high - low) * values.astype(np.float64)
        if graph.dtype.kind in "ui":
            images = np.rint(images)
        yield images.astype(graph.dtype) if graph.dtype.kind != "b" else values > 0.5


def _pixel_range(graph):
    """Return the range of the pixel values of the images of fit, as far as it is known."""
    if graph.path.limits is not None:
        return graph.path.limits
    for _, step in graph.pipeline.transformers:
        if hasattr(step, "mean_"):
            mean, scale = step.mean_, step.scale_
            break
    else:
        standardize = graph.pipeline.final.module_[0]
        mean, scale = standardize.mean.cpu().numpy(), 1 / standardize.factor.cpu().numpy()
    return float((mean - 2 * scale).min()), float((mean + 2 * scale).max())


def _given_batches(graph, X) -> Iterator[NDArray]:
    """Yield batches of images of one size."""
    images = original_images(X, graph.pipeline.reader, None if None in graph.shape else graph.shape)
    rows: dict[tuple, list[NDArray]] = {}
    for row in range(len(images)):
        image = np.asarray(images[row])
        image = image[..., 0] if image.shape[2:] == (1,) and len(graph.shape) == 2 else image
        _check_image(graph, image)
        batch = rows.setdefault(image.shape, [])
        batch.append(image)
        if len(batch) == _BATCH:
            yield np.stack(rows.pop(image.shape))
    yield from map(np.stack, rows.values())


def _check_image(graph, image):
    fits = len(image.shape) == len(graph.shape) and all(
        expected in (None, axis) for axis, expected in zip(image.shape, graph.shape, strict=True)
    )
    if not fits or image.dtype != graph.dtype:
        shape = ", ".join("any" if axis is None else str(axis) for axis in graph.shape)
        raise ValueError(
            f"X holds an image of shape {image.shape} and dtype {image.dtype}, but the model takes "
            f"images of shape ({shape}) and dtype {graph.dtype}: set image_shape or dtype, or "
            "convert the images"
        )
