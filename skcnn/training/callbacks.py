"""Callbacks of the skorch net: schedule, lookahead, early stopping, reports to scikit-learn."""

from __future__ import annotations

import copy

import torch
from skorch.callbacks import Callback
from torch.nn.modules.batchnorm import _BatchNorm

from skcnn.training.checkpoint import is_checkpoint
from skcnn.training.interrupts import StopTraining
from skcnn.training.schedules import SCHEDULES

# Fractions of the training at which the last quarter and the last eighth begin.
_LAST_QUARTER, _LAST_EIGHTH = 0.75, 0.875


class Schedule(Callback):
    """Set the learning rate before every batch.

    Parameters
    ----------
    schedule : str
        Name in `SCHEDULES`.
    n_batches : int
        Number of batches of the training. Early stopping reduces the attribute `n_batches_`.
    """

    def __init__(self, schedule, n_batches):
        self.schedule = schedule
        self.n_batches = n_batches

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self.batch_, self.n_batches_ = 0, self.n_batches
        self.rates_ = [group["lr"] for group in net.optimizer_.param_groups]
        self._set_learning_rates(net)

    def on_epoch_begin(self, net, **kwargs):  # noqa: D102
        self._set_learning_rates(net)  # `n_batches_` may have changed

    def on_batch_end(self, net, training=False, **kwargs):  # noqa: D102
        if training:
            self.batch_ += 1
            self._set_learning_rates(net)

    def _set_learning_rates(self, net):
        factor = SCHEDULES[self.schedule](self.batch_ / self.n_batches_)
        for group, rate in zip(net.optimizer_.param_groups, self.rates_, strict=True):
            group["lr"] = rate * factor


def overrides(callback, method):
    """Return whether a callback overrides a method of skorch's callbacks.

    Parameters
    ----------
    callback : skorch.callbacks.Callback
        Callback.
    method : str
        Name of the method.

    Returns
    -------
    overrides : bool
        False if it has the empty method of the base class.
    """
    own = getattr(type(callback), method, None) is not getattr(Callback, method)
    return own or method in vars(callback)


def shallow_copies(callbacks):
    """Return shallow copies of callbacks, which share the objects that the callbacks refer to.

    With deep copies, a callback would report to a copy of its trial or of its log. A callback that
    refers to another of the callbacks, as `skorch.callbacks.LoadInitState` does, gets its copy. A
    `TrainingCheckpoint` comes last, so that it stores the states of the others.

    Parameters
    ----------
    callbacks : iterable of Callback, or of pairs (str, Callback)
        Callbacks, with or without names.

    Returns
    -------
    copies : list
        Copies, with the same names.
    """
    items = sorted(callbacks, key=is_checkpoint)
    originals = [item if isinstance(item, Callback) else item[1] for item in items]
    copies = {id(callback): copy.copy(callback) for callback in originals}
    for callback in copies.values():
        attributes = vars(callback)
        attributes.update(
            {name: copies[id(value)] for name, value in attributes.items() if id(value) in copies}
        )
    return [
        copies[id(callback)] if item is callback else (item[0], copies[id(callback)])
        for item, callback in zip(items, originals, strict=True)
    ]


class Lookahead(Callback):
    """Replace the weights with their exponential moving average after every fifth step.

    Zhang et al., "Lookahead Optimizer", NeurIPS 2019 (arXiv 1907.08610), with the increasing
    momentum of Jordan 2024 (arXiv 2404.00498), section 3.4.

    Parameters
    ----------
    n_batches : int
        Number of batches of the training.
    """

    n_steps = 5
    momentum = 0.95**n_steps

    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        # Weights that are not trained, such as those of the whitening, are not averaged.
        self.batch_, self.n_batches_ = 0, self.n_batches
        self._params = [param for param in net.module_.parameters() if param.requires_grad]
        self.means_ = [param.detach().clone() for param in self._params]

    @torch.no_grad()
    def on_batch_end(self, net, training=False, **kwargs):  # noqa: D102
        self.batch_ += training
        if not training or self.batch_ % self.n_steps:
            return
        momentum = self.momentum * (self.batch_ / self.n_batches_) ** 3
        with net.lock.step():
            for mean, param in zip(self.means_, self._params, strict=True):
                mean.lerp_(param, 1 - momentum)
                param.copy_(mean)


class FreezeBatchNorm(Callback):
    """Use the running statistics of batch normalization in training, and do not change them.

    It is used for batches of one image, whose own statistics are poor estimates, and which PyTorch
    does not compute for feature maps of one pixel.
    """

    def on_epoch_begin(self, net, **kwargs):  # noqa: D102
        for layer in net.module_.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()


class ReportEpochs(Callback):
    """Report every epoch to scikit-learn's callbacks.

    Parameters
    ----------
    estimator : estimator
        Estimator being fitted.
    context : sklearn.callback.CallbackContext
        Context of the fit.
    get_attributes : callable
        ``get_attributes(net)`` returns the fitted attributes of a copy of the estimator that
        predicts as if training had ended.
    data : dict
        `X`, `y` and `metadata` of the fit.
    """

    def __init__(self, estimator, context, get_attributes, data):
        self.estimator = estimator
        self.context = context
        self.get_attributes = get_attributes
        self.data = data

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self._n_begun = 0

    def on_epoch_begin(self, net, **kwargs):  # noqa: D102
        self._report_loaded(net.progress.epoch)
        self._begin()

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        if self._end(reconstruction_attributes=lambda: self.get_attributes(net)):
            raise StopTraining

    def on_train_end(self, net, **kwargs):  # noqa: D102
        self._report_loaded(net.progress.epoch + 1)

    def _report_loaded(self, n_epochs):
        """Report the epochs that a checkpoint has loaded, so that a progress bar counts them.

        The networks of these epochs are not known, so callbacks receive None as the fitted
        estimator.
        """
        while self._n_begun < n_epochs:
            self._begin()
            self._end()

    def _begin(self):
        self._n_begun += 1
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def _end(self, **attributes):
        return self.epoch_.call_on_fit_task_end(estimator=self.estimator, **attributes, **self.data)


class RestoreBest(Callback):
    """Stop training early, and restore the weights of the best epoch.

    When the validation loss has not improved for `patience` epochs, the training ends. With a
    schedule it first skips to the last quarter of the schedule, because the weights are better
    after the learning rate has decreased: N epochs are followed by N / 3 more, as in the cool-down
    of Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
    NeurIPS 2024 (arXiv 2405.18392).

    With a schedule, the best epoch is the one of the highest validation score in the last eighth of
    the training, where the learning rate is almost 0. The loss does not decide, because it often
    increases when the network becomes more confident, even if more of its predictions are correct.
    Without a schedule, or if a callback stops the training before the last eighth, the best epoch
    is the one with the lowest validation loss.

    The weights of the last of several equally good epochs are restored. Its record in the history
    of the net has the item "restored".

    Parameters
    ----------
    patience : int
        Number of epochs without improvement.
    scheduled : sequence of Callback, default=()
        Callbacks with an attribute `n_batches_`, such as `Schedule`, which is reduced when the
        training skips to the last quarter. Empty if there is no schedule.
    """

    def __init__(self, patience, scheduled=()):
        self.patience = patience
        self.scheduled = scheduled

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self.best_ = self.best_row_ = self.best_weights_ = None
        self.n_without_improvement_ = 0
        self.in_last_quarter_ = self.shortened_ = False

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        record = net.history[-1]
        n_done, n_epochs = net.progress.epoch + 1, net.progress.n_epochs
        if self.scheduled and n_done > _LAST_QUARTER * n_epochs:
            self.in_last_quarter_ = True
        final = bool(self.scheduled) and n_done > _LAST_EIGHTH * n_epochs
        # Epochs of the last eighth are better than all others.
        merit = (final, record["valid_score"] if final else -record["valid_loss"])
        self.n_without_improvement_ += 1
        if self.best_ is None or merit > self.best_:
            self.n_without_improvement_ = 0
        if self.best_ is None or merit >= self.best_:
            self.best_, self.best_row_ = merit, len(net.history) - 1
            self.best_weights_ = copy.deepcopy(net.module_.state_dict())
        if self.shortened_ and n_done == n_epochs:
            raise StopTraining
        if self.n_without_improvement_ >= self.patience and not self.in_last_quarter_:
            if not self.scheduled:
                raise StopTraining
            self._skip_to_last_quarter(net, n_done, n_epochs)

    def on_train_end(self, net, **kwargs):  # noqa: D102
        if self.best_weights_ is not None:
            net.history[self.best_row_]["restored"] = True
            with net.lock.step():
                net.module_.load_state_dict(self.best_weights_)

    def _skip_to_last_quarter(self, net, n_done, n_epochs):
        self.in_last_quarter_ = self.shortened_ = True
        n_shortened = min(n_epochs, n_done + max(1, n_done // 3))
        for callback in self.scheduled:
            callback.n_batches_ = callback.n_batches_ * n_shortened // n_epochs
        net.shorten_training(n_shortened)
