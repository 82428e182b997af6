"""One estimator used by several threads, and estimators in forked processes."""

import copy
import dataclasses
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skcnn import CNNClassifier, CNNRegressor, ImageNormalizer
from skcnn.pixel_scale import PixelScale

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (120, 8, 8), dtype=np.uint8)
LABELS = np.array(["cat", "dog", "owl"])[np.arange(120) % 3]
SMALL = {"channels": (4,), "hidden_units": (8,), "batch_size": 16, "random_state": 0}


@pytest.fixture(autouse=True)
def _frequent_switches():
    """Let Python change between threads much more often than every 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class RecordWeights(Callback):
    """Record the probabilities of a net after every step."""

    states: list = []

    def on_train_begin(self, net, **kwargs):
        self.states.append(probabilities(net))

    def on_batch_end(self, net, training=False, **kwargs):
        self.states.append(probabilities(net))


def probabilities(net):
    return CNNClassifier.predict_proba(estimator_of(net), IMAGES)


def estimator_of(net):
    estimator = CNNClassifier(**SMALL)
    estimator.net_, estimator.classes_ = net, np.unique(LABELS)
    estimator.target_type_, estimator.image_shape_ = "multiclass", (8, 8, 1)
    estimator.n_features_in_, estimator.pixel_scale_ = 64, PixelScale(0.0, 0.0, True)
    return estimator


@contextmanager
def in_a_loop(function):
    """Call a function in another thread again and again, and yield the list of its results."""
    results, stop = [], threading.Event()

    def run():
        while not stop.is_set():
            results.append(function())

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        try:
            yield results
        finally:
            stop.set()
            future.result()


def weights_of(estimator):
    return [tensor.numpy().copy() for tensor in estimator.module_.state_dict().values()]


def assert_same_weights(one, other):
    for first, second in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(first, second)


def train(estimator, kind, n_times=6):
    for _ in range(n_times):
        if kind == "partial_fit":
            estimator.partial_fit(IMAGES, LABELS)
        else:
            estimator.fit(IMAGES, LABELS)
    return estimator


USES = {
    "predict_proba": lambda estimator: estimator.predict_proba(IMAGES),
    "score": lambda estimator: estimator.score(IMAGES, LABELS),
    "history_": lambda estimator: (estimator.history_, estimator.n_epochs_),
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)).predict_proba(IMAGES),
    "deepcopy": lambda estimator: copy.deepcopy(estimator).predict_proba(IMAGES),
}


def fitted_before(kind):
    parameters = {**SMALL, "max_epochs": 2, "warm_start": kind == "warm_start", "lookahead": True}
    return CNNClassifier(**parameters).fit(IMAGES, LABELS)


@cache
def trained_alone(kind):
    return train(fitted_before(kind), kind)


@pytest.mark.parametrize("kind", ["partial_fit", "fit", "warm_start"])
@pytest.mark.parametrize("use", USES)
def test_training_is_as_if_alone_while_another_thread_uses_the_estimator(kind, use):
    alone, used = trained_alone(kind), fitted_before(kind)
    with in_a_loop(lambda: USES[use](used)) as results:
        train(used, kind)
    assert len(results) > 0
    assert_same_weights(used, alone)
    assert used.n_epochs_ == alone.n_epochs_ == len(used.history_)


@pytest.mark.parametrize("use", ["predict_proba", "pickle", "deepcopy"])
@pytest.mark.parametrize("batch_size", [16, 120])
def test_predictions_during_training_are_those_of_one_state(use, batch_size, monkeypatch):
    monkeypatch.setattr("skcnn.estimators._training._predict_batch_size", lambda shape: batch_size)
    cnn = CNNClassifier(**SMALL, max_epochs=1).fit(IMAGES, LABELS)
    RecordWeights.states.clear()
    RecordWeights.states.append(cnn.predict_proba(IMAGES))
    cnn.set_params(callbacks=[RecordWeights()])
    with in_a_loop(lambda: USES[use](cnn)) as results:
        train(cnn, "partial_fit", 4)
    states = np.array(RecordWeights.states)
    assert np.isfinite(results).all()
    for result in results:
        assert (states == result).all(axis=(1, 2)).any()


def test_predictions_during_a_fit_are_those_of_the_fit_before():
    cnn = CNNClassifier(**SMALL, max_epochs=3).fit(IMAGES, LABELS)
    before = cnn.predict(IMAGES)
    with in_a_loop(lambda: cnn.predict(IMAGES)) as results:
        cnn.fit(IMAGES, np.arange(120) % 7)  # other classes, and another number of them
        after = cnn.predict(IMAGES)
    assert len(results) > 0
    for result in results:
        assert (result == before).all() or (result == after).all()


def test_regressions_during_a_fit_are_those_of_the_fit_before():
    cnn = CNNRegressor(**SMALL, max_epochs=3).fit(IMAGES, np.arange(120.0))
    before = cnn.predict(IMAGES)
    with in_a_loop(lambda: cnn.predict(IMAGES)) as results:
        cnn.fit(IMAGES, 1e6 * np.arange(120.0))
        after = cnn.predict(IMAGES)
    for result in results:
        assert (result == before).all() or (result == after).all()


def test_two_trainings_of_one_estimator_take_turns():
    alone = train(CNNClassifier(**SMALL), "partial_fit", 8)
    shared = CNNClassifier(**SMALL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: shared.partial_fit(IMAGES, LABELS), range(8)))
    assert shared.n_epochs_ == 8
    assert_same_weights(shared, alone)


def test_callback_that_predicts_in_a_thread_does_not_wait_forever():
    class Predict(Callback):
        def on_batch_end(self, net, **kwargs):
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(cnn.predict, IMAGES).result(60) is not None

    cnn = CNNClassifier(**SMALL, max_epochs=1).fit(IMAGES, LABELS)
    cnn.set_params(callbacks=[Predict()]).partial_fit(IMAGES, LABELS)


def test_fits_and_predictions_of_a_transformer_in_several_threads():
    scales = [1, 2, 3]
    normalizer = ImageNormalizer().fit(IMAGES[:50])
    transforms = in_a_loop(lambda: normalizer.transform(IMAGES[:50]))
    with transforms as results, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda scale: normalizer.fit(scale * IMAGES[:50]), 20 * scales))
    possible = [
        ImageNormalizer().fit(scale * IMAGES[:50]).transform(IMAGES[:50]) for scale in scales
    ]
    for result in results:
        assert any((result == one).all() for one in possible)


def test_pickles_while_another_thread_changes_the_optimizer():
    net = CNNClassifier(channels=(), hidden_units=(), max_epochs=1).fit(IMAGES, LABELS).net_
    options = [dataclasses.replace(net.options, optimizer=name) for name in ("sgd", "adamw")]
    stop = threading.Event()

    def reconfigure():
        while not stop.is_set():
            for changed in options:
                net.reconfigure(changed)

    thread = threading.Thread(target=reconfigure)
    thread.start()
    try:
        for _ in range(100):
            pickle.dumps(net)
    finally:
        stop.set()
        thread.join()


# --- forked processes ---------------------------------------------------------------------------

FORK = """
import os, signal, sys, threading
import numpy as np, torch
from skcnn import CNNClassifier
torch.set_num_threads(2)
images = np.random.default_rng(0).integers(0, 256, (96, 16, 16, 3), dtype=np.uint8)
y = np.arange(96) % 2
parameters = dict(max_epochs=1, random_state=0)

def in_child(function):
    process = os.fork()
    if process == 0:
        try:
            os._exit(0 if function() else 1)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(2)
    killer = threading.Timer(60, os.kill, (process, signal.SIGKILL))
    killer.start()
    status = os.waitpid(process, 0)[1]
    killer.cancel()
    assert status == 0
"""
FORKS = {
    "while another thread fits": """
fitting = CNNClassifier(max_epochs=10**6, channels=(4,))
from skorch.callbacks import Callback
from skcnn.training.interrupts import StopTraining
started, stop = threading.Event(), threading.Event()
class Signal(Callback):
    def on_batch_end(self, net, **kwargs):
        started.set()
        if stop.is_set():
            raise KeyboardInterrupt
fitting.set_params(callbacks=[Signal()])
cnn = CNNClassifier(channels=(4,), **parameters).fit(images, y)
thread = threading.Thread(target=fitting.fit, args=(images, y))
thread.start()
started.wait()
for _ in range(3):
    in_child(lambda: len(CNNClassifier(channels=(4,), **parameters).fit(images, y).history_) == 1)
    in_child(lambda: len(cnn.partial_fit(images, y).history_) == 2)
stop.set()
thread.join()
""",
    "after predictions with several threads": """
cnn = CNNClassifier(**parameters).fit(images, y)
expected = cnn.predict_proba(images)
in_child(lambda: np.allclose(cnn.predict_proba(images), expected, atol=1e-5))
in_child(lambda: torch.get_num_threads() == 2 and cnn.predict(images) is not None
    and torch.get_num_threads() == 1)
import pickle
saved = pickle.dumps(cnn)
in_child(lambda: np.allclose(pickle.loads(saved).predict_proba(images), expected, atol=1e-5))
in_child(lambda: len(CNNClassifier(**parameters).fit(images, y).history_) == 1)
in_child(lambda: in_child(lambda: len(cnn.predict(images)) == 96) is None)
assert torch.get_num_threads() == 2
""",
    "after large tensors were computed with several threads": """
from skcnn.pipeline_graph import torch_pipeline
cnn = CNNClassifier(channels=(), hidden_units=(200,), **parameters).fit(images, y)
torch.ones(10**6).double()
many, weights = np.arange(120_000).reshape(60_000, 1, 2), np.ones(60_000)
dense = CNNClassifier(channels=(), hidden_units=(), batch_size=60_000, **parameters)
in_child(lambda: dense.fit(many, np.arange(60_000) % 2, weights) is dense)
in_child(lambda: torch_pipeline(cnn, images.shape[1:], images.dtype) is not None)
""",
    "while another thread trains the estimator": """
cnn = CNNClassifier(channels=(4,), **parameters).fit(images, y)
stop = threading.Event()
def train():
    while not stop.is_set():
        cnn.partial_fit(images, y)
thread = threading.Thread(target=train)
thread.start()
for _ in range(4):
    in_child(lambda: np.isfinite(cnn.predict_proba(images)).all())
    in_child(lambda: cnn.partial_fit(images, y) is cnn)
stop.set()
thread.join()
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork is not reliable there")
@pytest.mark.parametrize("place", ["while", "after"])  # one process each: starting one takes time
def test_forked_process_does_not_hang(place):
    cases = [f"# {name}\n{code}" for name, code in FORKS.items() if name.startswith(place)]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join([FORK, *cases])],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert process.returncode == 0, process.stderr
    assert torch.get_num_threads() > 0
