"""Build the network of an estimator, and train it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin

from skcnn.estimators._backbone import build_module
from skcnn.estimators._checks import check_progressive_resizing
from skcnn.estimators._fitted import FittedNetwork
from skcnn.training.adversarial import check_adversary, training_range
from skcnn.training.callbacks import (
    FreezeBatchNorm,
    Lookahead,
    ReportEpochs,
    RestoreBest,
    Schedule,
)
from skcnn.training.compute_threads import multiply_adds
from skcnn.training.device import resolve_device, seeded
from skcnn.training.distributed.fingerprint import check_same_fit
from skcnn.training.loader import warn_of_other_scale
from skcnn.training.net import ImageNeuralNet
from skcnn.training.options import TrainingOptions, TrainingParameters
from skcnn.training.state import restore_on_failure


@dataclass(frozen=True)
class Phase:
    """Part of a training.

    Parameters
    ----------
    options : TrainingOptions
        Training options.
    epochs : int
        Number of epochs.
    schedule : str or None
        Learning rate schedule.
    is_last : bool, default=True
        Whether no phase follows. The callbacks of the user belong to the last phase.
    """

    options: TrainingOptions
    epochs: int
    schedule: str | None
    is_last: bool = True

    @classmethod
    def of(cls, options, *, is_last=True):
        """Return the phase that options describe."""
        return cls(options, options.max_epochs, options.schedule, is_last)


class NetworkTraining(CallbackSupportMixin, TrainingParameters, FittedNetwork):
    """Build and train the network of an estimator, whose images and targets have been checked."""

    def _train(self, dataset, valid, *, net, seed, data, one_pass=False):
        """Train a new net or continue to train one, and call scikit-learn's callbacks."""
        check_same_fit(self, dataset, valid, net)
        phases = self._phases(len(dataset), one_pass=one_pass, is_new=net is None)
        phases = self._with_adversary(phases, dataset, net)
        device = resolve_device(self.device)
        context = self._init_callback_context(max_subtasks=sum(phase.epochs for phase in phases))
        context.call_on_fit_task_begin(estimator=self, **data)
        with ExitStack() as stack:
            # Training must not depend on the gradient mode or the autocast of the caller.
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autocast(device.type, enabled=False))
            stack.enter_context(seeded(seed if net is None else seed + self.n_epochs_, device))
            if net is not None:
                stack.enter_context(restore_on_failure(net))
            net = self._prepare_net(net, dataset, phases[0].options, seed, device)
            with warn_of_other_scale(self.pixel_scale_, X=dataset, X_val=valid):
                for number, phase in enumerate(phases):
                    if number > 0:
                        net.reconfigure(phase.options)
                    n_before = len(net.history)
                    self._train_phase(net, phase, dataset, valid, context, data)
                    if len(net.history) - n_before < phase.epochs:  # stopped by a callback
                        break
        self.net_ = net
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: {"net_": net}, **data
        )

    def _phases(self, n_images, *, one_pass, is_new):
        """Return the phases of a training, which follow one another."""
        options = TrainingOptions.of(self, n_images)
        return [Phase(options, 1, None) if one_pass else Phase.of(options)]

    def _with_adversary(self, phases, dataset, net):
        """Return phases with the adversary and the range of its images, after checks of both."""
        if getattr(self, "adversary", None) is None:
            return phases
        limits = None if net is None else net.options.adversary_range  # of the first fit
        limits = training_range(dataset) if limits is None else limits
        check_adversary(self.adversary, limits, dataset.images, type(self).__name__)
        changes = {"adversary": clone(self.adversary), "adversary_range": limits}
        return [
            phase
            if phase.options.adversary is None  # trains the head on features
            else replace(phase, options=replace(phase.options, **changes))
            for phase in phases
        ]

    def _train_phase(self, net, phase, dataset, valid, context, data, trainer=None):
        """Train the net, or another net that trains a part of it."""
        trainer = trainer or net
        n_batches = phase.epochs * len(trainer.get_iterator(dataset, training=True))
        own_callbacks = self._training_callbacks(net, phase, n_batches, context, data)
        if len(dataset) == 1:
            own_callbacks.append(FreezeBatchNorm())
        callbacks = self.callbacks if phase.is_last else None
        trainer.train(
            dataset, valid, phase.epochs, own_callbacks=own_callbacks, callbacks=callbacks
        )

    def _prepare_net(self, net, dataset, options, seed, device):
        """Return a net with the given options, on the device."""
        if net is None:
            net = self._build_net(dataset, options, seed)
        else:
            net.reconfigure(options)
        net.to_device(device)
        check_progressive_resizing(self.progressive_resizing, self.image_shape_, net.module_)
        return net

    def _build_net(self, dataset, options, seed):
        """Build the network, and a net that trains it."""
        spec = self._network_spec(self.image_shape_, self._n_outputs())
        module = self._build_module(spec, dataset)
        net = ImageNeuralNet(
            module,
            options,
            target_type=self.target_type_,
            spec=spec,
            seed=seed,
            predict_batch_size=_predict_batch_size(spec.input_size or self.image_shape_[:2]),
            multiply_adds=multiply_adds(spec, module),
        )
        return net.initialize()

    def _build_module(self, spec, dataset):
        """Build the module of a spec, which standardizes images by those of a dataset."""
        module, self.pixel_scale_, _ = build_module(
            spec, dataset.images, dataset.weights, dataset.rows
        )
        return module

    def _training_callbacks(self, net, phase, n_batches, context, data):
        """Return the callbacks of one phase."""
        callbacks = []
        if phase.schedule is not None:
            callbacks.append(Schedule(phase.schedule, n_batches))
        if phase.options.lookahead:
            callbacks.append(Lookahead(n_batches))
        scheduled = [] if phase.schedule is None else callbacks.copy()
        if hasattr(self, "_skl_callbacks"):
            callbacks.append(ReportEpochs(self, context, lambda _: {"net_": net}, data))
        if phase.options.early_stopping:
            callbacks.append(RestoreBest(self.patience, scheduled))
        return callbacks


def _predict_batch_size(size):
    """Return the number of images whose activations fit the caches of a CPU."""
    height, width = size
    return int(np.clip(2**16 // (height * width), 16, 512))
