"""The docstrings of the public names: complete, true to the signature, and with shapes."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from skimage.io import imsave
from sklearn.base import BaseEstimator, is_regressor
from torch import nn

import skcnn

SUBPACKAGES = ["networks", "datasets", "inspection", "robustness", "imbalance", "quality", "export"]

# numpydoc's own checks: sections, summary, parameters (missing, unknown, order, type, description)
NUMPYDOC_CHECKS = {"GL03", "GL05", "GL06", "GL07", "GL08", "GL10", "SS01", "SS02", "SS03", "SS05"}
NUMPYDOC_CHECKS |= {"PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR10"}
NUMPYDOC_CHECKS |= {"RT01", "RT03", "YD01"}

# Written by scikit-learn for every estimator, or inherited and overridden word for word.
GENERATED = re.compile(r"set_\w+_request|set_output|set_callbacks|get_metadata_routing")

# How to make a small instance of what cannot be made or fitted as it is.
SMALL = {
    "ImageResizer": {"size": (4, 4)},
    "CNNClassifier": {"max_epochs": 1, "random_state": 0},
    "CNNRegressor": {"max_epochs": 1, "random_state": 0},
}

ARRAYS = re.compile(r"\b(nd)?arrays?\b|\barray-like\b|\bmatrix\b|\bimages\b", re.I)
SHAPE = re.compile(r"\bshapes?\b|\(n_")


# ------------------------------------------------------------------------------------------------
# Collecting


def public_objects():
    """Give every public class and function, by the name that users import it with."""
    modules = ["skcnn"]
    present = {module.name for module in pkgutil.iter_modules(skcnn.__path__)}
    modules += [f"skcnn.{name}" for name in SUBPACKAGES if name in present]
    found = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                found[f"{module_name}.{name}"] = thing
    return found


def own_members(cls):
    """Give the public methods and properties of a class that were written in this package."""
    found = {}
    for name, member in inspect.getmembers(cls):
        if name.startswith("_") or GENERATED.fullmatch(name):
            continue
        if isinstance(member, property):
            member = member.fget
        if inspect.isroutine(member):
            code = inspect.unwrap(member)
            if (getattr(code, "__module__", None) or "").split(".")[0] == "skcnn":
                found[name] = inspect.getattr_static(cls, name)
    return found


PUBLIC = public_objects()
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
ESTIMATORS = {name: cls for name, cls in CLASSES.items() if issubclass(cls, BaseEstimator)}
MEMBERS = {
    f"{name}.{member}": getattr(cls, member)
    for name, cls in CLASSES.items()
    for member in own_members(cls)
}
PROPERTIES = {name: thing for name, thing in MEMBERS.items() if isinstance(thing, property)}
CALLABLES = {name: thing for name, thing in (PUBLIC | MEMBERS).items() if name not in PROPERTIES}


def documentation(thing):
    """Parse the docstring of a class or a function."""
    if inspect.isclass(thing):
        return ClassDoc(thing, config={"show_class_members": False})
    return FunctionDoc(thing)


def parameters_of(thing):
    """Give the parameters of a constructor, function or method, without self."""
    parameters = dict(inspect.signature(thing).parameters)
    parameters.pop("self", None)
    return parameters


def gives_something(function):
    """Say whether a function has a ``return`` with a value."""

    def returns(node):
        if isinstance(node, ast.Return):
            return not (
                node.value is None
                or (isinstance(node.value, ast.Constant) and node.value.value is None)
            )
        nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        return any(
            returns(child) for child in ast.iter_child_nodes(node) if not isinstance(child, nested)
        )

    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    return returns(ast.parse(source).body[0])


# ------------------------------------------------------------------------------------------------
# Sections, parameters, defaults, returns, shapes, examples


def test_the_public_names_are_found():
    assert "skcnn.LazyImages" in CLASSES
    assert "skcnn.LazyImages.read" in MEMBERS
    assert "skcnn.LazyImages.shape" in MEMBERS


@pytest.mark.parametrize("name", CALLABLES)
def test_numpydoc_finds_nothing_missing(name):
    errors = [
        f"{code}: {text}" for code, text in validate(name)["errors"] if code in NUMPYDOC_CHECKS
    ]
    assert not errors, "\n".join([name, *errors])


@pytest.mark.parametrize("name", CALLABLES)
def test_documented_default_is_the_default(name):
    documented = {}
    for parameter in documentation(CALLABLES[name])["Parameters"]:
        for one in parameter.name.split(","):
            documented[one.strip().lstrip("*")] = parameter.type
    for parameter in parameters_of(CALLABLES[name]).values():
        assert parameter.name in documented, f"{name}: {parameter.name} is not documented"
        type_ = documented[parameter.name]
        default = re.search(r"\bdefault=(.+)$", type_)
        has_default = parameter.default is not parameter.empty
        assert (default is not None) == (has_default and not is_ignored(type_)), (
            f"{name}: {parameter.name} : {type_}, and the default is {parameter.default!r}"
        )
        if default is not None:
            assert same_value(default.group(1).strip("`"), parameter.default), (
                f"{name}: {parameter.name} : {type_}, and the default is {parameter.default!r}"
            )


def is_ignored(type_):
    """Say whether a parameter is only there for scikit-learn's interface."""
    return type_.lower() == "ignored"


def same_value(text, value):
    """Compare a default as it is written with the real one."""
    try:
        written = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text in (repr(value), getattr(value, "__name__", None))
    return type(written) is type(value) and (written == value or written != written != value)


@pytest.mark.parametrize(
    ("text", "value", "same"),
    [
        ("3", 3, True),
        ("3", 3.0, False),
        ("1e-3", 0.001, True),
        ("1", True, False),
        ("None", None, True),
        ("(32, 64)", (32, 64), True),
        ('"plain"', "plain", True),
        ("plain", "plain", False),
        ("len", len, True),
    ],
)
def test_defaults_are_compared_by_value_and_type(text, value, same):
    assert same_value(text, value) is same


@pytest.mark.parametrize("name", CALLABLES)
def test_what_is_returned_has_a_type(name):
    thing = CALLABLES[name]
    if inspect.isclass(thing):
        return
    returned = documentation(thing)["Returns"]
    assert bool(returned) == gives_something(thing), (
        f"{name}: a Returns section is there if and only if something is returned"
    )
    for value in returned:
        assert value.type, f"{name}: {value.name} has no type"
        assert value.desc, f"{name}: {value.name} has no description"


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_says_what_it_is(name):
    assert re.fullmatch(r"[^a-z].*\.", PROPERTIES[name].__doc__.splitlines()[0])


@pytest.mark.parametrize("name", CALLABLES)
def test_arrays_have_a_shape(name):
    parsed = documentation(CALLABLES[name])
    for section in ("Parameters", "Returns", "Yields", "Attributes"):
        for entry in parsed[section]:
            text = " ".join([entry.type, *entry.desc])
            assert not ARRAYS.search(entry.type) or SHAPE.search(text), (
                f"{name}: {section}: {entry.name} : {entry.type} states no shape"
            )


@pytest.mark.parametrize("name", PUBLIC)
def test_there_is_an_example_that_runs(name):
    examples = documentation(PUBLIC[name])["Examples"]
    assert any(line.lstrip().startswith(">>> ") for line in examples), f"{name} has no example"


# ------------------------------------------------------------------------------------------------
# Attributes


def fitted(cls, tmp_path):
    """Fit small instances: on images (or paths), and on a frame of flat rows where that is taken.

    Returns
    -------
    instances : list of estimators
    """
    make = SMALL.get(cls.__name__, {})
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    y = random.normal(size=12) if is_regressor(cls(**make)) else np.arange(12) % 2
    if cls.__name__ == "ImageReader":
        paths = [str(tmp_path / f"{row}.png") for row in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            imsave(path, image)
        return [cls(**make).fit(paths, y), cls(**make).fit(pd.DataFrame({"path": paths}), y)]
    frame = pd.DataFrame(images[..., 0].reshape(12, 64)).add_prefix("pixel")
    return [cls(**make).fit(images, y), cls(**make).fit(frame, y)]


def learned(estimator):
    """Give the public names that end in an underscore and have a value."""
    names = {name for name in dir(estimator) if name.endswith("_") and not name.startswith("_")}
    return {name for name in names if hasattr(estimator, name)}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_learned_attributes_are_documented_and_documented_ones_learned(name, tmp_path):
    documented = {entry.name for entry in documentation(ESTIMATORS[name])["Attributes"]}
    present = set().union(*map(learned, fitted(ESTIMATORS[name], tmp_path)))
    assert documented == present


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nothing_is_learned_before_fit(name):
    cls = ESTIMATORS[name]
    assert not learned(cls(**SMALL.get(cls.__name__, {})))


@pytest.mark.parametrize("name", sorted(set(CLASSES) - set(ESTIMATORS)))
def test_documented_attributes_exist(name):
    if issubclass(CLASSES[name], nn.Module):
        pytest.skip("the attributes of a module are made by its constructor")
    for entry in documentation(CLASSES[name])["Attributes"]:
        assert hasattr(CLASSES[name], entry.name), f"{name} has no attribute {entry.name}"
