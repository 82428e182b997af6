"""Graph: what the ONNX model of a fitted pipeline computes."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skcnn.export._onnx_exporter import export_module
from skcnn.export._onnx_heads import ClassifierHead, Head, head_of
from skcnn.export._onnx_labels import CLASS_INDEX, add_labels, label_table
from skcnn.networks import ResizeInput
from skcnn.pipeline_graph import FittedPipeline, ImagePath
from skcnn.pipeline_graph.image_path import operation_of
from skcnn.preprocessing._resize_operation import MatrixResize
from skcnn.training.augmented_inference import average_over_variants

if TYPE_CHECKING:
    from onnx import ModelProto

PIXELS = "pixels"  # name of an output
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
        for name, step in pipeline.transformers:
            operation_of(name, step)  # raises an error if it is not an image transformer
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
            If PyTorch cannot export the network, or ONNX has no type for a label.
        """
        is_classifier = isinstance(self.head, ClassifierHead)
        has_classes = is_classifier and not self.head.multilabel
        labels = label_table(self.pipeline.final.classes_) if has_classes else None
        module = _GraphModule(self).eval().requires_grad_(False)
        images = torch.zeros(2, *self.example_shape(), dtype=_DTYPES[self.dtype.name])
        names = [CLASS_INDEX if name == "label" else name for name in self.head.names]
        model = export_module(
            module, images, [*names, PIXELS], None in self.shape, self.pipeline.name
        )
        if is_classifier:
            add_labels(model, labels)
        return model

    def metadata(self) -> dict[str, str]:
        """Return what a user of the model must know, as strings."""
        final = self.head.final
        found = {"estimator": type(final).__name__}
        if hasattr(final, "classes_"):
            found["classes"] = json.dumps(final.classes_.tolist())
        return found


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
    """Return a pipeline whose last step is a network, and the `LogitAdjustedClassifier` around it.

    The latter is None if there is none.
    """
    adjusted = pipeline.final
    if not all(hasattr(adjusted, name) for name in ("class_prior_", "estimator_", "tau")):
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
