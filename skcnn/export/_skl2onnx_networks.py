"""Converters of skl2onnx for the estimators with a network."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from skcnn.export._onnx_check import batches_for_check, check_model
from skcnn.export._onnx_graph import Graph
from skcnn.export._onnx_labels import label_table
from skcnn.export._skl2onnx_nodes import add_cast, add_model, add_reshape, check_input
from skcnn.settings import fixed_settings


def classifier_shapes(operator):
    from skl2onnx.common.data_types import Int64TensorType

    final = operator.raw_operator
    set_class_types(operator, final.classes_)
    if final.target_type_ == "multilabel":
        operator.outputs[0].type = Int64TensorType([None, len(final.classes_)])


def set_class_types(operator, classes):
    """Set the types of the labels and the probabilities that an operator returns."""
    from skl2onnx.common import data_types

    kinds = {
        "O": data_types.StringTensorType,
        "i": data_types.Int64TensorType,
        "b": data_types.BooleanTensorType,
        "f": data_types.DoubleTensorType,
    }
    operator.outputs[0].type = kinds[label_table(classes).dtype.kind]([None])
    number = type(data_types.guess_tensor_type(operator.inputs[0].type))
    if _is_mapped(operator.scope_inst, operator.outputs[1]):  # ZipMap takes float32 only
        number = data_types.FloatTensorType
    operator.outputs[1].type = number([None, len(classes)])


def add_class_outputs(scope, operator, container, model, source):
    """Add a model whose outputs are labels and probabilities, in the types of an operator."""
    from skl2onnx.common.data_types import guess_proto_type

    label, target = operator.outputs
    probabilities = scope.get_unique_variable_name("probabilities")
    add_model(scope, container, model, source, [label.full_name, probabilities])
    kind = guess_proto_type(target.type)
    add_cast(scope, container, probabilities, target.full_name, kind)


def convert_classifier(scope, operator, container):
    check_zipmap(scope, operator)
    images = _network_input(scope, operator, container)
    add_class_outputs(scope, operator, container, _checked_model(scope, operator), images)


def check_zipmap(scope, operator):
    """Raise an error if the keys of a dict of probabilities are not integers or strings."""
    classes = operator.raw_operator.classes_
    if _is_mapped(scope, operator.outputs[0]) and label_table(classes).dtype.kind in "bf":
        raise ValueError(
            f"the classes {classes.tolist()!r:.80} cannot be the keys of a ZipMap, which are "
            'integers or strings: pass options={"zipmap": False}'
        )


def _is_mapped(scope, output):
    """Return whether an output is an input of a ZipMap."""
    maps = [other for other in scope.operators.values() if other.type.startswith("SklearnZipMap")]
    return any(value is output for other in maps for value in other.inputs)


def regressor_shapes(operator):
    from skl2onnx.common.data_types import guess_tensor_type

    kind = type(guess_tensor_type(operator.inputs[0].type))
    operator.outputs[0].type = kind([None, operator.raw_operator.y_mean_.size])


def convert_regressor(scope, operator, container):
    from skl2onnx.common.data_types import guess_proto_type

    predictions, numbers = (scope.get_unique_variable_name(name) for name in ("double", "cast"))
    images = _network_input(scope, operator, container)
    add_model(scope, container, _checked_model(scope, operator), images, [predictions])
    add_cast(scope, container, predictions, numbers, guess_proto_type(operator.outputs[0].type))
    shape = (-1, operator.raw_operator.y_mean_.size)
    add_reshape(scope, container, numbers, operator.outputs[0].full_name, shape)


def feature_shapes(operator):
    from skl2onnx.common.data_types import guess_tensor_type

    n_features = operator.raw_operator._n_features_out
    kind = type(guess_tensor_type(operator.inputs[0].type))  # as the next steps expect it
    operator.outputs[0].type = kind([None, n_features])


def convert_features(scope, operator, container):
    from skl2onnx.common.data_types import guess_proto_type

    features, target = scope.get_unique_variable_name("features"), operator.outputs[0]
    images = _network_input(scope, operator, container)
    add_model(scope, container, _checked_model(scope, operator), images, [features])
    add_cast(scope, container, features, target.full_name, guess_proto_type(target.type))


@fixed_settings()
def _checked_model(scope, operator):
    check_other_operators(scope)
    graph = Graph.of(operator.raw_operator, None, np.float32)
    return check_model(graph, graph.to_onnx(), batches_for_check(graph))


def check_other_operators(scope):
    """Raise an error if the graph has an operator that skl2onnx converts to other results."""
    for other in scope.operators.values():
        model = other.raw_operator
        if hasattr(model, "best_threshold_"):
            raise ValueError(
                f"skl2onnx ignores the threshold of {type(model).__name__}: convert its "
                "estimator_, and compare the probabilities with best_threshold_"
            )
        if not hasattr(model, "calibrated_classifiers_"):
            continue
        if model.method == "isotonic":
            raise ValueError(
                "skl2onnx does not interpolate between the values of an isotonic calibration: use "
                'CalibratedClassifierCV with method="sigmoid"'
            )
        calibrated = model.calibrated_classifiers_[0].estimator
        parts = [calibrated, *calibrated.get_params().values()]
        hides_scores = any(isinstance(part, Pipeline) or hasattr(part, "refit") for part in parts)
        if hides_scores and hasattr(calibrated, "decision_function"):
            raise ValueError(
                "skl2onnx calibrates the probabilities of a pipeline, but scikit-learn calibrates "
                "its decision function: put CalibratedClassifierCV around the last step of the "
                "pipeline, and around the best estimator of a search"
            )


def _network_input(scope, operator, container):
    """Add nodes that convert rows or images to float32 images. Return the name of the result."""
    from onnx import TensorProto

    (source,), final = operator.inputs, operator.raw_operator
    height, width, n_channels = final.image_shape_
    shape = (height, width) if n_channels == 1 else (height, width, n_channels)
    check_input(source.type.shape, final)
    numbers, images = (scope.get_unique_variable_name(name) for name in ("numbers", "images"))
    add_cast(scope, container, source.full_name, numbers, TensorProto.FLOAT)
    add_reshape(scope, container, numbers, images, (-1, *shape))
    return images
