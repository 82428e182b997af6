"""The net against plain PyTorch loops, and with skorch's interface and callbacks."""

import copy
import pickle
import threading
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss, r2_score
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    ProgressBar,
)
from torch import nn

from skcnn.lazy import LazyImages
from skcnn.networks import PlainNetwork, Standardize
from skcnn.training.callbacks import RestoreBest, Schedule
from skcnn.training.device import seeded
from skcnn.training.loader import ImageDataset
from skcnn.training.muon import Muon
from skcnn.training.net import ImageNeuralNet
from skcnn.training.optimizers import OPTIMIZERS
from skcnn.training.options import TrainingOptions, TrainingParameters
from skcnn.training.schedules import SCHEDULES
from skcnn.training.state import restore_on_failure

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
N_IMAGES = 41  # one more than a multiple of the batch size 8
IMAGES = RNG.integers(0, 256, size=(N_IMAGES, 7, 6, 2)).astype(np.uint8)
CLASSES = RNG.integers(0, 3, size=N_IMAGES)
LABELS = RNG.integers(0, 2, size=(N_IMAGES, 3)).astype(np.float32)
NUMBERS = RNG.normal(size=(N_IMAGES, 3)).astype(np.float32)
TARGETS = {"multiclass": CLASSES, "multilabel": LABELS, "continuous": NUMBERS}
WEIGHTS = RNG.uniform(0.1, 3, size=N_IMAGES)
WEIGHTS /= WEIGHTS.mean()

MEAN, SCALE = [128.0, 120.0], [70.0, 60.0]
LEARNING_RATE = 0.003
OPTIMIZER_OF = {
    "adam": torch.optim.Adam,
    "adamw": partial(torch.optim.AdamW, weight_decay=0.5),
    "muon": Muon,
    "rmsprop": torch.optim.RMSprop,
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


def build_module(seed=0, **options):
    options = {"channels": (4, 5), "hidden_units": (10,), **options}
    with seeded(seed, CPU):
        network = PlainNetwork(2, 7, 6, 3, **options)
        # The default weights of the output layer are almost zero.
        nn.init.kaiming_normal_(network.output.weight)
    return nn.Sequential(Standardize(MEAN, SCALE), network)


def make_options(target_type="multiclass", **parameters):
    """Return training options with the defaults of the tests."""
    loss = {"continuous": "squared_error"}.get(target_type, "cross_entropy")
    defaults = {"loss": loss, "optimizer": "adam", "learning_rate": LEARNING_RATE, "batch_size": 8}
    defaults["precision"] = "float32"
    return TrainingOptions.of(TrainingParameters(**{**defaults, **parameters}))


def build_net(module=None, target_type="multiclass", **parameters):
    names = {"seed", "predict_batch_size", "callbacks", "predict_nonlinearity", "optimizer__eps"}
    net_parameters = {name: parameters.pop(name) for name in names & set(parameters)}
    return ImageNeuralNet(
        copy.deepcopy(module or build_module()).to(memory_format=torch.channels_last),
        make_options(target_type, **parameters),
        target_type=target_type,
        **{"seed": 3, **net_parameters},
    ).initialize()


def schedule_callbacks(name, *, n_batches):
    return [] if name is None else [Schedule(name, n_batches)]


def constant_factor(done):
    return 1.0


def naive_loss(outputs, y, weights):
    if y.ndim == 1:
        losses = nn.functional.cross_entropy(outputs, y, reduction="none")
    elif set(np.unique(y)) == {0, 1}:
        losses = -(y * nn.functional.logsigmoid(outputs))
        losses = (losses - (1 - y) * nn.functional.logsigmoid(-outputs)).mean(dim=1)
    else:
        losses = ((outputs - y) ** 2).mean(dim=1)
    return (losses * weights).mean()


def naive_training(module, y, *, weights=None, optimizer, factor, epochs, batch_size=8, seed=3):
    """Train with a plain loop, and return the module and the mean loss of each epoch."""
    module = copy.deepcopy(module).train()
    X, y = torch.tensor(np.moveaxis(IMAGES, -1, 1), dtype=torch.float32), torch.as_tensor(y)
    weights = torch.ones(len(X)) if weights is None else torch.tensor(weights, dtype=torch.float32)
    steps = OPTIMIZER_OF[optimizer](module.parameters(), lr=LEARNING_RATE)
    starts = list(range(0, len(X) - 1, batch_size))
    step, losses = 0, []
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(X))
        total = 0.0
        for start in starts:
            rows = order[start:] if start == starts[-1] else order[start : start + batch_size]
            for group in steps.param_groups:
                group["lr"] = LEARNING_RATE * factor(step / (epochs * len(starts)))
            loss = naive_loss(module(X[rows]), y[rows], weights[rows])
            steps.zero_grad()
            loss.backward()
            steps.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return module, losses


def assert_same_weights(module, other, tolerance=1e-4):
    expected = other.state_dict()
    for name, value in module.state_dict().items():
        assert_allclose(value, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


def n_differing(module, other):
    expected = other.state_dict()
    return sum(
        not torch.equal(value, expected[name]) for name, value in module.state_dict().items()
    )


# --- training against a plain loop -------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", [None, "cosine", "one_cycle"])
@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_training_equals_a_plain_loop(optimizer, schedule, wrap):
    module = build_module()
    factor = SCHEDULES.get(schedule, constant_factor)
    expected, losses = naive_training(module, CLASSES, optimizer=optimizer, factor=factor, epochs=3)
    net = build_net(module, optimizer=optimizer)
    own = schedule_callbacks(schedule, n_batches=15)
    net.train(ImageDataset(wrap(IMAGES), CLASSES), None, 3, own_callbacks=own)
    assert_same_weights(net.module_, expected)
    assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-4)
    assert n_differing(net.module_, module) >= 12  # all trainable weights and running statistics


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_training_with_every_target_type_and_weights(target_type, weights):
    module, y = build_module(), TARGETS[target_type]
    expected, losses = naive_training(
        module, y, weights=weights, optimizer="adam", factor=constant_factor, epochs=3
    )
    net = build_net(module, target_type)
    net.train(ImageDataset(IMAGES, y, weights), None, 3)
    assert_same_weights(net.module_, expected)
    assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_calls_of_train_equal_one(optimizer):
    once, twice = build_net(optimizer=optimizer), build_net(optimizer=optimizer)
    dataset = ImageDataset(IMAGES, CLASSES)
    once.train(dataset, None, 4)
    for _ in range(2):
        twice.train(dataset, None, 2)
    assert n_differing(once.module_, twice.module_) == 0
    assert once.history[:, "train_loss"] == twice.history[:, "train_loss"]
    assert twice.history[:, "epoch"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({"optimizer": "adam"}, True),
        ({"optimizer": "adam", "weight_decay": 0.1}, False),
        ({"optimizer": "sgd"}, False),
    ],
)
def test_other_optimizer_parameters_reset_the_optimizer(parameters, kept):
    net = build_net()
    net.train(ImageDataset(IMAGES, CLASSES), None, 1)
    optimizer = net.optimizer_
    net.reconfigure(make_options(**parameters, learning_rate=0.5, batch_size=20, max_epochs=7))
    assert (net.optimizer_ is optimizer) == kept
    assert isinstance(net.optimizer_, OPTIMIZERS[parameters["optimizer"]][0])
    group = net.optimizer_.param_groups[0]
    assert group["weight_decay"] == parameters.get("weight_decay", 0)
    assert (net.lr, net.batch_size, net.max_epochs) == (0.5, 20, 7)
    net.train(ImageDataset(IMAGES, CLASSES), None, 1)
    assert n_differing(net.module_, build_module()) >= 12


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("target_type", TARGETS)
def test_weights_equal_repetition_in_the_full_batch(optimizer, target_type):
    """Weights and repetitions differ by rounding, so a step must not enlarge rounding errors.

    The network is smooth: at a kink, rounding would decide the gradient. `eps` bounds the
    rate at which steps change with the gradient to `lr / eps`; the default of 1e-8 does not.
    """
    module = build_module(batch_norm=False, activation="tanh", pooling="avg")
    y = TARGETS[target_type]
    times = np.arange(N_IMAGES) % 4 + 1
    rows = np.repeat(np.arange(N_IMAGES), times)
    eps = {"optimizer__eps": 1e-4} if optimizer in ("adam", "adamw", "rmsprop") else {}
    net, other = (
        build_net(module, target_type, optimizer=optimizer, batch_size=1000, **eps)
        for _ in range(2)
    )
    net.train(ImageDataset(IMAGES, y, times / times.mean()), None, 3)
    other.train(ImageDataset(IMAGES, y, rows=rows), None, 3)
    assert_same_weights(net.module_, other.module_)
    losses = other.history[:, "train_loss"]
    assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-5)


def test_random_operations_get_the_epoch():
    epochs = []

    class EpochRecorder:
        random = True

        def __call__(self, batch, indices, epoch):
            epochs.append(epoch)
            return batch

        def output(self, shape, dtype):
            return shape, dtype

    net = build_net(batch_size=100)
    dataset = ImageDataset(LazyImages(IMAGES).then(EpochRecorder()), CLASSES)
    net.train(dataset, dataset.clean(), 3)
    net.train(dataset, None, 2)
    assert epochs == [0, 1, 2, 3, 4]


# --- history -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target_type", TARGETS)
def test_validation_loss_and_score(target_type):
    y = TARGETS[target_type]
    net = build_net(target_type=target_type, predict_batch_size=5)
    net.train(ImageDataset(IMAGES, y), ImageDataset(IMAGES, y, WEIGHTS, np.arange(9, 30)), 2)
    outputs = net.forward(IMAGES[9:30])
    weights = torch.tensor(WEIGHTS[9:30])
    loss = naive_loss(outputs.double(), torch.as_tensor(y[9:30]), weights)
    assert_allclose(net.history[-1, "valid_loss"], loss, rtol=1e-5)
    predicted = net.predict(IMAGES[9:30])
    if target_type == "continuous":
        assert_array_equal(predicted, outputs)
        score = r2_score(y[9:30], predicted)
    else:
        right = predicted == y[9:30]
        score = (right if right.ndim == 1 else right.all(axis=1)).mean()
    assert_allclose(net.history[-1, "valid_score"], score, atol=1e-6)


def test_best_losses_are_marked_in_the_history():
    net = build_net(learning_rate=0.05)
    net.train(ImageDataset(IMAGES, CLASSES), ImageDataset(IMAGES, (CLASSES + 1) % 3), 6)
    for name in ("train_loss", "valid_loss"):
        losses = net.history[:, name]
        best = [loss < min(losses[:epoch], default=np.inf) for epoch, loss in enumerate(losses)]
        assert net.history[:, name + "_best"] == best
    assert False in net.history[:, "valid_loss_best"]


def test_history_does_not_keep_every_batch():
    net = build_net()
    net.train(ImageDataset(IMAGES, CLASSES), ImageDataset(IMAGES, CLASSES), 2)
    assert all(len(batches) <= 2 for batches in net.history[:, "batches"])


# --- mixup -------------------------------------------------------------------------------------


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_equals_a_naive_loss(target_type, weights, alpha):
    module, y = build_module(batch_norm=False), TARGETS[target_type]
    net = build_net(module, target_type, mixup=alpha)
    rows = np.arange(12)
    with seeded(5, CPU):
        step = net.train_step_single(ImageDataset(IMAGES, y, weights).batch(rows))
    with seeded(5, CPU):
        share = torch.distributions.Beta(alpha, alpha).sample().item()
        partner = torch.randperm(12).numpy()
    X = np.moveaxis(IMAGES[rows], -1, 1).astype(float)
    mixed = torch.tensor(share * X + (1 - share) * X[partner], dtype=torch.float32)
    with torch.no_grad():
        outputs = module(mixed).double().numpy()

    def losses(rows):
        if target_type == "multiclass":
            return -log_softmax(outputs, axis=1)[np.arange(12), y[rows]]
        if target_type == "continuous":
            return ((outputs - y[rows]) ** 2).mean(axis=1)
        p = expit(outputs)
        return -(y[rows] * np.log(p) + (1 - y[rows]) * np.log1p(-p)).mean(axis=1)

    w = np.ones(N_IMAGES) if weights is None else weights
    own, other = (w[rows] * losses(rows)).mean(), (w[partner] * losses(partner)).mean()
    assert_allclose(step["loss"].item(), share * own + (1 - share) * other, rtol=1e-5)
    assert_allclose(step["y_pred"], outputs, rtol=1e-4, atol=1e-5)


def test_network_learns_with_mixup():
    net = build_net(mixup=0.3)
    with seeded(0, CPU):
        net.train(ImageDataset(IMAGES, CLASSES), None, 10)
    assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]


# --- errors and interruptions ------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_diverging_loss_raises(wrap):
    net = build_net(optimizer="sgd", learning_rate=1e30, batch_size=41)
    message = (
        r"the training loss became (nan|inf) in epoch [23] with learning_rate=1e\+30: a smaller "
        r"learning rate, such as 1e\+29, should help"
    )
    with pytest.raises(ValueError, match=message):
        net.train(ImageDataset(wrap(IMAGES), CLASSES), None, 5)
    assert_no_training_data(net)


def test_validation_loss_of_nan_raises():
    net = build_net()
    valid = ImageDataset(np.full((4, 7, 6, 2), np.nan), CLASSES[:4])
    with pytest.raises(ValueError, match="the validation loss became nan in epoch 1 with"):
        net.train(ImageDataset(IMAGES, CLASSES), valid, 5)
    assert_no_training_data(net)


def test_reading_error_ends_training_and_its_threads():
    images = IMAGES.astype(float)
    images[20] = np.nan
    n_threads = threading.active_count()
    net = build_net()
    with pytest.raises(ValueError, match="Input X contains NaN"):
        net.train(ImageDataset(LazyImages(images), CLASSES), None, 5)
    assert threading.active_count() == n_threads
    assert_no_training_data(net)


def assert_no_training_data(net):
    """Check that the net holds no callbacks or data of the training."""
    assert net.callbacks is None
    assert net.train_split is None
    assert not any(isinstance(cb, (LRScheduler, EarlyStopping)) for _, cb in net.callbacks_)


class StopAt(Callback):
    """A callback that stops training when `method` is called in `epoch`."""

    def __init__(self, method, epoch):
        setattr(self, method, partial(self.stop, epoch))

    @staticmethod
    def stop(epoch, net, **kwargs):
        if len(net.history) == epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("method", "n_trained"),
    [("on_epoch_begin", 1), ("on_batch_begin", 1), ("on_batch_end", 1), ("on_epoch_end", 2)],
)
@pytest.mark.parametrize("directly", [False, True])
def test_callback_stops_training(method, n_trained, directly):
    dataset = ImageDataset(IMAGES, CLASSES)
    if directly:  # as users of skorch do
        net = build_net(callbacks=[StopAt(method, 2)])
        assert net.partial_fit(dataset) is net
    else:
        net = build_net()
        assert net.train(dataset, None, 5, callbacks=[StopAt(method, 2)]) is net
        assert_no_training_data(net)
    assert len(net.history) == len(net.history[:, "train_loss"]) == n_trained


class InterruptedNetwork(nn.Module):
    """A network that raises KeyboardInterrupt in its eighth forward pass."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(84, 3)
        self.n_calls = 0

    def forward(self, images):
        self.n_calls += 1
        if self.n_calls == 8:
            raise KeyboardInterrupt
        return self.layer(images.float().flatten(1))


def test_keyboard_interrupt_of_the_network_is_raised():
    net = build_net(InterruptedNetwork())
    with pytest.raises(KeyboardInterrupt):
        net.train(ImageDataset(IMAGES, CLASSES), None, 5)
    assert_no_training_data(net)
    assert len(net.history) == 2


@pytest.mark.parametrize("method", ["on_train_begin", "on_train_end"])
def test_keyboard_interrupt_outside_the_epochs_is_raised(method):
    callback = Callback()
    setattr(callback, method, lambda net, **kwargs: StopAt.stop(len(net.history), net))
    with pytest.raises(KeyboardInterrupt):
        build_net().train(ImageDataset(IMAGES, CLASSES), None, 1, own_callbacks=[callback])


# --- early stopping ----------------------------------------------------------------------------


class StateRecorder(Callback):
    """A callback that records the state of the module after every epoch."""

    def __init__(self):
        self.states = []

    def on_epoch_end(self, net, **kwargs):
        self.states.append(copy.deepcopy(net.module_.state_dict()))


@pytest.mark.parametrize(("patience", "epochs"), [(2, 30), (4, 30), (30, 5)])
def test_best_weights_are_restored(patience, epochs):
    net, recorder = build_net(learning_rate=0.01), StateRecorder()
    valid = ImageDataset(IMAGES[:20], (CLASSES[:20] + 1) % 3)
    own = [recorder, RestoreBest(patience)]
    net.train(ImageDataset(IMAGES[20:], CLASSES[20:]), valid, epochs, own_callbacks=own)
    losses = net.history[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == min(epochs, best + 1 + patience)
    assert best < len(losses) - 1
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, recorder.states[best][name])
    found = log_loss((CLASSES[:20] + 1) % 3, net.predict_proba(IMAGES[:20]), labels=[0, 1, 2])
    assert_allclose(found, losses[best], rtol=1e-5)
    assert_no_training_data(net)


def test_failure_restores_the_device(monkeypatch):
    net, moves = build_net(), []
    monkeypatch.setattr(net.module_, "to", lambda device: moves.append(str(device)))

    def fail_on_another_device():
        with restore_on_failure(net):
            net.to_device(torch.device("cpu:0"))  # the same device by another name
            raise MemoryError

    with pytest.raises(MemoryError):
        fail_on_another_device()
    assert moves == ["cpu:0", "cpu"]
    assert net.device == "cpu"


# --- pickling ----------------------------------------------------------------------------------


def weights_size(module):
    return sum(value.nbytes for value in module.state_dict().values())


@pytest.mark.parametrize("make_copy", [lambda net: pickle.loads(pickle.dumps(net)), copy.deepcopy])
@pytest.mark.parametrize("warm_start", [False, True])
def test_copies_have_equal_outputs(make_copy, warm_start):
    net = build_net(warm_start=warm_start)
    net.train(ImageDataset(IMAGES, CLASSES), None, 2)
    loaded = make_copy(net)
    assert torch.equal(loaded.forward(IMAGES), net.forward(IMAGES))
    assert loaded.history == net.history
    assert loaded.module_ is not net.module_
    assert (loaded.optimizer_ is None) == (not warm_start)
    assert net.optimizer_ is not None


def test_pickle_size_is_close_to_the_weights():
    module = build_module(hidden_units=(500, 500))
    sizes = {}
    for warm_start in (False, True):
        net = build_net(module, warm_start=warm_start)
        net.train(
            ImageDataset(IMAGES, CLASSES),
            ImageDataset(np.zeros((500, 7, 6, 2)), np.zeros(500, int)),
            3,
            own_callbacks=[Schedule("linear", 15), RestoreBest(9)],
            callbacks=[EpochScoring("accuracy")],
        )
        sizes[warm_start] = len(pickle.dumps(net))
    assert sizes[False] <= 1.1 * weights_size(module) + 50_000
    assert sizes[True] >= 2.9 * weights_size(module)  # the weights and Adam's two moments


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_loaded_net_continues_training_equally(optimizer):
    net = build_net(optimizer=optimizer, warm_start=True)
    dataset = ImageDataset(IMAGES, CLASSES)
    net.train(dataset, None, 2)
    loaded = pickle.loads(pickle.dumps(net))
    net.train(dataset, None, 2)
    loaded.train(dataset, None, 2)
    assert_same_weights(loaded.module_, net.module_, 1e-6)
    assert loaded.history[:, "train_loss"] == net.history[:, "train_loss"]


def test_loaded_net_without_optimizer_continues_training():
    net = build_net()
    dataset = ImageDataset(IMAGES, CLASSES)
    net.train(dataset, None, 1)
    loaded = pickle.loads(pickle.dumps(net))
    loaded.train(dataset, None, 3)
    assert n_differing(loaded.module_, net.module_) >= 12
    assert loaded.history[-1, "train_loss"] < loaded.history[0, "train_loss"]


def test_pickle_does_not_contain_the_device():
    net = build_net()
    net.device = "cuda:7"
    assert b"cuda:7" not in pickle.dumps(net)
    loaded = pickle.loads(pickle.dumps(net))
    assert loaded.device == "cpu"
    assert {value.device for value in loaded.module_.state_dict().values()} == {CPU}


# --- precision and devices ---------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_lower_precision_keeps_float32_weights(precision):
    expected, found = build_net(), build_net(precision=precision)
    for net in (expected, found):
        net.train(ImageDataset(IMAGES, CLASSES), None, 3)
    assert {p.dtype for p in found.module_.parameters()} == {torch.float32}
    outputs = found.forward(IMAGES)
    assert outputs.dtype == torch.float32
    assert_allclose(found.history[:, "train_loss"], expected.history[:, "train_loss"], rtol=0.05)
    if precision == "bfloat16":
        assert n_differing(found.module_, expected.module_) >= 12


class DtypeRecorder(nn.Module):
    """A network that records the dtype of its layer's outputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(84, 3)
        self.seen = []

    def forward(self, images):
        outputs = self.layer(images.float().flatten(1))
        self.seen.append((self.training, outputs.dtype))
        return outputs


def test_prediction_computes_in_float32():
    net = build_net(DtypeRecorder(), precision="bfloat16")
    dataset = ImageDataset(IMAGES, CLASSES)
    net.train(dataset, dataset, 1)
    net.forward(IMAGES)
    assert set(net.module_.seen) == {(True, torch.bfloat16), (False, torch.float32)}


def test_to_device_without_a_change_keeps_the_tensors():
    net = build_net()
    weights = net.module_[1].output.weight.data_ptr()
    net.to_device(CPU)
    assert net.module_[1].output.weight.data_ptr() == weights


# --- prediction --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 16, 33])
@pytest.mark.parametrize("hidden_units", [(), (10,), (64,)])
def test_predictions_do_not_depend_on_the_batch(batch_size, hidden_units):
    net = build_net(build_module(hidden_units=hidden_units))
    net.train(ImageDataset(IMAGES, CLASSES), None, 1)
    expected = net.forward(IMAGES)
    assert torch.equal(net.forward(IMAGES[:batch_size]), expected[:batch_size])
    assert torch.equal(net.forward(IMAGES[-batch_size:]), expected[-batch_size:])
    net.predict_batch_size = batch_size
    assert torch.equal(net.forward(IMAGES), expected)
    assert torch.equal(net.forward(LazyImages(IMAGES)), expected)


@pytest.mark.parametrize("dtype", ["i8", "f4", "f8"])
def test_predictions_do_not_depend_on_the_dtype(dtype):
    net = build_net()
    assert torch.equal(net.forward(IMAGES.astype(dtype)), net.forward(IMAGES))


@pytest.mark.parametrize("target_type", TARGETS)
def test_probabilities_and_predictions(target_type):
    net = build_net(target_type=target_type)
    outputs = net.forward(IMAGES).numpy()
    nonlinearity = {"multiclass": partial(softmax, axis=1), "multilabel": expit}
    expected = nonlinearity.get(target_type, np.asarray)(outputs)
    assert_allclose(net.predict_proba(IMAGES), expected, rtol=1e-5)
    predicted = {"multiclass": outputs.argmax(axis=1), "multilabel": (outputs > 0).astype(int)}
    assert_array_equal(net.predict(IMAGES), predicted.get(target_type, outputs))


def test_user_defined_nonlinearity():
    net = build_net(predict_nonlinearity=torch.exp)
    assert_allclose(net.predict_proba(IMAGES), np.exp(net.forward(IMAGES).numpy()), rtol=1e-6)


def test_forward_in_training_mode():
    module = build_module(batch_norm=False)
    net = build_net(module)
    assert_allclose(net.forward(IMAGES, training=True).detach(), net.forward(IMAGES), atol=1e-5)
    dropped = build_net(build_module(batch_norm=False, dropout=0.5))
    assert not torch.equal(
        dropped.forward(IMAGES, training=True), dropped.forward(IMAGES, training=True)
    )


# --- skorch's callbacks ------------------------------------------------------------------------


def train_with(*callbacks, net=None, epochs=3, **options):
    net = net or build_net(**options)
    dataset = ImageDataset(IMAGES, CLASSES)
    return net.train(dataset, dataset, epochs, callbacks=list(callbacks))


@pytest.mark.parametrize("caching", [True, False])
def test_epoch_scoring_on_validation_images(caching):
    def accuracy(net, X, y=None):
        return np.mean(net.predict(X) == CLASSES)

    scoring = "accuracy" if caching else accuracy
    net = train_with(
        EpochScoring(scoring, lower_is_better=False, name="right", use_caching=caching)
    )
    assert_allclose(net.history[:, "right"], net.history[:, "valid_score"], atol=1e-7)


def test_epoch_scoring_on_training_images():
    net = train_with(EpochScoring("accuracy", lower_is_better=False, on_train=True))
    assert_allclose(net.history[:, "accuracy"], net.history[:, "train_score"], atol=1e-7)


@pytest.mark.parametrize("on_train", [True, False])
def test_batch_scoring(on_train):
    net = train_with(BatchScoring("accuracy", lower_is_better=False, on_train=on_train))
    score = net.history[:, "train_score" if on_train else "valid_score"]
    assert_allclose(net.history[:, "accuracy"], score, atol=1e-7)


def test_checkpoint(tmp_path):
    net = train_with(Checkpoint(dirname=tmp_path, f_pickle="net.pkl"), epochs=3)
    assert net.history[:, "event_cp"] == net.history[:, "valid_loss_best"]
    other = build_net(build_module(seed=1))
    other.load_params(f_params=tmp_path / "params.pt", f_optimizer=tmp_path / "optimizer.pt")
    with open(tmp_path / "net.pkl", "rb") as file:
        loaded = pickle.load(file)
    best = net.history[int(np.argmin(net.history[:, "valid_loss"])), "valid_loss"]
    for one in (other, loaded):
        found = log_loss(CLASSES, one.predict_proba(IMAGES))
        assert_allclose(found, best, rtol=1e-5)
    assert loaded.train_split is None


def test_learning_rate_schedulers_of_the_user():
    class RateRecorder(Callback):
        rates = []

        def on_batch_end(self, net, training, **kwargs):
            if training:
                self.rates.append(net.optimizer_.param_groups[0]["lr"])

    net = build_net(learning_rate=0.01)
    callbacks = [LRScheduler("StepLR", step_size=1, gamma=0.1), RateRecorder()]
    net.train(ImageDataset(IMAGES, CLASSES), None, 3, callbacks=callbacks)
    assert_allclose(RateRecorder.rates, np.repeat([0.01, 0.001, 0.0001], 5))


def test_gradient_norm_clipping():
    net = train_with(GradientNormClipping(1e-3), optimizer="sgd", learning_rate=1.0, epochs=1)
    before = build_net()
    moved = sum(
        (one - other).pow(2).sum()
        for one, other in zip(net.module_.parameters(), before.module_.parameters(), strict=True)
    )
    # With Nesterov momentum of 0.9, each of the 5 steps moves by at most 10 clipped gradients.
    assert 0 < moved.sqrt().item() <= 5 * 10 * 1e-3


def test_freezer():
    module = build_module()
    net = train_with(Freezer("1.blocks*"), net=build_net(module))
    for name, value in net.module_.named_parameters():
        same = torch.equal(value, module.state_dict()[name])
        assert same == name.startswith("1.blocks")


def test_print_log(capsys):
    train_with(verbose=1)
    printed = capsys.readouterr().out
    assert "valid loss" in printed
    assert "train score" in printed
    assert "_best" not in printed
    train_with()
    assert capsys.readouterr().out == ""


def test_progress_bar(capsys):
    train_with(ProgressBar(detect_notebook=False), epochs=1)
    assert capsys.readouterr().err


def test_callbacks_are_copied():
    callback = EpochScoring("accuracy", lower_is_better=False)
    before = vars(callback).copy()
    train_with(callback)
    assert vars(callback) == before


def test_partial_fit_of_skorch_takes_arrays():
    expected, net = build_net(), build_net()
    expected.train(ImageDataset(IMAGES, CLASSES), None, 3)
    net.set_params(max_epochs=3)
    net.partial_fit(IMAGES, CLASSES)
    assert n_differing(net.module_, expected.module_) == 0
    assert "ImageNeuralNet" in repr(net)
    assert net.get_params()["batch_size"] == 8


@pytest.mark.parametrize("directly", [False, True])
def test_callbacks_get_gradients_that_do_not_accumulate(directly):
    class NormRecorder(Callback):
        """A callback that records the norm of the gradient of the last bias."""

        norms = []

        def on_grad_computed(self, net, named_parameters, training, **kwargs):
            gradients = {name: p.grad.norm().item() for name, p in named_parameters}
            assert training
            self.norms.append(gradients["1.output.bias"])

    module = build_module()
    net = build_net(
        module, optimizer="sgd", learning_rate=1e-30, batch_size=100, callbacks=[NormRecorder()]
    )
    if directly:
        net.set_params(max_epochs=3)
        net.partial_fit(IMAGES, CLASSES)
    else:
        net.train(ImageDataset(IMAGES, CLASSES), None, 3, callbacks=[NormRecorder()])
    module.train()
    X = torch.tensor(np.moveaxis(IMAGES, -1, 1), dtype=torch.float32)
    naive_loss(module(X), torch.as_tensor(CLASSES), torch.ones(N_IMAGES)).backward()
    assert_allclose(NormRecorder.norms, [module[1].output.bias.grad.norm()] * 3, rtol=1e-4)


class ModeRecorder(nn.Module):
    """A network that records in which mode its layer is called."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(84, 3)
        self.seen = []
        self.layer.register_forward_hook(lambda layer, *_: self.seen.append(layer.training))

    def forward(self, images):
        return self.layer(images.float().flatten(1))


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("validated", [True, False])
def test_layers_are_in_training_and_evaluation_mode(mode, validated):
    module = ModeRecorder()
    module.layer.train(mode)  # equal to the mode of the parent module, or not
    net = build_net()
    net.module_ = module
    net.initialize_optimizer()
    dataset = ImageDataset(IMAGES, CLASSES)
    net.train(dataset, ImageDataset(IMAGES, CLASSES) if validated else None, 2)
    net.forward(IMAGES)
    epoch = [True] * 5 + [False] * validated
    after_training = [False]  # the check of the outputs
    assert module.seen == [*epoch, *epoch, *after_training, False]
    assert not module.layer.training


# --- progressive resizing and test-time augmentation -------------------------------------------


class SizeRecorder(nn.Module):
    """A network for images of any size that records the sizes of its inputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.training_sizes = []
        self.evaluation_sizes = set()

    def forward(self, images):
        if self.training:
            self.training_sizes.append(tuple(images.shape[2:]))
        else:
            self.evaluation_sizes.add(tuple(images.shape[2:]))
        return self.layer(images.float().mean((2, 3)) / 255)


def expected_sizes(start, epochs, n_batches=1):
    """Return sizes that grow linearly during the first three quarters of the epochs."""
    grown = min(0.75 * epochs, epochs - 1) or 1e-9
    begin = start if epochs > 1 else 1.0
    shares = np.interp(np.arange(epochs), [0, grown], [begin, 1.0])
    return [(round(7 * share), round(6 * share)) for share in shares for _ in range(n_batches)]


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 8, 20])
@pytest.mark.parametrize("start", [0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_images_grow_during_training(epochs, start, mixup):
    net = build_net(SizeRecorder(), progressive_resizing=start, mixup=mixup)
    dataset = ImageDataset(IMAGES, CLASSES)
    net.train(dataset, dataset, epochs)
    expected = expected_sizes(start, epochs, n_batches=5)
    assert net.module_.training_sizes == expected
    last = -(-3 * epochs // 4) if epochs > 3 else epochs - 1
    assert set(net.module_.training_sizes[5 * last :]) == {(7, 6)}
    assert net.module_.evaluation_sizes == {(7, 6)}


def test_images_grow_in_every_call_of_train():
    net = build_net(SizeRecorder(), progressive_resizing=0.5, batch_size=100)
    dataset = ImageDataset(IMAGES, CLASSES)
    for _ in range(2):
        net.train(dataset, None, 4)
    assert net.module_.training_sizes == 2 * expected_sizes(0.5, 4)
    net.reconfigure(make_options(batch_size=100))
    net.train(dataset, None, 2)
    assert net.module_.training_sizes[8:] == [(7, 6)] * 2


def test_images_grow_in_partial_fit_of_skorch():
    net = build_net(SizeRecorder(), progressive_resizing=0.5, batch_size=100, max_epochs=4)
    for _ in range(2):
        net.partial_fit(IMAGES, CLASSES)
    assert net.module_.training_sizes == 2 * expected_sizes(0.5, 4)


@pytest.mark.parametrize("name", ["flip", "flip_shift"])
def test_test_time_augmentation_averages_outputs(name):
    net = build_net(test_time_augmentation=name)
    net.train(ImageDataset(IMAGES, CLASSES), None, 1)
    moves = [(0, 2)] if name == "flip" else [(0, 4), (-1, 8), (1, 8)]
    X = np.moveaxis(IMAGES, -1, 1)
    padded = np.pad(X, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    expected = 0
    with torch.no_grad():
        for step, share in moves:
            moved = padded[:, :, 1 + step : 8 + step, 1 + step : 7 + step]
            for variant in (moved, moved[..., ::-1]):
                outputs = net.module_(torch.tensor(variant.copy(), dtype=torch.float32))
                expected = expected + outputs.double() / share
    assert_allclose(net.forward(IMAGES), expected, atol=1e-5)
    assert torch.equal(net.forward(IMAGES[:1]), net.forward(IMAGES)[:1])


@pytest.mark.parametrize("name", [None, "flip", "flip_shift"])
def test_prediction_of_one_image_equals_that_in_a_batch(name):
    module = nn.Sequential(
        Standardize(MEAN, SCALE), nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(160, 3)
    )
    net = build_net(module, test_time_augmentation=name)
    assert_allclose(net.forward(IMAGES[5:6]), net.forward(IMAGES)[5:6], rtol=1e-6, atol=1e-6)
    assert net.forward(IMAGES[:1], training=True).shape == (1, 3)
