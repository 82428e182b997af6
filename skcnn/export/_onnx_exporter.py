"""Export of PyTorch modules to ONNX models, without the messages of PyTorch's exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

IMAGES = "images"  # name of the input


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
        Whether the model takes images of any height and width. The number of images may always
        vary.
    name : str
        Name of the module in error messages.

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
    """Remove the lines of code of each node, which are for debugging and contain paths of files."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
