"""TrainingCheckpoint: an interrupted training continues, and ends as an uninterrupted one."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from torch.optim.lr_scheduler import StepLR

import skcnn
from skcnn import CNNClassifier, CNNRegressor, ConvAutoencoder, ImageAugmenter, TransferClassifier
from skcnn.checksums import checksum
from skcnn.training import TrainingCheckpoint
from skcnn.training.checkpoint_files import read_state, write_state

X, y = load_digits().images[:150], load_digits().target[:150]
CPU = torch.device("cpu")


class Interrupt(Callback):
    """A callback that receives Ctrl-C in the second batch of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        self.n_batches_ = 0

    def on_batch_end(self, net, training=False, **kwargs):
        self.n_batches_ += training
        if training and net.progress.epoch + 1 == self.epoch and self.n_batches_ == 2:
            signal.raise_signal(signal.SIGINT)


def make_cnn(**parameters):
    options = {"channels": (4, 8), "max_epochs": 6, "batch_size": 32, "random_state": 0}
    return CNNClassifier(**{**options, **parameters})


def results(cnn):
    """Return all weights, and the history without durations."""
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in cnn.history_]
    return {name: value.clone() for name, value in cnn.module_.state_dict().items()}, history


def assert_same_results(first, second):
    (weights, history), (others, other_history) = results(first), results(second)
    assert history == other_history
    assert weights.keys() == others.keys()
    for name in weights:
        assert torch.equal(weights[name], others[name]), name


def fit_with_interrupts(fit, path, epochs):
    """Call ``fit(callbacks)`` until it is not interrupted."""
    for epoch in epochs:
        with pytest.raises(KeyboardInterrupt):
            fit([TrainingCheckpoint(path), Interrupt(epoch)])
    return fit([TrainingCheckpoint(path)])


# ---- the same results ----------------------------------------------------------------------------

EARLY = {"early_stopping": True, "patience": 1, "max_epochs": 40}


@pytest.mark.parametrize(
    ("parameters", "own_callbacks"),
    [
        ({"dropout": 0.5, "mixup": 0.3, "cutmix": 0.3, "optimizer": "adam"}, []),
        (
            {
                "network": "fast",
                "optimizer": "muon",
                "lookahead": True,
                "progressive_resizing": 0.7,
                "class_weight": "balanced",
            },
            [],
        ),
        ({"optimizer": "sgd", "lookahead": True, **EARLY}, []),
        ({"optimizer": "adamw", "schedule": None, "learning_rate": 0.05, **EARLY}, []),
        (
            {"optimizer": "rmsprop", "schedule": None, "max_epochs": 12, "learning_rate": 0.05},
            [
                LRScheduler(StepLR, step_size=2, gamma=0.5),
                EpochScoring("accuracy", on_train=True),
                EarlyStopping("train_loss", patience=2, threshold=0.2, sink=str),
            ],
        ),
    ],
    ids=["mixup", "fast", "early stopping", "early stopping without schedule", "skorch"],
)
def test_interrupted_training_ends_as_an_uninterrupted_one(tmp_path, parameters, own_callbacks):
    def fit(callbacks):
        cnn = make_cnn(callbacks=[*callbacks, *own_callbacks], **parameters)
        return make_pipeline(ImageAugmenter(rotation=15, shift=0.1, random_state=0), cnn).fit(X, y)

    full = fit([])[-1]
    assert full.n_epochs_ < 40
    resumed = fit_with_interrupts(fit, tmp_path / "run", [2, full.n_epochs_])[-1]
    assert_same_results(resumed, full)
    assert_same_results(fit([TrainingCheckpoint(tmp_path / "run")])[-1], full)  # complete


@pytest.mark.parametrize(
    "estimator",
    [
        CNNRegressor(channels=(4,), max_epochs=3, random_state=0, batch_size=32),
        ConvAutoencoder(denoise=0.1, channels=(4,), max_epochs=3, random_state=0, batch_size=32),
        TransferClassifier(
            input_size=None, fine_tune=1, head_epochs=1, max_epochs=3, random_state=0, batch_size=32
        ),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_other_estimators(tmp_path, estimator):
    def fit(callbacks):
        estimator.set_params(callbacks=callbacks)
        estimator.fit(images, y[: len(images)])
        return estimator, results(estimator)

    size = 32 if isinstance(estimator, TransferClassifier) else 8
    images = X[:72, :, :, None].repeat(3, axis=-1).repeat(size // 8, 1).repeat(size // 8, 2)
    _, full = fit(None)
    _, resumed = fit_with_interrupts(fit, tmp_path / "run", [3])
    assert resumed[1] == full[1]
    for name, value in full[0].items():
        assert torch.equal(value, resumed[0][name]), name


class Builder:
    """A callable object, whose default text has its address in memory."""

    def __call__(self, in_channels, height, width, n_outputs):
        size = in_channels * height * width
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(size, n_outputs))


def test_network_of_a_callable_object(tmp_path):
    options = {"max_epochs": 1, "random_state": 0}
    first, second = (
        CNNClassifier(Builder(), callbacks=[TrainingCheckpoint(tmp_path / "run")], **options)
        for _ in range(2)
    )
    assert_same_results(second.fit(X, y), first.fit(X, y))


SCRIPT = """
import os, signal, sys
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from skcnn import CNNClassifier, ImageAugmenter
from skcnn.training import TrainingCheckpoint

torch.set_num_threads(1)
path, epoch = sys.argv[1], int(sys.argv[2])

class Kill(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == epoch:
            os.kill(os.getpid(), signal.SIGKILL)

def fit(callbacks):
    cnn = CNNClassifier(
        channels=(4, 8), dropout=0.3, mixup=0.2, early_stopping=True, patience=2, lookahead=True,
        max_epochs=8, batch_size=32, callbacks=callbacks, random_state=0,
    )
    pipe = make_pipeline(ImageAugmenter(rotation=15, random_state=0), cnn)
    return pipe.fit(X, y)[-1]

X, y = load_digits().images[:150], load_digits().target[:150]
resumed = fit([TrainingCheckpoint(path), Kill()])
full = fit([])
pairs = zip(resumed.module_.state_dict().values(), full.module_.state_dict().values(), strict=True)
print(all(torch.equal(*pair) for pair in pairs), resumed.n_epochs_ == full.n_epochs_)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_killed_process_continues_when_started_again(tmp_path):
    def run(epoch):
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), tmp_path / "run", str(epoch)]
        environment = {**os.environ, "PYTHONPATH": str(Path(skcnn.__file__).parents[1])}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    assert run(5).returncode == -signal.SIGKILL
    state = read_state(tmp_path / "run", CPU)
    assert len(state["history"]) == 4
    assert not state["finished"]
    finished = run(0)
    assert finished.stdout.split() == ["True", "True"], finished.stderr


class RecordEpochs:
    """A callback of scikit-learn that records the number of each epoch, and of trained ones."""

    def __init__(self):
        self.epochs, self.n_trained = [], []

    def setup(self, estimator, context):
        assert context.max_subtasks == 6

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.epochs.append(context.task_id + 1)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.n_trained.append(fitted_estimator.n_epochs_)

    def teardown(self, estimator, context):
        pass


def test_epochs_that_are_reported_and_printed(tmp_path, capsys):
    path = tmp_path / "new" / "run"

    def fit(callbacks):
        record = RecordEpochs()
        make_cnn(callbacks=callbacks, verbose=1).set_callbacks(record).fit(X, y)
        return record

    with pytest.raises(KeyboardInterrupt):
        fit([TrainingCheckpoint(path), Interrupt(4)])
    capsys.readouterr()
    record = fit([TrainingCheckpoint(path)])
    assert (record.epochs, record.n_trained) == ([1, 2, 3, 4, 5, 6], [4, 5, 6])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"3 of 6 epochs were loaded from {str(path)!r}"
    assert [line.split(":")[0] for line in lines] == [f"epoch {n} of 6" for n in (4, 5, 6)]
    record = fit([TrainingCheckpoint(path)])  # complete
    assert (record.epochs, record.n_trained) == ([1, 2, 3, 4, 5, 6], [])


def test_every_few_epochs(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_cnn(callbacks=[TrainingCheckpoint(tmp_path / "run", every=2), Interrupt(6)]).fit(X, y)
    assert len(read_state(tmp_path / "run", CPU)["history"]) == 4
    for every in (0, 1.5):
        with pytest.raises(ValueError, match=f"every={every} of TrainingCheckpoint"):
            TrainingCheckpoint("run", every=every)


# ---- another training ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run"
    weights = np.ones(len(y))
    pipe = make_pipeline(
        ImageAugmenter(shift=0.2, random_state=0),
        make_cnn(max_epochs=2, callbacks=[TrainingCheckpoint(path)]),
    )
    return path, pipe.fit(X, y, cnnclassifier__sample_weight=weights)


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


@pytest.mark.parametrize(
    ("parameters", "data", "message"),
    [
        ({"max_epochs": 3}, {}, "its max_epochs is 2, and that of this fit is 3"),
        ({"learning_rate": 0.5}, {}, "its learning_rate is .*, and that of this fit is 0.5"),
        ({"channels": (4,)}, {}, "its network is "),
        ({"random_state": 1}, {}, "its seed drawn from random_state is "),
        ({"early_stopping": True}, {}, "its early_stopping is False"),
        ({}, {"X": X[:100], "y": y[:100]}, r"its shape of X is \(150, 8, 8, 1\)"),
        ({}, {"X": changed(X, 0, X[1])}, "the images of X differ"),
        ({}, {"y": changed(y, 3, 7)}, "the values of y differ"),
        ({}, {"sample_weight": changed(np.ones(len(y)), 1, 2)}, "the weights of X differ"),
        ({"shift": 0.3}, {}, "the images of X differ"),
        ({"seed": 1}, {}, "the images of X differ"),
    ],
)
def test_other_training_is_an_error(saved, parameters, data, message):
    path, _ = saved
    parameters, data = dict(parameters), {"X": X, "y": y, **data}
    weights = data.get("sample_weight", np.ones(len(data["y"])))
    pipe = make_pipeline(
        ImageAugmenter(shift=parameters.pop("shift", 0.2), random_state=parameters.pop("seed", 0)),
        make_cnn(**{"max_epochs": 2, "callbacks": [TrainingCheckpoint(path)], **parameters}),
    )
    with pytest.raises(ValueError, match=f"belongs to another training: .*{message}"):
        pipe.fit(data["X"], data["y"], cnnclassifier__sample_weight=weights)


def test_another_version_is_a_warning(tmp_path):
    path = tmp_path / "run"
    make_cnn(max_epochs=1, callbacks=[TrainingCheckpoint(path)]).fit(X, y)
    state = read_state(path, CPU)
    assert state["versions"]["skcnn"] == skcnn.__version__
    state["versions"]["skcnn"] = "0.0.1"
    write_state(path, state)
    with pytest.warns(InconsistentVersionWarning, match="run' was saved with skcnn 0.0.1, now"):
        make_cnn(max_epochs=1, callbacks=[TrainingCheckpoint(path)]).fit(X, y)


def test_images_may_differ_by_rounding(saved):
    path, pipe = saved
    data = X * (1 + 1e-6)
    again = make_pipeline(pipe[0], make_cnn(max_epochs=2, callbacks=[TrainingCheckpoint(path)]))
    again.fit(data, y, cnnclassifier__sample_weight=np.ones(len(y)))
    assert_same_results(again[-1], pipe[-1])


def test_misuse_is_an_error(saved):
    path, _ = saved
    checkpoints = [TrainingCheckpoint(path), ("other", TrainingCheckpoint(path))]
    with pytest.raises(ValueError, match="2 instances of TrainingCheckpoint"):
        make_cnn(callbacks=checkpoints).fit(X, y)
    with pytest.raises(ValueError, match="random_state=None draws another one"):
        make_cnn(callbacks=checkpoints[1:], random_state=None).fit(X, y)
    with pytest.raises(ValueError, match="partial_fit makes one pass"):
        make_cnn(callbacks=checkpoints[1:]).partial_fit(X, y)


# ---- files ---------------------------------------------------------------------------------------


def test_state_is_read_as_it_was_written(tmp_path):
    state = {
        "numbers": [1, 2.5, float("inf"), True, None, "text", (1, (2, 3)), np.float32(0.1)],
        0: {"tensors": (torch.tensor(1.0), torch.arange(6).reshape(2, 3).T), "empty": {}},
    }
    write_state(tmp_path / "state", state)
    read = read_state(tmp_path / "state", CPU)
    assert read["numbers"] == state["numbers"]
    assert read[0]["empty"] == {}
    for tensor, expected in zip(read[0]["tensors"], state[0]["tensors"], strict=True):
        assert torch.equal(tensor, expected)
        assert tensor.dtype == expected.dtype
    assert os.listdir(tmp_path) == ["state"]


def test_damaged_file_is_refused_or_changes_nothing(saved, tmp_path):
    content, expected = saved[0].read_bytes(), checksum(read_state(saved[0], CPU))
    path = tmp_path / "damaged"
    messages, places = [], range(0, len(content), len(content) // 100)
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            state = read_state(path, CPU)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert checksum(state) == expected
    assert len(messages) > 0.9 * len(places)
    assert all(f"{str(path)!r} cannot be read: it is damaged" in text for text in messages)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float64])
def test_every_bit_of_a_tensor_is_in_the_checksum(tmp_path, dtype):
    path = tmp_path / "state"
    write_state(path, torch.ones(2, dtype=dtype))
    content = bytearray(path.read_bytes())
    content[-dtype.itemsize] ^= 1  # the lowest bit of the last value
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read: it is damaged"):
        read_state(path, CPU)


def test_file_without_a_checksum_is_read(tmp_path):
    texts = {"format": "pt", "skcnn": '{"dict": [["a", {"tensor": "0"}]]}'}
    save_file({"0": torch.ones(2)}, tmp_path / "state", texts)
    assert read_state(tmp_path / "state", CPU)["a"].tolist() == [1, 1]


def test_failed_writing_keeps_the_file(tmp_path, monkeypatch):
    write_state(tmp_path / "state", 1)
    monkeypatch.setattr(os, "fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_state(tmp_path / "state", 2)
    with pytest.raises(TypeError, match="a checkpoint cannot contain"):
        write_state(tmp_path / "state", {"object": object()})
    assert read_state(tmp_path / "state", CPU) == 1
    assert os.listdir(tmp_path) == ["state"]


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    """All writes but the first two fail."""
    calls, fsync = [], os.fsync

    def fail_later(file):
        calls.append(file)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", fail_later)
    with pytest.warns(UserWarning, match="could not be written after epoch .*No space left"):
        cnn = make_cnn(callbacks=[TrainingCheckpoint(tmp_path / "run")]).fit(X, y)
    assert cnn.n_epochs_ == 6
    assert len(calls) == 7
    assert len(read_state(tmp_path / "run", CPU)["history"]) == 2
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("path", ["s3://bucket/run", "file:///run", Path("s3://bucket/run")])
def test_path_that_is_a_url(path):
    with pytest.raises(ValueError, match=r"path='.*run' of TrainingCheckpoint is a URL"):
        TrainingCheckpoint(path)


def test_path_that_is_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: add the name of a file"):
        make_cnn(callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)


@pytest.mark.skipif(os.name != "posix", reason="the system has other permissions")
def test_file_has_the_usual_permissions(tmp_path):
    write_state(tmp_path / "state", 1)
    (tmp_path / "other").touch()
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode


class Planted:
    """An object whose unpickling creates a file."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_damaged_file_and_code_in_it(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = saved[0].read_bytes()
    torch.save({"module": Planted()}, "pickle")
    Path("truncated").write_bytes(content[: len(content) // 2])
    Path("header").write_bytes(content[:100])
    Path("empty").touch()
    for name in ("pickle", "truncated", "header", "empty"):
        with pytest.raises(ValueError, match=f"the checkpoint '{name}' cannot be read"):
            make_cnn(callbacks=[TrainingCheckpoint(name)]).fit(X, y)
    write_state(Path("other"), {"format": 0})
    with pytest.raises(ValueError, match="the checkpoint 'other' has another format"):
        make_cnn(callbacks=[TrainingCheckpoint("other")]).fit(X, y)
    assert not Path("planted").exists()


@pytest.mark.parametrize("key", ["description", "optimizer", "callbacks", "random"])
@pytest.mark.parametrize("without", [True, False])
def test_manipulated_contents(tmp_path, key, without):
    path = tmp_path / "run"
    cnn = make_cnn(max_epochs=1, callbacks=[TrainingCheckpoint(path)]).fit(X[:20], y[:20])
    state = read_state(path, CPU) | {key: 3}
    if without:
        del state[key]
    write_state(path, state)
    with pytest.raises(ValueError, match=r"the saved checkpoint '.*run' does not have the cont"):
        cnn.fit(X[:20], y[:20])
