"""Cases of functions for fitted classifiers: attacks, corruptions, inspection and imbalance."""

from numbers import Real

import numpy as np
from _cases import CLASSIFIERS, NETWORKS, TRANSFORMERS, build, copies
from _checks import Failed
from _images import draw_images, draw_values, same_forms
from _parameters import JUNK, draw, draw_parameters
from _targets import LABELS, NUMBERS, draw_target, draw_weights
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler, TomekLinks
from sklearn.pipeline import make_pipeline

from skcnn import inspection, robustness
from skcnn.imbalance import ImageSampler, LogitAdjustedClassifier
from skcnn.robustness.corruptions import KINDS as CORRUPTIONS

SEEDED = {"random_state": 0}
ATTACKS = [
    robustness.FGSM(3),
    robustness.FGSM(2.5, noise=1.0),
    robustness.PGD(3, n_steps=2),
    robustness.PGD(9.5, norm="l2", n_steps=2, random_start=False),
    robustness.APGD(3, n_steps=4),
    robustness.APGD(9, norm="l2", n_steps=4, loss="targeted_dlr", n_targets=2),
    robustness.DeepFool(n_steps=3),
    robustness.FAB(3, n_steps=2, n_targets=2),
    robustness.SquareAttack(3, n_queries=3),
    robustness.SquareAttack(9, norm="l2", n_queries=3),
    robustness.AutoAttack(3, n_steps=2, n_queries=2, n_targets=2),
    robustness.FGSM(1e-3),
    robustness.FGSM(1e30),
]
SAMPLERS = [
    RandomOverSampler(random_state=0),
    RandomUnderSampler(random_state=0),
    SMOTE(random_state=0, k_neighbors=1),
    TomekLinks(),
]
# A number is the epsilon of auto_attack, which takes more time than a case has.
NO_ATTACKS = [value for value in JUNK if not isinstance(value, Real)]
# Values of arguments: good ones. Other values are drawn from JUNK.
ATTACK_OPTIONS = {
    "target": [None, 0, 1, "cat", [0, 1]],
    "pixel_range": [None, (0, 255), [-10, 300], (0, 1)],
    "batch_size": [None, 1, 3, np.int64(100)],
}
CORRUPTION_OPTIONS = {
    "pixel_range": [None, (0, 255), [0, 1000]],
    "image_shape": [None, (8, 8), (8, 8, 1)],
}
MAP_OPTIONS = {
    "target": [None, 0, 1, "cat"],
    "method": [*inspection.activation_maps.FEATURE_METHODS, "occlusion", "saliency"],
    "layer": [None, "0", "network.blocks.0"],
    "window": [None, 1, 3, 8],
    "batch_size": [1, 2, 64],
}
SUMMARY_OPTIONS = {
    "n_bootstraps": [0, 1, 5],
    "confidence_level": [0.5, 0.95],
    "n_bins": [1, 2, 15],
}
NETWORK_OPTIONS = {
    "depth": ["auto", None, 0, 1, 5],
    "image_shape": [None, (8, 8), (8, 8, 1), (8, 9, 3)],
}
TOO_MANY = {"n_bootstraps": 100, "n_bins": 100, "batch_size": 10**9, "depth": 100}


def draw_options(rng, table, *, junk=0.2):
    """Draw some keyword arguments of a function."""
    options = {}
    for name in rng.choice(list(table), rng.integers(0, 3), replace=False):
        values = JUNK if rng.random() < junk else table[name]
        value = draw(rng, values)
        if isinstance(value, (int, np.integer)) and value > TOO_MANY.get(name, np.inf):
            continue
        options[str(name)] = value
    return options


def fitted(check, rng, kinds=CLASSIFIERS):
    """Return a fitted network, in a pipeline at times, with its images and targets, or None."""
    kind = draw(rng, kinds)
    model = build(check, kind, {**draw_parameters(rng, kind, junk=0), **SEEDED})
    values = draw_values(rng, int(rng.integers(6, 13)))
    y = draw_target(rng, len(values), LABELS if kind in CLASSIFIERS else NUMBERS, odd=0)[1]
    if rng.random() < 0.3:
        step = draw(rng, TRANSFORMERS)
        transformer = build(check, step, draw_parameters(rng, step, junk=0))
        model = make_pipeline(transformer, model)
    allowed = ("random state of numpy",)
    result = check.call(model, "fit", values, y, may_change=allowed)
    return None if isinstance(result, Failed) else (model, values, y)


def robustness_case(check, rng):
    """Attack images, and corrupt them."""
    if (found := fitted(check, rng)) is None:
        return
    model, values, y = found
    name, images = draw_images(rng, values, odd=0.2)
    if rng.random() < 0.2:
        y = draw_target(rng, len(values), LABELS)[1]
    attack = draw(rng, NO_ATTACKS if rng.random() < 0.1 else ATTACKS)
    options = draw_options(rng, ATTACK_OPTIONS)
    attacked = check.call(
        None, robustness.adversarial_examples, model, images, y, attack, **options, **SEEDED
    )
    if not isinstance(attacked, Failed) and name in same_forms(values):
        check.check_rows(attacked, len(values), "adversarial_examples")
    options.pop("target", None)
    weights = draw_weights(rng, len(values))
    score = check.call(
        None, robustness.robust_score, model, images, y, attack, sample_weight=weights, **options,
        **SEEDED,
    )  # fmt: skip
    if not isinstance(score, Failed) and not 0 <= score <= 1 + 1e-12:
        check.report("wrong result", "robust_score", str(score))
    if rng.random() < 0.3:
        kinds = draw(rng, [["fog"], ["contrast", "shot_noise"], "fog", *JUNK])
        severities = draw(rng, [[1], (2, 5), *JUNK])
        baseline = draw(rng, [None, *JUNK])
        check.call(
            None, robustness.corruption_report, model, images, y, kinds=kinds,
            severities=severities, baseline=baseline, **draw_options(rng, CORRUPTION_OPTIONS),
        )  # fmt: skip


def corruption_case(check, rng):
    """Corrupt images."""
    values = draw_values(rng, int(rng.integers(2, 6)))
    name, images = draw_images(rng, values, odd=0.4)
    kind = draw(rng, JUNK if rng.random() < 0.1 else list(CORRUPTIONS))
    severity = draw(rng, JUNK) if rng.random() < 0.1 else int(rng.integers(1, 6))
    options = draw_options(rng, CORRUPTION_OPTIONS)
    results = [
        check.call(None, robustness.corrupt, images, kind, severity, **options, **SEEDED)
        for _ in range(2)
    ]
    if isinstance(results[0], Failed):
        return
    check.check_equal(*results, f"corrupt twice: {kind}", tolerance=0)
    if name in same_forms(values):
        check.check_rows(check.call(None, np.asarray, results[0]), len(values), "corrupt")


def inspection_case(check, rng):
    """Compute activation maps and summaries."""
    if (found := fitted(check, rng, NETWORKS)) is None:
        return
    model, values, y = found
    name, images = draw_images(rng, values, odd=0.2)
    options = draw_options(rng, MAP_OPTIONS)
    maps = check.call(None, inspection.class_activation_map, model, images, **options)
    if not isinstance(maps, Failed) and name in same_forms(values):
        check.check_rows(maps, len(values), "class_activation_map")
    check.call(None, inspection.network_summary, model, **draw_options(rng, NETWORK_OPTIONS))
    if rng.random() < 0.2:
        y = draw_target(rng, len(values), LABELS)[1]
    options = {"n_bootstraps": 3, **draw_options(rng, SUMMARY_OPTIONS), **SEEDED}
    check.call(None, inspection.classification_summary, model, images, y, **options)


def imbalance_case(check, rng):
    """Resample images, and adjust the probabilities of a classifier."""
    values = draw_values(rng, int(rng.integers(6, 13)))
    images = draw_images(rng, values, odd=0.4)[1]
    y = draw_target(rng, len(values), LABELS)[1]
    sampler = ImageSampler(draw(rng, JUNK if rng.random() < 0.1 else SAMPLERS))
    result = check.call(sampler, "fit_resample", images, y)
    if not isinstance(result, Failed):
        resampled, labels = result
        check.check_rows(check.call(None, np.asarray, resampled), len(labels), "ImageSampler")
    if (found := fitted(check, rng)) is None:
        return
    model, values, y = found
    tau = draw(rng, [0.0, 0.5, 1, 2.0, 1e3, *(JUNK if rng.random() < 0.2 else ())])
    adjusted = LogitAdjustedClassifier(model, tau=tau)
    allowed = ("random state of numpy",)
    if isinstance(check.call(adjusted, "fit", values, y, may_change=allowed), Failed):
        return
    for method in ("predict", "predict_proba", "decision_function"):
        result = check.call(adjusted, method, draw_images(rng, values, odd=0.2)[1])
        if not isinstance(result, Failed):
            check.check_rows(result, len(result), f"LogitAdjustedClassifier.{method}")
    if rng.random() < 0.3:
        copies(check, adjusted, values)


KINDS = {
    robustness_case: 0.06, corruption_case: 0.03, inspection_case: 0.05, imbalance_case: 0.04
}  # fmt: skip
