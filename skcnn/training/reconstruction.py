"""What a network that reconstructs its input is trained on: images as targets, and noise."""

from __future__ import annotations

import torch

from skcnn.networks.pooling import FlattenChannelsLast
from skcnn.training.loader import Batch


class Noise:
    """Add Gaussian noise to the images of a batch.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise, in the units of the pixel values.
    """

    uses_whole_batch = True

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, batch, net, progress):  # noqa: D102
        return self.add(batch)

    def add(self, batch, generator=None):
        """Add noise to the images.

        Parameters
        ----------
        batch : Batch
            Batch.
        generator : torch.Generator, default=None
            Generator on the device of the images. None is the global one.

        Returns
        -------
        batch : Batch
            Batch with the same targets.
        """
        images = batch.images.float()
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        return batch.replace(images=images + self.scale * noise)


def with_targets(batch, net):
    """Make the standardized images the targets, if the network reconstructs its input.

    Parameters
    ----------
    batch : Batch
        Batch of the loader.
    net : ImageNeuralNet
        Net.

    Returns
    -------
    batch : Batch
        The batch itself if the network has other targets.
    """
    if net.target_type != "images":
        return batch
    images = batch.images.to(torch.device(net.device))
    with torch.no_grad():
        targets = FlattenChannelsLast()(net.module_.standardize(images))
    return Batch(images, targets, batch.weights)


def with_validation_noise(batch, net):
    """Add the noise of the training to validation images, the same in each epoch.

    Parameters
    ----------
    batch : Batch
        Batch on the device.
    net : ImageNeuralNet
        Net.

    Returns
    -------
    batch : Batch
        The batch itself if there is no noise in the training.
    """
    if not net.options.noise:
        return batch
    generator = torch.Generator(batch.images.device).manual_seed(net.seed)
    return Noise(net.options.noise).add(batch, generator)
