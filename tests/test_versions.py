"""Versions in saved models: a warning when that of this package differs, and only then."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline

import skcnn
from skcnn import CNNClassifier, ImageResizer
from skcnn.checksums import with_checksum
from skcnn.export import trusted_types
from skcnn.versions import versions

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 6, 6), dtype=np.uint8)
CNN = CNNClassifier(channels=(3,), hidden_units=(4,), max_epochs=1, random_state=0)
PIPE = make_pipeline(ImageResizer((5, 5)), CNN).fit(IMAGES, np.arange(12) % 3)


def saved_joblib():
    file = io.BytesIO()
    joblib.dump(PIPE, file)
    return file.getvalue()


FORMATS = {
    "pickle": (pickle.dumps(PIPE), pickle.loads),
    "joblib": (saved_joblib(), lambda content: joblib.load(io.BytesIO(content))),
    "skops": (
        skops.io.dumps(PIPE),
        lambda content: skops.io.loads(content, trusted=trusted_types()),
    ),
}


def load(name):
    """Load the file, and return the pipeline and the texts of the warnings."""
    content, function = FORMATS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = function(content)
    assert all(isinstance(warning.message, InconsistentVersionWarning) for warning in caught)
    return loaded, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_version_causes_no_warning(name):
    loaded, messages = load(name)
    assert messages == []
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), PIPE.predict_proba(IMAGES))
    assert vars(loaded[0]).keys() == vars(PIPE[0]).keys()


@pytest.mark.parametrize("name", FORMATS)
def test_another_version_causes_a_warning_for_each_step(name, monkeypatch):
    saved = skcnn.__version__
    monkeypatch.setattr(skcnn, "__version__", "99.0")
    loaded, messages = load(name)
    assert messages == [
        f"{kind} was saved with skcnn {saved}, now 99.0: its predictions can differ, so compare "
        "some of them with those before saving, or install the versions of the file"
        for kind in ("ImageResizer", "CNNClassifier")
    ]
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), PIPE.predict_proba(IMAGES))


def test_versions_of_other_packages_are_named_but_cause_no_warning(monkeypatch):
    saved = versions()
    monkeypatch.setattr(torch, "__version__", "98.0")
    assert load("pickle")[1] == []
    monkeypatch.setattr(skcnn, "__version__", "99.0")
    expected = f"skcnn {saved['skcnn']}, now 99.0 and torch {saved['torch']}, now 98.0: its"
    assert all(expected in message for message in load("pickle")[1])


def test_the_warning_has_the_attributes_of_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(skcnn, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning) as caught:
        pickle.loads(FORMATS["pickle"][0])
    warning = caught[0].message
    assert warning.estimator_name == "ImageResizer"
    assert warning.original_sklearn_version == warning.current_sklearn_version


def test_parameters_that_are_newer_than_the_file_get_their_defaults():
    state = PIPE[0].__getstate__()
    del state["lazy"], state["_checksum"]
    resizer = object.__new__(ImageResizer)
    resizer.__setstate__(with_checksum(state))
    assert resizer.get_params() == PIPE[0].get_params()
    assert not hasattr(ImageResizer, "lazy")


@pytest.mark.parametrize("saved", [None, 3, "0.1.0", {}, {"skcnn": 1}, {"torch": "2.6"}])
def test_files_without_versions_are_refused(saved):
    state = {**PIPE[0].__getstate__(), "_versions": saved}
    del state["_checksum"]
    with pytest.raises(ValueError, match=r"saved ImageResizer is damaged.*contain the versions"):
        ImageResizer((5, 5)).__setstate__(with_checksum(state))
