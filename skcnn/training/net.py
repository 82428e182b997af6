"""The skorch net that trains every estimator."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from itertools import chain

import torch
from skorch.callbacks import EpochTimer, PrintLog
from skorch.helper import predefined_split
from skorch.utils import TeeGenerator
from torch.distributions import Beta

from skcnn.training.device import autocast
from skcnn.training.loader import BatchLoader, ImageDataset
from skcnn.training.memory import freed_memory_kept
from skcnn.training.optimizers import parameter_groups
from skcnn.training.predicting import PredictingNet
from skcnn.training.resizing import resize, share_of_size
from skcnn.training.scores import SCORES, Tally
from skcnn.training.stopping import StopTraining, stops_as_exceptions

_LARGER_ON_GPU = 8  # batches, whose caches and launches ask for other sizes
_SETS = {"train": "training", "valid": "validation"}


class ImageNet(PredictingNet):
    """skorch's loop over batches of images, with weights, mixup and mixed precision.

    Losses and scores are added up on the device and read once an epoch. skorch's callbacks end a
    training by raising KeyboardInterrupt, and skorch takes Ctrl-C for the same; here the first ends
    the training and the second passes through.

    Parameters
    ----------
    module : torch.nn.Module
        The network, input standardisation included.
    criterion : torch.nn.Module
        Gives the loss of each image.
    target_type : {"multiclass", "multilabel", "continuous"}, default="multiclass"
        What the targets are, as scikit-learn's `type_of_target` names it.
    mixup : float, default=0.0
        The parameter alpha of the Beta distribution of mixing weights; 0 mixes nothing.
    precision : {"auto", "float32", "bfloat16"}, default="float32"
        In what training steps compute.
    predict_batch_size : int, default=256
        Images in a batch outside training, on the processor.
    progressive_resizing : float, default=1.0
        The size of the images in the first epoch of a training, over their own.
    test_time_augmentation : {"flip", "flip_shift"} or None, default=None
        Over which variants of an image its outputs are averaged.
    seed : int, default=0
        Seeds the order of the images.
    built_with : dict, default=None
        The estimator's parameters that shaped the module.
    **kwargs : dict
        skorch's parameters.
    """

    def __init__(
        self,
        module,
        criterion,
        *,
        target_type="multiclass",
        mixup=0.0,
        precision="float32",
        predict_batch_size=256,
        progressive_resizing=1.0,
        test_time_augmentation=None,
        seed=0,
        built_with=None,
        **kwargs,
    ):
        kwargs = {"dataset": ImageDataset, "train_split": None, **kwargs}
        super().__init__(module, criterion, **kwargs)
        self.target_type = target_type
        self.mixup = mixup
        self.precision = precision
        self.predict_batch_size = predict_batch_size
        self.progressive_resizing = progressive_resizing
        self.test_time_augmentation = test_time_augmentation
        self.seed = seed
        self.built_with = built_with
        self.first_epoch_, self.n_planned_ = 0, self.max_epochs

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            *([("print_log", PrintLog())] if self.verbose else []),
        ]

    def train(self, dataset, valid=None, epochs=None, callbacks=((), None)):
        """Train, until the end or until a callback stops it.

        Parameters
        ----------
        dataset : ImageDataset
            What to learn from.
        valid : ImageDataset, default=None
            What to report losses and scores on.
        epochs : int, default=None
            The number of passes; None is `max_epochs`.
        callbacks : tuple of (list of Callback, list of Callback or None), default=((), None)
            Those of this training alone, and the user's, which are copied.

        Returns
        -------
        self : object
            The net.
        """
        own, of_user = callbacks
        self.callbacks = [*own, *copy.deepcopy(list(of_user or []))]
        self.initialize_callbacks()
        self.train_split = predefined_split(valid) if valid is not None else None
        try:
            with freed_memory_kept():
                self.notify("on_train_begin", X=dataset, y=None)
                self.fit_loop(dataset, epochs=epochs)
                self.notify("on_train_end", X=dataset, y=None)
        finally:
            # These hold training data, validation data and a second set of weights.
            self.callbacks = self.train_split = None
            self.callbacks_ = [(name, cb) for name, cb in self.callbacks_ if cb not in own]
        return self

    def on_train_begin(self, net, **kwargs):
        """Make an optimizer where the net was loaded without one.

        Parameters
        ----------
        net : ImageNet
            The net itself.
        **kwargs : dict
            What it learns from.
        """
        if self.optimizer_ is None:
            self.initialize_optimizer()

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Give what an optimizer is made with.

        Parameters
        ----------
        prefix : str
            How its parameters begin.
        named_parameters : iterable of (str, tensor)
            The weights.

        Returns
        -------
        args : tuple
            The weights, in groups.
        kwargs : dict
            The rest.
        """
        _, options = super().get_params_for_optimizer(prefix, named_parameters)
        return (parameter_groups(self.module_, options["lr"]),), options

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Go through the epochs, until the end or until a callback stops it.

        Parameters
        ----------
        X : ImageDataset, or images of shape (n_images, height, width, n_channels)
            What to learn from.
        y : array of shape (n_images,) or (n_images, n_outputs), default=None
            Encoded targets, where `X` holds none.
        epochs : int, default=None
            The number of passes; None is `max_epochs`.
        **fit_params : dict
            Further arguments for the module.

        Returns
        -------
        self : object
            The net.
        """
        self.first_epoch_, self.n_planned_ = len(self.history), epochs or self.max_epochs
        self._set_training(True)  # also what was in another mode than the module around it
        try:
            super().fit_loop(X, y, epochs, **fit_params)
        except StopTraining:
            if "dur" not in self.history[-1]:  # the epoch did not end
                del self.history[-1]
        self._set_training(False)
        tensors = chain(self.module_.parameters(), self.module_.buffers())
        if not all(tensor.isfinite().all() for tensor in tensors):
            raise self._diverged("weights", math.nan)
        return self

    def _diverged(self, what, value):
        return ValueError(
            f"the {what} became {value} in epoch {len(self.history)} with "
            f"learning_rate={self.lr}: a smaller one, such as {self.lr / 10:g}, should help"
        )

    def reconfigure(self, **parameters):
        """Take parameters that may change between two trainings of the same module.

        Parameters
        ----------
        **parameters : dict
            Any but those of the module and the criterion. Another optimizer, or another of its
            parameters but the learning rate, makes a new one.
        """
        before = self._of_optimizer()
        if "optimizer" in parameters:  # the old one's parameters mean nothing to the new one
            for name in before:
                del vars(self)[name]
        vars(self).update(parameters)
        if self._of_optimizer() != before:
            self.initialize_optimizer()

    def _of_optimizer(self):
        names = [name for name in vars(self) if name.startswith("optimizer__")]
        return {name: vars(self)[name] for name in ("optimizer", *names)}

    def notify(self, method_name, **cb_kwargs):
        """Call a method of all callbacks.

        Parameters
        ----------
        method_name : str
            The method.
        **cb_kwargs : dict
            What it is given.
        """
        # Before the first epoch and after the last there is nothing to stop.
        may_stop = method_name not in ("on_train_begin", "on_train_end")
        with stops_as_exceptions() if may_stop else nullcontext():
            super().notify(method_name, **cb_kwargs)

    def get_iterator(self, dataset, training=False):
        """Give the batches of a set.

        Parameters
        ----------
        dataset : ImageDataset
            The set.
        training : bool, default=False
            Whether to shuffle it.

        Returns
        -------
        batches : BatchLoader
            An iterable.
        """
        if not training:
            scale = 1 if torch.device(self.device).type == "cpu" else _LARGER_ON_GPU
            return BatchLoader(dataset, self.predict_batch_size * scale)
        return BatchLoader(dataset, self.batch_size, seed=self.seed, epoch=len(self.history))

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Go through all batches once, and record the mean loss, whether it is best, and the score.

        Parameters
        ----------
        iterator : BatchLoader or None
            The batches.
        training : bool
            Whether to learn.
        prefix : {"train", "valid"}
            The beginning of the names in the history.
        step_fn : callable
            What to do with a batch.
        **fit_params : dict
            Further arguments for it.
        """
        if iterator is None:
            return
        tally = Tally(SCORES[self.target_type]())
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            tally.add(step["loss"], step["y_pred"], batch[1])
            self.history.record_batch(prefix + "_batch_size", len(batch[1]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
        loss, score = tally.means()
        # Sizes stay where callbacks recorded something; skorch's own look for a last batch.
        *batches, last = self.history[-1]["batches"]
        self.history[-1]["batches"] = [*(record for record in batches if len(record) > 1), last]
        if not math.isfinite(loss):
            raise self._diverged(f"{_SETS[prefix]} loss", loss)
        name = prefix + "_loss"
        best = min(epoch.get(name, math.inf) for epoch in list(self.history))
        self.history.record(name, loss)
        self.history.record(name + "_best", loss < best)
        self.history.record(prefix + "_score", score)

    def train_step(self, batch, **fit_params):
        """Learn from a batch.

        Parameters
        ----------
        batch : Batch
            Images, targets and weights.
        **fit_params : dict
            Further arguments for the module.

        Returns
        -------
        step : dict
            As from `train_step_single`.
        """
        for parameter in self.module_.parameters():
            parameter.grad = None
        step = self.train_step_single(batch, **fit_params)
        named = TeeGenerator(self.get_all_learnable_params())
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        self.optimizer_.step()
        return step

    def train_step_single(self, batch, **fit_params):
        """Compute the loss of a batch and its gradients.

        Parameters
        ----------
        batch : Batch
            Images, targets and weights.
        **fit_params : dict
            Further arguments for the module.

        Returns
        -------
        step : dict
            "loss", a tensor of shape (), and "y_pred", the outputs, of shape
            (n_images, n_outputs).
        """
        if not self.module_.training:
            self._set_training(True)
        images, y = batch
        images = resize(images, self._share_of_size())
        with autocast(torch.device(self.device), self.precision):
            if self.mixup:
                outputs, loss = self._mix_up(images, y, batch.weights, fit_params)
            else:
                outputs = self.infer(images, **fit_params).float()
                loss = self._loss(outputs, y, batch.weights)
        loss.backward()
        return {"loss": loss, "y_pred": outputs.detach()}

    def validation_step(self, batch, **fit_params):
        """Compute the loss of a batch without learning.

        Parameters
        ----------
        batch : Batch
            Images, targets and weights.
        **fit_params : dict
            Further arguments for the module.

        Returns
        -------
        step : dict
            As from `train_step_single`.
        """
        if self.module_.training:
            self._set_training(False)
        images, y = batch
        with torch.no_grad():
            outputs = self.infer(images, **fit_params)
            loss = self._loss(outputs, y, batch.weights)
        return {"loss": loss, "y_pred": outputs}

    def _loss(self, outputs, y, weights):
        losses = self.criterion_(outputs, y.to(self.device))
        return losses.mean() if weights is None else (losses * weights.to(self.device)).mean()

    def _share_of_size(self):
        epoch = len(self.history) - 1 - self.first_epoch_
        return share_of_size(self.progressive_resizing, epoch, self.n_planned_)

    def _mix_up(self, images, y, weights, fit_params):
        """Learn from weighted means of pairs of images (Zhang et al. 2018, arXiv 1710.09412)."""
        share = float(Beta(self.mixup, self.mixup).sample())
        partner = torch.randperm(len(images))
        images = images.float()
        mixed = share * images + (1 - share) * images[partner]
        outputs = self.infer(mixed, **fit_params).float()
        own = self._loss(outputs, y, weights)
        other = self._loss(outputs, y[partner], None if weights is None else weights[partner])
        return outputs, share * own + (1 - share) * other
