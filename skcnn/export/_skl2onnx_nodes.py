"""Nodes that the converters of skl2onnx add to a graph, and checks of their inputs."""

from __future__ import annotations

from math import prod


def check_input(shape, step):
    """Raise an error if the declared shape of the input is not that of the images seen in fit."""
    found, seen = tuple(shape[1:]), step.image_shape_
    expected = (prod(seen),) if len(found) == 1 else seen[: len(found)]
    if any(axis not in (None, other) for axis, other in zip(found, expected, strict=False)):
        raise ValueError(
            f"the input of {type(step).__name__} has shape {tuple(shape)}, but it was fitted on "
            f"images of {seen[0]} x {seen[1]} pixels with {seen[2]} channel(s): declare an input "
            "of this size"
        )


def numpy_dtype(tensor_type):
    from onnx import helper
    from skl2onnx.common.data_types import guess_proto_type

    return helper.tensor_dtype_to_np_dtype(guess_proto_type(tensor_type))


def add_cast(scope, container, source, target, kind):
    name = scope.get_unique_operator_name("Cast")
    container.add_node("Cast", source, target, op_version=9, name=name, to=kind)


def add_reshape(scope, container, source, target, shape):
    from onnx import TensorProto

    axes = scope.get_unique_variable_name("shape")
    container.add_initializer(axes, TensorProto.INT64, [len(shape)], list(shape))
    name = scope.get_unique_operator_name("Reshape")
    container.add_node("Reshape", [source, axes], target, op_version=5, name=name)


def add_model(scope, container, model, source, targets):
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
