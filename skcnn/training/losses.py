"""Losses of each image, by the type of the target."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

FOCUS = 2.0  # the exponent gamma that Lin et al. found best


def cross_entropy(outputs, y, *, label_smoothing=0.0):
    """Cross-entropy of each image's class.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_classes)
        Logits.
    y : int tensor of shape (n_images,)
        Class indices.
    label_smoothing : float, default=0.0
        The probability that is spread evenly over all classes (Szegedy et al. 2016, section 7).

    Returns
    -------
    loss : tensor of shape (n_images,)
        In nats.
    """
    return functional.cross_entropy(outputs, y, reduction="none", label_smoothing=label_smoothing)


def focal(outputs, y, *, label_smoothing=0.0):
    """Cross-entropy that counts an image the less the surer the network is of its class.

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
        In nats.
    """
    probability = outputs.softmax(dim=1).gather(1, y[:, None])[:, 0]
    return (1 - probability) ** FOCUS * cross_entropy(outputs, y, label_smoothing=label_smoothing)


def binary_cross_entropy(outputs, y, *, label_smoothing=0.0):
    """Cross-entropy of each label, averaged over the labels of an image.

    Parameters
    ----------
    outputs : tensor of shape (n_images, n_labels)
        Logits.
    y : float tensor of shape (n_images, n_labels)
        1 where the image has the label, else 0.
    label_smoothing : float, default=0.0
        Targets are moved towards 1/2 by this fraction.

    Returns
    -------
    loss : tensor of shape (n_images,)
        In nats.
    """
    smooth = y * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none").mean(
        dim=1
    )


def binary_focal(outputs, y, *, label_smoothing=0.0):
    """Cross-entropy of each label that counts it the less the surer the network is.

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
        In nats.
    """
    smooth = y * (1 - label_smoothing) + label_smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    surprise = (y - outputs.sigmoid()).abs()
    return (surprise**FOCUS * loss).mean(dim=1)


def _of_each_image(loss, outputs, y):
    return loss(outputs, y, reduction="none").mean(dim=1)


squared_error = partial(_of_each_image, functional.mse_loss)
absolute_error = partial(_of_each_image, functional.l1_loss)
huber = partial(_of_each_image, functional.huber_loss)

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
    """A loss of each image, as skorch wants it: a module.

    Parameters
    ----------
    loss : callable
        One of the functions above.
    """

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, outputs, y):
        """Compute the loss of each image.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            What the network gave.
        y : tensor of shape (n_images,) or (n_images, n_outputs)
            What it should give.

        Returns
        -------
        loss : tensor of shape (n_images,)
            Not averaged, so that images can be weighted.
        """
        return self.loss(outputs, y)
