"""One line of text per epoch: losses, scores, duration and the time left."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from numbers import Real

from skorch.callbacks import PrintLog

_NAMES = ("train_loss", "train_score", "valid_loss", "valid_score")
_UNITS = ((60, 1, ("min", "s")), (3600, 60, ("h", "min")), (86400, 3600, ("d", "h")))
_NOT_SHOWN = {*_NAMES, "epoch", "dur"}


class PrintEpochs(PrintLog):  # skorch calls instances of PrintLog after all other callbacks
    """Print a plain line at the end of every epoch.

    An example is "epoch 3 of 20: train loss 0.1234, train score 0.950, 1.2 s, about 20 s left".
    Numbers that other callbacks record follow the score. The time left is printed from the second
    epoch on. Its estimate leaves out the first epoch, which includes the preparation of the
    training. Nothing is printed if there is no standard output.
    """

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self.n_epochs_before_ = len(net.history)
        self.ends_, self.n_printed_ = [], 0  # a checkpoint may add epochs that are not printed

    def on_train_end(self, net, **kwargs):  # noqa: D102
        # If a callback stops the training, on_epoch_end of the later callbacks is not called.
        if len(net.history) - self.n_epochs_before_ > self.n_printed_:
            self._print(net, ended=True)

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        self._print(net)

    def _print(self, net, ended=False):
        self.ends_.append(time.monotonic())
        record = net.history[-1]
        n_done, n_epochs = len(net.history) - self.n_epochs_before_, net.progress.n_epochs
        self.n_printed_ = n_done
        parts = [
            f"{name.replace('_', ' ')} {format_value(name, record[name])}"
            for name in (*_NAMES, *_further_names(record))
            if name in record
        ]
        parts.append(format_seconds(record["dur"]))
        if len(self.ends_) > 1 and n_done < n_epochs and not ended:
            per_epoch = (self.ends_[-1] - self.ends_[0]) / (len(self.ends_) - 1)
            about = "at most about" if net.options.early_stopping else "about"
            parts.append(f"{about} {format_seconds(per_epoch * (n_epochs - n_done))} left")
        print_line(f"{net.epoch_name} {n_done} of {n_epochs}: {', '.join(parts)}")


def print_line(line):
    """Print a line to the standard output, and flush it.

    Parameters
    ----------
    line : str
        Text. Nothing is printed if the standard output is None or closed.
    """
    if sys.stdout is not None:
        with suppress(OSError, ValueError):  # a closed file or pipe does not end the training
            print(line, flush=True)


def format_value(name, value):
    """Format a loss or a score.

    Parameters
    ----------
    name : str
        Name of the value. Scores have 3 decimals, other values 4.
    value : float
        Value.

    Returns
    -------
    text : str
        Decimal number, with an exponent from 10,000 on.
    """
    if abs(value) >= 1e4:
        return f"{value:.3e}"
    return f"{value:.3f}" if name.endswith("score") else f"{value:.4f}"


def format_seconds(seconds):
    """Format a duration with one or two units.

    Parameters
    ----------
    seconds : float
        Duration in seconds.

    Returns
    -------
    text : str
        Such as "1.2 s", "20 s", "3 min 5 s", "2 h 30 min" or "4 d 2 h".
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    large, small, names = _UNITS[sum(seconds >= limit for limit in (3600, 86400))]
    return f"{seconds // large} {names[0]} {seconds % large // small} {names[1]}"


def _further_names(record):
    """Return the names of numbers that other callbacks recorded."""
    return [
        name
        for name, value in record.items()
        if name not in _NOT_SHOWN
        and not name.endswith(("_best", "_batch_count", "_batch_size"))
        and not name.startswith("event_")
        and isinstance(value, Real)
        and not isinstance(value, bool)
    ]
