"""Files of save_weights: the same outputs, no code, and no memory or time for what they lack."""

import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

import skcnn
from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ConvAutoencoder,
    ImageEmbedder,
    ImageResizer,
    TransferClassifier,
)
from skcnn.export import load_weights, save_weights
from skcnn.export.spec_text import spec_from_text
from skcnn.networks import NetworkSpec
from skcnn.networks.pretrained_files import read_safetensors

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
LABELS = np.array(["cat", "dog", "owl"])[np.arange(12) % 3]
SMALL = {"channels": (3,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
BACKBONE = {"weights": None, "input_size": 24, "max_epochs": 1, "random_state": 0}
FITTED = {
    "plain": CNNClassifier(**SMALL).fit(IMAGES, LABELS),
    "dropout": CNNClassifier(**SMALL, dropout=(0.1, 0.5), pooling=None).fit(IMAGES, LABELS),
    "fast": CNNClassifier("fast", channels=(4, 4), max_epochs=1).fit(IMAGES, LABELS),
    "regressor": CNNRegressor(**SMALL).fit(IMAGES, np.arange(12.0)),
    "autoencoder": ConvAutoencoder(3, channels=(3,), max_epochs=1).fit(IMAGES),
    "backbone": TransferClassifier("squeezenet1_1", **BACKBONE).fit(IMAGES, LABELS),
    "warm start": CNNClassifier(**SMALL, warm_start=True).fit(IMAGES, LABELS),
}


def tensor(images):
    return torch.tensor(images, dtype=torch.float32).permute(0, 3, 1, 2)


@torch.no_grad()
def outputs(module, images=IMAGES):
    return module(tensor(images)).numpy()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.safetensors"


@pytest.mark.parametrize("name", FITTED)
def test_the_loaded_network_computes_the_same(path, name):
    fitted = FITTED[name]
    random_state = torch.get_rng_state()
    save_weights(fitted, str(path))
    module = load_weights(str(path))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not module.training
    expected = fitted.module_.state_dict()
    found = module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert_array_equal(outputs(module), outputs(fitted.module_))
    weights = sum(part.numel() * part.itemsize for part in expected.values())
    assert path.stat().st_size < weights + 10_000


def test_probabilities_of_a_pipeline_and_a_search(path):
    pipe = make_pipeline(ImageResizer((5, 5)), CNNClassifier(**SMALL))
    search = GridSearchCV(pipe, {"imageresizer__size": [(4, 4)]}, cv=2).fit(IMAGES, LABELS)
    for estimator in (pipe.fit(IMAGES, LABELS), search):
        save_weights(estimator, path)
        steps = estimator if estimator is pipe else search.best_estimator_
        logits = torch.tensor(outputs(load_weights(path), steps[0].transform(IMAGES)))
        assert_allclose(logits.softmax(dim=1), estimator.predict_proba(IMAGES), atol=1e-6)


def test_the_weights_go_into_an_estimator_that_continues_training(path):
    fitted = FITTED["warm start"]
    save_weights(fitted, path)
    other = CNNClassifier(**SMALL, warm_start=True).fit(IMAGES[:6], LABELS[:6])
    other.module_.load_state_dict(load_weights(path).state_dict())
    assert_array_equal(other.predict_proba(IMAGES), fitted.predict_proba(IMAGES))
    assert other.fit(IMAGES, LABELS).n_epochs_ == 2


def test_a_damaged_file_is_refused_or_changes_nothing(path):
    save_weights(FITTED["plain"], path)
    expected = FITTED["plain"].module_.state_dict()
    content = path.read_bytes()
    messages, places = [], range(0, len(content), len(content) // 100)
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found, metadata = read_safetensors(path)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert all(torch.equal(found[key], expected[key]) for key in expected)
            assert spec_from_text(metadata["skcnn.network"]) == FITTED["plain"].net_.spec
    assert len(messages) > 0.9 * len(places)
    assert all(re.search("cannot be read|its checksum differs", text) for text in messages)


def test_every_flipped_bit_of_a_weight_is_found(path):
    save_weights(FITTED["plain"], path)
    content = path.read_bytes()
    for bit in range(32):
        damaged = bytearray(content)
        damaged[-4 + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"network.safetensors' was damaged or changed after"):
            load_weights(path)
    with pytest.raises(ValueError, match=r"network.safetensors' was damaged or changed after"):
        TransferClassifier("squeezenet1_1", weights=path).fit(IMAGES, LABELS)


def test_failed_writing_keeps_the_file(path, monkeypatch):
    path.write_text("former")
    monkeypatch.setattr(os, "fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_weights(FITTED["plain"], path)
    assert path.read_text() == "former"
    assert len(list(path.parent.iterdir())) == 1


def test_links_and_long_names(path):
    path.symlink_to(path.with_name("a" * 243 + path.suffix))  # of 255 bytes, the maximum
    save_weights(FITTED["plain"], path)
    assert path.is_symlink()
    assert_array_equal(outputs(load_weights(path)), outputs(FITTED["plain"].module_))


def test_other_programs_can_read_the_file(path):
    save_weights(FITTED["plain"], path)
    path.with_name("other").touch()
    assert path.stat().st_mode == path.with_name("other").stat().st_mode
    expected = FITTED["plain"].module_.state_dict()
    for key, value in load_file(path).items():
        assert_array_equal(value, expected[key])


@pytest.fixture
def pretrained(path):
    """A file of a backbone that was trained with pretrained weights, and its module."""
    squeezenet = FITTED["backbone"].module_.network
    torch.save(squeezenet.state_dict(), path.with_name("official.pth"))
    classifier = TransferClassifier(
        "squeezenet1_1", weights=path.with_name("official.pth"), input_size=24, max_epochs=1
    )
    classifier.fit(IMAGES, LABELS)
    save_weights(classifier, path)
    return classifier


@pytest.mark.parametrize("kind", [TransferClassifier, ImageEmbedder])
def test_weights_of_a_backbone_are_the_start_of_another_training(path, pretrained, kind):
    options = {"weights": path, "input_size": 24}
    fitted = kind("squeezenet1_1", **options).fit(IMAGES, np.arange(12) % 2)
    module = fitted.module_ if kind is TransferClassifier else fitted.network_.module
    expected = pretrained.module_.network.features(tensor(IMAGES))
    torch.testing.assert_close(module.network.features(tensor(IMAGES)), expected)


def test_weights_of_another_backbone_or_without_pretraining_are_refused(path, pretrained):
    with pytest.raises(ValueError, match="contains the network 'squeezenet1_1', not 'resnet18': u"):
        TransferClassifier("resnet18", weights=path).fit(IMAGES, LABELS)
    save_weights(FITTED["backbone"], path)
    with pytest.raises(ValueError, match="contains a network that was trained from scratch, for "):
        TransferClassifier("squeezenet1_1", weights=path).fit(IMAGES, LABELS)


def own_network(in_channels, height, width, n_outputs):
    layers = nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs)
    return nn.Sequential(*layers)


def test_what_cannot_be_saved(path):
    own = CNNClassifier(own_network, max_epochs=1).fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"own_network.* is your own, so a file without code"):
        save_weights(own, path)
    with pytest.raises(TypeError, match="PCA has no trained network"):
        save_weights(PCA(2).fit(np.eye(3)), path)
    with pytest.raises(NotFittedError):
        save_weights(CNNClassifier(), path)
    with pytest.raises(ValueError, match=r"'a.pth' must be .* the suffix .safetensors"):
        save_weights(FITTED["plain"], "a.pth")
    with pytest.raises(FileNotFoundError, match="the folder of the file, does not exist"):
        save_weights(FITTED["plain"], path / "a.safetensors")
    assert not path.exists()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder: pass the name of a file in it"):
        save_weights(FITTED["plain"], path)


def test_versions(path, monkeypatch):
    save_weights(FITTED["plain"], path)
    saved = json.loads(read_safetensors(path)[1]["skcnn.versions"])
    assert saved["skcnn"] == skcnn.__version__
    assert saved["torch"] == torch.__version__
    monkeypatch.setattr(skcnn, "__version__", "99.0")
    message = rf"network was saved with skcnn {saved['skcnn']}, now 99.0"
    with pytest.warns(InconsistentVersionWarning, match=message):
        load_weights(path)


# ------------------------------------------------------------------------------------------------
# Files that are not those of save_weights


def manipulated(path, change):
    """Save a network and change its description."""
    save_weights(FITTED["plain"], path)
    weights, metadata = read_safetensors(path)
    spec = json.loads(metadata["skcnn.network"])
    change(spec)
    metadata["skcnn.network"] = json.dumps(spec)
    save_file({key: value.numpy() for key, value in weights.items()}, path, metadata)


def test_missing_and_foreign_files(path):
    with pytest.raises(FileNotFoundError, match="does not exist: give the path of a saved file"):
        load_weights(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="does not contain the description of a network"):
        load_weights(path)
    path.write_bytes(b"not a file of weights")
    with pytest.raises(ValueError, match=r"it is truncated or not a .safetensors"):
        load_weights(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("name", value) for value in (3, None, ["plain"], "os.system", "timm", "")],
        *[("in_channels", value) for value in (0, -1, True, 2.5, "3", 10**9, 10**400, [3])],
        ("height", 2),
        ("n_outputs", 10**9),
        *[("weights", value) for value in (1, ["a"], "imagenet")],
        *[("input_size", value) for value in (24, [24], [24, "24"], [0, 24], {"a": 1})],
        ("backbone", "yes"),
        *[("options", value) for value in ("a", [1], {"own": 1}, {"channels": {"a": 1}})],
        *[("options", {"channels": value}) for value in (None, [3.5], [[3]], [True], [-1], 3)],
        *[("options", {"dropout": value}) for value in (float("nan"), 1e400, "a", [0.1])],
        ("options", {"channels": [3], "hidden_units": [10**6, 10**6]}),
        ("options", {"kernel_size": 10**12}),
        ("function", "os.system"),
    ],
)
def test_a_wrong_description_is_refused_with_one_sentence(path, key, value):
    manipulated(path, lambda spec: spec.update({key: value}))
    with pytest.raises(ValueError, match=r"^'.*network.safetensors' is not loaded: .{20}"):
        load_weights(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, "3", "null", "{}", '{"name": "plain"}'])
@pytest.mark.parametrize("key", ["skcnn.network", "skcnn.versions"])
def test_metadata_that_is_no_description(path, key, text):
    save_weights(FITTED["plain"], path)
    weights, metadata = read_safetensors(path)
    arrays = {name: value.numpy() for name, value in weights.items()}
    save_file(arrays, path, {**metadata, key: text})
    with pytest.raises(
        ValueError, match=r"is not JSON|must have the keys|does not contain the ver"
    ):
        load_weights(path)


def test_integers_in_place_of_weights(path):
    save_weights(FITTED["plain"], path)
    weights, metadata = read_safetensors(path)
    arrays = {name: value.numpy() for name, value in weights.items()}
    name = next(name for name in arrays if name.endswith("weight"))
    save_file({**arrays, name: arrays[name].astype(np.float16)}, path, metadata)
    load_weights(path)
    save_file({**arrays, name: arrays[name].astype(np.int8)}, path, metadata)
    with pytest.raises(ValueError, match=rf"{name} has values of type torch.int8"):
        load_weights(path)


@pytest.mark.parametrize("option", ["channels", "hidden_units"])
def test_many_layers_without_weights_are_not_built(path, option, monkeypatch):
    manipulated(path, lambda spec: spec["options"].update({option: [1] * 100_000}))
    monkeypatch.setattr(NetworkSpec, "_build", None)  # it would take minutes
    with pytest.raises(ValueError, match="the saved weights do not fit the network"):
        load_weights(path)


class Planted:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_planted_code_does_not_run(path, tmp_path):
    planted = Planted(tmp_path / "planted")
    for content in (pickle.dumps(planted), b"\x80\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"it is truncated or not a .safetensors"):
            load_weights(path)
    torch.save({"a": planted}, path)
    with pytest.raises(ValueError, match=r"it is truncated or not a .safetensors"):
        load_weights(path)
    assert not planted.path.exists()
