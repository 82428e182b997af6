"""Parameters of training, shared by every estimator that trains a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from skcnn._validation import IMAGE_SHAPE
from skcnn.training.augmented_inference import TEST_TIME_AUGMENTATIONS
from skcnn.training.automatic import resolve_options
from skcnn.training.losses import FOCAL_GAMMA
from skcnn.training.optimizers import OPTIMIZERS
from skcnn.training.schedules import SCHEDULES

# Adam divides a gradient by its root mean square plus eps. With the usual eps of 1e-8, all weights
# change at the full learning rate even if the head already classifies the training images correctly
# and the gradients are mostly noise. Measured in docs/benchmarks/transfer.rst.
FINE_TUNING_EPS = 1e-3
_MANY = 1_000_000


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingParameters:
    """Parameters of every estimator that trains a network.

    An estimator inherits them as dataclass fields, with their constraints, defaults and
    documentation. It may override the default of a field. It has to document `loss`, whose values
    depend on the estimator.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.
    optimizer : {"auto", "adam", "adamw", "muon", "rmsprop", "sgd"}, default="auto"
        Optimization algorithm. "sgd" uses Nesterov momentum of 0.9. "muon" (Jordan et al. 2024,
        https://kellerjordan.github.io/posts/muon/) is for networks with batch normalization, such
        as "fast". The Notes list what "auto" gives.
    learning_rate : "auto" or float, default="auto"
        Maximum learning rate. For the weights of dense layers with more than 2,048 inputs it is
        reduced in proportion to the number of inputs (Yang et al. 2021, arXiv 2203.03466, table
        3). "auto" depends on the optimizer, see the Notes.
    schedule : {"auto", "cosine", "linear", "one_cycle"} or None, default="auto"
        Learning rate schedule of a `fit`. "cosine" and "linear" decrease it to 0, "one_cycle"
        first increases it (Smith and Topin 2018, arXiv 1708.07120). None keeps it constant. See
        the Notes for "auto".
    weight_decay : "auto" or float, default="auto"
        Decoupled weight decay for "adamw", where each step multiplies the weights by
        ``1 - learning_rate * weight_decay``; coefficient of an L2 penalty for the other
        optimizers. "auto" is 0.5 for "adamw" and 0 for the others, unless the Notes list another
        value.
    batch_size : "auto" or int, default="auto"
        Number of images in a training batch. See the Notes for "auto".
    max_epochs : "auto" or int, default="auto"
        Maximum number of epochs, which are passes over the training images. See the Notes for
        "auto".
    mixup : float, default=0.0
        Parameter alpha of mixup (Zhang et al. 2018, arXiv 1710.09412): the network trains on
        weighted means of two images, with weights drawn from Beta(alpha, alpha). 0 disables it.
    cutmix : float, default=0.0
        Parameter alpha of CutMix (Yun et al. 2019, arXiv 1905.04899): a rectangle of each image
        shows another image, and the targets of the two are weighted by their areas, which are drawn
        from Beta(alpha, alpha). 0 disables it. If `mixup` is set too, each batch uses one of the
        two at random.
    progressive_resizing : float, default=1.0
        Size of the training images in the first epoch of a `fit`, as a fraction of their full
        height and width. It grows linearly, and the last quarter of the epochs uses full size.
        Values below 1 save time and need a network that accepts images of any size, such as
        "fast".
    lookahead : bool, default=False
        Whether to replace the weights with their exponential moving average after every fifth step
        (Zhang et al. 2019, arXiv 1907.08610). The momentum of the average increases during
        training (Jordan 2024, arXiv 2404.00498, section 3.4).
    test_time_augmentation : {"flip", "flip_shift"} or None, default=None
        Variants of each image over which its predictions are averaged: the image and its mirror
        image ("flip"), or these two and their copies shifted diagonally by one pixel in either
        direction, which have half the weight ("flip_shift"; Jordan 2024, arXiv 2404.00498, section
        3.5). Prediction takes 2 times ("flip") or 6 times ("flip_shift") as long.
    early_stopping : bool, default=False
        Whether to end the training early, and to restore the weights of the best epoch. When the
        validation loss has not improved for `patience` epochs, the training skips to the last
        quarter of the schedule, which takes a third as many epochs as before, with a decreasing
        learning rate. The best epoch is the one with the highest validation score in the last
        eighth. Without a schedule, the training ends at once, and the best epoch is the one with
        the lowest validation loss.
    validation_fraction : float, default=0.1
        Fraction of the training images to use as validation data for early stopping, if `X_val` is
        not passed to `fit`. Classifiers stratify the split by class.
    patience : int, default=5
        Number of epochs without a lower validation loss after which early stopping shortens the
        training.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call. The state of the optimizer
        is pickled only if this is True.
    callbacks : list of skorch.callbacks.Callback, default=None
        Callbacks of skorch, or pairs (name, callback). Shallow copies of them are used, so that
        objects that they refer to are shared. Callbacks of scikit-learn are passed to
        `set_callbacks` instead.
    device : str or torch.device, default="auto"
        Device of the network. "auto" uses a GPU if there is one.
    precision : {"auto", "bfloat16", "float32"}, default="auto"
        Precision of the training steps. "auto" uses bfloat16 where the device supports it
        natively; on the CPU not for networks with depthwise convolutions, which are slower in it.
        Predictions are always computed in float32.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the images, dropout, mixup, CutMix and the
        validation split. Pass an int for reproducible results across calls.
    verbose : int, default=0
        Whether to print one line per epoch: losses, scores, duration and, from the second epoch on,
        the time left.
    """

    image_shape: Sequence[int] | None = None
    loss: str = ""
    optimizer: str = "auto"
    learning_rate: str | float = "auto"
    schedule: str | None = "auto"
    weight_decay: str | float = "auto"
    batch_size: str | int = "auto"
    max_epochs: str | int = "auto"
    mixup: float = 0.0
    cutmix: float = 0.0
    progressive_resizing: float = 1.0
    lookahead: bool = False
    test_time_augmentation: str | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 5
    warm_start: bool = False
    callbacks: list | None = None
    device: str | torch.device = "auto"
    precision: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "image_shape": [IMAGE_SHAPE, None],
        "optimizer": [StrOptions({"auto", *OPTIMIZERS})],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"auto", *SCHEDULES}), None],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "cutmix": [Interval(Real, 0, None, closed="left")],
        "progressive_resizing": [Interval(Real, 0, 1, closed="right")],
        "lookahead": ["boolean"],
        "test_time_augmentation": [StrOptions(set(TEST_TIME_AUGMENTATIONS)), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "bfloat16", "float32"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of training, read from the parameters of an estimator.

    They are plain data, which can be stored with a fitted network. Fields have the names and the
    meaning of the parameters in `TrainingParameters`, with the chosen values in place of "auto".
    `trained_stages` is the number of last stages of the network that are trained, including the
    head. It is infinity for all stages, and None for a network without pretrained weights.
    `stage_decay` is the learning rate of a stage divided by that of the next stage.
    `adversary_range` is the smallest and the largest pixel value of adversarial images. `noise` is
    the standard deviation of the noise that is added to the images, in the units of the pixel
    values.
    """

    loss: str
    optimizer: str
    learning_rate: float
    schedule: str | None
    weight_decay: str | float
    batch_size: int
    max_epochs: int
    mixup: float
    progressive_resizing: float
    lookahead: bool
    test_time_augmentation: str | None
    early_stopping: bool
    patience: int
    warm_start: bool
    precision: str
    verbose: int
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    focal_gamma: float = FOCAL_GAMMA
    sampling: str | None = None
    logit_adjustment: float = 0.0
    noise: float = 0.0
    adversary: Any = None
    adversary_range: tuple[float, float] | None = None
    trained_stages: float | None = None
    stage_decay: float = 1.0

    @classmethod
    def of(
        cls, estimator: Any, n_images: int = _MANY, recipe: str | None = None
    ) -> TrainingOptions:
        """Read the options from the parameters of an estimator, and choose automatic values.

        Parameters
        ----------
        estimator : object
            Any object with the parameters as attributes, such as a `TrainingParameters`.
        n_images : int, default=1_000_000
            Number of training images, for automatic values.
        recipe : str, default=None
            Recipe of the automatic values: see `resolve_options`. None chooses the recipe by the
            parameter `network` of the estimator.

        Returns
        -------
        options : TrainingOptions
            The options. Those that the estimator does not have as parameters have their defaults.
        """
        names = [field.name for field in fields(cls) if hasattr(estimator, field.name)]
        options = {name: getattr(estimator, name) for name in names}
        if recipe is None:
            recipe = "fast" if getattr(estimator, "network", None) == "fast" else "plain"
        return cls(**resolve_options(options, recipe=recipe, n_images=n_images))

    def skorch_parameters(self) -> dict[str, Any]:
        """Return the parameters of skorch's net that the options determine.

        Returns
        -------
        parameters : dict
            The optimizer and its arguments, "lr", "batch_size", "max_epochs", "warm_start" and
            "verbose".
        """
        optimizer, arguments = OPTIMIZERS[self.optimizer]
        if self.trained_stages not in (None, 1) and "adam" in self.optimizer:
            arguments = {**arguments, "eps": FINE_TUNING_EPS}
        if not isinstance(self.weight_decay, str):
            is_huge = self.weight_decay > torch.finfo(torch.float32).max  # RMSprop refuses it
            weight_decay = math.inf if is_huge else self.weight_decay
            arguments = {**arguments, "weight_decay": weight_decay}
        return {
            "optimizer": optimizer,
            **{f"optimizer__{name}": value for name, value in arguments.items()},
            "lr": self.learning_rate,
            "batch_size": self.batch_size,
            "max_epochs": self.max_epochs,
            "warm_start": self.warm_start,
            "verbose": int(self.verbose),
        }
