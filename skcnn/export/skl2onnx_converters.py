"""register_skl2onnx: converters of skl2onnx for the estimators and transformers."""

from __future__ import annotations

from importlib import import_module
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from skcnn.export._onnx_check import batches_for_check, check_model
from skcnn.export._onnx_exporter import export_module
from skcnn.export._onnx_graph import Graph
from skcnn.export._onnx_labels import label_table
from skcnn.settings import fixed_settings

_CLASSIFIERS = ("CNNClassifier", "TransferClassifier")
_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
}
_REGRESSORS = ("CNNRegressor", "TransferRegressor")
_FEATURES = ("ConvAutoencoder", "ImageEmbedder")
_IMAGES = ("ImageAugmenter", "ImageNormalizer", "ImageResizer")


def register_skl2onnx() -> None:
    """Register converters, so that skl2onnx converts pipelines with steps of this package.

    After this call, ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` accept `CNNClassifier`,
    `CNNRegressor`, `TransferClassifier`, `TransferRegressor`, `ImageEmbedder`, `ConvAutoencoder`,
    `ImageResizer`, `ImageNormalizer`, `ImageAugmenter` and `ImageFlattener` as steps, beside those
    of scikit-learn. The results of converted networks are compared with those of the estimators, as
    in `to_onnx`.

    Raises
    ------
    ImportError
        If skl2onnx or a package that `to_onnx` requires is not installed.

    See Also
    --------
    to_onnx : Export a pipeline of image steps without skl2onnx.

    Notes
    -----
    The input of a step can be flat rows or images, with channels last. With rows, the step must
    have been fitted on images of one size. The target opset of skl2onnx must be at least the opset
    that the exporter of PyTorch uses, 20 in PyTorch 2.13.

    Examples
    --------
    >>> import numpy as np, onnxruntime
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcnn import CNNClassifier
    >>> from skcnn.export import register_skl2onnx
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=1, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), cnn).fit(X, y)
    >>> import skl2onnx  # doctest: +SKIP
    >>> register_skl2onnx()  # doctest: +SKIP
    >>> options = {"zipmap": False}
    >>> model = skl2onnx.to_onnx(pipe, X[:1], options=options)  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())  # doctest: +SKIP
    >>> label, probabilities = session.run(None, {"X": X[:100]})  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter as register
    except ImportError as error:
        raise ImportError(
            "register_skl2onnx requires skl2onnx: pip install skl2onnx, and pip install "
            '"skcnn[onnx]"'
        ) from error
    package = import_module("skcnn")
    kinds = {
        _CLASSIFIERS: (_classifier_shapes, _convert_classifier),
        _REGRESSORS: (_regressor_shapes, _convert_regressor),
        _FEATURES: (_feature_shapes, _convert_features),
        _IMAGES: (_image_shapes, _convert_images),
        ("ImageFlattener",): (_flattener_shapes, _convert_flattener),
    }
    for names, (shapes, convert) in kinds.items():
        options = _CLASSIFIER_OPTIONS if names is _CLASSIFIERS else None
        for name in names:
            register(getattr(package, name), f"Skcnn{name}", shapes, convert, options=options)


# ------------------------------------------------------------------------------------------------
# Estimators with a network


def _classifier_shapes(operator):
    from skl2onnx.common import data_types

    final = operator.raw_operator
    n_classes = len(final.classes_)
    if final.target_type_ == "multilabel":
        label = data_types.Int64TensorType([None, n_classes])
    else:
        kinds = {
            "O": data_types.StringTensorType,
            "i": data_types.Int64TensorType,
            "b": data_types.BooleanTensorType,
            "f": data_types.DoubleTensorType,
        }
        label = kinds[label_table(final.classes_).dtype.kind]([None])
    operator.outputs[0].type = label
    operator.outputs[1].type = data_types.FloatTensorType([None, n_classes])


def _convert_classifier(scope, operator, container):
    _check_zipmap(scope, operator)
    _embed(
        scope,
        container,
        _checked_model(operator),
        _network_input(scope, operator, container),
        [output.full_name for output in operator.outputs],
    )


def _check_zipmap(scope, operator):
    """Raise an error if probabilities are to be a dict with labels that ONNX has not as keys."""
    label, classes = operator.outputs[0], operator.raw_operator.classes_
    maps = [other for other in scope.operators.values() if other.type.startswith("SklearnZipMap")]
    is_mapped = any(value is label for other in maps for value in other.inputs)
    if is_mapped and label_table(classes).dtype.kind in "bf":
        raise ValueError(
            f"the classes {classes.tolist()!r:.80} cannot be the keys of a ZipMap, which are "
            'integers or strings: pass options={"zipmap": False}'
        )


def _regressor_shapes(operator):
    from skl2onnx.common.data_types import guess_tensor_type

    kind = type(guess_tensor_type(operator.inputs[0].type))
    operator.outputs[0].type = kind([None, operator.raw_operator.y_mean_.size])


def _convert_regressor(scope, operator, container):
    from skl2onnx.common.data_types import guess_proto_type

    predictions, numbers = (scope.get_unique_variable_name(name) for name in ("double", "cast"))
    images = _network_input(scope, operator, container)
    _embed(scope, container, _checked_model(operator), images, [predictions])
    _cast(scope, container, predictions, numbers, guess_proto_type(operator.outputs[0].type))
    shape = (-1, operator.raw_operator.y_mean_.size)
    _reshape(scope, container, numbers, operator.outputs[0].full_name, shape)


def _feature_shapes(operator):
    from skl2onnx.common.data_types import FloatTensorType

    n_features = operator.raw_operator._n_features_out
    operator.outputs[0].type = FloatTensorType([None, n_features])


def _convert_features(scope, operator, container):
    images = _network_input(scope, operator, container)
    outputs = [operator.outputs[0].full_name]
    _embed(scope, container, _checked_model(operator), images, outputs)


@fixed_settings()
def _checked_model(operator):
    graph = Graph.of(operator.raw_operator, None, np.float32)
    return check_model(graph, graph.to_onnx(), batches_for_check(graph))


def _network_input(scope, operator, container):
    """Add nodes that convert rows or images to float32 images. Return the name of the result."""
    from onnx import TensorProto

    (source,), final = operator.inputs, operator.raw_operator
    height, width, n_channels = final.image_shape_
    shape = (height, width) if n_channels == 1 else (height, width, n_channels)
    _check_input(source.type.shape, final)
    numbers, images = (scope.get_unique_variable_name(name) for name in ("numbers", "images"))
    _cast(scope, container, source.full_name, numbers, TensorProto.FLOAT)
    _reshape(scope, container, numbers, images, (-1, *shape))
    return images


def _check_input(shape, step):
    """Raise an error if the declared shape of the input is not that of the images seen in fit."""
    found, seen = tuple(shape[1:]), step.image_shape_
    expected = (prod(seen),) if len(found) == 1 else seen[: len(found)]
    if any(axis not in (None, other) for axis, other in zip(found, expected, strict=False)):
        raise ValueError(
            f"the input of {type(step).__name__} has shape {tuple(shape)}, but it was fitted on "
            f"images of {seen[0]} x {seen[1]} pixels with {seen[2]} channel(s)"
        )


# ------------------------------------------------------------------------------------------------
# Image transformers


def _image_shapes(operator):
    from skl2onnx.common import data_types

    source, step = operator.inputs[0].type, operator.raw_operator
    operation, shape = _operation_and_shape(operator)
    dtype = np.dtype(_numpy_dtype(source))
    image_shape, result = operation.output(shape, dtype)
    kinds = {
        "uint8": data_types.UInt8TensorType,
        "float32": data_types.FloatTensorType,
        "float64": data_types.DoubleTensorType,
    }
    kind = kinds.get(result.name, type(source))
    keeps_rows = len(source.shape) == 2 and not hasattr(step, "n_channels_")
    operator.outputs[0].type = kind(source.shape if keeps_rows else [None, *image_shape])


def _convert_images(scope, operator, container):
    from skl2onnx.common.data_types import guess_proto_type

    source, step = operator.inputs[0], operator.raw_operator
    operation, shape = _operation_and_shape(operator)
    module = _ImageModule(operation.to_torch(shape, np.dtype(_numpy_dtype(source.type)))).eval()
    example = torch.zeros(2, *(17 if axis is None else axis for axis in shape))
    name = type(step).__name__
    model = export_module(module, example, ["result"], None in shape, name)
    numbers, images, resized, result = (
        scope.get_unique_variable_name(part) for part in ("numbers", "images", "resized", "result")
    )
    from onnx import TensorProto

    _cast(scope, container, source.full_name, numbers, TensorProto.FLOAT)
    if len(source.type.shape) == 2:
        _reshape(scope, container, numbers, images, (-1, *shape))
    else:
        images = numbers
    _embed(scope, container, model, images, [resized])
    target = operator.outputs[0]
    if len(target.type.shape) == 2:
        _reshape(scope, container, resized, result, (-1, prod(shape)))
    else:
        result = resized
    _cast(scope, container, result, target.full_name, guess_proto_type(target.type))


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
    _check_input(declared, step)
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


def _flattener_shapes(operator):
    source, step = operator.inputs[0].type, operator.raw_operator
    _check_input(source.shape, step)
    operator.outputs[0].type = type(source)([None, step.n_features_in_])


def _convert_flattener(scope, operator, container):
    (source,), (target,) = operator.inputs, operator.outputs
    shape = (-1, operator.raw_operator.n_features_in_)
    _reshape(scope, container, source.full_name, target.full_name, shape)


# ------------------------------------------------------------------------------------------------
# Nodes


def _numpy_dtype(tensor_type):
    from onnx import helper
    from skl2onnx.common.data_types import guess_proto_type

    return helper.tensor_dtype_to_np_dtype(guess_proto_type(tensor_type))


def _cast(scope, container, source, target, kind):
    name = scope.get_unique_operator_name("Cast")
    container.add_node("Cast", source, target, op_version=9, name=name, to=kind)


def _reshape(scope, container, source, target, shape):
    from onnx import TensorProto

    axes = scope.get_unique_variable_name("shape")
    container.add_initializer(axes, TensorProto.INT64, [len(shape)], list(shape))
    name = scope.get_unique_operator_name("Reshape")
    container.add_node("Reshape", [source, axes], target, op_version=5, name=name)


def _embed(scope, container, model, source, targets):
    """Add the nodes of a model with one input, under names that are not used yet."""
    (opset,) = (entry.version for entry in model.opset_import if entry.domain == "")
    if container.target_opset_any_domain("") < opset:
        raise ValueError(
            f"target_opset is {container.target_opset_any_domain('')}, but steps of skcnn need at "
            f"least {opset}: pass target_opset={opset}"
        )
    graph = model.graph
    names = {graph.input[0].name: source, "": ""}
    names |= {value.name: target for value, target in zip(graph.output, targets, strict=True)}
    for tensor in graph.initializer:
        names[tensor.name] = tensor.name = scope.get_unique_variable_name(tensor.name)
    container.initializers.extend(graph.initializer)
    for node in graph.node:
        for values in (node.input, node.output):
            for place, value in enumerate(values):
                if value not in names:
                    names[value] = scope.get_unique_variable_name(value)
                values[place] = names[value]
        node.name = scope.get_unique_operator_name(node.op_type)
    container.nodes.extend(graph.node)
    container.node_domain_version_pair_sets.add(("", opset))
