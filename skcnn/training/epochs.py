"""One pass over a dataset: steps, callbacks, mean loss and score."""

from __future__ import annotations

import math

from skcnn.training.scores import RunningScores

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
    for batch in batches:
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
    return ValueError(
        f"the {name} became {value} in epoch {len(net.history)} with learning_rate={net.lr}: "
        f"a smaller learning rate, such as {net.lr / 10:g}, should help"
    )
