"""The ONNX graph of a fitted pipeline, made by the exporter of PyTorch."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skcnn.export._onnx_heads import ClassifierHead, Head, head_of
from skcnn.networks import ResizeInput
from skcnn.pipeline_graph import FittedPipeline, ImagePath
from skcnn.preprocessing._resize_operation import MatrixResize
from skcnn.training.augmented_inference import average_over_variants

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGES, PIXELS = "images", "pixels"
_CLASS_INDEX = "class_index"
_DTYPES = {
    "bool": torch.bool,
    "float32": torch.float32,
    "float64": torch.float64,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
}


@dataclass(frozen=True)
class Graph:
    """What a graph computes.

    Parameters
    ----------
    pipeline : FittedPipeline
        Parts of the fitted pipeline.
    head : Head
        Results of the last step.
    shape : tuple
        Shape of one image, (height, width) or (height, width, n_channels). Height and width are
        None if the graph takes images of any size.
    dtype : numpy.dtype
        Dtype of the images.
    path : ImagePath
        What the transformers do.
    """

    pipeline: FittedPipeline
    head: Head
    shape: tuple
    dtype: np.dtype
    path: ImagePath

    @classmethod
    def of(cls, estimator: Any, image_shape: tuple[int, ...] | None, dtype: Any) -> Graph:
        """Return the graph of a fitted pipeline.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator.
        image_shape : tuple of int or None
            Shape of one image. None accepts images of any size if the pipeline does.
        dtype : dtype or None
            Dtype of the images. None is that of the images that the pipeline reads from files, and
            uint8 if it does not read files.

        Returns
        -------
        graph : Graph
            What is exported.

        Raises
        ------
        TypeError
            If a step or the last step cannot be exported.
        ValueError
            If a step does not accept such images.
        """
        pipeline, adjusted = _without_adjustment(FittedPipeline.of_steps(estimator))
        head = head_of(pipeline.name, pipeline.final, adjusted)
        dtype = _input_dtype(pipeline.reader, dtype)
        first = (*(step for _, step in pipeline.transformers), pipeline.final)[0]
        shape: tuple
        if image_shape is not None:
            shape = tuple(int(axis) for axis in image_shape)
            path = pipeline.follow(shape, dtype)
        elif pipeline.resizes_first:
            channels = () if first.n_channels_ == 1 else (first.n_channels_,)
            shape = (None, None, *channels)
            path = pipeline.follow_any_size(channels, dtype)
        else:
            height, width, n_channels = first.image_shape_
            shape = (height, width) if n_channels == 1 else (height, width, n_channels)
            path = pipeline.follow(shape, dtype)
        return cls(pipeline, head, shape, dtype, path)

    def example_shape(self) -> tuple[int, ...]:
        """Return the shape of an image that the graph accepts."""
        if None not in self.shape:
            return self.shape
        height, width = self.pipeline.transformers[0][1].size
        return (2 * height + 1, 3 * width + 1, *self.shape[2:])

    def to_onnx(self) -> ModelProto:
        """Return the graph in ONNX format.

        Returns
        -------
        model : onnx.ModelProto
            Model with the input "images" and the outputs `head.names` and "pixels". The latter are
            the images that the last step receives, channels first.

        Raises
        ------
        ValueError
            If PyTorch cannot export the network.
        """
        module = _GraphModule(self).eval().requires_grad_(False)
        images = torch.zeros(2, *self.example_shape(), dtype=_DTYPES[self.dtype.name])
        names = [_CLASS_INDEX if name == "label" else name for name in self.head.names]
        model = export_module(
            module, images, [*names, PIXELS], None in self.shape, self.pipeline.name
        )
        if isinstance(self.head, ClassifierHead):
            _add_labels(model, None if self.head.multilabel else self.pipeline.final.classes_)
        return model

    def metadata(self) -> dict[str, str]:
        """Return what a user of the model must know, as strings."""
        final = self.head.final
        found = {"estimator": type(final).__name__}
        if hasattr(final, "classes_"):
            found["classes"] = json.dumps(final.classes_.tolist())
        return found


def export_module(
    module: nn.Module, images: Tensor, outputs: list[str], any_size: bool, name: str
) -> Any:
    """Export a module to ONNX.

    Parameters
    ----------
    module : torch.nn.Module
        Module in evaluation mode whose parameters need no gradients.
    images : tensor of shape (2, height, width) or (2, height, width, n_channels)
        Example of its input, which is named "images".
    outputs : list of str
        Names of its outputs.
    any_size : bool
        Whether it takes images of any height and width. It takes any number of images.
    name : str
        Name in messages.

    Returns
    -------
    model : onnx.ModelProto
        The exported module.

    Raises
    ------
    ValueError
        If PyTorch cannot export it.
    """
    axes = {0: torch.export.Dim("n_images")}
    if any_size:
        axes |= {1: torch.export.Dim("height"), 2: torch.export.Dim("width")}
    options: dict = {"dynamo": True, "verbose": False}
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(module, (images,), dynamic_shapes=(axes,))
            exported: Any = torch.onnx.export(
                program, input_names=[IMAGES], output_names=outputs, **options
            )
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"PyTorch cannot export {name} to ONNX: {reason[0]}") from error
    model = exported.model_proto
    _remove_traces(model)
    _name_axes(model, ["n_images", "height", "width"])
    return model


class _GraphModule(nn.Module):
    """From images, channels last, to the results of the head and the input of the network."""

    def __init__(self, graph):
        super().__init__()
        pipeline = graph.pipeline
        *inputs, network = _network(pipeline.final)
        if graph.head.uses_features:
            network = _Features(network)
        self.preprocessing = nn.Sequential(*graph.path.modules())
        size = pipeline.final.image_shape_[:2]
        self.network = nn.Sequential(*(_by_matrices(layer, size) for layer in inputs), network)
        self.head = graph.head
        self.test_time_augmentation = getattr(pipeline.final, "test_time_augmentation", None)
        self.cpu()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        images = images.float()
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
        pixels = self.preprocessing(images)
        outputs = average_over_variants(self.network, self.test_time_augmentation)(pixels)
        return (*self.head(outputs), pixels)


class _Features(nn.Module):
    """Features of a network that follows the protocol `Backbone`."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.features(images)


def _without_adjustment(pipeline):
    """Return a pipeline with the classifier in a `LogitAdjustedClassifier`, and the latter."""
    adjusted = pipeline.final
    if not hasattr(adjusted, "class_prior_"):
        return pipeline, None
    inner = FittedPipeline.of_steps(adjusted.estimator_)
    transformers = (*pipeline.transformers, *inner.transformers)
    reader = pipeline.reader or inner.reader
    return FittedPipeline(reader, transformers, inner.name, inner.final), adjusted


def _network(final):
    """Return a copy of the module of the last step."""
    if not hasattr(final, "net_"):
        return copy.deepcopy(final.module_).eval()
    return FittedPipeline(None, (), "", final).network()


def _by_matrices(layer, size):
    """Replace the antialiased resizing of PyTorch, which differs from that of ONNX."""
    if not isinstance(layer, ResizeInput):
        return layer
    shrinks = any(new < old for new, old in zip(layer.size, size, strict=True))
    down, across = (
        functional.interpolate(
            torch.eye(old)[None, None], (new, old), mode="bilinear", antialias=shrinks
        )[0, 0].numpy()
        for new, old in zip(layer.size, size, strict=True)
    )
    return MatrixResize(down, across, rounds=False)


def _input_dtype(reader, dtype):
    """Return the dtype of the images that a graph takes."""
    read = None if reader is None else np.dtype("uint16" if reader.mode == "I;16" else "uint8")
    if dtype is None:
        return read or np.dtype(np.uint8)
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in _DTYPES:
        raise ValueError(f"dtype={dtype!r} is not supported: it must be one of {sorted(_DTYPES)}")
    if read is not None and found != read:
        raise ValueError(
            f"dtype={dtype!r}, but the ImageReader of the pipeline reads images of dtype {read}: "
            "use dtype=None"
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings and the messages of the exporter."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _name_axes(model, names):
    """Rename the axes of variable length, to which the exporter gives names such as "s34"."""
    (images,) = model.graph.input
    axes = images.type.tensor_type.shape.dim
    renamed = {
        axis.dim_param: name
        for axis, name in zip(axes, names, strict=False)
        if axis.HasField("dim_param")
    }
    for value in model.graph.output:
        for axis in value.type.tensor_type.shape.dim:
            if axis.HasField("dim_param"):
                axis.dim_param = renamed[axis.dim_param]
    for axis in axes:
        if axis.HasField("dim_param"):
            axis.dim_param = renamed[axis.dim_param]
    del model.graph.value_info[:]  # uses the former names


def _remove_traces(model):
    """Remove what is for debugging only: the lines of code of each node, with paths of files."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _add_labels(model, classes):
    """Replace the index of the class by its label. None as classes keeps indicators."""
    from onnx import helper, numpy_helper

    graph = model.graph
    if classes is None:
        graph.node.append(helper.make_node("Identity", [_CLASS_INDEX], ["label"], "label"))
        table = np.zeros(0, np.int64)
        shape = ["n_images", graph.output[0].type.tensor_type.shape.dim[1].dim_value]
    else:
        table, shape = label_table(classes), ["n_images"]
        graph.initializer.append(numpy_helper.from_array(table, "classes"))
        graph.node.append(helper.make_node("Gather", ["classes", _CLASS_INDEX], ["label"], "label"))
    kind = helper.np_dtype_to_tensor_dtype(table.dtype)
    outputs = [helper.make_tensor_value_info("label", kind, shape), *graph.output[1:]]
    del graph.output[:]
    graph.output.extend(outputs)


def label_table(classes: np.ndarray) -> np.ndarray:
    """Return labels as an array of a type of ONNX.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        Labels.

    Returns
    -------
    table : array of shape (n_classes,)
        Labels as `str` (in an object array), int64, bool or float64.

    Raises
    ------
    ValueError
        If a label has characters that are not valid, such as the name of a folder that was written
        in another encoding.
    """
    if classes.dtype.kind in "OU":
        labels = [str(label) for label in classes]
        for label in labels:
            if label.encode("utf-8", "ignore").decode() != label:
                raise ValueError(
                    f"the label {label!r} is not valid Unicode, which ONNX requires: rename the "
                    "class, and fit the estimator again"
                )
        return np.array(labels, dtype=object)
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    return classes.astype(bool if classes.dtype.kind == "b" else np.float64)
