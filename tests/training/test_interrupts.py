"""Ctrl-C raises from fit, while a KeyboardInterrupt of a callback stops training."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skcnn import CNNClassifier
from skcnn.training.interrupts import InterruptMonitor, StopTraining
from skcnn.training.turns import turns

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 6, 6), dtype=np.uint8)
LABELS = np.arange(24) % 2


def interrupt(*args, **kwargs):
    """Send SIGINT to this process, as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


class SignalInCallback(Callback):
    """A callback that receives SIGINT in the second epoch."""

    def __init__(self, method):
        setattr(self, method, self.send)

    @staticmethod
    def send(net, **kwargs):
        if len(net.history) == 2:
            interrupt()


class SignalInBatch(nn.Module):
    """A network that receives SIGINT in its third forward pass in training mode."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.layer = nn.Linear(in_channels * height * width, n_outputs)
        self.n_calls = 0

    def forward(self, images):
        self.n_calls += self.training
        if self.n_calls == 3:
            interrupt()
        return self.layer(images.flatten(1))


class StopsTraining(Callback):
    """A callback that stops training as those of skorch do."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def classifier(**parameters):
    return CNNClassifier(**{"channels": (), "max_epochs": 5, "batch_size": 12, **parameters})


METHODS = ["on_epoch_begin", "on_batch_begin", "on_grad_computed", "on_batch_end", "on_epoch_end"]


@pytest.mark.parametrize("method", ["on_train_begin", *METHODS, "on_train_end"])
def test_ctrl_c_in_a_callback_ends_fit(method):
    callback = SignalInCallback(method)
    if method.startswith("on_train"):
        setattr(callback, method, interrupt)
    cnn = classifier(callbacks=[callback])
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(IMAGES, LABELS)
    assert not hasattr(cnn, "net_")


def test_ctrl_c_in_a_batch_ends_fit():
    with pytest.raises(KeyboardInterrupt):
        classifier(network=SignalInBatch, channels="auto").fit(IMAGES, LABELS)


def test_ctrl_c_in_the_early_stopping_of_skorch_ends_fit():
    class Interrupted(EarlyStopping):
        def on_epoch_end(self, net, **kwargs):
            interrupt()
            super().on_epoch_end(net, **kwargs)

    with pytest.raises(KeyboardInterrupt):
        classifier(callbacks=[Interrupted(monitor="train_loss")]).fit(IMAGES, LABELS)


def test_ctrl_c_between_epochs_ends_fit(monkeypatch):
    cnn = classifier()
    original = CNNClassifier._training_callbacks

    def with_signal_callback(self, *args, **kwargs):
        return [*original(self, *args, **kwargs), SignalInCallback("on_epoch_begin")]

    monkeypatch.setattr(CNNClassifier, "_training_callbacks", with_signal_callback)
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(IMAGES, LABELS)


def test_interrupted_warm_start_keeps_the_fitted_net():
    cnn = classifier(max_epochs=1, warm_start=True, random_state=0).fit(IMAGES, LABELS)
    before = cnn.predict_proba(IMAGES)
    with pytest.raises(KeyboardInterrupt):
        cnn.set_params(callbacks=[SignalInCallback("on_batch_end")], max_epochs=3).fit(
            IMAGES, LABELS
        )
    assert cnn.n_epochs_ == 1
    np.testing.assert_array_equal(cnn.predict_proba(IMAGES), before)


def test_callback_stops_training():
    assert classifier(callbacks=[StopsTraining()]).fit(IMAGES, LABELS).n_epochs_ == 1


def test_callback_stops_training_in_a_thread():
    fits = []
    thread = threading.Thread(
        target=lambda: fits.append(classifier(callbacks=[StopsTraining()]).fit(IMAGES, LABELS))
    )
    thread.start()
    thread.join()
    assert fits[0].n_epochs_ == 1


def test_signal_handler_is_restored():
    before = signal.getsignal(signal.SIGINT)
    classifier(max_epochs=1).fit(IMAGES, LABELS)
    with pytest.raises(KeyboardInterrupt):
        classifier(callbacks=[SignalInCallback("on_epoch_end")]).fit(IMAGES, LABELS)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("interrupted", [False, True])
def test_keyboard_interrupt_becomes_stop_training_without_a_signal(interrupted):
    monitor = InterruptMonitor()
    monitor.interrupted = interrupted
    expected = KeyboardInterrupt if interrupted else StopTraining
    with pytest.raises(expected), monitor.convert_keyboard_interrupt():
        raise KeyboardInterrupt


class StartFits(Callback):
    """Start a fit in another thread during a training step, and one at the end of the training."""

    def __init__(self):
        self.threads, self.n_fitted = [], []

    def start(self, cnn):
        thread = threading.Thread(target=cnn.fit, args=(IMAGES, LABELS), daemon=True)
        thread.start()
        self.threads.append((thread, cnn))

    def on_train_end(self, net, **kwargs):
        self.start(classifier(max_epochs=1))
        self.threads[-1][0].join(timeout=30)
        self.n_fitted.append([hasattr(cnn, "net_") for _, cnn in self.threads])


def test_only_fits_that_callbacks_start_interrupt_a_fit():
    """Otherwise random numbers that the callback draws change the other fit."""
    callback = StartFits()

    class Network(nn.Linear):
        def forward(self, images):
            if self.training and not callback.threads:
                callback.start(classifier(max_epochs=1))
            return super().forward(images.flatten(1))

    def network(in_channels, height, width, n_outputs):
        return Network(in_channels * height * width, n_outputs)

    CNNClassifier(network, max_epochs=1, callbacks=[callback]).fit(IMAGES, LABELS)
    assert callback.n_fitted == [[False, True]]
    callback.threads[0][0].join(timeout=30)
    assert hasattr(callback.threads[0][1], "net_")


def test_ctrl_c_does_not_wait_for_a_fit_that_a_callback_started():
    has_begun, end = threading.Event(), threading.Event()

    class Wait(Callback):
        def on_epoch_end(self, net, **kwargs):
            has_begun.set()
            waited.append(end.wait(timeout=30))

    class Start(Callback):
        def on_epoch_end(self, net, **kwargs):
            inner = classifier(callbacks=[Wait()], max_epochs=1)
            thread = threading.Thread(target=inner.fit, args=(IMAGES, LABELS))
            thread.start()
            threads.append(thread)
            assert has_begun.wait(timeout=30)
            interrupt()

    threads, waited = [], []
    with pytest.raises(KeyboardInterrupt):
        classifier(callbacks=[Start()]).fit(IMAGES, LABELS)
    assert not waited
    end.set()
    threads[0].join(timeout=30)


class ReportEpoch(Callback):
    """A callback that sets an event at the end of an epoch: the fit has then begun."""

    def __init__(self, has_begun):
        self.has_begun = has_begun

    def on_epoch_end(self, net, **kwargs):
        self.has_begun.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_the_process_ends_fits_in_daemon_threads(monkeypatch):
    """Otherwise PyTorch aborts the process when Python stops the threads."""
    monkeypatch.setattr(turns, "_is_ending", False)  # also restores it

    def fit(cnn):
        try:
            cnn.fit(IMAGES, LABELS)
        finally:
            time.sleep(0.1)  # as long as the memory of a network is freed

    has_begun = threading.Event()
    options = {"max_epochs": 100_000, "callbacks": [ReportEpoch(has_begun)]}
    cnns = [classifier(**options), classifier(**options), classifier(max_epochs=1)]
    threads = [threading.Thread(target=fit, args=(cnn,), daemon=cnn is not cnns[2]) for cnn in cnns]
    for thread in threads:
        thread.start()
    assert has_begun.wait(timeout=30)
    turns.end()
    assert not all(thread.is_alive() for thread in threads[:2])  # the one whose fit has begun
    for thread in threads:
        thread.join(timeout=30)
    assert [hasattr(cnn, "net_") for cnn in cnns] == [False, False, True]
    assert not any(thread.is_alive() for thread in threads)
