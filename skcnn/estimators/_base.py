"""What the two estimators share: check, encode, build, train."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import nn

from skcnn.estimators._parameters import (
    CONSTRAINTS,
    check_parts,
    check_smaller_images,
    network_parameters,
    network_spec,
)
from skcnn.images import check_images
from skcnn.learned import all_or_nothing
from skcnn.training.callbacks import Lookahead, Progress, QuietEarlyStopping, Schedule
from skcnn.training.device import available_device, resolve_device, seeded
from skcnn.training.loader import ImageDataset
from skcnn.training.losses import LOSSES, Criterion
from skcnn.training.memory import freed_memory_kept
from skcnn.training.net import ImageNet
from skcnn.training.optimizers import OPTIMIZERS
from skcnn.training.restoring import restored_on_failure
from skcnn.training.schedules import SCHEDULES, constant
from skcnn.training.statistics import channel_statistics


class BaseCNN(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators: their parameters' ranges, `fit` and `partial_fit`.

    A subclass encodes targets (``_encode``, which sets ``target_type_``), says how many outputs
    they take (``_n_outputs``), weighs classes, and decodes outputs.
    """

    _parameter_constraints: dict = CONSTRAINTS

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> BaseCNN:
        """Train the network.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            An array, flat rows, or `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images' losses; None weighs all alike.
        X_val : images of shape (n_val_images, ...), default=None
            Validation images, of the height, width and channels of `X`. Their loss and score
            stand in `history_`; they end the training only where `early_stopping` is set. A
            Pipeline does not transform them unless ``transform_input=["X_val"]`` says so.
        y_val : array-like of shape (n_val_images,) or (n_val_images, n_outputs), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_val_images,), default=None
            Their weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input cannot be trained on, or the loss diverges. What an earlier fit learned
            is kept then.
        """
        with all_or_nothing(self):
            net = self.net_ if self.warm_start and hasattr(self, "net_") else None
            seed = self._draw_seed()
            images, targets, weights = self._check(X, y, sample_weight, net=net, rescale=True)
            rows = _counting(weights, images)
            valid = None
            if not (X_val is None and y_val is None and sample_weight_val is None):
                valid = self._check_valid(X_val, y_val, sample_weight_val)
            elif self.early_stopping:
                rows, valid_rows = self._split(rows, targets, seed)
                valid = ImageDataset(images, targets, weights, valid_rows).clean()
            self._train(
                ImageDataset(images, targets, weights, rows),
                valid,
                net=net,
                seed=seed,
                epochs=self.max_epochs,
                schedule=SCHEDULES.get(self.schedule, constant),
                data=_fit_data(X, y, sample_weight),
            )
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Make one pass over the images."""
        if self.early_stopping:
            raise ValueError(
                "partial_fit makes one pass and sets nothing aside: it does not support "
                "early_stopping=True"
            )
        with all_or_nothing(self):
            net = getattr(self, "net_", None)
            images, targets, weights = self._check(
                X, y, sample_weight, net=net, rescale=net is None, classes=classes
            )
            self._train(
                ImageDataset(images, targets, weights, _counting(weights, images)),
                None,
                net=net,
                seed=self._draw_seed(),
                epochs=1,
                schedule=constant,
                data=_fit_data(X, y, sample_weight),
            )
        return self

    def _check(self, X, y, sample_weight, *, net, rescale, classes=None):
        """Turn what the user gave into images, encoded targets and the weights of their losses."""
        check_parts(self, net)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        images = check_images(self, X, reset=net is None, min_samples=2)
        weights = _check_weights(sample_weight, images)
        check_consistent_length(images, y)
        targets = self._encode(y, reset=net is None, sample_weight=weights, classes=classes)
        self._learn_class_weights(targets, weights)
        weights = self._weigh_classes(targets, weights)
        if rescale:  # later chunks of partial_fit keep the scale of the first
            rows = _counting(weights, images)
            self.weight_scale_ = 1.0 if weights is None else weights[rows].mean()
        if weights is None and self.weight_scale_ != 1:
            weights = np.ones(len(images))
        return images, targets, None if weights is None else weights / self.weight_scale_

    def _check_valid(self, X_val, y_val, sample_weight_val):
        if X_val is None or y_val is None:
            raise ValueError("X_val, y_val and sample_weight_val belong together: one is missing")
        try:
            images = check_images(self, X_val, reset=False)
        except ValueError as error:
            raise ValueError(
                f"X_val cannot be used. {error} (a Pipeline does not transform X_val unless "
                'transform_input=["X_val"] says so)'
            ) from None
        weights = _check_weights(sample_weight_val, images)
        check_consistent_length(images, y_val)
        targets = self._encode(y_val, reset=False)
        weights = self._weigh_classes(targets, weights)
        if weights is not None:
            weights = weights / weights.mean()
        return ImageDataset(images, targets, weights).clean()

    def _learn_class_weights(self, targets, sample_weight):
        """Learn what an image of each class counts for; nothing, but for classes."""

    def _weigh_classes(self, targets, weights):
        """Multiply the weights of images by those of their classes; None: all count alike."""
        return weights

    def _split(self, rows, targets, seed):
        """Set validation images aside."""
        n_valid = max(1, round(self.validation_fraction * len(rows)))
        if n_valid > len(rows) - 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(rows)} images leaves "
                "fewer than 2 to learn from"
            )
        return train_test_split(rows, test_size=n_valid, random_state=seed)

    def _train(self, dataset, valid, *, net, seed, epochs, schedule, data):
        """Build a net, or take the one that is there, and let skorch train it."""
        device = resolve_device(self.device)
        context = self._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=self, **data)
        with ExitStack() as stack:
            # Whatever the caller is in: without gradients, or in another precision.
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autocast(device.type, enabled=False))
            stack.enter_context(seeded(seed if net is None else seed + self.n_epochs_, device))
            if net is None:
                net = self._build(dataset, seed)
            else:
                stack.enter_context(restored_on_failure(net))
                net.reconfigure(**self._running())
                net.criterion_ = Criterion(self._loss_function(net.target_type))
            net.to_device(device)
            check_smaller_images(self, net.module_)
            n_batches = epochs * len(net.get_iterator(dataset, training=True))
            own = [Schedule(schedule, self.learning_rate, n_batches)]
            if self.lookahead:
                own.append(Lookahead(n_batches))
            if hasattr(self, "_skl_callbacks"):
                own.append(Progress(self, context, lambda net: {"net_": net}, data))
            if self.early_stopping:
                own.append(QuietEarlyStopping(self.patience))
            net.train(dataset, valid, epochs, callbacks=(own, self.callbacks))
        self.net_ = net
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: {"net_": net}, **data
        )

    def _draw_seed(self):
        return check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

    def _build(self, dataset, seed):
        """Put the network, its loss and its optimizer into a skorch net."""
        mean, scale = channel_statistics(dataset.images, dataset.weights, dataset.rows)
        module = network_spec(self, self._n_outputs()).build()
        module.standardize.set_statistics(mean, scale)
        net = ImageNet(
            module,
            Criterion(self._loss_function(self.target_type_)),
            target_type=self.target_type_,
            predict_batch_size=_predict_batch_size(self.image_shape_),
            seed=seed,
            built_with=network_parameters(self),
            **self._running(),
        )
        return net.initialize()

    def _running(self):
        """Give the net's parameters that may change from one call to the next."""
        optimizer, options = OPTIMIZERS[self.optimizer]
        if self.weight_decay != "auto":
            options = {**options, "weight_decay": self.weight_decay}
        return {
            "optimizer": optimizer,
            **{f"optimizer__{name}": value for name, value in options.items()},
            "lr": self.learning_rate,
            "batch_size": self.batch_size,
            "max_epochs": self.max_epochs,
            "mixup": self.mixup,
            "precision": self.precision,
            "progressive_resizing": self.progressive_resizing,
            "test_time_augmentation": self.test_time_augmentation,
            "warm_start": self.warm_start,
            "verbose": int(self.verbose),
        }

    def _loss_function(self, target_type):
        return LOSSES[target_type][self.loss]

    def _outputs(self, X):
        """Run the network on images: a float64 array of shape (n_images, n_outputs)."""
        check_is_fitted(self)
        images = check_images(self, X, reset=False)
        self.net_.to_device(available_device(self.device))
        self.net_.test_time_augmentation = self.test_time_augmentation
        several = len(images) > self.net_.predict_batch_size
        with ExitStack() as stack:
            stack.enter_context(torch.autocast(self.net_.device.split(":")[0], enabled=False))
            if several:  # batches, so that one needs the memory of the one before
                stack.enter_context(freed_memory_kept())
            return self.net_.forward(ImageDataset(images).clean()).double().numpy()

    @property
    def module_(self) -> nn.Module:
        """The trained torch module, input standardisation included."""
        check_is_fitted(self)
        return self.net_.module_

    @property
    def history_(self) -> list[dict]:
        """A record of every epoch."""
        check_is_fitted(self)
        return [_record(epoch) for epoch in self.net_.history]

    @property
    def n_epochs_(self) -> int:
        """The number of epochs in which the network was trained."""
        check_is_fitted(self)
        return len(self.net_.history)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _check_weights(sample_weight, images):
    """Check the weights of images; None stays None."""
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight,
        np.empty(len(images)),  # the length of the images is all that is looked at
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )


def _counting(weights, images):
    """Give the rows of the images that count."""
    rows = np.arange(len(images)) if weights is None else np.flatnonzero(weights)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} of {len(images)} images have a weight above 0 (class_weight included), "
            "and at least 2 are needed"
        )
    return rows


def _fit_data(X, y, sample_weight):
    """Gather what scikit-learn's callbacks are told about a fit."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


def _record(epoch):
    """One epoch of skorch's history, under the names of `history_`."""
    names = ("epoch", "train_loss", "train_score", "valid_loss", "valid_score")
    return {**{name: epoch[name] for name in names if name in epoch}, "seconds": epoch["dur"]}


def _predict_batch_size(image_shape):
    """As many images as have activations that the processor's caches hold, as measured."""
    height, width, _ = image_shape
    return int(np.clip(2**16 // (height * width), 16, 512))
