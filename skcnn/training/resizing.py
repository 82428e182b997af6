"""Training images that are smaller at first."""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate

_GROWING = 0.75  # the fraction of the epochs in which images grow


def share_of_size(start, epoch, n_epochs):
    """Tell how large the images of an epoch are, over their own size.

    They grow evenly, and are whole in the last quarter of the epochs, or at least in the last one.

    Parameters
    ----------
    start : float
        The share in the first epoch.
    epoch : int
        The epoch of the training, from 0.
    n_epochs : int
        How many it has.

    Returns
    -------
    share : float
        From `start` to 1.
    """
    if n_epochs == 1:
        return 1.0
    return start + (1 - start) * min(epoch / min(_GROWING * n_epochs, n_epochs - 1), 1.0)


def resize(images, share):
    """Shrink images, averaging what falls together.

    Howard, "Training Imagenet in 3 hours for $25; and CIFAR10 for $0.26", fast.ai, 2018.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Pixel values of any dtype.
    share : float
        The size wanted over that of the images, from 0 to 1; nothing is done for 1.

    Returns
    -------
    images : tensor of shape (n_images, n_channels, new_height, new_width)
        At least 2 x 2 pixels, unless the images are smaller. uint8 in colour stays uint8, the rest
        becomes float32.
    """
    if share == 1.0:
        return images
    size = [min(axis, max(2, round(share * axis))) for axis in images.shape[2:]]
    # PyTorch 2.13 gives wrong values for some grey images of uint8.
    is_colour = images.dtype == torch.uint8 and images.shape[1] == 3
    images = images if is_colour else images.float()
    return interpolate(images, size, mode="bilinear", antialias=True)
