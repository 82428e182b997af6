"""Model files of skops: no code, the same predictions, and no memory for what they do not hold."""

import io
import json
import pickle
import zipfile
from importlib import import_module

import numpy as np
import pytest
import skops.io
import torch
from imblearn.over_sampling import RandomOverSampler
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from skops.io.exceptions import UntrustedTypesFoundException

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
    ImageReader,
    ImageResizer,
    TransferClassifier,
    TransferRegressor,
)
from skcnn.checksums import with_checksum
from skcnn.export import trusted_types
from skcnn.imbalance import ImageSampler, LogitAdjustedClassifier
from skcnn.networks import NetworkSpec
from skcnn.robustness import FGSM, PGD

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
LABELS = np.array(["cat", "dog", "owl"])[np.arange(12) % 3]
SMALL = {"channels": (3,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
BACKBONE = {"weights": None, "input_size": 24, "max_epochs": 1, "random_state": 0}
CLASSIFIERS = {
    "plain": CNNClassifier(**SMALL),
    "warm start": CNNClassifier(**SMALL, warm_start=True),
    "early stopping": CNNClassifier(**SMALL, early_stopping=True),
    "FGSM": CNNClassifier(**SMALL, adversary=FGSM(8, noise=2.0)),
    "PGD": CNNClassifier(**SMALL, adversary=PGD(8)),
    "random state": CNNClassifier(**{**SMALL, "random_state": np.random.RandomState(0)}),
    "object labels": CNNClassifier(**SMALL, class_weight={"cat": 1.0, "dog": 2.0, "owl": 1.0}),
    "backbone": TransferClassifier("squeezenet1_1", **BACKBONE),
    "fine-tuned": TransferClassifier("squeezenet1_1", **BACKBONE, fine_tune=True),
    "adjusted": LogitAdjustedClassifier(FrozenEstimator(CNNClassifier(**SMALL))),
    "pipeline": make_pipeline(
        ImageResizer((5, 5)),
        ImageNormalizer(),
        ImageAugmenter(rotation=5, corruption="fog", random_state=0),
        CNNClassifier(**SMALL),
    ),
}
OTHERS = {
    "regressor": CNNRegressor(**SMALL),
    "pretrained regressor": TransferRegressor("squeezenet1_1", **BACKBONE),
    "autoencoder": ConvAutoencoder(3, channels=(3,), max_epochs=1, random_state=0),
    "outliers": ImageOutlierDetector(n_neighbors=2),
    "outliers of an autoencoder": ImageOutlierDetector(ConvAutoencoder(3, max_epochs=1)),
    "embedder": ImageEmbedder("squeezenet1_1", weights=None, input_size=24),
    "flattener and PCA": make_pipeline(ImageFlattener(), PCA(2)),
    "edges": HOGExtractor(),
    "colors": ColorHistogramExtractor(),
}


def results(estimator, X):
    methods = ("predict_proba", "predict", "transform", "score_samples", "reconstruct")
    return {
        name: np.asarray(getattr(estimator, name)(X))
        for name in methods
        if hasattr(estimator, name)
    }


def check_copy(fitted, X, **options):
    loaded = skops.io.loads(skops.io.dumps(fitted, **options), trusted=trusted_types())
    expected, found = results(fitted, X), results(loaded, X)
    assert expected.keys() == found.keys()
    assert expected
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    return loaded


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    classifier = CLASSIFIERS[name]
    labels = LABELS.astype(object) if name == "object labels" else LABELS
    if name == "adjusted":
        classifier.estimator.estimator.fit(IMAGES, labels)
    loaded = check_copy(classifier.fit(IMAGES, labels), IMAGES)
    np.testing.assert_array_equal(loaded.classes_, ["cat", "dog", "owl"])


@pytest.mark.parametrize("name", OTHERS)
def test_other_estimators(name):
    check_copy(OTHERS[name].fit(IMAGES, np.arange(12.0)), IMAGES)


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_weights_of_classes_that_are_bools(kind):
    weights = {kind(False): 1.0, kind(True): 2.0}
    classifier = CNNClassifier(**SMALL, class_weight=weights).fit(IMAGES, LABELS == "cat")
    assert check_copy(classifier, IMAGES).class_weight == {False: 1.0, True: 2.0}
    assert pickle.loads(pickle.dumps(classifier)).class_weight == {False: 1.0, True: 2.0}
    assert classifier.class_weight is weights


def test_files_of_images(tmp_path):
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    names = [f"{number}.png" for number in range(12)]
    pipe = make_pipeline(ImageReader(root=str(tmp_path)), ImageResizer((6, 6)))
    check_copy(make_pipeline(pipe, CNNClassifier(**SMALL)).fit(names, LABELS), names)


def test_a_sampler():
    sampler = ImageSampler(RandomOverSampler(random_state=0))
    trusted = [*trusted_types(), "imblearn.over_sampling._random_over_sampler.RandomOverSampler"]
    loaded = skops.io.loads(skops.io.dumps(sampler), trusted=trusted)
    images, labels = loaded.fit_resample(IMAGES[:5], LABELS[:5])
    assert len(images) == len(labels) == 6


def test_a_warm_start_continues_with_the_state_of_the_optimizer():
    classifier = CNNClassifier(**SMALL, warm_start=True).fit(IMAGES, LABELS)
    loaded = check_copy(classifier, IMAGES)
    for model in (classifier, loaded):
        model.fit(IMAGES, LABELS)
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), classifier.predict_proba(IMAGES))


def test_the_names_exist():
    for name in trusted_types():
        module, kind = name.rsplit(".", 1)
        assert isinstance(getattr(import_module(module), kind), type)
    assert trusted_types() is not trusted_types()


def test_a_compressed_file_is_little_larger_than_the_weights():
    classifier = CNNClassifier((32,), hidden_units=(512,), max_epochs=1, random_state=0)
    classifier.set_params(network="plain", channels=(32,)).fit(IMAGES, LABELS)
    content = skops.io.dumps(classifier, compression=zipfile.ZIP_DEFLATED)
    weights = sum(part.numel() * part.itemsize for part in classifier.module_.state_dict().values())
    assert len(content) < weights + 40_000


def test_no_file_in_an_archive_is_a_pickle():
    content = skops.io.dumps(CLASSIFIERS["plain"].fit(IMAGES, LABELS))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert all(name == "schema.json" or name.endswith(".npy") for name in names)
        for name in names:
            if name.endswith(".npy"):
                np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


# ------------------------------------------------------------------------------------------------
# Code and sizes in manipulated files


def own_network(in_channels, height, width, n_outputs):
    layers = torch.nn.Flatten(), torch.nn.Linear(in_channels * height * width, n_outputs)
    return torch.nn.Sequential(*layers)


def test_a_network_of_the_user_is_refused():
    content = skops.io.dumps(CNNClassifier(own_network, max_epochs=1).fit(IMAGES, LABELS))
    with pytest.raises(UntrustedTypesFoundException, match="own_network"):
        skops.io.loads(content, trusted=trusted_types())


class Planted:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_planted_code_is_refused_and_does_not_run(tmp_path):
    classifier = CNNClassifier(**SMALL).fit(IMAGES, LABELS)
    pickle.loads(pickle.dumps(Planted(tmp_path / "planted"))).close()
    assert (tmp_path / "planted").exists()  # in a pickle, it runs
    (tmp_path / "planted").unlink()
    content = skops.io.dumps(classifier)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    schema["content"]["content"]["loss"] = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": {"module_path": "os", "function": "system"},
    }
    files["schema.json"] = json.dumps(schema).encode()
    manipulated = io.BytesIO()
    with zipfile.ZipFile(manipulated, "w") as archive:
        for name, part in files.items():
            archive.writestr(name, part)
    with pytest.raises(UntrustedTypesFoundException, match="system"):
        skops.io.loads(manipulated.getvalue(), trusted=trusted_types())


@pytest.mark.parametrize("size", ["in_channels", "n_outputs"])
@pytest.mark.parametrize("name", ["plain", "fast", "resnet18"])
def test_a_small_file_cannot_ask_for_gigabytes(name, size):
    classifier = CNNClassifier(**SMALL).fit(IMAGES, LABELS)
    spec = classifier.net_.spec
    object.__setattr__(spec, "name", name)
    spec.options.clear()
    if name == "plain":
        spec.options["hidden_units"] = (10**6, 10**6)
    object.__setattr__(spec, size, 10**9)
    content = skops.io.dumps(classifier)
    with pytest.raises(ValueError, match="the saved weights do not fit the network"):
        skops.io.loads(content, trusted=trusted_types())
    with pytest.raises(ValueError, match="the saved weights do not fit the network"):
        pickle.loads(pickle.dumps(classifier))


@pytest.mark.parametrize("option", ["channels", "hidden_units"])
def test_many_layers_without_weights_are_not_built(option, monkeypatch):
    classifier = CNNClassifier(**SMALL).fit(IMAGES, LABELS)
    classifier.net_.spec.options[option] = (1,) * 100_000  # takes minutes to build
    content = pickle.dumps(classifier)
    monkeypatch.setattr(NetworkSpec, "_build", None)
    with pytest.raises(ValueError, match="the saved weights do not fit the network"):
        pickle.loads(content)


def test_a_pickle_with_the_suffix_of_skops_does_not_run(tmp_path):
    path = tmp_path / "model.skops"
    for save in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        save(Planted(tmp_path / "planted"), path)
        with pytest.raises((zipfile.BadZipFile, KeyError)):
            skops.io.load(path, trusted=trusted_types())
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("key", ["module", "weights", "history", "arguments", "changed"])
@pytest.mark.parametrize("value", ["missing", 3, [1], object(), {"a": 1}])
def test_a_manipulated_state_with_a_correct_checksum_is_refused(key, value):
    net = CNNClassifier(**SMALL).fit(IMAGES, LABELS).net_
    state = net.__getstate__() | {key: value}
    del state["_checksum"]
    if value == "missing":
        del state[key]
    with pytest.raises(ValueError, match=r"the saved (network|weights)|got unexpected"):
        object.__new__(type(net)).__setstate__(with_checksum(state))


DEVICES = {
    "classifier": CNNClassifier(**SMALL, warm_start=True),
    "fine-tuned": TransferClassifier("squeezenet1_1", **BACKBONE, fine_tune=True),
    "autoencoder": ConvAutoencoder(3, channels=(3,), max_epochs=1, random_state=0),
    "embedder": ImageEmbedder("squeezenet1_1", weights=None, input_size=24),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", DEVICES)
def test_a_model_trained_on_a_gpu_predicts_without_one(name):
    fitted = clone(DEVICES[name]).fit(IMAGES, LABELS)
    expected = results(fitted, IMAGES)
    fitted.device = "cuda:3"  # what a fit there leaves behind, besides the weights
    if hasattr(fitted, "net_"):
        fitted.net_.device = "cuda:3"
    for loaded in (
        skops.io.loads(skops.io.dumps(fitted), trusted=trusted_types()),
        pickle.loads(pickle.dumps(fitted)),
    ):
        for method, values in results(loaded, IMAGES).items():
            np.testing.assert_array_equal(values, expected[method])
