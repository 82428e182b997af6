"""Model files of this and of all earlier releases, made by make_files.py, load and predict."""

import joblib
import numpy as np
import pytest
import skops.io
import torch
from numpy.testing import assert_allclose, assert_array_equal

import skcnn
from skcnn.export import load_weights, trusted_types
from tests.export.make_files import FOLDER, save_files

RELEASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
FORMATS = {"joblib", "safetensors", "skops"}
# Other versions of this package, of scikit-learn and of skops can warn.
any_warnings = pytest.mark.filterwarnings("ignore")


def test_there_are_files_of_this_version():
    """If this fails because the version is new, run make_files.py for the release."""
    assert f"skcnn-{skcnn.__version__}" in RELEASES
    for release in RELEASES:
        found = {path.suffix[1:] for path in FOLDER.glob(f"{release}.*")}
        assert found == FORMATS | {"npz"}


@any_warnings
@pytest.mark.parametrize("suffix", ["joblib", "skops"])
@pytest.mark.parametrize("release", RELEASES)
def test_pipelines(release, suffix):
    path = FOLDER / f"{release}.{suffix}"
    if suffix == "joblib":
        pipe = joblib.load(path)
    else:
        pipe = skops.io.load(path, trusted=trusted_types())
    with np.load(FOLDER / f"{release}.npz") as expected:
        probabilities = pipe.predict_proba(expected["images"])
        assert_allclose(probabilities, expected["probabilities"], rtol=0, atol=1e-5)
    assert_array_equal(pipe.classes_, ["cat", "dog", "owl"])


@any_warnings
@pytest.mark.parametrize("release", RELEASES)
def test_weights(release):
    network = load_weights(FOLDER / f"{release}.safetensors")
    with np.load(FOLDER / f"{release}.npz") as expected, torch.no_grad():
        images = torch.tensor(expected["network_images"]).permute(0, 3, 1, 2)
        probabilities = network(images).softmax(dim=1)
        assert_allclose(probabilities, expected["probabilities"], rtol=0, atol=1e-5)


def test_the_script_saves_all_files(tmp_path):
    save_files(tmp_path)
    found = {path.suffix[1:]: path.stat().st_size for path in tmp_path.iterdir()}
    assert found.keys() == FORMATS | {"npz"}
    assert max(found.values()) < 30_000
