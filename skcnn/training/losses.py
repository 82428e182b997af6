"""Loss functions by the type of the target, which return the loss of each image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from skcnn.training.class_balance import log_frequencies

FOCAL_GAMMA = 2.0  # best in table 1b of Lin et al. 2017


def cross_entropy(outputs, y, *, label_smoothing=0.0, smoothed=None):
    """Compute the cross-entropy of each image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_classes)
        Logits.
    y : int tensor of shape (n_images,)
        Class indices.
    label_smoothing : float, default=0.0
        Probability distributed over all classes (Szegedy et al. 2016, arXiv 1512.00567, section
        7).
    smoothed : tensor of shape (n_classes,), default=None
        Distribution of that probability. None is an even distribution.

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    if smoothed is None:
        return functional.cross_entropy(
            outputs, y, reduction="none", label_smoothing=label_smoothing
        )
    entropy = functional.cross_entropy(outputs, y, reduction="none")
    others = -(outputs.log_softmax(dim=1) * smoothed).sum(dim=1)
    return (1 - label_smoothing) * entropy + label_smoothing * others


def focal(outputs, y, *, label_smoothing=0.0, smoothed=None, gamma=FOCAL_GAMMA):
    """Compute the focal loss of each image, which is small where the confidence is high.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), section 3.2.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_classes)
        Logits.
    y : int tensor of shape (n_images,)
        Class indices.
    label_smoothing : float, default=0.0
        As for `cross_entropy`.
    smoothed : tensor of shape (n_classes,), default=None
        As for `cross_entropy`.
    gamma : float, default=2.0
        Exponent. 0 gives the cross-entropy.

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    probability = outputs.softmax(dim=1).gather(1, y[:, None])[:, 0]
    entropy = cross_entropy(outputs, y, label_smoothing=label_smoothing, smoothed=smoothed)
    return _power(1 - probability, gamma) * entropy


def binary_cross_entropy(outputs, y, *, label_smoothing=0.0):
    """Compute the binary cross-entropy, averaged over the labels of each image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_labels)
        Logits.
    y : float tensor of shape (n_images, n_labels)
        1 where the image has the label, else 0.
    label_smoothing : float, default=0.0
        Fraction by which targets are moved toward 1/2.

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    smooth = y * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none").mean(
        dim=1
    )


def binary_focal(outputs, y, *, label_smoothing=0.0, gamma=FOCAL_GAMMA):
    """Compute the binary focal loss, averaged over the labels of each image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_labels)
        Logits.
    y : float tensor of shape (n_images, n_labels)
        1 where the image has the label, else 0.
    label_smoothing : float, default=0.0
        As for `binary_cross_entropy`.
    gamma : float, default=2.0
        Exponent. 0 gives the binary cross-entropy.

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    smooth = y * (1 - label_smoothing) + label_smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    error = (y - outputs.sigmoid()).abs()
    return (_power(error, gamma) * loss).mean(dim=1)


def _power(error, gamma):
    """Raise errors to a power, with finite gradients also for an error of 0 and a small power."""
    return error.clamp_min(torch.finfo(error.dtype).tiny) ** gamma


def _per_image(loss, outputs, y):
    return loss(outputs, y, reduction="none").mean(dim=1)


squared_error = partial(_per_image, functional.mse_loss)
absolute_error = partial(_per_image, functional.l1_loss)
huber = partial(_per_image, functional.huber_loss)

_ERRORS: dict[str, Callable] = {
    "absolute_error": absolute_error,
    "huber": huber,
    "squared_error": squared_error,
}
LOSSES: dict[str, dict[str, Callable]] = {
    "multiclass": {"cross_entropy": cross_entropy, "focal": focal},
    "multilabel": {"cross_entropy": binary_cross_entropy, "focal": binary_focal},
    "continuous": _ERRORS,
    "images": _ERRORS,
}


class Criterion(torch.nn.Module):
    """Loss of each image, as a module.

    Parameters
    ----------
    loss : callable
        One of the functions of this file.
    log_frequencies : tensor of shape (n_classes,), default=None
        Log frequencies of the classes: minus infinity for classes without images, which are not
        adjusted. None adjusts nothing.
    tau : float, default=1.0
        Factor of the log frequencies, which are added to the outputs. Label smoothing distributes
        its probability in the same proportions: an even distribution would exceed the frequency of
        rare classes, which would then be predicted for all images.
    """

    def __init__(self, loss, log_frequencies=None, tau=1.0):
        super().__init__()
        self.loss = loss
        self.adjusts = log_frequencies is not None
        if self.adjusts:
            has_images = log_frequencies.isfinite()
            adjustment = torch.where(has_images, tau * log_frequencies, -torch.inf)
            self.register_buffer("smoothed", adjustment.softmax(dim=0))
            self.register_buffer("adjustment", adjustment.nan_to_num(neginf=0.0))

    @classmethod
    def of(cls, options, target_type, dataset=None):
        """Return the criterion selected by the training options.

        Parameters
        ----------
        options : TrainingOptions
            Training options.
        target_type : {"multiclass", "multilabel", "continuous", "images"}
            Type of the targets.
        dataset : ImageDataset, default=None
            Training data, whose classes have the frequencies of the logit adjustment. None adjusts
            nothing.

        Returns
        -------
        criterion : Criterion
            Criterion.
        """
        loss = LOSSES[target_type][options.loss]
        if target_type in ("multiclass", "multilabel"):
            loss = partial(loss, label_smoothing=options.label_smoothing)
        if options.loss == "focal":
            loss = partial(loss, gamma=options.focal_gamma)
        if dataset is None or not options.logit_adjustment:
            return cls(loss)
        return cls(loss, log_frequencies(dataset), options.logit_adjustment)

    def forward(self, outputs, y):
        """Compute the loss of each image.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            Outputs of the network.
        y : tensor of shape (n_images,) or (n_images, n_outputs)
            Encoded targets.

        Returns
        -------
        loss : tensor of shape (n_images,)
            Losses, not averaged, so that images can be weighted.
        """
        if not self.adjusts:
            return self.loss(outputs, y)
        others = (0, outputs.shape[1] - len(self.adjustment))  # classes without images
        outputs = outputs + functional.pad(self.adjustment, others)
        return self.loss(outputs, y, smoothed=functional.pad(self.smoothed, others))
