"""scikit-learn's estimator checks on all public estimators and transformers, without skips.

Checks that `check_estimator` does not run are called by name. `ImageReader` takes text as input;
its own tests cover the same behavior.
"""

import os
import subprocess
import sys

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ColorHistogramExtractor,
    ConvAutoencoder,
    HOGExtractor,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageNormalizer,
    ImageOutlierDetector,
    ImageResizer,
    TransferClassifier,
    TransferRegressor,
)

ESTIMATORS = [
    CNNClassifier(),
    CNNRegressor(),
    # A few pixels are no photo: they are enlarged, and the head is trained for longer.
    TransferClassifier(input_size=32, learning_rate=0.005, max_epochs=40),
    TransferRegressor(input_size=48, learning_rate=0.005, max_epochs=40),
    ImageOutlierDetector(),
    ImageOutlierDetector(ConvAutoencoder(max_epochs=2, random_state=0)),
    ImageResizer((8, 8)),
    ImageNormalizer(),
    ImageAugmenter(),
    ImageAugmenter(horizontal_flip=True),
    ImageFlattener(),
    HOGExtractor(),
    ColorHistogramExtractor(),
    ConvAutoencoder(),
    ImageEmbedder(input_size=None),
]
# Frames of 512 columns instead of 1,280.
TRANSFORMERS_OF_ROWS = [
    *ESTIMATORS[7:-2],
    ConvAutoencoder(4),
    ImageEmbedder("squeezenet1_1", weights=None, input_size=32),
]
MINIBATCH_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "minibatch training: a weight equals repetition in the gradient, but the weighted image is "
        "in one batch only, and counts once in the statistics of batch normalization"
    )
}
AUGMENTATION_FAILURES = dict.fromkeys(
    ("check_transformer_general", "check_transformer_data_not_an_array"),
    "fit_transform of an augmenter returns augmented images, transform returns its input",
)
NAMED_CHECKS = ["check_param_validation", "check_dataframe_column_names_consistency"]
CHECKS_OF_ROWS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]


def expected_failures(estimator):
    if hasattr(estimator, "max_epochs"):
        return MINIBATCH_FAILURES
    return AUGMENTATION_FAILURES if getattr(estimator, "horizontal_flip", False) else {}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", NAMED_CHECKS)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_checks_called_by_name(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        (estimator, check)
        for estimator in TRANSFORMERS_OF_ROWS
        for check in CHECKS_OF_ROWS
        # The polars checks build a frame from the output, but polars does not accept lazy images.
        if not ("polars" in check and expected_failures(estimator))
    ],
    ids=str,
)
def test_checks_of_transformers_of_rows(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_no_tag_disables_a_check():
    counts = {}
    for estimator in ESTIMATORS:
        tags = estimator.__sklearn_tags__()
        assert not tags._skip_test
        assert not tags.no_validation
        assert not tags.non_deterministic
        assert tags.input_tags.two_d_array
        assert tags.input_tags.three_d_array
        counts[str(estimator)] = len(list(estimator_checks.estimator_checks_generator(estimator)))
    assert counts["CNNClassifier()"] > 60


def test_checks_of_array_api_dispatch():
    # Without SCIPY_ARRAY_API, these checks are skipped, and it only changes them. `.ci/run` runs
    # all checks with it, in its second run of the tests.
    code = (
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "from test_common import ESTIMATORS\n"
        "for estimator in ESTIMATORS:\n"
        "    checks = [check for _, check in estimator_checks_generator(estimator)]\n"
        "    checks = [check for check in checks if 'array_api' in check.func.__name__]\n"
        "    assert checks\n"
        "    for check in checks:\n"
        "        check(estimator)\n"
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
