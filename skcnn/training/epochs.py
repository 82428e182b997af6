"""One pass over a dataset: steps, callbacks, mean loss and score."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np

from skcnn.training.loader import ImageDataset
from skcnn.training.predicting import predict_outputs
from skcnn.training.reconstruction import with_targets
from skcnn.training.scores import RunningScores

_N_CHECKED = 16  # images whose outputs are checked after training
_DATASETS = {"train": "training", "valid": "validation"}


def run_epoch(net, batches, step, *, training, prefix):
    """Run a step on every batch, and record the mean loss and the score in the history.

    Parameters
    ----------
    net : ImageNeuralNet
        Net being trained.
    batches : BatchLoader
        Batches of one epoch.
    step : callable
        ``step(batch)`` returns a dict with the tensors "loss" and "y_pred".
    training : bool
        Whether the step trains the network.
    prefix : {"train", "valid"}
        Prefix of the names in the history.

    Raises
    ------
    ValueError
        If the mean loss is not finite.
    """
    scores = RunningScores(net.target_type)
    history = net.history
    calls_callbacks = net.any_callback_overrides("on_batch_begin", "on_batch_end")
    n_images = 0
    for batch in (with_targets(batch, net) for batch in batches):
        if calls_callbacks:
            net.notify("on_batch_begin", batch=batch, training=training)
        result = step(batch)
        scores.add(result["loss"], result["y_pred"], batch[1])
        n_images = len(batch[1])
        if calls_callbacks:
            history.record_batch(prefix + "_batch_size", n_images)
            net.notify("on_batch_end", batch=batch, training=training, **result)
    if calls_callbacks:  # remove the records of batches in which no callback recorded anything
        *records, last = history[-1]["batches"]
        history[-1]["batches"] = [*(record for record in records if len(record) > 1), last]
    else:  # some callbacks of skorch read the record of the last batch
        history.new_batch()
        history.record_batch(prefix + "_batch_size", n_images)
    loss, score = scores.means()
    if not math.isfinite(loss):
        raise divergence_error(net, f"{_DATASETS[prefix]} loss", loss)
    name = prefix + "_loss"
    best = min(epoch.get(name, math.inf) for epoch in list(history))
    history.record(name, loss)
    history.record(name + "_best", loss < best)
    history.record(prefix + "_score", score)


def check_trained(net, dataset):
    """Raise an error if a trained network cannot predict.

    The last step can make the weights infinite. Outputs can be infinite or NaN even if the weights
    and the statistics of batch normalization are finite.

    Parameters
    ----------
    net : ImageNeuralNet
        Net at the end of its training, with the module in eval mode.
    dataset : ImageDataset
        Training data. The outputs are computed for the first images.

    Raises
    ------
    ValueError
        If a weight, a buffer or an output is not finite.
    """
    tensors = chain(net.module_.parameters(), net.module_.buffers())
    if not all(tensor.isfinite().all() for tensor in tensors):
        raise divergence_error(net, "weights", math.nan)
    first = ImageDataset(dataset.images, rows=_rows(dataset)[:_N_CHECKED]).clean()
    outputs = predict_outputs(net, first)
    if not outputs.isfinite().all():
        value = float(outputs[~outputs.isfinite()][0])
        raise divergence_error(net, "output of the network in eval mode", value)


def mark_best_epoch(history, n_epochs_before):
    """Set "best" in the records of the epochs of a training: True for the best epoch.

    It is the epoch whose weights were restored, or else that of the smallest validation loss.

    Parameters
    ----------
    history : skorch.history.History
        History of the net.
    n_epochs_before : int
        Number of epochs of earlier trainings, which are no longer marked.
    """
    records = [record for record in list(history)[n_epochs_before:] if "valid_loss" in record]
    for record in list(history):
        record.pop("best", None)
    restored = [record for record in records if record.pop("restored", False)]
    best = min(restored or records, key=lambda record: record["valid_loss"], default=None)
    for record in records:
        record["best"] = record is best


def divergence_error(net, name, value):
    """Return the error for a loss or weights that are not finite.

    Parameters
    ----------
    net : ImageNeuralNet
        Net being trained.
    name : str
        Name of the value, such as "training loss".
    value : float
        NaN or infinity.

    Returns
    -------
    error : ValueError
        Error that proposes a smaller learning rate.
    """
    decay = net.options.weight_decay
    has_decay = decay not in ("auto", 0)
    return ValueError(
        f"the {name} became {value} in epoch {len(net.history)} with learning_rate={net.lr}"
        f"{f' and weight_decay={decay}' if has_decay else ''}: a smaller learning rate, such as "
        f"{net.lr / 10:g}{', or a smaller weight decay' if has_decay else ''}, should help"
        f"{'' if _is_built_in(net) else ', unless the network itself computes such values'}"
    )


def _is_built_in(net):
    """Return whether the network is one of this package, and not a callable."""
    return net.spec is not None and isinstance(net.spec.name, str)


def _rows(dataset):
    return np.arange(len(dataset.images)) if dataset.rows is None else dataset.rows
