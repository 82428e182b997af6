"""Heads: the same outputs in other coordinates, and initial values."""

import copy
from threading import Thread

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from skcnn.networks import BACKBONES
from skcnn.training.heads import (
    CenteredLinear,
    centered,
    dense_head,
    feature_statistics,
    initialize_head,
)
from skcnn.training.loader import ImageDataset
from skcnn.training.net_lock import NetLock

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_random_numbers():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def head():
    return nn.Linear(6, 3)


@pytest.mark.parametrize("name", BACKBONES)
def test_all_backbones_have_a_head(name):
    with torch.device("meta"):
        network = BACKBONES[name].builder(3, 64, 64, 5)
    head = dense_head(network)
    assert head.out_features == 5
    assert head is network.stages()[-1]


def test_heads_without_bias():
    head, features = nn.Linear(6, 3, bias=False), torch.randn(5, 6)
    outputs = head(features).detach()
    with centered(head, np.ones(6), 2.0):
        assert_allclose(head(features).detach(), outputs, rtol=1e-5, atol=1e-6)
        assert list(head.state_dict()) == ["weight"]
    assert_allclose(head(features).detach(), outputs, rtol=1e-5, atol=1e-6)
    initialize_head(head, ImageDataset(np.zeros((3, 1, 1, 1)), np.arange(3)), "multiclass")
    assert not head.weight.any()


# --- heads in other coordinates ----------------------------------------------------------------


def test_a_centered_head_has_the_same_outputs_and_state(head):
    features, center = torch.randn(5, 6) + 3, RNG.normal(3, 1, size=6)
    outputs, state = head(features), copy.deepcopy(head.state_dict())
    with centered(head, center, 2.5):
        assert_allclose(head(features).detach(), outputs.detach(), rtol=1e-5, atol=1e-6)
        for key, value in head.state_dict().items():
            assert_allclose(value, state[key], rtol=1e-5, atol=1e-6)
        assert_allclose(head.weight.detach(), 2.5 * state["weight"], rtol=1e-6)
        copied = copy.deepcopy(head)
    assert type(head) is nn.Linear
    assert list(vars(head)) == list(vars(nn.Linear(6, 3)))
    assert_allclose(head(features).detach(), outputs.detach(), rtol=1e-5, atol=1e-6)
    assert_allclose(copied(features).detach(), outputs.detach(), rtol=1e-5, atol=1e-6)


def test_other_threads_wait_while_a_head_changes(head, monkeypatch):
    lock, entered = NetLock(), []
    load = CenteredLinear._load_from_state_dict

    def copy_net():
        with lock.step():
            entered.append(type(head))

    def slow_load(*arguments):
        threads.append(Thread(target=copy_net))
        threads[-1].start()
        threads[-1].join(0.05)
        assert not entered
        load(*arguments)

    threads = []
    monkeypatch.setattr(CenteredLinear, "_load_from_state_dict", slow_load)
    with centered(head, np.ones(6), 2.0, lock):
        threads[0].join()
    assert entered == [CenteredLinear]


def test_steps_of_a_centered_head_are_those_of_centered_features(head):
    features, center, scale = torch.randn(5, 6) + 3, torch.full((6,), 3.0), 2.0
    y = torch.tensor([0, 1, 2, 1, 0])
    other = copy.deepcopy(head)
    with torch.no_grad():
        other.bias += other.weight @ center
        other.weight *= scale
    with centered(head, center, scale):
        optimizer = torch.optim.SGD(head.parameters(), 0.1)
        functional.cross_entropy(head(features), y).backward()
        optimizer.step()
    optimizer = torch.optim.SGD(other.parameters(), 0.1)
    functional.cross_entropy(other((features - center) / scale), y).backward()
    optimizer.step()
    expected = other((features - center) / scale).detach()
    assert_allclose(head(features).detach(), expected, rtol=1e-4, atol=1e-5)


def test_a_loaded_state_is_that_of_a_dense_layer(head):
    other, features = nn.Linear(6, 3), torch.randn(5, 6)
    with centered(head, RNG.normal(size=6), 0.5):
        head.load_state_dict(other.state_dict())
        assert_allclose(head(features).detach(), other(features).detach(), rtol=1e-4, atol=1e-6)
    assert_allclose(head.weight.detach(), other.weight.detach(), rtol=1e-6)


def test_feature_statistics_are_weighted():
    features = RNG.random((6, 1, 1, 4)).astype(np.float32)
    weights = np.array([1, 2, 0, 1, 3, 1])
    mean, scale = feature_statistics(ImageDataset(features, weights=weights))
    repeated = np.repeat(features[:, 0, 0], weights, axis=0)
    assert_allclose(mean, repeated.mean(axis=0), rtol=1e-6)
    assert_allclose(scale, np.sqrt(repeated.var(axis=0).mean()), rtol=1e-6)
    mean, scale = feature_statistics(ImageDataset(np.full((3, 1, 1, 4), 7.0)))
    assert (mean.tolist(), scale) == ([7.0] * 4, 1.0)


# --- initial heads -----------------------------------------------------------------------------


def test_initial_bias_is_the_log_of_the_class_frequencies(head):
    y, weights = np.array([0, 0, 1, 2, 2, 2]), np.array([1.0, 1, 2, 0, 1, 1])
    rows = np.array([0, 1, 2, 4, 5])
    initialize_head(head, ImageDataset(np.zeros((6, 1, 1, 1)), y, weights, rows), "multiclass")
    assert not head.weight.any()
    assert_allclose(head(torch.randn(1, 6)).softmax(dim=1).detach()[0], np.array([3, 3, 3]) / 9)


def test_initial_bias_is_the_log_odds_of_the_labels(head):
    y = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 1]], np.float32)
    initialize_head(head, ImageDataset(np.zeros((3, 1, 1, 1)), y), "multilabel")
    assert_allclose(head.bias.sigmoid().detach(), np.array([1, 3, 4]) / 5, rtol=1e-6)


def test_initial_bias_with_a_large_weight():
    head, y, weights = nn.Linear(6, 1), np.ones((3, 1), np.float32), np.array([1e8, 1, 1])
    initialize_head(head, ImageDataset(np.zeros((3, 1, 1, 1)), y, weights), "multilabel")
    assert_allclose(head.bias.item(), np.log(1e8 + 3), rtol=1e-6)


def test_initial_bias_of_numbers_is_zero(head):
    initialize_head(head, ImageDataset(np.zeros((3, 1, 1, 1)), RNG.random((3, 3))), "continuous")
    assert not head.weight.any()
    assert not head.bias.any()
