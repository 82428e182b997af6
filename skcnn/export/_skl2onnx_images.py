"""Converters of skl2onnx for the image transformers."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from skcnn.export._onnx_exporter import export_module
from skcnn.export._skl2onnx_nodes import (
    add_cast,
    add_model,
    add_reshape,
    check_input,
    numpy_dtype,
)


def image_shapes(operator):
    from skl2onnx.common import data_types

    source, step = operator.inputs[0].type, operator.raw_operator
    operation, shape = _operation_and_shape(operator)
    dtype = np.dtype(numpy_dtype(source))
    image_shape, result = operation.output(shape, dtype)
    kinds = {
        "uint8": data_types.UInt8TensorType,
        "float32": data_types.FloatTensorType,
        "float64": data_types.DoubleTensorType,
    }
    kind = kinds.get(result.name, type(source))
    keeps_rows = len(source.shape) == 2 and not hasattr(step, "n_channels_")
    operator.outputs[0].type = kind(source.shape if keeps_rows else [None, *image_shape])


def convert_images(scope, operator, container):
    from skl2onnx.common.data_types import guess_proto_type

    source, step = operator.inputs[0], operator.raw_operator
    operation, shape = _operation_and_shape(operator)
    module = _ImageModule(operation.to_torch(shape, np.dtype(numpy_dtype(source.type)))).eval()
    example = torch.zeros(2, *(17 if axis is None else axis for axis in shape))
    name = type(step).__name__
    model = export_module(module, example, ["result"], None in shape, name)
    numbers, images, resized, result = (
        scope.get_unique_variable_name(part) for part in ("numbers", "images", "resized", "result")
    )
    from onnx import TensorProto

    add_cast(scope, container, source.full_name, numbers, TensorProto.FLOAT)
    if len(source.type.shape) == 2:
        add_reshape(scope, container, numbers, images, (-1, *shape))
    else:
        images = numbers
    add_model(scope, container, model, images, [resized])
    target = operator.outputs[0]
    if len(target.type.shape) == 2:
        add_reshape(scope, container, resized, result, (-1, prod(shape)))
    else:
        result = resized
    add_cast(scope, container, result, target.full_name, guess_proto_type(target.type))


def _operation_and_shape(operator):
    """Return the operation of a transformer, and the shape of an image that it receives."""
    declared, step = operator.inputs[0].type.shape, operator.raw_operator
    if len(declared) > 2 and hasattr(step, "n_channels_"):  # a resizer takes images of any size
        return step._operation(), tuple(declared[1:])
    if not hasattr(step, "image_shape_"):
        raise ValueError(
            f"the input of {type(step).__name__} has rows, but it was fitted on images of "
            "different sizes: declare images as its input, such as "
            "UInt8TensorType([None, None, None, 3])"
        )
    check_input(declared, step)
    height, width, n_channels = step.image_shape_
    with_axis = len(declared) == 4 or n_channels > 1 or len(step.image_shape or ()) == 3
    return step._operation(), (height, width, n_channels) if with_axis else (height, width)


class _ImageModule(nn.Module):
    """Operation on images with channels last."""

    def __init__(self, operation):
        super().__init__()
        self.operation = operation

    def forward(self, images: Any) -> Any:
        if images.ndim == 3:
            return self.operation(images[:, None])[:, 0]
        return self.operation(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def flattener_shapes(operator):
    source, step = operator.inputs[0].type, operator.raw_operator
    check_input(source.shape, step)
    operator.outputs[0].type = type(source)([None, step.n_features_in_])


def convert_flattener(scope, operator, container):
    (source,), (target,) = operator.inputs, operator.outputs
    shape = (-1, operator.raw_operator.n_features_in_)
    add_reshape(scope, container, source.full_name, target.full_name, shape)
