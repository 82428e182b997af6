"""Cases that compare: the same values in other forms, and under other global settings."""

import sys
import warnings

import numpy as np
import sklearn
import torch
from _callables import SHARED
from _cases import CLASSIFIERS, NETWORKS, TRANSFORMERS, build
from _checks import Failed
from _images import LAYOUTS, draw_values, same_forms
from _parameters import TABLES, draw, draw_parameters
from _targets import LABELS, NUMBERS, draw_target


def forms_case(check, rng):
    """Give the same values in two forms: results must agree."""
    kind = draw(rng, list(NETWORKS) if rng.random() < 0.6 else TRANSFORMERS)
    parameters = draw_parameters(rng, kind, junk=0)
    if SHARED in (parameters.get("network"), parameters.get("backbone")):
        return
    n_images = int(rng.integers(6, 13))
    values = draw_values(rng, n_images)
    forms = same_forms(values)
    if kind not in NETWORKS:  # the results of transformers depend on the dtype
        forms = {name: form for name, form in forms.items() if name in LAYOUTS or name == "Pillow"}
    name = draw(rng, list(forms))
    images = forms[name](values)
    y = draw_target(rng, n_images, LABELS if kind in CLASSIFIERS else NUMBERS, odd=0)[1]
    parameters["random_state"] = 0
    if kind not in (*NETWORKS, *(k for k in TRANSFORMERS if "random_state" in TABLES[k])):
        del parameters["random_state"]
    results = []
    for given in (values, images):
        model = build(check, kind, parameters)
        if isinstance(check.call(model, "fit", given, y), Failed):
            results.append([None, check.calls[-1]])
            continue
        method = "transform" if kind not in NETWORKS else "predict_proba"
        method = "predict" if kind in NETWORKS and kind not in CLASSIFIERS else method
        results.append([check.call(model, method, form) for form in (values, images)])
    if results[0][0] is None or results[1][0] is None:
        if results[0][0] is not None or results[1][0] is not None:
            check.report("disagreement", f"fit of {name}", "one fails")
        return
    tolerance = 0 if kind not in NETWORKS else 1e-4
    what = f"{kind.__name__}, {name}"
    check.check_equal(results[0][0], results[0][1], f"{what}: predicted", tolerance=tolerance / 10)
    check.check_equal(results[0][0], results[1][1], f"{what}: fitted", tolerance=tolerance)


# ------------------------------------------------------------------------------------------------
# Global settings of the caller


def settings_case(check, rng):
    """Fit under unusual global settings: the same results as without."""
    kind = draw(rng, NETWORKS)
    parameters = {**draw_parameters(rng, kind, junk=0), "random_state": 0}
    values = draw_values(rng, 9)
    y = draw_target(rng, 9, LABELS if kind in CLASSIFIERS else NUMBERS, odd=0)[1]
    results = []
    name = draw(rng, list(SETTINGS))
    for change in (None, name):
        model = build(check, kind, parameters)
        restore = SETTINGS[change]() if change else None
        try:
            check.call(model, "fit", values, y)
            results.append(check.call(model, "predict", values))
        finally:
            if restore:
                restore()
    check.calls.append(f"with {name}")
    check.check_equal(*results, f"with {name}")


def _entered(context):
    context.__enter__()
    return lambda: context.__exit__(None, None, None)


def _default_dtype():
    torch.set_default_dtype(torch.float64)
    return lambda: torch.set_default_dtype(torch.float32)


def _default_device():
    torch.set_default_device("meta")
    return lambda: torch.set_default_device(None)


def _deterministic():
    torch.use_deterministic_algorithms(True)
    return lambda: torch.use_deterministic_algorithms(False)


def _seeds():
    torch.manual_seed(5)
    np.random.seed(5)
    return lambda: None


def _warnings_as_errors():
    context = warnings.catch_warnings()
    context.__enter__()
    warnings.simplefilter("error")
    return lambda: context.__exit__(None, None, None)


def _no_stdout():
    before = sys.stdout
    sys.stdout = None
    return lambda: setattr(sys, "stdout", before)


def _config(**options):
    def change():
        return _entered(sklearn.config_context(**options))

    return change


SETTINGS = {
    "numpy raising": lambda: _entered(np.errstate(all="raise")),
    "no gradients": lambda: _entered(torch.no_grad()),
    "inference mode": lambda: _entered(torch.inference_mode()),
    "autocast": lambda: _entered(torch.autocast("cpu", torch.bfloat16)),
    "float64": _default_dtype,
    "default device": _default_device,
    "deterministic algorithms": _deterministic,
    "other seeds": _seeds,
    "no stdout": _no_stdout,
    "anomaly detection": lambda: _entered(torch.autograd.detect_anomaly(check_nan=False)),
    "pandas output": _config(transform_output="pandas"),
    "no validation": _config(assume_finite=True),
    "no parameter validation": _config(skip_parameter_validation=True),
    "print options": lambda: _entered(np.printoptions(precision=1)),
}


KINDS = {forms_case: 0.12, settings_case: 0.03}
