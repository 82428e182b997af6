"""Labels of a classifier in ONNX models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

CLASS_INDEX = "class_index"


def add_labels(model: ModelProto, table: np.ndarray | None) -> None:
    """Replace the output "class_index" of a model by "label".

    Parameters
    ----------
    model : onnx.ModelProto
        Model whose first output is "class_index".
    table : array of shape (n_classes,) or None
        Return value of `label_table`. None keeps the values of the output, for multilabel targets.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    if table is None:
        graph.node.append(helper.make_node("Identity", [CLASS_INDEX], ["label"], "label"))
        dtype = np.dtype(np.int64)
        shape = ["n_images", graph.output[0].type.tensor_type.shape.dim[1].dim_value]
    else:
        dtype, shape = table.dtype, ["n_images"]
        graph.initializer.append(numpy_helper.from_array(table, "classes"))
        graph.node.append(helper.make_node("Gather", ["classes", CLASS_INDEX], ["label"], "label"))
    kind = helper.np_dtype_to_tensor_dtype(dtype)
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
        in another encoding, is an integer that int64 cannot hold, or has a type that ONNX does not
        have.
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
        if classes.max() > np.iinfo(np.int64).max:
            raise ValueError(
                f"the label {classes.max()} is larger than {np.iinfo(np.int64).max}, the largest "
                "integer of ONNX: fit the estimator with strings or smaller integers as labels"
            )
        return classes.astype(np.int64)
    if classes.dtype.kind not in "bf":
        raise ValueError(
            f"ONNX has no type for labels of dtype {classes.dtype}: fit the estimator with strings "
            "or numbers as labels"
        )
    return classes.astype(bool if classes.dtype.kind == "b" else np.float64)
