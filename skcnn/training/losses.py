"""Loss functions by the type of the target, which return the loss of each image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

FOCAL_GAMMA = 2.0  # best in table 1b of Lin et al. 2017


def cross_entropy(outputs, y, *, label_smoothing=0.0):
    """Compute the cross-entropy of each image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_classes)
        Logits.
    y : int tensor of shape (n_images,)
        Class indices.
    label_smoothing : float, default=0.0
        Probability distributed evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567,
        section 7).

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    return functional.cross_entropy(outputs, y, reduction="none", label_smoothing=label_smoothing)


def focal(outputs, y, *, label_smoothing=0.0):
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

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    probability = outputs.softmax(dim=1).gather(1, y[:, None])[:, 0]
    return (1 - probability) ** FOCAL_GAMMA * cross_entropy(
        outputs, y, label_smoothing=label_smoothing
    )


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


def binary_focal(outputs, y, *, label_smoothing=0.0):
    """Compute the binary focal loss, averaged over the labels of each image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_labels)
        Logits.
    y : float tensor of shape (n_images, n_labels)
        1 where the image has the label, else 0.
    label_smoothing : float, default=0.0
        As for `binary_cross_entropy`.

    Returns
    -------
    loss : tensor of shape (n_images,)
        Loss of each image, in nats.
    """
    smooth = y * (1 - label_smoothing) + label_smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    error = (y - outputs.sigmoid()).abs()
    return (error**FOCAL_GAMMA * loss).mean(dim=1)


def _per_image(loss, outputs, y):
    return loss(outputs, y, reduction="none").mean(dim=1)


squared_error = partial(_per_image, functional.mse_loss)
absolute_error = partial(_per_image, functional.l1_loss)
huber = partial(_per_image, functional.huber_loss)

LOSSES: dict[str, dict[str, Callable]] = {
    "multiclass": {"cross_entropy": cross_entropy, "focal": focal},
    "multilabel": {"cross_entropy": binary_cross_entropy, "focal": binary_focal},
    "continuous": {
        "absolute_error": absolute_error,
        "huber": huber,
        "squared_error": squared_error,
    },
}


class Criterion(torch.nn.Module):
    """Loss of each image, as a module.

    Parameters
    ----------
    loss : callable
        One of the functions of this file.
    """

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    @classmethod
    def of(cls, options, target_type):
        """Return the criterion selected by the training options.

        Parameters
        ----------
        options : TrainingOptions
            Training options.
        target_type : {"multiclass", "multilabel", "continuous"}
            Type of the targets.

        Returns
        -------
        criterion : Criterion
            Criterion.
        """
        loss = LOSSES[target_type][options.loss]
        if target_type != "continuous":
            loss = partial(loss, label_smoothing=options.label_smoothing)
        return cls(loss)

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
        return self.loss(outputs, y)
