"""Checksums in saved estimators: damaged files do not load, or predict the same."""

import copy
import io
import pickle
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ColorHistogramExtractor,
    ConvAutoencoder,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageOutlierDetector,
    ImageReader,
    ImageResizer,
)
from skcnn.checksums import ChecksumMixin, checksum
from skcnn.networks import NetworkSpec

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 6, 6, 3), dtype=np.uint8)
LABELS = np.array(["cat", "dog", "owl"])[np.arange(24) % 3]
SMALL = {"channels": (3,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
FITTED = {
    "classifier": CNNClassifier(**SMALL, test_time_augmentation="flip").fit(IMAGES, LABELS),
    "regressor": CNNRegressor(**SMALL, warm_start=True).fit(IMAGES, np.arange(24.0)),
    "autoencoder": ConvAutoencoder(3, channels=(3,), max_epochs=1, random_state=0).fit(IMAGES),
    "outlier detector": ImageOutlierDetector().fit(IMAGES),
    "pipeline": make_pipeline(ImageNormalizer(), CNNClassifier(**SMALL)).fit(IMAGES, LABELS),
    "normalizer": ImageNormalizer().fit(IMAGES),
    "resizer": ImageResizer((4, 4)).fit(IMAGES),
    "augmenter": ImageAugmenter(noise=0.1, random_state=np.random.RandomState(0)).fit(IMAGES),
    "flattener": ImageFlattener().fit(IMAGES),
    "hog": HOGExtractor().fit(IMAGES),
    "histogram": ColorHistogramExtractor().fit(IMAGES),
}


def to_bytes(estimator, module):
    file = io.BytesIO()
    module.dump(estimator, file)
    return file.getvalue()


def load_damaged(damaged, module):
    """Load a damaged file in Python: in C, pickle allocates gigabytes for some damaged opcodes."""
    load = pickle._load if module is pickle else module.load
    return load(io.BytesIO(damaged))


def results(estimator):
    method = "transform" if hasattr(estimator, "transform") else "predict"
    outputs = [getattr(estimator, method)(IMAGES)]
    if hasattr(estimator, "predict_proba"):
        outputs.append(estimator.predict_proba(IMAGES))
    return [np.asarray(output) for output in outputs]


@pytest.mark.parametrize("module", [pickle, joblib])
@pytest.mark.parametrize("name", FITTED)
@pytest.mark.filterwarnings("ignore")
def test_flipped_bits_are_errors_or_change_nothing(name, module):
    saved = to_bytes(FITTED[name], module)
    expected = results(FITTED[name])
    n_checked = 0
    for bit in np.random.default_rng(1).choice(8 * len(saved), 120, replace=False):
        damaged = bytearray(saved)
        damaged[bit // 8] ^= 1 << (bit % 8)
        try:
            found = results(load_damaged(bytes(damaged), module))
        except BaseException as error:
            n_checked += "checksum" in str(error)
            continue
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert n_checked > 10


@pytest.mark.parametrize("module", [pickle, joblib])
@pytest.mark.parametrize("name", FITTED)
def test_undamaged_files_load_and_predict_the_same(name, module):
    loaded = module.load(io.BytesIO(to_bytes(FITTED[name], module)))
    again = module.load(io.BytesIO(to_bytes(loaded, module)))  # also what was loaded
    for copied in (loaded, again, copy.deepcopy(FITTED[name]), copy.copy(FITTED[name])):
        for one, other in zip(results(copied), results(FITTED[name]), strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_flipped_bit_of_a_weight_is_found():
    saved = pickle.dumps(FITTED["classifier"])
    weights = next(FITTED["classifier"].module_.network.parameters()).detach()
    start = saved.index(np.ascontiguousarray(weights.numpy()).tobytes()[:16])
    for bit in range(32):
        damaged = bytearray(saved)
        damaged[start + bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(ValueError, match=r"the saved network is damaged.*copy the file again"):
            pickle.loads(damaged)


def test_file_without_a_checksum_is_refused():
    state = {**FITTED["normalizer"].__getstate__()}
    del state["_checksum"]
    with pytest.raises(ValueError, match="ImageNormalizer is damaged, or comes from another ver"):
        ImageNormalizer().__setstate__(state)


def test_checksum_is_not_an_attribute_nor_a_parameter():
    loaded = pickle.loads(pickle.dumps(FITTED["normalizer"]))
    assert vars(loaded).keys() == vars(FITTED["normalizer"]).keys()
    assert clone(loaded).get_params() == FITTED["normalizer"].get_params()


def test_public_estimators_have_a_checksum():
    for kind in [*map(type, FITTED.values()), ImageReader]:
        assert issubclass(kind, ChecksumMixin) or kind.__name__ == "Pipeline"


class Plain:
    """An object with attributes."""

    def __init__(self, value):
        self.value = value
        self.itself = self


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (1, 2),
        (1, True),
        (1, 1.0),
        (0.1, np.nextafter(0.1, 1)),
        ("a", "b"),
        ([1, 2], [2, 1]),
        ([1, 2], (1, 2)),
        ([[1], 2], [[1, 2]]),
        ({"a": 1}, {"b": 1}),
        ({"a", "b"}, {"a", "c"}),
        (np.float32(1), np.float64(1)),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.arange(4), np.arange(4, dtype=">i8")),
        (np.array(["a", None], object), np.array(["a", "None"], object)),
        (np.dtype("u1"), np.dtype("i1")),
        (torch.zeros(2), torch.ones(2)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (partial(int, base=2), partial(int, base=3)),
        (int, float),
        (len, sum),
        (Path("a"), Path("b")),
        (Plain(1), Plain(2)),
        (Plain(0).__init__, Plain(1).__init__),
        (NetworkSpec("plain", 1, 2, 2, 2), NetworkSpec("plain", 1, 2, 3, 2)),
    ],
)
def test_checksum_differs_where_values_differ(value, other):
    assert checksum(value) != checksum(other)
    assert checksum(value) == checksum(copy.deepcopy(value))
    assert checksum(value) == checksum(pickle.loads(pickle.dumps(value)))


def test_checksum_of_integers_of_thousands_of_digits():
    assert checksum(10**5000) == checksum(10**5000) != checksum(10**5000 + 1)
    assert pickle.loads(pickle.dumps(CNNClassifier(max_epochs=10**5000))).max_epochs == 10**5000


def test_checksum_of_an_array_does_not_depend_on_its_layout():
    array = np.arange(6.0).reshape(2, 3)
    assert checksum(array) == checksum(np.asfortranarray(array)) == checksum(array.T.copy().T)


def test_the_main_module_of_a_spawned_process_is_the_same():
    function = type("Function", (), {"__module__": "__main__"})
    renamed = type("Function", (), {"__module__": "__mp_main__"})
    other = type("Function", (), {"__module__": "other"})
    assert checksum(function) == checksum(renamed) != checksum(other)
    assert checksum(function()) == checksum(renamed())
