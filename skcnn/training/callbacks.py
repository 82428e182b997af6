"""Callbacks of this package: schedule, lookahead, early stopping, reports to scikit-learn."""

from __future__ import annotations

import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.utils import noop
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LambdaLR

from skcnn.training.interrupts import StopTraining
from skcnn.training.schedules import SCHEDULES


def schedule_callback(schedule, n_batches):
    """Return a callback that sets the learning rate before every batch.

    Parameters
    ----------
    schedule : str
        Name in `SCHEDULES`.
    n_batches : int
        Number of batches of the training.

    Returns
    -------
    callback : skorch.callbacks.LRScheduler
        Callback.
    """
    factor = SCHEDULES[schedule]
    return LRScheduler(
        LambdaLR,
        step_every="batch",
        event_name=None,
        last_epoch=-1,
        lr_lambda=lambda batch: factor(batch / n_batches),
    )


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
        # Weights that are computed from the first images, as of the whitening, are not averaged.
        self.batch_ = 0
        self.params_ = [param for param in net.module_.parameters() if param.requires_grad]
        self.means_ = [param.detach().clone() for param in self.params_]

    @torch.no_grad()
    def on_batch_end(self, net, training=False, **kwargs):  # noqa: D102
        self.batch_ += training
        if not training or self.batch_ % self.n_steps:
            return
        momentum = self.momentum * (self.batch_ / self.n_batches) ** 3
        for mean, param in zip(self.means_, self.params_, strict=True):
            mean.lerp_(param, 1 - momentum)
            param.copy_(mean)


class FreezeBatchNorm(Callback):
    """Normalize with the running statistics in training, and keep them.

    For batches of one image: its own statistics are poor estimates, and PyTorch refuses to compute
    them from maps of one pixel.
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

    def on_epoch_begin(self, net, **kwargs):  # noqa: D102
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        stop = self.epoch_.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self.get_attributes(net),
            **self.data,
        )
        if stop:
            raise StopTraining


class RestoreBest(EarlyStopping):
    """Early stopping on the validation loss, which restores the weights of the best epoch.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement after which training ends.
    """

    def __init__(self, patience):
        super().__init__(
            monitor="valid_loss", patience=patience, threshold=0.0, load_best=True, sink=noop
        )

    def on_train_end(self, net, **kwargs):  # noqa: D102
        # EarlyStopping restores the weights only if it stops the training itself.
        if self.best_model_weights_ is not None:
            net.module_.load_state_dict(self.best_model_weights_)
