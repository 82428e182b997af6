"""Cases of estimators, transformers and pipelines: sequences of calls."""

import copy
import pickle

import numpy as np
import torch
from _checks import Failed, FuzzError
from _images import draw_images, draw_values, same_forms
from _parameters import JUNK, TABLES, draw, draw_junk, draw_parameters
from _targets import LABELS, NUMBERS, draw_target, draw_weights
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ConvAutoencoder,
    ImageReader,
    TransferClassifier,
    TransferRegressor,
)

CLASSIFIERS = (CNNClassifier, TransferClassifier)
NETWORKS = (*CLASSIFIERS, CNNRegressor, TransferRegressor)
TRANSFORMERS = [kind for kind in TABLES if kind not in (*NETWORKS, ConvAutoencoder, ImageReader)]
NETWORK_METHODS = ["predict", "predict_proba", "predict_log_proba", "score"]


def may_change(estimator):
    """Return the global settings that an estimator may change: it may draw its seed."""
    fixed = isinstance(getattr(estimator, "random_state", 0), (int, np.integer))
    return () if fixed else ("random state of numpy",)


def build(check, kind, parameters):
    """Construct an estimator."""
    return check.call(None, kind, **parameters)


# ------------------------------------------------------------------------------------------------
# Estimators


def estimator_case(check, rng):
    """Fit, predict, fit again with something odd, and predict again."""
    kind = draw(rng, NETWORKS)
    odd = rng.random() < 0.6  # the other cases test what a good fit gives
    parameters = draw_parameters(rng, kind, junk=0.25 if odd else 0)
    model = build(check, kind, parameters)
    original = model.get_params(deep=False)
    usual = LABELS if kind in CLASSIFIERS else NUMBERS
    values = draw_values(rng, int(rng.integers(6, 16)))
    changed = False
    for _ in range(rng.integers(1, 3)):
        part = values[: rng.integers(3, len(values) + 1)]
        _, images = draw_images(rng, part, odd=0.25 if odd else 0)
        _, y = draw_target(rng, len(part), usual, odd=0.25 if odd else 0)
        arguments = _fit_arguments(rng, part, y, usual) if odd else {}
        # a partial_fit after the first does not check parameters, as in scikit-learn
        method = "partial_fit" if rng.random() < 0.2 and not changed else "fit"
        if method == "partial_fit":
            arguments = {k: v for k, v in arguments.items() if not k.endswith("_val")}
        result = check.call(model, method, images, y, **arguments, may_change=may_change(model))
        if isinstance(result, Failed):  # parameters are checked by fit
            check.call(model, "set_params", **original)
        predictions(check, rng, model, part)
        if changed := rng.random() < 0.2:
            check.call(model, "set_params", **draw_junk(rng, kind))
    if rng.random() < 0.3:
        check.call(model, "set_params", **original)
        copies(check, model, values)


def _fit_arguments(rng, values, y, usual):
    arguments = {}
    if (weights := draw_weights(rng, len(values))) is not None:
        arguments["sample_weight"] = weights
    if rng.random() < 0.2:
        arguments["X_val"] = draw_images(rng, values)[1]
        arguments["y_val"] = y if rng.random() < 0.7 else draw_target(rng, len(values), usual)[1]
        if rng.random() < 0.3:
            arguments["sample_weight_val"] = draw_weights(rng, len(values), some=1)
    return arguments


def predictions(check, rng, model, values):
    """Call the methods of a network, fitted or not, and check what they return."""
    name, images = draw_images(rng, values, odd=0.3)
    usual = name in same_forms(values)
    n_images = len(values)
    results = {}
    for method in rng.permutation(NETWORK_METHODS)[: rng.integers(1, 5)]:
        if method == "score":
            y = draw_target(rng, n_images, LABELS)[1]
            check.call(model, "score", images, y)
            continue
        results[method] = result = check.call(model, str(method), images)
        if isinstance(result, Failed):
            continue
        n_rows = n_images if usual else len(result)
        if check.check_rows(result, n_rows, f"{type(model).__name__}.{method}"):
            _check_prediction(check, model, method, result)
    proba, labels = results.get("predict_proba"), results.get("predict")
    if isinstance(proba, np.ndarray) and isinstance(labels, np.ndarray) and labels.ndim == 1:
        check.check_equal(model.classes_[proba.argmax(axis=1)], labels, "predict and predict_proba")
    for attribute in ("history_", "n_epochs_", "module_"):
        check.call(None, getattr, model, attribute, None)


def _check_prediction(check, model, method, result):
    name = type(model).__name__
    if method == "predict" and isinstance(model, CLASSIFIERS) and result.ndim == 1:
        if not np.isin(result, model.classes_).all():
            check.report("wrong result", f"{name}.predict", "labels that are no classes")
        if result.dtype != model.classes_.dtype:
            check.report("wrong result", f"{name}.predict", f"dtype {result.dtype}")
    is_regressor = isinstance(model, (CNNRegressor, TransferRegressor))
    if method == "predict" and is_regressor and result.dtype != np.float64:
        check.report("wrong result", f"{name}.predict", f"dtype {result.dtype}")
    if method == "predict_proba":
        if result.shape[1] != len(model.classes_):
            check.report("wrong result", f"{name}.predict_proba", f"shape {result.shape}")
        elif model.target_type_ == "multiclass" and abs(result.sum(axis=1) - 1).max() > 1e-6:
            check.report("wrong result", f"{name}.predict_proba", "rows do not sum to 1")


def dumps(model):
    """Pickle a model; one whose parameters cannot be pickled is no finding."""
    try:
        return pickle.dumps(model)
    except (pickle.PicklingError, AttributeError) as error:
        raise FuzzError(str(error)) from None


def copies(check, model, images):
    """Clone and pickle: the same parameters, the same predictions."""
    check.call(None, clone, model)
    check.call(None, repr, model)
    content = check.call(None, dumps, model)
    if isinstance(content, Failed):
        return
    loaded = check.call(None, pickle.loads, content)
    method = "predict" if hasattr(model, "predict") else "transform"
    before = check.call(model, method, images)
    if not isinstance(loaded, Failed):
        check.check_equal(before, check.call(loaded, method, images), "pickle", tolerance=0)
    check.check_equal(
        before, check.call(check.call(None, copy.deepcopy, model), method, images), "deepcopy"
    )


# ------------------------------------------------------------------------------------------------
# Transformers


def transformer_case(check, rng):
    """Fit, transform, fit again with something odd, and transform again."""
    kind = draw(rng, TRANSFORMERS)
    odd = rng.random() < 0.6
    parameters = draw_parameters(rng, kind, junk=0.3 if odd else 0)
    transformer = build(check, kind, parameters)
    original = transformer.get_params(deep=False)
    values = draw_values(rng, int(rng.integers(3, 9)))
    for _ in range(rng.integers(1, 3)):
        name, images = draw_images(rng, values, odd=0.5 if odd else 0)
        if rng.random() < 0.1:
            container = draw(rng, ["default", "pandas", "polars", "no", None, 5])
            check.call(transformer, "set_output", transform=container)
        method = draw(rng, ["fit", "fit_transform"])
        result = check.call(transformer, method, images, may_change=may_change(transformer))
        if isinstance(result, Failed):  # parameters are checked by fit
            check.call(transformer, "set_params", **original)
        n_images = len(values) if name in same_forms(values) else None
        if method == "fit_transform":
            output(check, transformer, result, n_images)
        outputs(check, rng, transformer, values)
        if rng.random() < 0.2:
            check.call(transformer, "set_params", **draw_junk(rng, kind))
    if rng.random() < 0.3:
        check.call(transformer, "set_params", **original)
        copies(check, transformer, values)


def outputs(check, rng, transformer, values):
    """Call the methods of a transformer, fitted or not."""
    name, images = draw_images(rng, values, odd=0.3)
    result = check.call(transformer, "transform", images)
    output(check, transformer, result, len(values) if name in same_forms(values) else None)
    if hasattr(transformer, "inverse_transform") and rng.random() < 0.5:
        given = result if rng.random() < 0.7 and not isinstance(result, Failed) else images
        back = check.call(transformer, "inverse_transform", given)
        output(check, transformer, back, None)
        if given is result and not isinstance(result, Failed) and not isinstance(back, Failed):
            again = check.call(transformer, "transform", back)
            check.check_equal(again, result, f"inverse of {type(transformer).__name__}")
    names = [None, ["a", "b"], "abc", 5, np.array([1, 2]), [None], [f"x{n}" for n in range(64)]]
    found = check.call(transformer, "get_feature_names_out", draw(rng, names))
    features = getattr(result, "shape", ())
    if not isinstance(found, Failed) and len(features) == 2 and len(found) != features[1]:
        check.report("wrong result", "get_feature_names_out", f"{len(found)} names")


def output(check, transformer, result, n_images):
    """Check the result of a transformer, and read it if it is lazy."""
    if isinstance(result, Failed):
        return
    values = check.call(None, np.asarray, result)
    if isinstance(values, Failed):
        return
    if values.dtype.kind == "O":
        check.report("wrong result", type(transformer).__name__, "an array of objects")
        return
    check.check_rows(
        values, len(values) if n_images is None else n_images, type(transformer).__name__
    )
    shape, dtype = getattr(result, "shape", None), getattr(result, "dtype", values.dtype)
    if shape is not None and None not in shape and tuple(shape) != values.shape:
        check.report("wrong result", type(transformer).__name__, f"shape {shape}")
    if isinstance(dtype, np.dtype) and dtype != values.dtype:
        check.report("wrong result", type(transformer).__name__, f"{values.dtype} for {dtype}")


# ------------------------------------------------------------------------------------------------
# Pipelines


def pipeline_case(check, rng):
    """Fit a pipeline of transformers and a network."""
    steps = [
        build(check, kind, draw_parameters(rng, kind, junk=0.05))
        for kind in rng.permutation(np.array(TRANSFORMERS, dtype=object))[: rng.integers(1, 4)]
    ]
    kind = draw(rng, NETWORKS)
    parameters = draw_parameters(rng, kind, junk=0.1)
    model = build(check, kind, parameters)
    pipeline = make_pipeline(*steps, model)
    values = draw_values(rng, int(rng.integers(6, 13)))
    usual = LABELS if kind in CLASSIFIERS else NUMBERS
    images = draw_images(rng, values, odd=0.15)[1]
    y = draw_target(rng, len(values), usual, odd=0.05)[1]
    allowed = ("random state of numpy",)  # any of the steps may draw a seed
    if isinstance(check.call(pipeline, "fit", images, y, may_change=allowed), Failed):
        return
    result = check.call(pipeline, "predict", values)
    check.check_rows(result, len(values), "pipeline")
    graph_calls(check, rng, pipeline, values, model)
    if rng.random() < 0.3:
        copies(check, pipeline, values)


def graph_calls(check, rng, pipeline, values, model):
    """Compare the pipeline as a torch module with the pipeline itself."""
    from skcnn.pipeline_graph import torch_pipeline

    if rng.random() < 0.3:
        shape, dtype = draw(rng, [*JUNK, (8, 8), (8,), (-1, 8)]), draw(rng, [*JUNK, "u1", "f4"])
        check.call(None, torch_pipeline, pipeline, shape, dtype)
        return
    graph = check.call(None, torch_pipeline, pipeline, values.shape[1:], values.dtype)
    if (
        isinstance(graph, Failed)
        or model.test_time_augmentation
        or model.target_type_ != "multiclass"
    ):
        return
    pixels = torch.from_numpy(values.reshape(*values.shape, 1)[:, :, :, : (*values.shape, 1)[3]])
    tensors = pixels.reshape(len(values), *(*values.shape[1:], 1)[:3]).permute(0, 3, 1, 2).float()
    found = check.call(None, graph.module, tensors)
    expected = check.call(pipeline, "predict_proba", values)
    if not isinstance(found, Failed):
        check.check_equal(found.softmax(dim=1), expected, "torch_pipeline", tolerance=1e-3)


KINDS = {estimator_case: 0.4, transformer_case: 0.25, pipeline_case: 0.08}
