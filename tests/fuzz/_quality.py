"""Cases of data quality and outliers: check_images, find_duplicates and ImageOutlierDetector."""

import numpy as np
from _cases import build, copies, may_change
from _checks import Failed
from _functions import draw_options
from _images import draw_images, draw_values, same_forms
from _parameters import JUNK, SHAPE, draw, draw_parameters, is_small
from _targets import LABELS, draw_target

from skcnn import (
    ConvAutoencoder,
    HOGExtractor,
    ImageFlattener,
    ImageOutlierDetector,
)
from skcnn.quality import check_images, find_duplicates

METHODS = ["score_samples", "decision_function", "predict"]
DETECTOR = {
    "n_neighbors": [1, 2, 5, np.int64(3)],
    "contamination": ["auto", 0.1, 0.5, 1e-300],
    "image_shape": SHAPE,
}
FEATURES = [ImageFlattener, HOGExtractor, ConvAutoencoder]
CHECK_OPTIONS = {
    "image_shape": SHAPE,
    "pixel_range": [None, (0, 255), [-10, 300], (0, 1)],
    "near_blank": [0, 0.05, 1],
    "dark": [0, 0.3, 1.0],
    "light": [0, 0.9, 1],
    "blurred": [0, 0.5, 1],
    "low_information": [0, 3.0, 1e300],
    "odd_size": [0, 3.0, 1e300],
    "odd_aspect_ratio": [0, 0.4, 1],
    "near_duplicate": [1e-300, 0.9, 1],
    "min_copies": [2, 5, np.int64(3)],
    "unlike_class": [0, 5.0],
    "rare_class": [0, 2, 20],
    "n_jobs": ["auto", None, 1, 2],
}
DUPLICATE_OPTIONS = {
    "threshold": [1e-300, 0.5, 0.9, 1],
    "image_shape": SHAPE,
    "n_jobs": ["auto", None, 1, 2],
}


def detector_case(check, rng):
    """Fit a detector of outliers, and compute scores, predictions and copies."""
    parameters = draw_options(rng, DETECTOR)
    if rng.random() < 0.5:
        kind = draw(rng, FEATURES)
        parameters["features"] = build(check, kind, draw_parameters(rng, kind, junk=0))
    elif rng.random() < 0.2:
        parameters["features"] = draw(rng, JUNK)
    parameters = {name: value for name, value in parameters.items() if is_small(name, value)}
    detector = build(check, ImageOutlierDetector, parameters)
    values = draw_values(rng, int(rng.integers(6, 16)))
    name, images = draw_images(rng, values, odd=0.3)
    method = draw(rng, ["fit", "fit_predict"])
    may = ("random state of numpy",)  # of the transformer
    fitted = check.call(detector, method, images, may_change=may)
    if method == "fit_predict" and not isinstance(fitted, Failed) and name in same_forms(values):
        check.check_rows(fitted, len(values), "fit_predict")
    name, images = draw_images(rng, values, odd=0.3)
    results = {one: check.call(detector, one, images) for one in METHODS}
    for one, result in results.items():
        if not isinstance(result, Failed):
            n_rows = len(values) if name in same_forms(values) else len(result)
            check.check_rows(result, n_rows, one)
    if not any(isinstance(result, Failed) for result in results.values()):
        decisions = results["score_samples"] - detector.offset_
        check.check_equal(results["decision_function"], decisions, "decision_function")
        labels = np.where(results["decision_function"] >= 0, 1, -1)
        check.check_equal(results["predict"], labels, "predict and decision_function")
    if rng.random() < 0.2 and may_change(detector) == ():
        copies(check, detector, values)


def quality_case(check, rng):
    """Check images of all forms, with labels and test images, and find duplicates."""
    values = draw_values(rng, int(rng.integers(2, 12)))
    images = draw_images(rng, values, odd=0.4)[1]
    y = draw_target(rng, len(values), LABELS)[1] if rng.random() < 0.5 else None
    tests = draw_images(rng, values, odd=0.4)[1] if rng.random() < 0.3 else None
    arguments = {"X_test": tests}
    if tests is not None and y is not None and rng.random() < 0.7:
        arguments["y_test"] = y if rng.random() < 0.7 else draw_target(rng, len(values), LABELS)[1]
    report = check.call(
        None, check_images, images, y, **arguments, **draw_options(rng, CHECK_OPTIONS, junk=0.1)
    )
    if not isinstance(report, Failed):
        for text in (repr, lambda one: one._repr_html_()):
            check.call(None, text, report)
        rows = report.issues_["index"].dropna()  # a file that is no image has none
        if len(rows) and not (rows.min() >= 0 and rows.max() < max(report.n_images_)):
            check.report("wrong result", "check_images", f"rows {sorted(set(rows))}")
    options = draw_options(rng, DUPLICATE_OPTIONS, junk=0.1)
    pairs = check.call(None, find_duplicates, images, tests, **options)
    if not isinstance(pairs, Failed) and not pairs["similarity"].between(0, 1 + 1e-6).all():
        check.report("wrong result", "find_duplicates", "a similarity outside 0 to 1")


KINDS = {detector_case: 0.05, quality_case: 0.05}
