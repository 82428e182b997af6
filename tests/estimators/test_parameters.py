"""Parameters that estimators share: the same default, constraint and documentation everywhere."""

from dataclasses import fields
from inspect import cleandoc, signature

import pytest
from sklearn.base import clone

from skcnn import CNNClassifier, CNNRegressor
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._parameters import NetworkParameters
from skcnn.training.options import TrainingOptions, TrainingParameters

ESTIMATORS = [CNNClassifier, CNNRegressor]
NOT_SHARED = {"loss"}  # classifiers and regressors have different losses
CLASSIFIER_ONLY = {"label_smoothing", "class_weight"}


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


def test_classifier_and_regressor_share_parameters():
    of_classifier, of_regressor = (set(signature(cls).parameters) for cls in ESTIMATORS)
    assert of_classifier - of_regressor == CLASSIFIER_ONLY
    assert of_regressor <= of_classifier


@pytest.mark.parametrize("name", sorted(set(signature(CNNRegressor).parameters) - NOT_SHARED))
def test_shared_parameters_have_the_same_default_constraint_and_documentation(name):
    defaults = [signature(cls).parameters[name].default for cls in ESTIMATORS]
    assert defaults[0] == defaults[1]
    constraints = [cls._parameter_constraints[name] for cls in ESTIMATORS]
    assert constraints[0] is constraints[1]
    texts = [documented(cls)[name] for cls in ESTIMATORS]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_constrained_and_documented_in_order(cls):
    names = list(signature(cls).parameters)
    assert names == [field.name for field in fields(cls) if not field.kw_only] + [
        field.name for field in fields(cls) if field.kw_only
    ]
    assert names == list(documented(cls))
    assert set(names) == set(cls._parameter_constraints)
    assert names[0] == "network"


def test_shared_parameters_are_documented_once():
    for base in (TrainingParameters, NetworkParameters):
        assert documented(base).keys() <= documented(CNNClassifier).keys()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_training_options_come_from_the_parameters(cls):
    estimator = cls(learning_rate=0.5, mixup=0.25, warm_start=True)
    options = TrainingOptions.of(estimator)
    for field in fields(TrainingOptions):
        expected = getattr(estimator, field.name, 0.0)
        assert getattr(options, field.name) == expected
    assert options == TrainingOptions.of(clone(estimator))


def test_document_class_without_a_docstring():
    class Bare(TrainingParameters):
        pass

    Bare.__doc__ = None
    assert inherit_documentation(Bare).__doc__ is None
