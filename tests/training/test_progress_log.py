"""The lines that `verbose=1` prints."""

import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from skorch.callbacks import Callback, EpochScoring
from skorch.history import History

from skcnn import CNNClassifier
from skcnn.training import progress_log
from skcnn.training.progress_log import PrintEpochs, format_seconds, format_value
from skcnn.training.transforms import Progress

X = np.random.default_rng(0).integers(0, 256, size=(20, 6, 6)).astype(np.uint8)
y = np.arange(20) % 2


def small(**parameters):
    defaults = {"channels": (4,), "hidden_units": (), "max_epochs": 3, "random_state": 0}
    return CNNClassifier(**{**defaults, **parameters})


def test_lines_of_a_fit(capsys):
    small(verbose=1).fit(X, y, X_val=X, y_val=y)
    lines = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d{4}"
    values = ", ".join(
        rf"{name} loss {number}, {name} score \d\.\d{{3}}" for name in ("train", "valid")
    )
    assert len(lines) == 3
    for epoch, line in enumerate(lines, start=1):
        left = r", about \d+\.\d s left" if epoch == 2 else ""
        assert re.fullmatch(rf"epoch {epoch} of 3: {values}, \d+\.\d s{left}", line)


def test_quiet_by_default(capsys):
    small().fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_further_fits_count_their_own_epochs(capsys):
    cnn = small(verbose=1, warm_start=True, max_epochs=2).fit(X, y).fit(X, y)
    cnn.partial_fit(X, y)
    starts = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert starts == [*["epoch 1 of 2", "epoch 2 of 2"] * 2, "epoch 1 of 1"]


def test_numbers_of_other_callbacks(capsys):
    scoring = EpochScoring("f1_macro", on_train=True, name="train_f1")
    small(verbose=1, callbacks=[scoring], max_epochs=1).fit(X, y)
    assert re.search(r"train score \d\.\d{3}, train f1 \d\.\d{4}, \d", capsys.readouterr().out)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, None])
def test_the_last_epoch_before_a_stop_is_printed(capsys, stop):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if stop and len(net.history) == 2:
                raise stop

    small(verbose=1, max_epochs=4, callbacks=[Stop()]).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"epoch {epoch} of 4" for epoch in ((1, 2) if stop else (1, 2, 3, 4))
    ]
    assert "left" not in lines[-1]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_time_left(monkeypatch, capsys, early_stopping):
    """The first epoch takes 100 s, the others 10 s each."""
    ends = iter([100.0, 110.0, 120.0, 130.0])
    monkeypatch.setattr(progress_log, "time", SimpleNamespace(monotonic=lambda: next(ends)))
    options = SimpleNamespace(early_stopping=early_stopping)
    net = SimpleNamespace(
        history=History(), progress=Progress(0, 4), options=options, epoch_name="epoch"
    )
    callback = PrintEpochs().initialize()
    callback.on_train_begin(net)
    for seconds in (100.0, 10.0, 10.0, 10.0):
        net.history.new_epoch()
        net.history.record("train_loss", 0.12345)
        net.history.record("train_score", 0.95)
        net.history.record("dur", seconds)
        callback.on_epoch_end(net)
    about = "at most about" if early_stopping else "about"
    values = "train loss 0.1235, train score 0.950"
    assert capsys.readouterr().out.splitlines() == [
        f"epoch 1 of 4: {values}, 1 min 40 s",
        f"epoch 2 of 4: {values}, 10 s, {about} 20 s left",
        f"epoch 3 of 4: {values}, 10 s, {about} 10 s left",
        f"epoch 4 of 4: {values}, 10 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
        (185, "3 min 5 s"), (3599.4, "59 min 59 s"), (3600, "1 h 0 min"), (9000, "2 h 30 min"),
        (86399, "23 h 59 min"), (86400, "1 d 0 h"), (180_000, "2 d 2 h"),
    ],
)  # fmt: skip
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("train_loss", 0.5, "0.5000"), ("valid_score", 1.0, "1.000"),
        ("valid_loss", 1e30, "1.000e+30"), ("train_score", -123456.0, "-1.235e+05"),
    ],
)  # fmt: skip
def test_format_value(name, value, text):
    assert format_value(name, value) == text


def test_without_standard_output(monkeypatch):
    expected = small().fit(X, y).predict_proba(X)
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        assert np.array_equal(small(verbose=1).fit(X, y).predict_proba(X), expected)
