"""Training and prediction options of the estimators against plain PyTorch and NumPy."""

import copy
import pickle
from math import cos, pi

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional

from skcnn import CNNClassifier, CNNRegressor
from skcnn.networks import FastNetwork
from skcnn.training import memory
from skcnn.training.loader import BatchLoader, ImageDataset

ESTIMATORS = [CNNClassifier, CNNRegressor]
QUICK = {"max_epochs": 3, "batch_size": 16, "random_state": 0}
FAST = {"network": "fast", "channels": (8, 16), "optimizer": "muon", "learning_rate": 0.1}


@pytest.fixture(scope="module", params=ESTIMATORS)
def task(request, digits):
    """Return an estimator class, 100 images, and targets for it."""
    X, y = digits[0][:100], digits[1][:100]
    return request.param, X, y if request.param is CNNClassifier else X.mean((1, 2)) + y


def module_outputs(cnn, X):
    """Return the outputs of the module for images, in double precision."""
    images = torch.tensor(np.asarray(X, np.float32).reshape(len(X), 1, 8, 8))
    with torch.no_grad():
        return cnn.module_(images).double().numpy()


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("progressive_resizing", 0),
        ("progressive_resizing", 1.1),
        ("progressive_resizing", -0.5),
        ("progressive_resizing", None),
        ("progressive_resizing", "0.5"),
        ("test_time_augmentation", "mirror"),
        ("test_time_augmentation", True),
        ("test_time_augmentation", 1),
        ("optimizer", "Muon"),
        ("schedule", "triangle"),
    ],
)
def test_invalid_values_raise(task, name, value):
    estimator, X, y = task
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter"):
        estimator(**{**QUICK, name: value}).fit(X, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters_are_set_and_cloned(estimator):
    parameters = {"progressive_resizing": 0.5, "test_time_augmentation": "flip", **FAST}
    for cnn in (estimator(**parameters), estimator().set_params(**parameters)):
        assert {name: clone(cnn).get_params()[name] for name in parameters} == parameters
    assert estimator().progressive_resizing == 1.0
    assert estimator().test_time_augmentation is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "muon", "learning_rate": 0.05},
        {"schedule": "linear"},
        {"test_time_augmentation": "flip"},
        {"test_time_augmentation": "flip_shift"},
        FAST,
        {**FAST, "optimizer": "adamw", "learning_rate": 0.003},
        {**FAST, "progressive_resizing": 0.5},
        {**FAST, "progressive_resizing": 0.7, "mixup": 0.2, "schedule": "linear"},
        {**FAST, "precision": "bfloat16"},
        {**FAST, "early_stopping": True},
    ],
    ids=str,
)
def test_network_learns_with_every_option(task, parameters):
    estimator, X, y = task
    cnn = estimator(**{**QUICK, "max_epochs": 8, **parameters}).fit(X, y)
    losses = [record["train_loss"] for record in cnn.history_]
    assert losses[-1] < 0.85 * losses[0]
    again = estimator(**{**QUICK, "max_epochs": 8, **parameters}).fit(X, y)
    assert_array_equal(again.predict(X), cnn.predict(X))


# --- the training loop -------------------------------------------------------------------------


class InitialModule(Callback):
    """Record a copy of the module before the first step."""

    modules = []

    def on_train_begin(self, net, **kwargs):
        self.modules.append(copy.deepcopy(net.module_))


def one_cycle_factor(done):
    if done < 0.25:
        return 0.04 + 0.96 * (1 - cos(pi * done / 0.25)) / 2
    return (1 + cos(pi * (done - 0.25) / 0.75)) / 2


@pytest.mark.parametrize("weighted", [False, True])
def test_training_equals_a_plain_loop(task, weighted):
    estimator, X, y = task
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    options = {"dropout": 0.0, "precision": "float32", "channels": (8, 16)}
    cnn = estimator(**QUICK, **options, callbacks=[InitialModule()])
    cnn.fit(X, y, sample_weight=weights if weighted else None)
    module = InitialModule.modules.pop().to(memory_format=torch.contiguous_format).train()
    images = torch.tensor(X, dtype=torch.float32)[:, None]
    if estimator is CNNClassifier:
        targets, criterion = torch.tensor(np.unique(y, return_inverse=True)[1]), "cross_entropy"
    else:
        mean = np.average(y, weights=weights)
        scale = np.average((y - mean) ** 2, weights=weights) ** 0.5
        targets, criterion = torch.tensor((y - mean) / scale, dtype=torch.float32), "mse_loss"
        targets = targets[:, None]
    share = torch.tensor(weights / weights.mean(), dtype=torch.float32)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1.0, weight_decay=0.5)
    loader = BatchLoader(ImageDataset(X, np.arange(len(X))), 16, seed=cnn.net_.seed)
    n_steps, step = 3 * len(loader), 0
    for epoch in range(3):
        total = 0.0
        for _, rows in loader:
            optimizer.param_groups[0]["lr"] = 0.003 * one_cycle_factor(step / n_steps)
            optimizer.zero_grad()
            outputs = module(images[rows])
            losses = getattr(functional, criterion)(outputs, targets[rows], reduction="none")
            loss = (losses.reshape(len(rows)) * share[rows]).mean()
            loss.backward()
            optimizer.step()
            step, total = step + 1, total + loss.item() * len(rows)
        assert_allclose(cnn.history_[epoch]["train_loss"], total / len(X), rtol=1e-4)
    found, expected = (
        np.concatenate([value.numpy().ravel() for value in one.state_dict().values()])
        for one in (cnn.module_, module)
    )
    differences = abs(found - expected) - 1e-4 * abs(expected)
    # AdamW amplifies the rounding of small gradients by kernels that depend on the CPU, so a few
    # weights differ more, by less than one step.
    assert (differences > 1e-4).mean() < 0.01
    assert differences.max() < 0.003


def test_network_learns_in_bfloat16(task):
    estimator, X, y = task
    exact, short = (
        estimator(**{**QUICK, "max_epochs": 8}, precision=precision).fit(X, y)
        for precision in ("float32", "bfloat16")
    )
    weights = [cnn.module_.network.output.weight for cnn in (exact, short)]
    assert {parameter.dtype for parameter in short.module_.parameters()} == {torch.float32}
    assert not torch.equal(*weights)
    assert short.score(X, y) > exact.score(X, y) - 0.1
    assert short.history_[-1]["train_loss"] < 0.5 * short.history_[0]["train_loss"]


# --- the fast network --------------------------------------------------------------------------


def test_fast_network_and_muon_on_digits():
    X, y = load_digits(return_X_y=True)
    cnn = CNNClassifier(
        "fast",
        channels=(16, 32),
        optimizer="muon",
        learning_rate=0.2,
        schedule="linear",
        max_epochs=5,
        random_state=0,
    )
    assert cnn.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.95
    assert isinstance(cnn.module_.network, FastNetwork)
    assert [block.conv1.out_channels for block in cnn.module_.network.blocks] == [16, 32]


@pytest.mark.parametrize(
    "shape", [(20, 1, 1), (20, 2, 5), (20, 9, 7, 3), (20, 28, 28, 1), (20, 1, 12, 3)]
)
def test_fast_network_on_images_of_any_size(shape):
    X, y = np.random.default_rng(0).random(shape), np.arange(20) % 2
    cnn = CNNClassifier(**{**QUICK, "max_epochs": 1}, **FAST).fit(X, y)
    assert_allclose(cnn.predict_proba(X).sum(axis=1), 1)


def test_pickle_of_the_fast_network_contains_its_whitening(task):
    estimator, X, y = task
    cnn = estimator(**QUICK, **FAST, warm_start=True).fit(X, y)
    loaded = pickle.loads(pickle.dumps(cnn))
    assert_array_equal(loaded.predict(X), cnn.predict(X))
    whitening = cnn.module_.network.whitening.weight.clone()
    assert_array_equal(loaded.fit(X, y).predict(X), cnn.fit(X, y).predict(X))
    for other in (loaded, cnn):
        assert torch.equal(other.module_.network.whitening.weight, whitening)


@pytest.mark.parametrize("network", ["plain", "fast"])
@pytest.mark.parametrize("variants", [None, "flip", "flip_shift"])
def test_predictions_do_not_depend_on_the_batch(task, network, variants):
    estimator, X, y = task
    cnn = estimator(network, **QUICK, channels=(5, 8), test_time_augmentation=variants).fit(X, y)
    expected = cnn._outputs(X)
    # PyTorch computes GELU, the activation of the fast network, with two kernels in one array.
    tolerance = 0.0 if network == "plain" else 1e-6
    for start, stop in [(0, 1), (0, 2), (7, 30), (99, 100), (1, 100)]:
        found = cnn._outputs(X[start:stop])
        assert_allclose(found, expected[start:stop], rtol=tolerance, atol=tolerance)
    cnn.net_.predict_batch_size = 7
    assert_allclose(cnn._outputs(X), expected, rtol=tolerance, atol=tolerance)


# --- test-time augmentation --------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(task):
    estimator, X, y = task
    return estimator(**QUICK).fit(X, y), X


def to_predictions(cnn, outputs):
    if isinstance(cnn, CNNClassifier):
        return softmax(outputs, axis=1)
    return outputs[:, 0] * cnn.y_scale_ + cnn.y_mean_


def predict_with(cnn, X, variants):
    cnn = copy.deepcopy(cnn).set_params(test_time_augmentation=variants)
    return cnn.predict_proba(X) if isinstance(cnn, CNNClassifier) else cnn.predict(X)


def test_mirror_images_have_equal_predictions(trained):
    cnn, X = trained
    assert_array_equal(predict_with(cnn, X[:, :, ::-1], "flip"), predict_with(cnn, X, "flip"))
    assert not np.array_equal(predict_with(cnn, X[:, :, ::-1], None), predict_with(cnn, X, None))


def test_outputs_are_averaged_before_the_softmax(trained):
    cnn, X = trained
    mean = (module_outputs(cnn, X) + module_outputs(cnn, X[:, :, ::-1])) / 2
    assert_allclose(predict_with(cnn, X, "flip"), to_predictions(cnn, mean), rtol=1e-5)
    padded = np.pad(X, [(0, 0), (1, 1), (1, 1)], mode="edge")
    mean = mean / 2
    for at in (0, 2):
        moved = padded[:, at : at + 8, at : at + 8]
        mean = mean + (module_outputs(cnn, moved) + module_outputs(cnn, moved[:, :, ::-1])) / 8
    assert_allclose(predict_with(cnn, X, "flip_shift"), to_predictions(cnn, mean), rtol=1e-5)


def test_test_time_augmentation_can_be_set_after_fit(trained):
    cnn, X = copy.deepcopy(trained[0]), trained[1]
    without = cnn.predict(X)
    cnn.set_params(test_time_augmentation="flip")
    assert_array_equal(cnn.predict(X), copy.deepcopy(cnn).predict(X))
    assert_array_equal(cnn.predict(X), pickle.loads(pickle.dumps(cnn)).predict(X))
    assert_array_equal(cnn.set_params(test_time_augmentation=None).predict(X), without)


def test_test_time_augmentation_does_not_affect_training(task):
    estimator, X, y = task
    cnns = [
        estimator(**QUICK, test_time_augmentation=variants).fit(X, y, X_val=X[:30], y_val=y[:30])
        for variants in (None, "flip_shift")
    ]
    assert_array_equal(module_outputs(cnns[0], X), module_outputs(cnns[1], X))
    for name in ("train_loss", "train_score", "valid_loss", "valid_score"):
        assert [r[name] for r in cnns[0].history_] == [r[name] for r in cnns[1].history_]


def test_test_time_augmentation_of_multilabel_targets(digits):
    X, y = digits[0][:100], np.column_stack([digits[1][:100] % 2, digits[1][:100] > 4])
    cnn = CNNClassifier(**QUICK, test_time_augmentation="flip").fit(X, y)
    mean = (module_outputs(cnn, X) + module_outputs(cnn, X[:, :, ::-1])) / 2
    assert_allclose(cnn.predict_proba(X), expit(mean), rtol=1e-5)
    assert_array_equal(cnn.predict(X), mean > 0)


# --- progressive resizing ----------------------------------------------------------------------


class SizeRecorder(nn.Module):
    """A network for images of any size that records the sizes of its inputs."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.layer = nn.Linear(in_channels, n_outputs)
        self.training_sizes = []
        self.evaluation_sizes = set()

    def forward(self, images):
        if self.training:
            self.training_sizes.append(images.shape[-1])
            assert images.shape[-2] == images.shape[-1]
        else:
            self.evaluation_sizes.add(tuple(images.shape[2:]))
        return self.layer(images.mean((2, 3)))


def training_sizes_of(cnn):
    return cnn.module_.network.training_sizes


GROWING = {
    "batch_size": 100,
    "random_state": 0,
    "network": SizeRecorder,
    "progressive_resizing": 0.5,
}
GROWING_SIZES = [4, 5, 5, 6, 7, 7, 8, 8]  # of 8 pixels: 4 + 4 * epoch / 6, rounded


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_images_grow_during_training(task, mixup):
    estimator, X, y = task
    cnn = estimator(**GROWING, max_epochs=8, mixup=mixup)
    assert training_sizes_of(cnn.fit(X, y, X_val=X[:9], y_val=y[:9])) == GROWING_SIZES
    cnn.predict(X)
    assert cnn.module_.network.evaluation_sizes == {(8, 8)}


def test_images_grow_with_other_numbers_of_epochs(task):
    estimator, X, y = task
    cnn = estimator(**GROWING, max_epochs=8, warm_start=True).fit(X, y)
    assert training_sizes_of(cnn.fit(X, y)) == 2 * GROWING_SIZES
    assert training_sizes_of(cnn.set_params(progressive_resizing=1.0, max_epochs=2).fit(X, y))[
        -2:
    ] == [8, 8]
    assert training_sizes_of(estimator(**GROWING, max_epochs=1).fit(X, y)) == [8]
    assert training_sizes_of(estimator(**GROWING, max_epochs=2).fit(X, y)) == [4, 8]


def test_partial_fit_does_not_resize(task):
    estimator, X, y = task
    cnn = estimator(**GROWING)
    for _ in range(3):
        cnn.partial_fit(X, y)
    assert training_sizes_of(cnn) == [8, 8, 8]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_plain_network_rejects_progressive_resizing(task, method):
    estimator, X, y = task
    cnn = estimator(**QUICK, progressive_resizing=0.75)
    with pytest.raises(
        ValueError,
        match=r"progressive_resizing=0\.75 .*network=\"fast\", or progressive_resizing=1\.0",
    ):
        getattr(cnn, method)(X, y)
    assert not hasattr(cnn, "net_")


def test_callable_network_of_fixed_size_rejects_progressive_resizing(task):
    estimator, X, y = task

    def dense(in_channels, height, width, n_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs))

    cnn = estimator(**QUICK, network=dense, progressive_resizing=0.5)
    with pytest.raises(
        ValueError,
        match=r"does not take 4 x 4 pixels .*network=\"fast\", or progressive_resizing=1\.0",
    ):
        cnn.fit(X, y)
    assert not hasattr(cnn, "net_")


# --- memory ------------------------------------------------------------------------------------


class FakeLibrary:
    """A C library that records its calls."""

    def __init__(self):
        self.calls = []

    def mallopt(self, parameter, value):
        self.calls.append(value)
        return 1

    def malloc_trim(self, pad):
        self.calls.append("trim")


SETTINGS = [2**31 - 1, 2**31 - 1, 2**25, 2**26, "trim"]


def test_freed_memory_is_kept_during_training_and_released_after(task, monkeypatch):
    estimator, X, y = task
    library = FakeLibrary()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    cnn = estimator(**QUICK).fit(X, y)
    assert library.calls == SETTINGS
    cnn.predict(X)
    assert library.calls == SETTINGS
    cnn.net_.predict_batch_size = 50
    cnn.predict(X)
    assert library.calls == 2 * SETTINGS
    with pytest.raises(ValueError, match="became"):
        estimator(**QUICK, optimizer="sgd", learning_rate=1e30, batch_norm=False).fit(X, y)
    assert library.calls == 3 * SETTINGS


def test_grad_mode_and_autocast_of_the_caller_do_not_matter(task):
    cls, X, y = task
    expected = cls(**QUICK).fit(X, y).predict(X)
    for context in (
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        with context:
            cnn = cls(**QUICK).fit(X, y)
        assert_array_equal(cnn.predict(X), expected)


@pytest.mark.parametrize("n_batches", [3, 14, 19])
def test_stop_within_an_epoch_restores_the_best_weights(task, n_batches):
    """An epoch has 6 batches, so 14 and 19 batches are 2 and 3 epochs and a part of the next."""
    states = {}

    class Stop(Callback):
        def on_train_begin(self, net, **kwargs):
            self.n_left_ = n_batches

        def on_epoch_end(self, net, **kwargs):
            states[net.history[-1, "valid_loss"]] = copy.deepcopy(net.module_.state_dict())

        def on_batch_begin(self, net, training=False, **kwargs):
            self.n_left_ -= training
            if self.n_left_ < 0:
                raise KeyboardInterrupt  # as skorch's callbacks stop training

    cls, X, y = task
    cnn = cls(**QUICK, early_stopping=True, callbacks=[Stop()])
    cnn.fit(X, y)
    assert cnn.n_epochs_ == len(states) == n_batches // 6
    if states:
        for name, value in states[min(states)].items():
            assert torch.equal(cnn.module_.state_dict()[name], value)


def test_no_sample_weights_equal_weights_of_one(task):
    cls, X, y = task
    trained = []
    for weights in (None, np.ones(100)):
        cnn = cls(**QUICK, optimizer="sgd").partial_fit(X, y, sample_weight=np.full(100, 4.0))
        trained.append(cnn.partial_fit(X, y, sample_weight=weights).predict(X))
    assert_array_equal(*trained)


def test_every_fit_scales_its_sample_weights(task):
    cls, X, y = task
    trained = []
    for weights in (None, np.full(100, 1000.0)):
        cnn = cls(**QUICK, optimizer="sgd", learning_rate=0.01, warm_start=True).fit(X, y)
        trained.append(cnn.fit(X, y, sample_weight=weights).predict(X))
    assert_allclose(*trained, rtol=1e-5)
