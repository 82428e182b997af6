"""Converter of skl2onnx for `LogitAdjustedClassifier`."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from skcnn.export._onnx_exporter import export_module
from skcnn.export._onnx_labels import CLASS_INDEX, add_labels, label_table
from skcnn.export._skl2onnx_networks import (
    add_class_outputs,
    check_other_operators,
    check_zipmap,
    set_class_types,
)
from skcnn.export._skl2onnx_nodes import add_cast


def adjusted_shapes(operator):
    set_class_types(operator, operator.raw_operator.classes_)


def convert_adjusted(scope, operator, container):
    from onnx import TensorProto
    from skl2onnx._parse import _get_sklearn_operator_name
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type

    check_zipmap(scope, operator)
    adjusted = operator.raw_operator
    inner = adjusted.estimator_
    while isinstance(inner, FrozenEstimator):  # skl2onnx does not know it
        inner = inner.estimator
    classifier = scope.declare_local_operator(_get_sklearn_operator_name(type(inner)), inner)
    classifier.inputs = operator.inputs
    kinds = {
        "label": Int64TensorType(),
        "probabilities": guess_tensor_type(operator.inputs[0].type),
    }
    for name, kind in kinds.items():
        classifier.outputs.append(scope.declare_local_variable(name, kind))
    check_other_operators(scope)
    numbers = scope.get_unique_variable_name("numbers")
    add_cast(scope, container, classifier.outputs[1].full_name, numbers, TensorProto.FLOAT)
    add_class_outputs(scope, operator, container, _model(adjusted), numbers)


def _model(adjusted):
    """Return the ONNX model from probabilities to labels and adjusted probabilities."""
    example = torch.full((2, len(adjusted.classes_)), 0.5)
    names = [CLASS_INDEX, "probabilities"]
    model = export_module(_Adjustment(adjusted).eval(), example, names, False, "the adjustment")
    add_labels(model, label_table(adjusted.classes_))
    return model


class _Adjustment(nn.Module):
    """From the probabilities of the classifier to indices of classes and adjusted probabilities."""

    adjustment: Tensor

    def __init__(self, adjusted):
        super().__init__()
        prior = np.where(adjusted.class_prior_ > 0, adjusted.class_prior_, 1.0)
        adjustment = torch.tensor(adjusted.tau * np.log(prior), dtype=torch.float32)
        self.register_buffer("adjustment", adjustment)

    def forward(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        logits = probabilities.log() - self.adjustment
        return logits.argmax(dim=1), logits.softmax(dim=1)
