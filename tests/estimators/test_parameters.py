"""Parameters that estimators share: the same default, constraint and documentation everywhere."""

from dataclasses import fields
from inspect import cleandoc, signature

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from skcnn import CNNClassifier, CNNRegressor, TransferClassifier, TransferRegressor
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._parameters import NetworkParameters
from skcnn.estimators._transfer import TransferParameters
from skcnn.training.options import TrainingOptions, TrainingParameters

ESTIMATORS = [CNNClassifier, CNNRegressor]
TRANSFER = [TransferClassifier, TransferRegressor]
PAIRS = [ESTIMATORS, TRANSFER, *map(list, zip(ESTIMATORS, TRANSFER, strict=True))]
NOT_SHARED = {"loss"}  # classifiers and regressors have different losses
CLASSIFIER_ONLY = {
    "focal_gamma",
    "label_smoothing",
    "class_weight",
    "sampling",
    "logit_adjustment",
    "adversary",
}


def documented(cls, section="Parameters"):
    """Return the entries of a section of a docstring by name."""
    lines = (
        cleandoc(cls.__doc__)
        .split(f"{section}\n{'-' * len(section)}\n")[1]
        .split("\n\n")[0]
        .split("\n")
    )
    entries, name = {}, None
    for line in lines:
        if not line.startswith(" "):
            name = line.split(" : ")[0]
        entries.setdefault(name, []).append(line)
    return entries


@pytest.mark.parametrize("pair", [ESTIMATORS, TRANSFER])
def test_classifier_and_regressor_share_parameters(pair):
    of_classifier, of_regressor = (set(signature(cls).parameters) for cls in pair)
    assert of_classifier - of_regressor == CLASSIFIER_ONLY
    assert of_regressor <= of_classifier


@pytest.mark.parametrize("pair", PAIRS)
def test_shared_parameters_have_the_same_default_constraint_and_documentation(pair):
    first, second = (set(signature(cls).parameters) for cls in pair)
    shared = first & second
    assert len(shared) >= len(fields(TrainingParameters))
    for name in sorted(shared - (NOT_SHARED if {*pair} in ({*ESTIMATORS}, {*TRANSFER}) else set())):
        defaults = [signature(cls).parameters[name].default for cls in pair]
        assert defaults[0] == defaults[1]
        constraints = [cls._parameter_constraints[name] for cls in pair]
        assert constraints[0] is constraints[1]
        texts = [documented(cls)[name] for cls in pair]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("cls", ESTIMATORS + TRANSFER)
def test_every_parameter_is_constrained_and_documented_in_order(cls):
    names = list(signature(cls).parameters)
    assert names == [field.name for field in fields(cls) if not field.kw_only] + [
        field.name for field in fields(cls) if field.kw_only
    ]
    assert names == list(documented(cls))
    assert set(names) == set(cls._parameter_constraints)
    assert names[0] == ("network" if cls in ESTIMATORS else "backbone")


def test_shared_parameters_are_documented_once():
    for base in (TrainingParameters, NetworkParameters):
        assert documented(base).keys() <= documented(CNNClassifier).keys()
    for base in (TrainingParameters, TransferParameters):
        assert documented(base).keys() <= documented(TransferClassifier).keys()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_training_options_come_from_the_parameters(cls):
    given = {"optimizer": "sgd", "learning_rate": 0.5, "schedule": None, "batch_size": 7}
    estimator = cls(**given, max_epochs=3, mixup=0.25, warm_start=True)
    options = TrainingOptions.of(estimator)
    for field in fields(TrainingOptions):
        expected = getattr(estimator, field.name, field.default)
        assert getattr(options, field.name) == expected
    assert options == TrainingOptions.of(clone(estimator))


def test_document_class_without_a_docstring():
    class Bare(TrainingParameters):
        pass

    Bare.__doc__ = None
    assert inherit_documentation(Bare).__doc__ is None


# --- parameters that the network does not use --------------------------------------------------

NOT_DEFAULT = {
    "channels": (4, 4),
    "kernel_size": 5,
    "stride": 2,
    "padding": "valid",
    "pooling": "avg",
    "pool_size": 3,
    "activation": "tanh",
    "batch_norm": False,
    "dropout": 0.9,
    "hidden_units": (7,),
}
IMAGES = np.random.default_rng(0).random((30, 6, 6))
TARGETS = np.arange(30) % 2
QUICK = {"max_epochs": 1, "random_state": 0}
PLAIN = {bool, int, float, str, type(None)}


def linear(in_channels, height, width, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs))


CONVOLUTIONS = ["kernel_size", "stride", "padding", "pooling", "pool_size"]
UNUSED = {
    "fast": ({"network": "fast"}, list(NOT_DEFAULT)[1:], r"network='fast'"),
    "callable": ({"network": linear}, list(NOT_DEFAULT), "a network that is a callable"),
    "dense": ({"channels": ()}, CONVOLUTIONS, r"network='plain' with channels=\(\)"),
    "no pooling": ({"pooling": None}, ["pool_size"], "network='plain' with pooling=None"),
}


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("parameters", "name", "network"),
    [(given, name, text) for given, names, text in UNUSED.values() for name in names],
)
def test_parameter_that_the_network_does_not_use_is_an_error(cls, parameters, name, network):
    value = NOT_DEFAULT[name]
    estimator = cls(**QUICK, **parameters, **{name: value})
    for fit in (estimator.fit, estimator.partial_fit):
        with pytest.raises(ValueError, match=f"^{name}=.* has no effect on {network}: remove it"):
            fit(IMAGES, TARGETS)
    assert not hasattr(estimator, "net_")


def test_all_unused_parameters_are_named():
    estimator = CNNClassifier("fast", dropout=0.9, kernel_size=7)
    message = r"kernel_size=7 and dropout=0\.9 have no effect on network='fast': remove them"
    with pytest.raises(ValueError, match=message):
        estimator.fit(IMAGES, TARGETS)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "parameters",
    [
        {"network": "fast", "channels": (4,), "dropout": np.float64(0.3), "hidden_units": [128]},
        {"network": linear, "channels": "auto", "stride": np.int64(1)},
        {"channels": [], "batch_norm": False, "pooling": None},  # it has neither
        {**NOT_DEFAULT, "padding": "same", "network": "plain"},
    ],
)
def test_default_values_and_used_parameters_are_accepted(cls, parameters):
    fitted = cls(**QUICK, **parameters).fit(IMAGES, TARGETS)
    assert fitted.n_epochs_ == 1


@pytest.mark.parametrize("cls", [*ESTIMATORS, *TRANSFER])
def test_small_integers_of_numpy_do_not_overflow(cls):
    small = {"batch_size": np.int8(5), "max_epochs": np.int8(2), "patience": np.int8(1)}
    if cls in TRANSFER:
        small |= {"fine_tune": np.int8(1), "head_epochs": np.int8(100)}
    models = []
    for kind in (lambda value: value, int):
        parameters = {name: kind(value) for name, value in small.items()}
        models.append(cls(**{**QUICK, **parameters}).fit(IMAGES, TARGETS))
    assert models[0].n_epochs_ == models[1].n_epochs_ == (102 if cls in TRANSFER else 2)
    assert_array_equal(models[0].predict(IMAGES), models[1].predict(IMAGES))
    assert {type(value) for value in models[0].net_.options.__dict__.values()} <= PLAIN


def test_grid_search_over_networks_with_their_own_parameters():
    grid = [
        {"network": ["plain"], "dropout": [0.0, 0.5], "channels": [(4,)]},
        {"network": ["fast"], "channels": [(4,), (4, 8)]},
    ]
    search = GridSearchCV(CNNClassifier(**QUICK), grid, cv=2, error_score="raise")
    assert np.isfinite(search.fit(IMAGES, TARGETS).cv_results_["mean_test_score"]).all()
    wrong = GridSearchCV(CNNClassifier("fast", **QUICK), {"dropout": [0.1]}, cv=2)
    with pytest.raises(ValueError, match=r"dropout=0\.1 has no effect on network='fast'"):
        wrong.fit(IMAGES, TARGETS)
