"""The lookahead callback against a naive moving average."""

from types import SimpleNamespace

import numpy as np
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from torch import nn

from skcnn import CNNClassifier
from skcnn.training.callbacks import Lookahead

X, y = load_digits(return_X_y=True)


def test_lookahead_sets_weights_to_their_moving_average():
    module = nn.Linear(2, 1, bias=False)
    net = SimpleNamespace(module_=module)
    rng = np.random.default_rng(0)
    callback = Lookahead(n_batches=15).initialize()
    callback.on_train_begin(net)
    expected = mean = module.weight.detach().double().numpy().copy()
    for batch in range(1, 16):
        step = rng.normal(size=(1, 2))
        with torch.no_grad():
            module.weight += torch.tensor(step, dtype=torch.float32)
        expected = expected + step
        if batch % 5 == 0:
            share = 0.95**5 * (batch / 15) ** 3
            expected = mean = share * mean + (1 - share) * expected
        callback.on_batch_end(net, training=True)
        callback.on_batch_end(net, training=False)
        assert_allclose(module.weight.detach().numpy(), expected, rtol=1e-5)


def test_lookahead_does_not_change_frozen_weights():
    fits = [
        CNNClassifier("fast", channels=(8,), max_epochs=1, lookahead=value, random_state=0)
        for value in (False, True)
    ]
    nets = [cnn.fit(X[:320], y[:320]).module_.network for cnn in fits]
    assert torch.equal(nets[0].whitening.weight, nets[1].whitening.weight)
    assert not torch.equal(nets[0].output.weight, nets[1].output.weight)


def test_network_learns_with_lookahead():
    cnn = CNNClassifier(channels=(8, 16), max_epochs=20, lookahead=True, random_state=0)
    assert cnn.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9
