"""ImageNeuralNet: the skorch net of every estimator that trains a network."""

from __future__ import annotations

import math
from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from skorch.helper import predefined_split
from skorch.utils import TeeGenerator

from skcnn.checksums import loading, verified, with_checksum
from skcnn.networks.convolutions import DefinedGradients
from skcnn.networks.inference import prediction_function
from skcnn.settings import fixed_settings
from skcnn.training.callbacks import overrides, shallow_copies
from skcnn.training.checkpoint import epochs_left
from skcnn.training.compute_threads import set_threads, turn_of_worker
from skcnn.training.device import autocast
from skcnn.training.distributed.shared_training import SharedTraining
from skcnn.training.epochs import check_trained, mark_best_epoch, run_epoch
from skcnn.training.fine_tuning import frozen, trained_groups
from skcnn.training.forks import computing
from skcnn.training.interrupts import InterruptMonitor, StopTraining
from skcnn.training.loader import BatchLoader, ImageDataset
from skcnn.training.losses import Criterion
from skcnn.training.memory import freed_memory_kept
from skcnn.training.net_lock import NetLock
from skcnn.training.optimizers import is_optimizer_parameter, optimizer_parameters
from skcnn.training.predicting import concatenate_batches, iterate_outputs, prediction_batch_size
from skcnn.training.progress_log import PrintEpochs
from skcnn.training.reconstruction import with_validation_noise
from skcnn.training.state import initialize_loaded, module_and_spec, net_state, to_records
from skcnn.training.transforms import Progress, batch_transforms
from skcnn.training.turns import turns

# Arguments of the constructor that are stored with a fitted net.
_ARGUMENTS = ("options", "target_type", "seed", "predict_batch_size", "multiply_adds")


class ImageNeuralNet(SharedTraining, NeuralNet):
    """skorch's net for batches of images, with weights, batch transforms and mixed precision.

    Losses and scores are accumulated on the device and read once per epoch. Ctrl-C raises
    KeyboardInterrupt; a callback of skorch that raises KeyboardInterrupt stops training without an
    error.

    Parameters
    ----------
    module : torch.nn.Module
        Network, including the standardization of its input.
    options : TrainingOptions
        Training options.
    target_type : {"multiclass", "multilabel", "continuous", "images"}, default="multiclass"
        Type of the targets, by the names of scikit-learn's `type_of_target`, or "images" for a
        network that reconstructs its input.
    spec : NetworkSpec, default=None
        Specification from which the module is rebuilt when unpickled. If None, the pickle contains
        the module.
    seed : int, default=0
        Seed of the order of the images.
    predict_batch_size : int, default=256
        Number of images in a batch of a prediction, on the CPU.
    multiply_adds : float, default=inf
        Multiply-adds of a forward pass of one image, which determine the number of threads.
    **parameters : dict
        Parameters of skorch, which take precedence over the options.
    """

    def __init__(
        self,
        module,
        options,
        *,
        target_type="multiclass",
        spec=None,
        seed=0,
        predict_batch_size=256,
        multiply_adds=math.inf,
        **parameters,
    ):
        defaults = {"dataset": ImageDataset, "train_split": None, **options.skorch_parameters()}
        criterion = Criterion.of(options, target_type)
        super().__init__(module, criterion, **{**defaults, **parameters})
        self.options = options
        self.target_type = target_type
        self.spec = spec
        self.seed = seed
        self.predict_batch_size = predict_batch_size
        self.multiply_adds = multiply_adds
        self.lock = NetLock()
        self._frozen = []  # layers that stay in eval mode
        self._start_training(0, self.max_epochs)

    epoch_name = "epoch"  # in printed lines

    # --------------------------------------------------------------------------------------------
    # Training

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            *([("print_log", PrintEpochs())] if self.verbose else []),
        ]

    def train(self, dataset, valid=None, epochs=None, *, own_callbacks=(), callbacks=None):
        """Train for a number of epochs, or until a callback stops training.

        Parameters
        ----------
        dataset : ImageDataset
            Training data.
        valid : ImageDataset, default=None
            Validation data, whose loss and score are recorded.
        epochs : int, default=None
            Number of epochs. None is `max_epochs`.
        own_callbacks : sequence of Callback, default=()
            Callbacks of this training, which are removed afterwards.
        callbacks : list of Callback, default=None
            Callbacks of the user, whose shallow copies are used.

        Returns
        -------
        self : object
            The net.
        """
        self.callbacks = [*own_callbacks, *shallow_copies(callbacks or [])]
        self.initialize_callbacks()
        self.train_split = predefined_split(valid) if valid is not None else None
        self.criterion_ = Criterion.of(self.options, self.target_type, dataset).to(self.device)
        work = self.multiply_adds * self.batch_size
        try:
            with (
                self.lock.training(),
                set_threads(work),
                freed_memory_kept(),
                frozen(self.module_, self.options.trained_stages) as self._frozen,
            ):
                self.notify("on_train_begin", X=dataset, y=None)
                self.fit_loop(dataset, epochs=epochs)
                self.notify("on_train_end", X=dataset, y=None)
                check_trained(self, dataset)
            mark_best_epoch(self.history, self._n_epochs_before)
        finally:
            # They refer to training data, validation data and a copy of the weights.
            self.callbacks = self.train_split = None
            self._frozen = []
            self.callbacks_ = [pair for pair in self.callbacks_ if pair[1] not in own_callbacks]
        return self

    def reconfigure(self, options):
        """Set the options of the next training of the same module.

        A new optimizer is created if its class or an argument other than the learning rate changes.

        Parameters
        ----------
        options : TrainingOptions
            New options.
        """
        parameters = options.skorch_parameters()
        before = optimizer_parameters(vars(self), self.options)
        with self.lock.step():
            for name in list(vars(self)):  # remove arguments that the new optimizer may not have
                if is_optimizer_parameter(name):
                    del vars(self)[name]
            vars(self).update(parameters, options=options)
            if before != optimizer_parameters(parameters, options):
                self.initialize_optimizer()

    def on_train_begin(self, net, **kwargs):
        """Make an optimizer if there is none, and set its learning rate."""
        if self.optimizer_ is None:
            self.initialize_optimizer()
        for group in self.optimizer_.param_groups:  # a previous schedule may have changed it
            group["initial_lr"] = group["lr"] = self.lr * group["lr_scale"]

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Return the arguments of the optimizer."""
        _, arguments = super().get_params_for_optimizer(prefix, named_parameters)
        return (trained_groups(self.module_, arguments["lr"], self.options),), arguments

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train epoch by epoch."""
        self._start_training(len(self.history), epochs or self.max_epochs)
        self._calls_on_grad_computed = self.any_callback_overrides("on_grad_computed")
        self._set_training(True)  # also sets layers whose mode differs from the module's
        try:
            with self._interrupts.watch_sigint():
                super().fit_loop(X, y, epochs_left(self, X), **fit_params)
        except StopTraining:
            if "dur" not in self.history[-1]:  # the epoch was not completed
                del self.history[-1]
        self._set_training(False)
        return self

    def _set_training(self, training=True):
        super()._set_training(training)
        for layer in self._frozen:
            layer.eval()

    def _start_training(self, n_epochs_before, n_epochs):
        self._n_epochs_before, self._n_epochs = n_epochs_before, n_epochs
        self._transforms = batch_transforms(self.options)
        module = getattr(self, "module_", torch.nn.Identity())  # before it is initialized
        self._autocast = autocast(torch.device(self.device), self.options.precision, module)
        self._defined_gradients = DefinedGradients(module)
        self._interrupts = InterruptMonitor()
        self._calls_on_grad_computed = True

    @property
    def progress(self):
        """Position in the current training."""
        return Progress(len(self.history) - 1 - self._n_epochs_before, self._n_epochs)

    def shorten_training(self, n_epochs):
        """Reduce the number of epochs of the current training, as `progress` reports it.

        Parameters
        ----------
        n_epochs : int
            New number of epochs, after which the caller stops the training.
        """
        self._n_epochs = n_epochs

    def any_callback_overrides(self, *methods):
        """Return whether a callback overrides one of some methods.

        If another process that trains the net has a callback that may stop it in the middle of an
        epoch, this process calls all methods, to stop after the same batch.

        Parameters
        ----------
        *methods : str
            Names of the methods.

        Returns
        -------
        overridden : bool
            False if all callbacks have the empty methods of the base class.
        """
        callbacks = [callback for _, callback in self.callbacks_]
        overridden = any(overrides(item, method) for item in callbacks for method in methods)
        return overridden or self._may_stop_in_an_epoch

    def notify(self, method_name, **cb_kwargs):
        """Call a method of all callbacks."""
        with turns.callback():
            if method_name in ("on_train_begin", "on_train_end"):  # callbacks cannot stop training
                super().notify(method_name, **cb_kwargs)
            else:
                with self._interrupts.convert_keyboard_interrupt():
                    super().notify(method_name, **cb_kwargs)

    def get_iterator(self, dataset, training=False):
        """Return the batches of a dataset."""
        if training:
            order = {"seed": self.seed, "sampling": self.options.sampling}
            order |= {"epoch": len(self.history), "part": self._part_to_read()}
            return BatchLoader(dataset, self.batch_size, **order)
        batch_size = prediction_batch_size(torch.device(self.device), self.predict_batch_size)
        return BatchLoader(dataset, batch_size, part=self._part_to_read())

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run a step on every batch, and record the mean loss and the score."""
        if iterator is not None:
            step = partial(step_fn, **fit_params)
            run_epoch(self, iterator, step, training=training, prefix=prefix)

    def train_step(self, batch, **fit_params):
        """Update the weights with the gradients of a batch."""
        turns.check_exit()
        with turn_of_worker(), computing(), self.lock.step():
            return self._train_step(batch, **fit_params)

    def _train_step(self, batch, **fit_params):
        for group in self.optimizer_.param_groups:  # faster than zero_grad
            for parameter in group["params"]:
                parameter.grad = None
        step = self._share_step(partial(self.train_step_single, **fit_params), batch)
        if self._calls_on_grad_computed:
            named = TeeGenerator(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        self.optimizer_.step()
        return step

    def train_step_single(self, batch, **fit_params):
        """Compute the loss of a batch and its gradients."""
        if not self.module_.training:
            self._set_training(True)
        batch = batch.to(torch.device(self.device))
        for transform in self._transforms:
            batch = transform(batch, self, self.progress)
        with self._autocast, self._defined_gradients:
            outputs = self.infer(batch.images, **fit_params).float()
            loss = self._loss(outputs, batch)
        loss.backward()
        return {"loss": loss, "y_pred": outputs.detach()}

    def validation_step(self, batch, **fit_params):
        """Compute the loss of a batch without gradients."""
        turns.check_exit()
        if self.module_.training:
            self._set_training(False)
        batch = with_validation_noise(batch.to(torch.device(self.device)), self)
        with turn_of_worker(), computing(), torch.no_grad():
            infer = partial(self.infer, **fit_params)
            function = infer if fit_params else prediction_function(self.module_)
            outputs = self._share_outputs(function, batch)
            loss = self._loss(outputs, batch)
        return {"loss": loss, "y_pred": outputs}

    def _loss(self, outputs, batch):
        total = 0.0
        for factor, y, weights in batch.weighted_targets:
            losses = self.criterion_(outputs, y)
            loss = losses.mean() if weights is None else (losses * weights).mean()
            total = loss if factor == 1.0 else total + factor * loss
        return total

    # --------------------------------------------------------------------------------------------
    # Prediction

    def evaluation_step(self, batch, training=False):
        """Compute the outputs of a batch."""
        if self.module_.training != training:
            self._set_training(training)
        with torch.set_grad_enabled(training):
            return self.infer(batch[0])

    def forward_iter(self, X, training=False, device="cpu"):
        """Yield the outputs batch by batch, in the order of the images."""
        dataset = self.get_dataset(X)
        if training:
            batches = map(partial(self.evaluation_step, training=True), self.get_iterator(dataset))
        else:
            augmentation = self.options.test_time_augmentation
            batches = iterate_outputs(self, dataset, test_time_augmentation=augmentation)
        for outputs in batches:
            yield outputs.to(device)

    def forward(self, X, training=False, device="cpu"):
        """Compute the outputs of all images."""
        dataset = self.get_dataset(X)
        batches = self.forward_iter(dataset, training=training, device=device)
        return concatenate_batches(batches, len(dataset)).to(device)

    def _get_predict_nonlinearity(self):
        functions = {"multiclass": partial(torch.softmax, dim=1), "multilabel": torch.sigmoid}
        if self.predict_nonlinearity == "auto" and self.target_type in functions:
            return functions[self.target_type]
        return super()._get_predict_nonlinearity()

    def predict(self, X):
        """Predict class indices, label indicators, numbers or images, as skorch's scoring does."""
        outputs = self.forward(X).numpy()
        if self.target_type == "multiclass":
            return outputs.argmax(axis=1)
        return (outputs > 0).astype(int) if self.target_type == "multilabel" else outputs

    # --------------------------------------------------------------------------------------------
    # Device and pickles

    def to_device(self, device):
        """Move the module, and the optimizer if there is one.

        Parameters
        ----------
        device : torch.device
            Device.
        """
        if torch.device(self.device) == device:
            return
        with self.lock.step():
            self.device = str(device)
            self.module_.to(device)
            if getattr(self, "optimizer_", None) is not None:
                self.optimizer_.load_state_dict(self.optimizer_.state_dict())

    def __getstate__(self):
        """Return plain data and arrays, with the optimizer only if training is to continue."""
        return with_checksum(net_state(self, {name: getattr(self, name) for name in _ARGUMENTS}))

    @fixed_settings()
    @loading("network")
    def __setstate__(self, state):
        state = verified(state, "network")
        module, spec = module_and_spec(state)
        self.__init__(module, spec=spec, **state["arguments"], **state["changed"])
        initialize_loaded(self, state["optimizer"])
        self.history.extend(to_records(state["history"]))
        self._set_training(False)
