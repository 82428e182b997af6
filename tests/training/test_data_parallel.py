"""Tests of training one network in two processes."""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback
from torch.utils.checkpoint import checkpoint

from skcnn import CNNClassifier, CNNRegressor, ConvAutoencoder, ImageAugmenter, TransferClassifier
from skcnn.training import TrainingCheckpoint
from skcnn.training.distributed.ranks import current_ranks, is_distributed, joint_training

N_IMAGES = 70  # batches of 32, 32 and 6 images, or 35 and 35 in folds
SMALL = {"channels": (4,), "hidden_units": (8,), "max_epochs": 2, "precision": "float32"}

# The parts of one script, which both processes run. Each part returns a dict of arrays.
JOINT = """
import datetime, signal, sys
import numpy as np, torch.distributed
sys.path.insert(0, {folder!r})
from test_data_parallel import PARTS, die

torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=30))
rank = torch.distributed.get_rank()
for name, part in PARTS.items():
    np.savez(f"{out}/{{name}}_{{rank}}.npz", **part(rank))
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which torchrun sends when a process ends
np.savez(f"{out}/die_{{rank}}.npz", **die(rank))
"""


def digits():
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8).astype(np.uint8), y


def weights_of(estimator):
    state = estimator.module_.state_dict()
    return {name: value.numpy().astype(float) for name, value in state.items()}


def fit_classifier(rank=None, **parameters):
    """Fit with dropout, sample weights, an uneven last batch and validation images."""
    X, y = digits()
    weights = np.random.default_rng(0).uniform(0.5, 2, N_IMAGES)
    parameters = {**SMALL, "batch_size": 32, "random_state": 0, "verbose": 1, **parameters}
    cnn = CNNClassifier(**parameters).fit(
        X[:N_IMAGES], y[:N_IMAGES], sample_weight=weights, X_val=X[100:141], y_val=y[100:141]
    )
    names = ("train_loss", "train_score", "valid_loss", "valid_score")
    history = {name: np.array([epoch[name] for epoch in cnn.history_]) for name in names}
    loaded = pickle.loads(pickle.dumps(cnn))
    np.testing.assert_array_equal(loaded.predict_proba(X[:9]), cnn.predict_proba(X[:9]))
    return {**weights_of(cnn), **history, "probabilities": cnn.predict_proba(X[200:300])}


def fit_fast(rank=None):
    only_plain = {"channels": (4, 8, 8), "hidden_units": (128,)}
    return fit_classifier(
        network="fast", optimizer="sgd", batch_size=33, max_epochs=1, **only_plain
    )


def fit_mixed(rank=None):
    return fit_classifier(mixup=0.5, cutmix=0.5, lookahead=True, batch_norm=False, max_epochs=1)


def fit_tiny_batch(rank=None):
    """Train with a last batch of one image more than half of the others, and a batch of 2."""
    X, y = digits()
    cnn = CNNClassifier(**SMALL, batch_size=2, random_state=0)
    return weights_of(cnn.fit(X[:9], y[:9]))


def fit_augmented(rank=None):
    X, y = digits()
    view = ImageAugmenter(shift=0.2, random_state=0).fit_transform(X[:50])
    return weights_of(CNNClassifier(**SMALL, random_state=0).fit(view, y[:50]))


def fit_regressor(rank=None):
    X, y = digits()
    cnn = CNNRegressor(**SMALL, batch_size=20, random_state=0)
    cnn.partial_fit(X[:50], y[:50]).partial_fit(X[:50], y[:50])
    return {**weights_of(cnn), "score": np.array(cnn.history_[-1]["train_score"])}


def fit_autoencoder(rank=None):
    X, _ = digits()
    coder = ConvAutoencoder(2, channels=(4,), max_epochs=1, denoise=0.1, random_state=0)
    return weights_of(coder.set_params(precision="float32").fit(X[:40], X_val=X[40:60]))


class Backbone(torch.nn.Module):
    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = torch.nn.Conv2d(in_channels, 4, 3)
        torch.nn.init.normal_(self.conv.weight, generator=generator)
        self.head = torch.nn.Linear(4, n_outputs)

    def features(self, images):
        return self.conv(images).relu().mean(dim=(2, 3))

    def stages(self):
        return [self.conv, self.head]

    def forward(self, images):
        return self.head(self.features(images))


def fit_transfer(rank=None):
    X, y = digits()
    transfer = TransferClassifier(Backbone, max_epochs=3, precision="float32", random_state=0)
    head = transfer.fit(X[:33], y[:33]).predict_proba(X[40:60])
    tuned = transfer.set_params(fine_tune=True, head_epochs=2, batch_size=15).fit(X[:33], y[:33])
    return {"head": head, "tuned": tuned.predict_proba(X[40:60])}


class Skipping(torch.nn.Module):
    """A network that computes some layers at random, and noise for each image."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        norm = torch.nn.BatchNorm2d
        self.norms = torch.nn.ModuleList(
            [norm(in_channels), norm(in_channels, affine=False), norm(in_channels)]
        )
        self.head = torch.nn.Linear(in_channels * height * width, n_outputs)

    def forward(self, images):
        for norm, skips in zip(self.norms, self.draw(images), strict=True):
            if self.training and not skips:
                images = images + 0.1 * norm(images)
        return self.head((images + 0.1 * torch.randn_like(images)).flatten(1))

    def draw(self, images):
        yield torch.rand(1) < 0.5
        torch.rand(len(images))
        yield torch.empty(()).uniform_() < 0.5
        yield torch.bernoulli(torch.tensor(0.5)).bool()


def fit_skipping(rank=None):
    """Train with batches of 8 images and a last batch of 3."""
    X, y = digits()
    cnn = CNNClassifier(Skipping, max_epochs=1, batch_size=8, random_state=0)
    return weights_of(cnn.fit(X[:67], y[:67]))


class Repeating(torch.nn.Module):
    """A network that computes batch normalization again in the backward pass."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(in_channels)
        self.head = torch.nn.Linear(in_channels * height * width, n_outputs)

    def forward(self, images):
        return self.head(checkpoint(self.norm, images, use_reentrant=False).flatten(1))


def fit_repeating(rank=None):
    X, y = digits()
    cnn = CNNClassifier(Repeating, max_epochs=1, random_state=0)
    return {"message": np.array(message_of(lambda: cnn.fit(X[:50], y[:50]), ValueError))}


def cross_validate(rank=None):
    X, y = digits()
    cnn = CNNClassifier(**SMALL, random_state=0)
    return {"scores": cross_val_score(cnn, X[:N_IMAGES], y[:N_IMAGES] % 2, cv=2)}


class Stop(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


class StopAtBatch(Callback):
    """Stop after the second batch of the second epoch.

    Each epoch has three training batches and one validation batch.
    """

    n_batches = 0

    def on_batch_end(self, net, **kwargs):
        self.n_batches += 1
        if self.n_batches == 6:
            raise KeyboardInterrupt


class Fail(Callback):
    def on_batch_begin(self, net, **kwargs):
        raise RuntimeError("out of memory")


class FailInThirdEpoch(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if net.progress.epoch == 2:
            raise RuntimeError("out of memory")


class Die(Callback):
    def on_batch_begin(self, net, **kwargs):
        os._exit(9)


def die(rank):
    """End the process of rank 1 in a fit. Return the messages of this fit and of the next one."""
    callbacks = [Die()] if rank == 1 else None
    return {
        name: np.array(message_of(lambda: fit_classifier(callbacks=callbacks), RuntimeError))
        for name in ("message", "message of the next fit")
    }


def fit_unseeded(rank=None):
    return fit_classifier(random_state=None, max_epochs=1)


def stop_in_one_rank(rank=None):
    """Stop after one epoch in rank 0, by a callback that the other rank does not have."""
    return fit_classifier(max_epochs=3, callbacks=[Stop()] if rank == 0 else None)


def stop_in_an_epoch(rank=None):
    """Stop in the middle of the second epoch, by a callback that rank 0 does not have."""
    return fit_classifier(max_epochs=4, callbacks=None if rank == 0 else [StopAtBatch()])


def message_of(fit, error):
    try:
        fit()
    except error as raised:
        return str(raised)
    return "no error"


def fit_different(rank=None):
    """Fit with other images, labels and parameters in one rank, and return the messages."""
    X, y = digits()
    cnn = CNNClassifier(**SMALL, random_state=0)
    fits = {
        "images": lambda: cnn.fit(X[rank : rank + 50], y[:50]),
        "orientation": lambda: cnn.fit((X[:, ::-1] if rank else X)[:50].astype(float), y[:50]),
        "labels": lambda: cnn.fit(X[:50], np.roll(y[:50], rank)),
        "parameters": lambda: cnn.set_params(learning_rate=1e-3 * (1 + rank)).fit(X[:50], y[:50]),
    }
    return {name: np.array(message_of(fit, ValueError)) for name, fit in fits.items()}


def fit_with_a_checkpoint_in_one_rank(rank=None):
    X, y = digits()
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [TrainingCheckpoint(Path(folder, "run"))] if rank == 0 else None
        cnn = CNNClassifier(**SMALL, callbacks=callbacks, random_state=0)
        return {"message": np.array(message_of(lambda: cnn.fit(X[:50], y[:50]), ValueError))}


def continue_from_a_checkpoint(rank=None):
    """Return how the weights differ from those of an uninterrupted training."""
    folders = [None if rank else tempfile.mkdtemp()]
    if rank is not None:
        torch.distributed.broadcast_object_list(folders, src=0)
    checkpoint = TrainingCheckpoint(Path(folders[0], "run"))
    options = {"mixup": 0.5, "max_epochs": 4}
    with pytest.raises(RuntimeError):
        fit_classifier(callbacks=[checkpoint, FailInThirdEpoch()], **options)
    continued = fit_classifier(callbacks=[checkpoint], **options)
    expected = fit_classifier(**options)
    if not rank:
        shutil.rmtree(folders[0])
    return {name: value - expected[name] for name, value in continued.items()}


def fail_in_one_rank(rank=None):
    """Raise an error in a batch of rank 1, and return the messages of both."""
    callbacks = [Fail()] if rank == 1 else None
    return {
        "message": np.array(message_of(lambda: fit_classifier(callbacks=callbacks), RuntimeError))
    }


# Those with an error in the middle show that later fits are not affected.
EQUAL_TO_ONE_PROCESS = {
    function.__name__: function
    for function in (
        fit_classifier,
        fit_fast,
        fit_mixed,
        fit_tiny_batch,
        fit_augmented,
        fit_regressor,
        fit_autoencoder,
        fit_transfer,
        cross_validate,
        stop_in_an_epoch,
    )
}
PARTS = {
    "fit_different": fit_different,
    "fit_with_a_checkpoint_in_one_rank": fit_with_a_checkpoint_in_one_rank,
    "continue_from_a_checkpoint": continue_from_a_checkpoint,
    "fit_repeating": fit_repeating,
    "fit_skipping": fit_skipping,
    "fail_in_one_rank": fail_in_one_rank,
    "stop_in_one_rank": stop_in_one_rank,
    "fit_unseeded": fit_unseeded,
    **EQUAL_TO_ONE_PROCESS,
}


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """Run all parts in two processes of torchrun, and return their results and the output."""
    folder = tmp_path_factory.mktemp("joint")
    script = folder / "script.py"
    script.write_text(JOINT.format(folder=str(Path(__file__).parent), out=folder))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        [sys.executable, *launch],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "exitcode  : 9 " in done.stderr, done.stderr
    results = {
        name: [dict(np.load(folder / f"{name}_{rank}.npz")) for rank in range(2)] for name in PARTS
    }
    results["die"] = [dict(np.load(folder / "die_0.npz"))]
    return results, done.stdout


@pytest.mark.parametrize("name", [name for name in PARTS if "one_rank" not in name])
def test_results_are_the_same_in_all_ranks(joint, name):
    first, second = joint[0][name]
    for key in first | second:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)


@pytest.mark.parametrize("name", EQUAL_TO_ONE_PROCESS)
def test_results_are_those_of_one_process(joint, name):
    expected = EQUAL_TO_ONE_PROCESS[name]()
    for key, value in joint[0][name][0].items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-4, err_msg=key)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("images", "the same X"),
        ("orientation", "the same X as"),
        ("labels", "y"),
        ("parameters", "learning_rate"),
    ],
)
def test_different_fits_are_refused(joint, name, text):
    message = str(joint[0]["fit_different"][0][name])
    assert message.startswith("rank 1 does not have")
    assert text in message


def test_a_checkpoint_of_one_rank_is_refused(joint):
    for part in joint[0]["fit_with_a_checkpoint_in_one_rank"]:
        assert "pass TrainingCheckpoint to each of them" in str(part["message"])


def test_a_training_continues_from_a_checkpoint(joint):
    for part in joint[0]["continue_from_a_checkpoint"]:
        for name, difference in part.items():
            np.testing.assert_array_equal(difference, 0, err_msg=name)


def test_layers_that_need_all_ranks_cannot_be_repeated_in_the_backward_pass(joint):
    assert str(fit_repeating()["message"]) == "no error"
    for part in joint[0]["fit_repeating"]:
        assert "torch.utils.checkpoint repeats BatchNorm2d(1, eps" in str(part["message"])


def test_an_error_in_one_rank_ends_the_other(joint):
    first, second = (str(part["message"]) for part in joint[0]["fail_in_one_rank"])
    assert first.startswith("rank 0 of 2 stopped training, because another rank failed")
    assert second == "out of memory"


def test_a_callback_of_one_rank_stops_all(joint):
    for part in joint[0]["stop_in_one_rank"]:
        assert len(part["train_loss"]) == 1


def test_only_one_rank_prints(joint):
    assert joint[1].count("epoch 1 of 3:") == 1


def test_a_process_that_dies_ends_the_other(joint):
    """The messages of rank 0, after rank 1 has ended in `die`."""
    for message in joint[0]["die"][0].values():
        assert str(message).startswith("rank 0 of 2 stopped training, because another rank failed")


def test_a_process_without_a_group_trains_alone():
    assert not is_distributed()
    with joint_training() as ranks:
        assert ranks is None
        assert current_ranks() is None
