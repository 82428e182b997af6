"""Prediction does not change the estimator, also in threads with different options."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skcnn import CNNClassifier
from skcnn.training.loader import ImageDataset
from skcnn.training.predicting import predict_outputs, prediction_module

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
LABELS = np.arange(60) % 3
AUGMENTATIONS = [None, "flip", "flip_shift"]


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(channels=(4,), max_epochs=1, random_state=0).fit(IMAGES, LABELS)


def snapshot(cnn):
    net = cnn.net_
    values = {name: value for name, value in vars(net).items() if name != "module_"}
    modes = [part.training for part in net.module_.modules()]
    weights = {name: value.clone() for name, value in net.module_.state_dict().items()}
    return dict(vars(cnn)), values, modes, weights


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_predict_does_not_change_the_estimator(cnn, augmentation):
    cnn = clone(cnn).set_params(test_time_augmentation=augmentation).fit(IMAGES, LABELS)
    before = snapshot(cnn)
    cnn.predict(IMAGES)
    after = snapshot(cnn)
    assert before[:3] == after[:3]
    assert all(torch.equal(value, after[3][name]) for name, value in before[3].items())


def test_threads_with_different_options_equal_serial_predictions(cnn):
    dataset = ImageDataset(IMAGES)
    tasks = [AUGMENTATIONS[number % 3] for number in range(48)]

    def predict(augmentation):
        return predict_outputs(cnn.net_, dataset, test_time_augmentation=augmentation).numpy()

    serial = {augmentation: predict(augmentation) for augmentation in AUGMENTATIONS}
    assert not np.array_equal(serial[None], serial["flip"])
    with ThreadPoolExecutor(8) as pool:
        for augmentation, outputs in zip(tasks, pool.map(predict, tasks), strict=True):
            assert_array_equal(outputs, serial[augmentation])


def test_estimators_that_share_a_net_use_their_own_parameters(cnn):
    def with_shared_net(augmentation):
        other = clone(cnn).set_params(test_time_augmentation=augmentation)
        vars(other).update({k: v for k, v in vars(cnn).items() if k.endswith("_")})
        return other

    estimators = [with_shared_net(augmentation) for augmentation in AUGMENTATIONS] * 8
    expected = [estimator.predict_proba(IMAGES) for estimator in estimators[:3]] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda estimator: estimator.predict_proba(IMAGES), estimators))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_module_in_training_mode_is_copied(cnn):
    expected = cnn.predict_proba(IMAGES)
    cnn.module_.network.dense.train()
    try:
        assert_array_equal(cnn.predict_proba(IMAGES), expected)
        assert cnn.module_.network.dense.training
    finally:
        cnn.module_.eval()
    assert prediction_module(cnn.module_, torch.device("cpu")) is cnn.module_
