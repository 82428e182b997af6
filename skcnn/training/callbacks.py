"""What happens between the batches and epochs: schedule, early stopping, progress."""

from __future__ import annotations

import torch
from skorch.callbacks import Callback, EarlyStopping
from skorch.utils import noop


class Schedule(Callback):
    """Set the learning rate at the beginning and wherever the factor changes it.

    A constant factor leaves it to the schedulers among the user's callbacks.

    Parameters
    ----------
    factor : callable
        ``factor(done)`` of the fraction of the training done, as in `skcnn.training.schedules`.
    learning_rate : float
        What the factor multiplies.
    n_batches : int
        The number of batches in the whole training.
    """

    def __init__(self, factor, learning_rate, n_batches):
        self.factor = factor
        self.learning_rate = learning_rate
        self.n_batches = n_batches

    def initialize(self):
        """Start from the first batch.

        Returns
        -------
        self : object
            The callback.
        """
        self.batch_ = 0
        self.rate_ = None
        return self

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        self._set(net, 0.0)

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):  # noqa: D102
        if not training:
            return
        self._set(net, self.batch_ / self.n_batches)
        self.batch_ += 1

    def _set(self, net, done):
        rate = self.learning_rate * self.factor(done)
        if rate != self.rate_:
            for group in net.optimizer_.param_groups:
                group["lr"] = rate * group["lr_scale"]
        self.rate_ = rate


class Lookahead(Callback):
    """Pull the weights back to their running mean every few steps, ever more to the end.

    Zhang et al., "Lookahead Optimizer", NeurIPS 2019 (arXiv 1907.08610), with the strength of
    Jordan 2024 (arXiv 2404.00498), section 3.4.

    Parameters
    ----------
    n_batches : int
        The number of batches in the whole training.
    """

    n_steps = 5
    strength = 0.95**n_steps

    def __init__(self, n_batches):
        self.n_batches = n_batches

    def initialize(self):
        """Start from the first batch.

        Returns
        -------
        self : object
            The callback.
        """
        self.batch_ = 0
        return self

    def on_train_begin(self, net, **kwargs):  # noqa: D102
        # Those that are learned from the first images alone must not be pulled back.
        self.params_ = [param for param in net.module_.parameters() if param.requires_grad]
        self.means_ = [param.detach().clone() for param in self.params_]

    @torch.no_grad()
    def on_batch_end(self, net, training=False, **kwargs):  # noqa: D102
        self.batch_ += training
        if not training or self.batch_ % self.n_steps:
            return
        share = self.strength * (self.batch_ / self.n_batches) ** 3
        for mean, param in zip(self.means_, self.params_, strict=True):
            mean.lerp_(param, 1 - share)
            param.copy_(mean)


class Progress(Callback):
    """Tell scikit-learn's callbacks about every epoch.

    Parameters
    ----------
    estimator : estimator
        Who is being fitted.
    context : sklearn.callback.CallbackContext
        The context of its fit.
    fitted : callable
        ``fitted(net)`` gives the attributes that make a copy of the estimator predict as if the
        training had stopped.
    data : dict
        `X`, `y` and `metadata` of the fit.
    """

    def __init__(self, estimator, context, fitted, data):
        self.estimator = estimator
        self.context = context
        self.fitted = fitted
        self.data = data

    def on_epoch_begin(self, net, **kwargs):  # noqa: D102
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        stop = self.epoch_.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self.fitted(net),
            **self.data,
        )
        if stop:
            raise KeyboardInterrupt  # how skorch's callbacks end a training


class QuietEarlyStopping(EarlyStopping):
    """Stop when the validation loss has not improved, and restore the best weights.

    Parameters
    ----------
    patience : int
        The number of epochs without improvement after which training stops.
    """

    def __init__(self, patience):
        super().__init__(
            monitor="valid_loss", patience=patience, threshold=0.0, load_best=True, sink=noop
        )

    def on_train_end(self, net, **kwargs):  # noqa: D102
        # Always: another callback may have ended the training in the middle of a later epoch.
        if self.best_model_weights_ is not None:
            net.module_.load_state_dict(self.best_model_weights_)
