"""Forms and parts of the digits, and limits of the coverage of prediction sets."""

import re
from pathlib import Path
from textwrap import dedent

import numpy as np
from scipy.stats import betabinom
from sklearn.base import clone
from sklearn.pipeline import Pipeline

TRAIN, CALIBRATION, TEST = slice(300), slice(300, 800), slice(800, 1300)
FEW = slice(300, 420)  # calibration images that show that a form is accepted
ALL_FORMS = (
    "images with a color axis",
    "list of images",
    "lazy images",
    "rows",
    "list of photos",
    "array of photos",
    "array of paths",
    "array of strings",
    "list of paths",
    "list of strings",
    "series of paths",
    "frame of paths",
)


def part(X, rows):
    """Return some rows of images in any form."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def quick(estimator):
    """Return an estimator with the same parameters that is not fitted, and is fitted quickly."""
    estimator = clone(estimator)
    cnn = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    cnn.set_params(max_epochs=2)
    return estimator


def coverage(sets, classes, y):
    """Return the fraction of prediction sets of shape (n_images, n_classes) with the label."""
    return np.mean(sets[np.arange(len(y)), np.searchsorted(classes, y)])


def coverage_limits(n_calibration, n_test, confidence):
    """Return the limits that the coverage of test images exceeds once in 1,000 times each.

    The number of covered test images has a beta-binomial distribution if the calibration and the
    test images are exchangeable and their scores differ (Vovk, "Conditional Validity of Inductive
    Conformal Predictors", ACML 2012).
    """
    rank = np.ceil(confidence * (n_calibration + 1))
    distribution = betabinom(n_test, rank, n_calibration + 1 - rank)
    return distribution.ppf([0.001, 0.999]) / n_test


def guide_code(package):
    """Return the blocks of code of the user guide that import a package."""
    guide = Path(__file__).parents[2] / "docs" / "user_guide" / "probabilities.rst"
    found = re.findall(
        r"^\.\. code-block:: python\n\n((?: .*\n|\n)+)", guide.read_text("utf-8"), flags=re.M
    )
    return [dedent(code) for code in found if f"from {package}" in code]


def guide_names(X, y, **others):
    """Return the names that the code of the user guide uses."""
    names = {"X_calibration": X[CALIBRATION], "X_test": X[TEST], "np": np}
    return names | {"y_calibration": y[CALIBRATION], "y_test": y[TEST]} | others
