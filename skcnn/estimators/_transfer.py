"""Training of a pretrained network: its head alone, or first its head and then its stages."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skcnn.estimators._backbone import BackboneParameters, build_module
from skcnn.estimators._training import Phase
from skcnn.lazy import LazyImages
from skcnn.training.automatic import resolve_options
from skcnn.training.distributed.ranks import in_any_rank
from skcnn.training.fine_tuning import feature_dataset, head_net
from skcnn.training.heads import centered, dense_head, feature_statistics, initialize_head
from skcnn.training.options import TrainingOptions

_AUTOMATIC = ("optimizer", "learning_rate", "schedule", "weight_decay", "batch_size", "max_epochs")


@dataclass(kw_only=True, eq=False, repr=False)
class TransferParameters(BackboneParameters):
    """Parameters of the training of a pretrained backbone.

    Parameters
    ----------
    fine_tune : bool or int, default=False
        Layers to train: only the head (False), the whole network (True), or the head and the given
        number of last stages of the backbone. A backbone with ``weights=None`` is always trained
        as a whole.
    head_epochs : "auto" or int, default="auto"
        Number of epochs in which only the head is trained, before the stages of the backbone are
        trained too. The untrained head could otherwise distort the pretrained features (Kumar et
        al. 2022, arXiv 2202.10054). "auto" uses the automatic `max_epochs` of
        ``fine_tune=False``. 0 trains the head and the stages together from the beginning. Ignored
        if `fine_tune` is False.
    stage_decay : float, default=0.7
        Learning rate of each stage of the backbone as a fraction of the rate of the next stage
        (discriminative learning rates, Howard and Ruder 2018, arXiv 1801.06146, section 3.2).
        Ignored if `fine_tune` is False.
    """

    fine_tune: bool | int = False
    head_epochs: str | int = "auto"
    stage_decay: float = 0.7

    _parameter_constraints: ClassVar[dict] = {
        **BackboneParameters._parameter_constraints,
        "fine_tune": ["boolean", Interval(Integral, 0, None, closed="left")],
        "head_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "stage_decay": [Interval(Real, 0, 1, closed="right")],
    }


class TransferTraining:
    """Training of a pretrained backbone: a mixin for estimators with `TransferParameters`.

    Attributes
    ----------
    pixel_range_ : tuple of (float, float) or None
        Detected range of the pixel values, (0, 1), (-1, 1) or (0, 255): the first of these ranges
        that contains all pixel values of the training images and is at most twice as wide as they
        are. The network maps it to the values that its weights expect. None if there is no such
        range, or if the network has no pretrained weights: each channel is then standardized with
        its mean and standard deviation over the training images.
    n_head_epochs_ : int
        Number of epochs of the last `fit` in which only the head was trained.
    feature_mean_ : float32 array of shape (n_features,)
        Weighted mean of the features of the training images, which is subtracted from the features
        while only the head is trained. Not defined if the head is never trained alone.
    feature_scale_ : float
        Square root of the mean variance of the features, by which they are divided while only the
        head is trained.
    """

    def _build_module(self, spec, dataset):
        for name in ("feature_mean_", "feature_scale_"):  # of another network
            vars(self).pop(name, None)
        module, self.pixel_scale_, self.pixel_range_ = build_module(
            spec, dataset.images, dataset.weights, dataset.rows, progress=bool(self.verbose)
        )
        head = dense_head(module.network)
        if not self._trains_from_scratch():
            options = TrainingOptions.of(self)
            initialize_head(
                head,
                dataset,
                self.target_type_,
                sampling=options.sampling,
                logit_adjustment=options.logit_adjustment,
            )
        return module

    def _prepare_net(self, net, dataset, options, seed, device):
        net = super()._prepare_net(net, dataset, options, seed, device)
        n_stages = len(net.module_.network.stages())
        if n_stages < self._trained_stages() < math.inf:
            raise ValueError(
                f"fine_tune={self.fine_tune} is more than the {n_stages - 1} stages of the "
                f"backbone {self.backbone!r}: use True to train all of them"
            )
        return net

    def _trains_from_scratch(self):
        return self.weights is None and isinstance(self.backbone, str)

    def _trained_stages(self):
        """Return the number of last stages that are trained, the head included."""
        if isinstance(self.fine_tune, (bool, np.bool_)):
            return math.inf if self.fine_tune else 1
        return int(self.fine_tune) + 1

    def _phases(self, n_images, *, one_pass, is_new):
        """Return the phases of training: one, or that of the head and that of all stages."""
        self.n_head_epochs_ = 0
        if self._trains_from_scratch():
            options = replace(TrainingOptions.of(self, n_images), stage_decay=1.0)
            return [Phase(options, 1, None) if one_pass else Phase.of(options)]
        trained_stages = self._trained_stages()
        if trained_stages == 1:
            options = TrainingOptions.of(self, n_images, "head")
            options = replace(options, trained_stages=1, stage_decay=1.0)
            return [Phase(options, 1, None) if one_pass else Phase.of(options)]
        options = replace(
            TrainingOptions.of(self, n_images, "fine_tuning"),
            trained_stages=trained_stages,
            stage_decay=float(self.stage_decay),
        )
        if one_pass:
            return [Phase(options, 1, None)]
        if not is_new or self.head_epochs == 0:
            return [Phase.of(options)]
        head = self._head_options(options, n_images)
        return [Phase.of(head, is_last=False), Phase.of(options)]

    def _head_options(self, options, n_images):
        """Return the automatic options of the first phase, in which only the head is trained."""
        automatic = {
            **dict.fromkeys(_AUTOMATIC, "auto"),
            "max_epochs": self.head_epochs,
            "mixup": 0.0,
            "cutmix": 0.0,
            "progressive_resizing": 1.0,
            "lookahead": False,
            "early_stopping": False,
            "adversary": None,
            "trained_stages": 1,
            "stage_decay": 1.0,
        }
        return replace(options, **resolve_options(automatic, recipe="head", n_images=n_images))

    def _train_phase(self, net, phase, dataset, valid, context, data, trainer=None):
        """Train one phase, a head on features that are computed once if they do not change."""
        if phase.options.trained_stages != 1:
            super()._train_phase(net, phase, dataset, valid, context, data)
            return
        features = feature_dataset(net, dataset)
        if not hasattr(self, "feature_mean_"):
            self.feature_mean_, self.feature_scale_ = feature_statistics(features)
        # The net of a head takes features, but callbacks of the user expect one for images.
        has_callbacks = in_any_rank(bool(self.callbacks))
        is_constant = _has_constant_features(dataset, phase.options) and not has_callbacks
        if not phase.is_last or is_constant:
            dataset = features
            valid = None if valid is None else feature_dataset(net, valid)
            trainer = head_net(net, phase.options)
            if not phase.is_last:
                trainer.epoch_name = "head, epoch"
        head = net.module_.network.stages()[-1]
        n_before = len(net.history)
        with centered(head, self.feature_mean_, self.feature_scale_, net.lock):
            super()._train_phase(net, phase, dataset, valid, context, data, trainer)
        self.n_head_epochs_ = len(net.history) - n_before
        if trainer is not None:
            net.optimizer_ = trainer.optimizer_


def _has_constant_features(dataset, options):
    """Return whether the features of an image are the same in every epoch."""
    is_random = isinstance(dataset.images, LazyImages) and dataset.images.is_random
    is_mixed = options.mixup > 0 or options.cutmix > 0
    changes = is_mixed or options.progressive_resizing < 1 or options.adversary is not None
    return not is_random and not changes
