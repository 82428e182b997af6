"""The learning rate schedules, and the callback that applies them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.training.callbacks import Schedule
from skcnn.training.schedules import SCHEDULES, cosine, linear, one_cycle

DONE = np.linspace(0, 1, 101)


def test_cosine():
    assert_allclose([cosine(done) for done in DONE], np.cos(np.pi * DONE / 2) ** 2, atol=1e-15)


def test_linear():
    assert_allclose([linear(done) for done in DONE], np.linspace(1, 0, 101), atol=1e-15)


@pytest.mark.parametrize("warm_up", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("start", [0.0, 0.04, 1.0])
def test_one_cycle(warm_up, start):
    found = np.array([one_cycle(done, warm_up=warm_up, start=start) for done in DONE])
    rising = start + (1 - start) * np.sin(np.pi / 2 * DONE / warm_up) ** 2
    falling = np.cos(np.pi / 2 * (DONE - warm_up) / (1 - warm_up)) ** 2
    assert_allclose(found, np.where(warm_up > DONE, rising, falling), atol=1e-15)


@pytest.mark.parametrize("steps", [40, 100])
def test_one_cycle_equals_pytorch(steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=steps + 1, pct_start=0.25, div_factor=25, final_div_factor=1e9
    )
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    # PyTorch's warm-up ends one step earlier, since it counts from 0 to the last step.
    ours = [
        one_cycle(step / steps, warm_up=(0.25 * (steps + 1) - 1) / steps) for step in range(steps)
    ]
    assert_allclose(rates, ours, atol=1e-8)


def test_first_and_last_factors():
    assert one_cycle(0) == 0.04
    assert one_cycle(0.25) == 1
    assert_allclose([cosine(0), cosine(1), one_cycle(1)], [1, 0, 0], atol=1e-15)
    assert (linear(0), linear(1)) == (1, 0)
    assert {"cosine": cosine, "linear": linear, "one_cycle": one_cycle} == SCHEDULES


def make_net(*scales):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1 * s} for s in scales]
    return SimpleNamespace(optimizer_=torch.optim.SGD(groups), history=[])


def learning_rates(net):
    return [group["lr"] for group in net.optimizer_.param_groups]


@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rate_of_every_batch(name):
    net, factor = make_net(1.0, 0.5), SCHEDULES[name]
    callback = Schedule(name, n_batches=8).initialize()
    callback.on_train_begin(net)
    for batch in range(8):
        assert_allclose(learning_rates(net), [0.1 * factor(batch / 8), 0.05 * factor(batch / 8)])
        net.optimizer_.step()
        callback.on_batch_end(net, training=True)
        callback.on_batch_end(net, training=False)  # validation does not count
    assert_allclose(learning_rates(net), 0, atol=1e-15)
