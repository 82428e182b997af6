"""AdversarialTraining: train on images that the network classifies worst, within a distance."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import torch

from skcnn.pixels import ValueRange, channel_statistics, dtype_range

_MAX_IMAGES = 2048  # maximum number of images used for the range of the pixel values


class AdversarialTraining:
    """Replace the images of a batch with adversarial ones (Madry et al. 2018, arXiv 1706.06083).

    The loss that they increase is that of the training, with its weights, label smoothing and mixed
    targets. The network is in evaluation mode meanwhile, so that neither dropout nor the running
    statistics of batch normalization take part (Pang et al. 2021, arXiv 2010.00467, section 3.4).

    Parameters
    ----------
    attack : FGSM or PGD
        Attack.
    limits : tuple of (float, float)
        Smallest and largest pixel value.
    """

    def __init__(self, attack, limits):
        self.attack = attack
        self.limits = limits

    def __call__(self, batch, net, progress):  # noqa: D102
        def gradient(images):
            images = images.detach().requires_grad_()
            with net._autocast:
                loss = net._loss(net.infer(images).float(), batch)
            return torch.autograd.grad(loss * len(images), images)[0]

        with evaluation_mode(net.module_):
            images = self.attack._ascend(batch.images.float(), gradient, self.limits)
        return batch.replace(images=images.detach())


@contextmanager
def evaluation_mode(module):
    """Set a module to evaluation mode in the context, and restore the mode of each of its layers.

    Parameters
    ----------
    module : torch.nn.Module
        Module.

    Yields
    ------
    None
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def training_range(dataset):
    """Return the range of the pixel values of training images.

    Parameters
    ----------
    dataset : ImageDataset
        Training images.

    Returns
    -------
    limits : tuple of (float, float)
        Limits of the dtype for uint8 and uint16. Otherwise the first of the ranges (0, 1), (-1, 1)
        and (0, 255) that contains the values and is at most twice as wide, or else their minimum
        and maximum, of up to 2,048 images without augmentation.
    """
    limits = dtype_range(dataset.images.dtype)
    if limits is not None:
        return limits
    values = ValueRange()
    channel_statistics(dataset.images, None, dataset.rows, _MAX_IMAGES, observe=values.add)
    return values.limits()


def check_adversary(attack, limits, images, name):
    """Raise an error if the parameters of an attack are invalid, or do not fit training images.

    Parameters
    ----------
    attack : FGSM or PGD
        Attack.
    limits : tuple of (float, float)
        Smallest and largest pixel value.
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        Training images.
    name : str
        Name of the estimator in messages.

    Raises
    ------
    ValueError
        If a parameter is invalid, or `epsilon` cannot be in the units of the pixel values.

    Warns
    -----
    UserWarning
        If `epsilon` is very small.
    """
    attack._validate_params()
    is_integer = images.dtype.kind in "bui"
    try:
        warning = attack._check_units(limits, images.shape[1:], is_integer=is_integer)
    except ValueError as error:
        raise ValueError(
            f"adversary={attack} cannot be used: {error} that reach {name}, after the steps before "
            "it"
        ) from None
    if warning is not None:
        warnings.warn(f"adversary={attack}: {warning}", UserWarning, stacklevel=2)
