"""Build the network of an estimator, and train it."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import torch
from sklearn.callback import CallbackSupportMixin

from skcnn.estimators._checks import check_progressive_resizing
from skcnn.estimators._fitted import FittedNetwork
from skcnn.pixel_scale import ScaleMonitor
from skcnn.pixels import channel_statistics
from skcnn.training.callbacks import (
    FreezeBatchNorm,
    Lookahead,
    ReportEpochs,
    RestoreBest,
    Schedule,
)
from skcnn.training.compute_threads import count_multiply_adds
from skcnn.training.device import resolve_device, seeded
from skcnn.training.forks import computing
from skcnn.training.loader import warn_of_other_scale
from skcnn.training.net import ImageNeuralNet
from skcnn.training.options import TrainingOptions, TrainingParameters
from skcnn.training.state import restore_on_failure

_MAX_IMAGES = 2048  # maximum number of images used for the pixel statistics


class NetworkTraining(CallbackSupportMixin, TrainingParameters, FittedNetwork):
    """Build and train the network of an estimator, whose images and targets have been checked."""

    def _train(self, dataset, valid, *, net, seed, data, one_pass=False):
        """Train a new net or continue to train one, and call scikit-learn's callbacks."""
        options = TrainingOptions.of(self, len(dataset))
        epochs, schedule = (1, None) if one_pass else (options.max_epochs, options.schedule)
        device = resolve_device(self.device)
        context = self._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=self, **data)
        with ExitStack() as stack:
            # Training must not depend on the gradient mode or the autocast of the caller.
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autocast(device.type, enabled=False))
            stack.enter_context(seeded(seed if net is None else seed + self.n_epochs_, device))
            if net is not None:
                stack.enter_context(restore_on_failure(net))
            net = self._prepare_net(net, dataset, options, seed, device)
            n_batches = epochs * len(net.get_iterator(dataset, training=True))
            own_callbacks = self._training_callbacks(n_batches, schedule, context, data)
            if len(dataset) == 1:
                own_callbacks.append(FreezeBatchNorm())
            with warn_of_other_scale(self.pixel_scale_, X=dataset, X_val=valid):
                net.train(
                    dataset, valid, epochs, own_callbacks=own_callbacks, callbacks=self.callbacks
                )
        self.net_ = net
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: {"net_": net}, **data
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
        with computing():
            module = spec.build()
        monitor = ScaleMonitor()
        mean, scale = channel_statistics(
            dataset.images,
            dataset.weights,
            dataset.rows,
            max_images=_MAX_IMAGES,
            float32=True,
            observe=monitor.add,
        )
        self.pixel_scale_ = monitor.scale()
        module.standardize.set_statistics(mean, scale)
        net = ImageNeuralNet(
            module,
            options,
            target_type=self.target_type_,
            spec=spec,
            seed=seed,
            predict_batch_size=_predict_batch_size(self.image_shape_),
            multiply_adds=count_multiply_adds(module, self.image_shape_),
        )
        return net.initialize()

    def _training_callbacks(self, n_batches, schedule, context, data):
        """Return the callbacks of one training."""
        callbacks = []
        if schedule is not None:
            callbacks.append(Schedule(schedule, n_batches))
        if self.lookahead:
            callbacks.append(Lookahead(n_batches))
        scheduled = [] if schedule is None else callbacks.copy()
        if hasattr(self, "_skl_callbacks"):
            callbacks.append(ReportEpochs(self, context, lambda net: {"net_": net}, data))
        if self.early_stopping:
            callbacks.append(RestoreBest(self.patience, scheduled))
        return callbacks


def _predict_batch_size(image_shape):
    """Return the number of images whose activations fit the caches of a CPU."""
    height, width, _ = image_shape
    return int(np.clip(2**16 // (height * width), 16, 512))
