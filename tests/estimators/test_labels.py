"""Labels and targets that are invalid, or probably a mistake, and their weights."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skcnn import CNNClassifier, CNNRegressor

X = np.random.default_rng(0).integers(0, 256, size=(20, 6, 6)).astype(np.uint8)
y = np.arange(20) % 2
INDICATORS = np.random.default_rng(1).integers(0, 2, size=(20, 3))


def small(estimator=CNNClassifier, **parameters):
    defaults = {"channels": (4,), "hidden_units": (), "max_epochs": 1, "random_state": 0}
    return estimator(**{**defaults, **parameters})


# --- indicator matrices --------------------------------------------------------------------------

NOT_INDICATORS = {
    "-1 and 1": 2 * INDICATORS - 1,
    "1 and 2": INDICATORS + 1,
    "0 and 5": 5 * INDICATORS,
    "0, 1 and 2": np.maximum(INDICATORS, 2 * np.eye(20, 3, dtype=int)),
    "floats": 2.0 * INDICATORS,
    "one value": np.full((20, 3), 7),
    "strings": np.where(INDICATORS, "yes", "no"),
    "a list": (2 * INDICATORS - 1).tolist(),
}


@pytest.mark.parametrize("case", NOT_INDICATORS)
def test_matrices_with_other_values_than_0_and_1(case):
    matrix = NOT_INDICATORS[case]
    message = r"is a matrix of shape \(20, 3\) with the values .* must indicate labels by 0 and 1"
    for call in (
        lambda: small().fit(X, matrix),
        lambda: small().partial_fit(X, matrix),
        lambda: small().fit(X, INDICATORS, X_val=X, y_val=matrix),
        lambda: small().fit(X, INDICATORS).partial_fit(X, matrix),
        lambda: small().fit(X, INDICATORS).score(X, matrix),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_labels_of_a_structured_dtype():
    y = np.zeros(20, dtype=[("label", int)])
    for call in (
        lambda: small().fit(X, y),
        lambda: small().partial_fit(X, y),
        lambda: small().fit(X, np.arange(20) % 2).partial_fit(X, y),
    ):
        with pytest.raises(ValueError, match=r"y has the dtype .*: select one field"):
            call()


@pytest.mark.parametrize("dtype", [bool, float, np.int8, object])
def test_indicators_of_any_dtype(dtype):
    expected = small().fit(X, INDICATORS).predict_proba(X)
    assert_array_equal(small().fit(X, INDICATORS.astype(dtype)).predict_proba(X), expected)


def test_sparse_and_missing_indicators():
    with pytest.raises(TypeError, match=r"Sparse data was passed.*toarray"):
        small().fit(X, csr_array(INDICATORS))
    with pytest.raises(ValueError, match="NaN"):
        small().fit(X, np.where(INDICATORS, np.nan, 0.0))


@pytest.mark.parametrize("dtype", [int, float, bool])
def test_one_hot_targets_warn(dtype):
    one_hot = np.eye(3, dtype=dtype)[np.arange(20) % 3]
    for fit in (small().fit, small().partial_fit):
        with pytest.warns(UserWarning, match=r"exactly one 1.*numpy.argmax\(y, axis=1\)"):
            cnn = fit(X, one_hot)
        assert cnn.target_type_ == "multilabel"  # the convention of scikit-learn


@pytest.mark.parametrize("case", ["two labels", "no label", "few images"])
def test_indicators_that_are_not_one_hot_do_not_warn(case):
    n_images = 9 if case == "few images" else 20
    indicators = np.eye(3, dtype=int)[np.arange(n_images) % 3]
    indicators[0, :2] = {"two labels": 1, "no label": 0, "few images": (1, 0)}[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(X[:n_images], indicators)


# --- a single class ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "weights", "class_weight"),
    [
        (["a"] * 20, None, None),
        (["a"] * 10 + ["b"] * 10, np.arange(20) < 10, None),
        (["a"] * 10 + ["b"] * 10, None, {"a": 1, "b": 0}),
    ],
    ids=["all images", "all images with a weight", "all images with a class weight"],
)
def test_fit_on_a_single_class_warns(labels, weights, class_weight):
    cnn = small(class_weight=class_weight)
    with pytest.warns(UserWarning, match=r"all training images .* have the class 'a'"):
        cnn.fit(X, labels, sample_weight=weights)


def test_partial_fit_warns_only_if_there_is_one_class_in_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cnn = small().partial_fit(X, np.zeros(20, int), classes=[0, 1])
        cnn.partial_fit(X, np.ones(20, int))
        small().fit(X, y).partial_fit(X, np.zeros(20, int))
    with pytest.warns(UserWarning, match="have the class 0"):
        cnn = small().partial_fit(X, np.zeros(20, int))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cnn.partial_fit(X, np.zeros(20, int))


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None] * 10, "y contains None, a missing label"),
        ([1, None] * 10, "y contains None, a missing label"),
        (["a", np.nan] * 10, "y contains nan, a missing label"),
        (pd.Series(["a", pd.NA] * 10), "y contains (<NA>|nan), a missing label"),
        (np.array(["a", np.nan] * 10, dtype=object), "y contains nan, a missing label"),
        (["a", 1] * 10, "labels of different types, str and int"),
        (np.array(["a", 1] * 10, dtype=object), "labels of different types, str and int"),
        ([10**400, 1] * 10, "y contains an integer too large for float64"),
        ([10**20, -1] * 10, "labels of type int that NumPy stores only as objects"),
        ([{}, {}] * 10, "labels of type dict"),
    ],
)
def test_invalid_labels(labels, message):
    for fit in (small().fit, small().partial_fit):
        with pytest.raises(ValueError, match=message):
            fit(X, labels)


@pytest.mark.parametrize("labels", [[3, 7], [True, False], ["a", "b"], [0.0, 2.0]])
def test_labels_in_object_arrays_come_back(labels):
    column = np.array(labels * 10, dtype=object)
    cnn = small().fit(X, column)
    assert cnn.classes_.tolist() == sorted(labels)
    assert set(cnn.predict(X).tolist()) <= set(labels)


def test_unknown_labels_in_a_warm_start_and_in_validation_data():
    cnn = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"y contains .*\[2\].*use warm_start=False to train"):
        cnn.fit(X, y + 1)
    with pytest.raises(ValueError, match=r"y_val contains .*\[2\].*y_val can contain only"):
        small().fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match=r"\[2\].*all labels as classes in its first call"):
        cnn.partial_fit(X, y + 1)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([[0, 1], [1, 0]], r"should be a 1d array, got an array of shape \(2, 2\)"),
        (np.eye(2), r"classes must be a list of labels, or an array of shape \(n_classes,\)"),
        ("ab", "classes must be a list of labels.* got 'ab'"),
        ({0, 1}, r"classes must be a list of labels.* got \{0, 1\}"),
        (2, "classes must be a list of labels.* got 2"),
        ([0, None], "classes contains None, a missing label"),
        ([0.0, np.nan], "contains NaN"),
        ([0, "b"], "classes contains labels of different types"),
    ],
)
def test_invalid_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        small().partial_fit(X, y, classes=classes)


# --- class weights -------------------------------------------------------------------------------


def test_class_weight_with_a_wrong_key():
    labels = np.array(["cat", "dog"])[y]
    message = r"keys \['dgo'\], which are not classes.*labels \['cat', 'dog'\], and \['dog'\] have"
    with pytest.raises(ValueError, match=message):
        small(class_weight={"cat": 1, "dgo": 2}).fit(X, labels)
    # As in scikit-learn, a class of the dict may have no images.
    cnn = small(class_weight={"cat": 1, "dog": 2, "owl": 3}).fit(X, labels)
    assert cnn.class_weight_.tolist() == [1, 2]
    assert small(class_weight={"dog": 3}).fit(X, labels).class_weight_.tolist() == [1, 3]


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "3", None])
def test_invalid_class_weights(weight):
    with pytest.raises(ValueError, match=r"negative, not finite or not a number: the weight of 1"):
        small(class_weight={0: 1, 1: weight}).fit(X, y)


# --- sizes of numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("scale", [1e307, 1e300, 1e-300, 1e-320])
@pytest.mark.filterwarnings("error")
def test_scale_of_the_weights_does_not_matter(estimator, scale):
    weights = np.arange(20) % 2 + 1.0
    plain = small(estimator).fit(X, y, sample_weight=weights)
    scaled = small(estimator).fit(X, y, sample_weight=weights * scale)
    assert_allclose(scaled.predict(X), plain.predict(X), rtol=1e-3, atol=1e-4)
    assert_allclose(scaled.score(X, y, weights * scale), plain.score(X, y, weights), atol=1e-3)
    scaled.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights * scale)
    plain.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)
    assert_allclose(scaled.history_[0]["valid_loss"], plain.history_[0]["valid_loss"], rtol=1e-3)


@pytest.mark.filterwarnings("error")
def test_balanced_class_weights_with_large_weights():
    weights = np.arange(20) % 3 + 1.0
    plain = small(class_weight="balanced").fit(X, y, sample_weight=weights)
    scaled = small(class_weight="balanced").fit(X, y, sample_weight=weights * 1e307)
    assert_allclose(scaled.class_weight_, plain.class_weight_)


@pytest.mark.filterwarnings("error")
def test_weights_that_are_too_large():
    with pytest.raises(ValueError, match="sample_weight contains an integer too large for float64"):
        small().fit(X, y, sample_weight=[10**400] * 20)
    with pytest.raises(ValueError, match="class_weight times sample_weight is too large"):
        small(class_weight={0: 1e300}).fit(X, y, sample_weight=np.full(20, 1e300))
    cnn = small().partial_fit(X, y, sample_weight=np.full(20, 1e-300))
    with pytest.raises(ValueError, match=r"sample_weight is up to 1e\+300, but had a mean of 1e-3"):
        cnn.partial_fit(X, y, sample_weight=np.full(20, 1e300))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            [1e308, -1e308] * 10,
            r"absolute value of y(_val)? is 1e\+308, but targets can be",
        ),
        ([10**400, 1] * 10, "y contains an integer too large for float64"),
        ([1.0, None] * 10, "y contains None, a missing target|NaN"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_targets_that_are_too_large_or_missing(targets, message):
    with pytest.raises(ValueError, match=message):
        small(CNNRegressor).fit(X, targets)
    with pytest.raises(ValueError, match=message.replace("y contains", "y_val contains")):
        small(CNNRegressor).fit(X, y, X_val=X, y_val=targets)


@pytest.mark.filterwarnings("error")
def test_targets_far_from_those_of_fit():
    message = r"contains 1e\+200, which is more than 1e\+15 times the standard deviation"
    with pytest.raises(ValueError, match="y_val " + message):
        small(CNNRegressor).fit(X, y, X_val=X, y_val=y * 1e200)
    with pytest.raises(ValueError, match="y " + message):
        small(CNNRegressor).fit(X, y).partial_fit(X, y * 1e200)


@pytest.mark.parametrize("scale", [1e299, 1e200, 1e-200, 1e-300])
@pytest.mark.filterwarnings("error")
def test_score_of_extreme_targets(scale):
    plain = small(CNNRegressor).fit(X, y)
    extreme = small(CNNRegressor).fit(X, y * scale)
    assert_allclose(extreme.score(X, y * scale), plain.score(X, y), rtol=1e-4)


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_targets_and_weights_as_tensors(estimator):
    expected = small(estimator).fit(X, y, sample_weight=np.ones(len(y)))
    targets = (
        torch.tensor(y, dtype=torch.bfloat16) if estimator is CNNRegressor else torch.tensor(y)
    )
    weights = torch.ones(len(y), requires_grad=True)
    fitted = small(estimator).fit(X, targets, sample_weight=weights)
    assert_array_equal(fitted.predict(X), expected.predict(X))
    assert fitted.score(X, targets, weights) == expected.score(X, y)
    with pytest.raises(ValueError, match="y is a tensor on the device"):
        small(estimator).fit(X, torch.empty(len(y), device="meta"))
