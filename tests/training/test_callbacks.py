"""Lookahead against a naive moving average, and early stopping against scripted losses."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from torch import nn

from skcnn import CNNClassifier, CNNRegressor
from skcnn.training.callbacks import Lookahead, RestoreBest, Schedule
from skcnn.training.interrupts import StopTraining
from skcnn.training.net_lock import NetLock
from skcnn.training.schedules import SCHEDULES
from skcnn.training.transforms import Progress

X, y = load_digits(return_X_y=True)


def test_lookahead_sets_weights_to_their_moving_average():
    module = nn.Linear(2, 1, bias=False)
    net = SimpleNamespace(module_=module, lock=NetLock())
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


# --- early stopping ----------------------------------------------------------------------------

N_BATCHES = 6  # batches of one epoch


class ScriptedNet:
    """A net whose only weight is the number of the epoch, with given losses and scores."""

    def __init__(self, n_epochs, losses, scores):
        self.n_epochs, self.losses, self.scores = n_epochs, losses, scores
        self.lock = NetLock()
        self.module_ = nn.Linear(1, 1, bias=False)
        self.optimizer_ = torch.optim.SGD(self.module_.parameters(), lr=0.5)
        self.history, self.rates = [], []

    @property
    def progress(self):
        return Progress(len(self.history) - 1, self.n_epochs)

    def shorten_training(self, n_epochs):
        self.n_epochs = n_epochs

    @torch.no_grad()
    def train(self, callbacks):
        for callback in callbacks:
            callback.on_train_begin(self)
        try:
            for epoch in range(self.n_epochs):
                self.history.append(
                    {"valid_loss": self.losses[epoch], "valid_score": self.scores[epoch]}
                )
                for callback in callbacks:
                    callback.on_epoch_begin(self)
                for _ in range(N_BATCHES):
                    self.rates.append(self.optimizer_.param_groups[0]["lr"])
                    for callback in callbacks:
                        callback.on_batch_end(self, training=True)
                self.module_.weight.fill_(epoch)
                for callback in callbacks:
                    callback.on_epoch_end(self)
        except StopTraining:
            pass
        for callback in callbacks:
            callback.on_train_end(self)
        return self

    @property
    def restored(self):
        epoch = self.module_.weight.item()
        assert [i for i, record in enumerate(self.history) if "restored" in record] == [epoch]
        return epoch


def train_scheduled(name, losses, scores, *, n_epochs, patience):
    schedule = Schedule(name, n_epochs * N_BATCHES)
    net = ScriptedNet(n_epochs, losses, scores)
    return net.train([schedule, RestoreBest(patience, [schedule])])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    ("n_epochs", "best", "patience", "ended"),
    [
        (40, 10, 5, 16 + 5),  # no improvement in 5 epochs: 16 epochs, and a third of them
        (40, 0, 1, 2 + 1),
        (20, 11, 5, 20),  # the rest of the schedule is shorter than a third of the epochs
        (20, 15, 3, 20),  # the last quarter is not interrupted
    ],
)
def test_early_stopping_skips_to_the_last_quarter(name, n_epochs, best, patience, ended):
    losses = np.abs(np.arange(n_epochs) - best) + 1.0
    net = train_scheduled(name, losses, np.zeros(n_epochs), n_epochs=n_epochs, patience=patience)
    assert len(net.history) == ended
    skipped = min(best + 1 + patience, ended) * N_BATCHES
    batches = np.arange(ended * N_BATCHES)
    done = np.where(batches < skipped, batches / (n_epochs * N_BATCHES), batches / len(batches))
    assert_allclose(net.rates, [0.5 * SCHEDULES[name](share) for share in done], atol=1e-15)
    assert net.rates[-1] < 0.1  # each schedule has come down


@pytest.mark.parametrize(
    ("patience", "ended", "last_scores", "best"),
    [
        (9, 16, {13: 0.9, 14: 0.2, 15: 0.2}, 15),  # the score of epoch 13 does not count
        (9, 16, {14: 0.3, 15: 0.2}, 14),
        (8, 14, {12: 0.2, 13: 0.2}, 13),  # 11 epochs, and 3 more
        (8, 14, {12: 0.3, 13: 0.2}, 12),
        (30, 16, {14: 0.3, 15: 0.2}, 14),
    ],
)
def test_early_stopping_restores_the_last_best_score_of_the_last_eighth(
    patience, ended, last_scores, best
):
    losses = [3.0, 2.0, 1.0, *[1.5] * 13]
    scores = np.full(16, 0.5)
    scores[list(last_scores)] = list(last_scores.values())
    net = train_scheduled("linear", losses, scores, n_epochs=16, patience=patience)
    assert len(net.history) == ended
    assert net.restored == best


@pytest.mark.parametrize(("patience", "ended", "best"), [(2, 4, 1), (3, 8, 4), (9, 8, 4)])
def test_early_stopping_without_a_schedule_restores_the_lowest_loss(patience, ended, best):
    losses = [3.0, 1.0, 2.0, 1.5, 0.9, 1.0, 1.0, 1.0]
    net = ScriptedNet(8, losses, np.arange(8)).train([RestoreBest(patience)])
    assert len(net.history) == ended
    assert net.restored == best


def test_early_stopping_shortens_lookahead_and_progressive_resizing():
    recorded = []

    class Record(nn.Module):
        def __init__(self):
            super().__init__()
            self.output = nn.Linear(1, 10)

        def forward(self, images):
            if self.training:
                recorded.append(images.shape[-1])
            return self.output(images.mean((1, 2, 3))[:, None])

    noise = np.random.default_rng(0).permutation(y[:100])
    cnn = CNNClassifier(
        lambda *sizes: Record(),
        max_epochs=60,
        batch_size=100,
        learning_rate=0.3,
        progressive_resizing=0.5,
        lookahead=True,
        early_stopping=True,
        patience=4,
        random_state=0,
    ).fit(X[:100], y[:100], X_val=X[:100], y_val=noise)
    n_epochs = cnn.n_epochs_
    sizes = recorded[-n_epochs:]  # without those of the check before training
    assert n_epochs < 40
    n_skipped = next(n for n in range(n_epochs) if n + max(1, n // 3) == n_epochs)
    assert sizes[n_skipped - 1] < 8
    assert set(sizes[n_skipped:]) == {8}


@pytest.mark.parametrize("cls", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("schedule", ["auto", "linear"])
def test_early_stopping_of_an_estimator(cls, schedule):
    noisy = np.random.default_rng(0).permutation(y[:150])
    estimator = cls(
        channels=(8,),
        max_epochs=40,
        schedule=schedule,
        early_stopping=True,
        patience=3,
        random_state=0,
    ).fit(X[:100], noisy[:100], X_val=X[100:150], y_val=noisy[100:])
    history = estimator.history_
    best = int(np.argmin([record["valid_loss"] for record in history[: -len(history) // 4]]))
    n_done = best + 1 + 3
    assert len(history) == n_done + max(1, n_done // 3) < 40
    scores = [record["valid_score"] for record in history[len(history) * 7 // 8 :]]
    assert_allclose(estimator.score(X[100:150], noisy[100:]), max(scores), rtol=1e-5)
