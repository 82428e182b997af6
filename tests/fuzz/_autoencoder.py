"""Cases of ConvAutoencoder: codes, reconstructions and scores."""

import numpy as np
from _cases import build, copies, may_change
from _checks import Failed
from _images import draw_images, draw_values, same_forms
from _parameters import draw_junk, draw_parameters
from _targets import draw_weights

from skcnn import ConvAutoencoder

METHODS = ["transform", "reconstruct", "score_samples", "score"]


def autoencoder_case(check, rng):
    """Fit, compute codes, images and scores, and fit again with something odd."""
    odd = rng.random() < 0.6
    parameters = draw_parameters(rng, ConvAutoencoder, junk=0.25 if odd else 0)
    model = build(check, ConvAutoencoder, parameters)
    original = model.get_params(deep=False)
    values = draw_values(rng, int(rng.integers(6, 16)))
    for _ in range(rng.integers(1, 3)):
        part = values[: rng.integers(3, len(values) + 1)]
        images = draw_images(rng, part, odd=0.25 if odd else 0)[1]
        arguments = {}
        if odd and (weights := draw_weights(rng, len(part))) is not None:
            arguments["sample_weight"] = weights
        if odd and rng.random() < 0.3:
            arguments["X_val"] = draw_images(rng, part)[1]
        result = check.call(model, "fit", images, **arguments, may_change=may_change(model))
        if isinstance(result, Failed):  # parameters are checked by fit
            check.call(model, "set_params", **original)
        _results(check, rng, model, part)
        if rng.random() < 0.2:
            check.call(model, "set_params", **draw_junk(rng, ConvAutoencoder))
    if rng.random() < 0.3:
        check.call(model, "set_params", **original)
        copies(check, model, values)


def _results(check, rng, model, values):
    """Call the methods, fitted or not, and check what they return."""
    name, images = draw_images(rng, values, odd=0.3)
    results = {}
    for method in METHODS:
        results[method] = result = check.call(model, method, images)
        if method != "score" and not isinstance(result, Failed):
            n_rows = len(values) if name in same_forms(values) else len(result)
            check.check_rows(result, n_rows, method)
    codes, scores = results["transform"], results["score_samples"]
    if not isinstance(codes, Failed):
        back = check.call(model, "inverse_transform", codes)
        if not isinstance(back, Failed) and not isinstance(results["reconstruct"], Failed):
            restored = np.reshape(results["reconstruct"], np.shape(back))
            check.check_equal(back, restored, "inverse_transform and reconstruct")
    if not isinstance(scores, Failed) and not (np.asarray(scores) <= 0).all():
        check.report("wrong result", "score_samples", "positive scores")
    check.call(model, "inverse_transform", images)


KINDS = {autoencoder_case: 0.05}
