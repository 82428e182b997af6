"""Batch transforms: changes to a training batch before the network sees it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch.distributions import Beta
from torch.nn.functional import interpolate

from skcnn.training.adversarial import AdversarialTraining
from skcnn.training.loader import Batch
from skcnn.training.reconstruction import Noise

_MIN_ALPHA, _MAX_ALPHA = 0.01, 1e6  # PyTorch samples the Beta distribution accurately in between
_GROWTH_FRACTION = 0.75  # fraction of the epochs in which progressive resizing enlarges images


class Progress(NamedTuple):
    """Position in training: the epoch, counted from 0, and the number of epochs."""

    epoch: int
    n_epochs: int


class BatchTransform(Protocol):
    """A change to a training batch.

    The net applies a list of them to every training batch, in order. They are called on the
    device of the network, in train mode, with seeded random numbers of torch. If several processes
    train the network, those with the attribute ``uses_whole_batch = True`` get the whole batch, the
    others a part of it.
    """

    def __call__(self, batch: Batch, net, progress: Progress) -> Batch:
        """Transform a batch.

        Parameters
        ----------
        batch : Batch
            Images, targets and weights.
        net : ImageNeuralNet
            The net being trained.
        progress : Progress
            Position in the training.

        Returns
        -------
        batch : Batch
            Batch with the same number of images.
        """


class ProgressiveResizing:
    """Train on smaller images at first (Howard, "Training Imagenet in 3 hours", fast.ai, 2018).

    Parameters
    ----------
    start : float
        Size in the first epoch as a fraction of the full size, from 0 to 1.
    """

    def __init__(self, start):
        self.start = start

    def __call__(self, batch, net, progress):  # noqa: D102
        return batch.replace(images=resize(batch.images, self.fraction(progress)))

    def fraction(self, progress):
        """Return the size of the images in an epoch, as a fraction of their full size.

        It grows linearly, and is 1 in the last quarter of the epochs and in the last epoch.

        Parameters
        ----------
        progress : Progress
            Position in the training.

        Returns
        -------
        fraction : float
            From `start` to 1.
        """
        epoch, n_epochs = progress
        if n_epochs == 1:
            return 1.0
        growth = min(epoch / min(_GROWTH_FRACTION * n_epochs, n_epochs - 1), 1.0)
        return self.start + (1 - self.start) * growth


class Mixup:
    """Train on weighted means of two images (Zhang et al. 2018, arXiv 1710.09412).

    Parameters
    ----------
    alpha : float
        Parameter of the Beta distribution of the weights.
    """

    uses_whole_batch = True

    def __init__(self, alpha):
        self.alpha = alpha

    def __call__(self, batch, net, progress):  # noqa: D102
        ratio = _draw_ratio(self.alpha)
        permutation = torch.randperm(len(batch.y))
        images = batch.images.float()
        images = ratio * images + (1 - ratio) * images[permutation]
        return batch.replace(
            images=images, weighted_targets=_mixed_targets(batch, permutation, ratio)
        )


class Cutmix:
    """Replace a rectangle of each image with that of another (Yun et al. 2019, arXiv 1905.04899).

    Parameters
    ----------
    alpha : float
        Parameter of the Beta distribution of the area that is not replaced, before the rectangle is
        clipped at the edges of the image.
    """

    uses_whole_batch = True

    def __init__(self, alpha):
        self.alpha = alpha

    def __call__(self, batch, net, progress):  # noqa: D102
        height, width = batch.images.shape[2:]
        side = (1 - _draw_ratio(self.alpha)) ** 0.5
        rows, columns = _draw_interval(height, side), _draw_interval(width, side)
        permutation = torch.randperm(len(batch.y))
        images = batch.images.clone()
        images[:, :, rows, columns] = batch.images[permutation][:, :, rows, columns]
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        ratio = 1 - area / (height * width)
        return batch.replace(
            images=images, weighted_targets=_mixed_targets(batch, permutation, ratio)
        )


class RandomChoice:
    """Apply one of several transforms, which is drawn for each batch.

    Parameters
    ----------
    transforms : sequence of BatchTransform
        Transforms, which are drawn with the same probability.
    """

    uses_whole_batch = True

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, batch, net, progress):  # noqa: D102
        number = int(torch.randint(len(self.transforms), ()))
        return self.transforms[number](batch, net, progress)


def _draw_ratio(alpha):
    if alpha < _MIN_ALPHA:  # for small alpha, the ratio is close to 0 or 1
        return float(torch.randint(2, ()))
    alpha = min(float(alpha), _MAX_ALPHA)  # for large alpha, the ratio is close to 1/2
    return float(Beta(alpha, alpha).sample())


def _draw_interval(length, fraction):
    """Draw an interval around a random pixel, and clip it at the edges.

    Parameters
    ----------
    length : int
        Number of pixels.
    fraction : float
        Length of the interval as a fraction of the number of pixels.

    Returns
    -------
    interval : slice
        Interval.
    """
    size = round(fraction * length)
    start = int(torch.randint(length, ())) - size // 2
    return slice(max(start, 0), min(start + size, length))


def _mixed_targets(batch, permutation, ratio):
    """Return the weighted targets of images that are mixed with permuted images.

    Parameters
    ----------
    batch : Batch
        Batch before mixing.
    permutation : int tensor of shape (n_images,)
        Image with which each image is mixed.
    ratio : float
        Weight of the image itself.

    Returns
    -------
    weighted_targets : list of (float, tensor, tensor or None)
        Targets, as `Batch` takes them.
    """
    mixed = [(ratio * weight, *target) for weight, *target in batch.weighted_targets]
    mixed += [
        (
            (1 - ratio) * weight,
            y[permutation],
            None if weights is None else weights[permutation],
        )
        for weight, y, weights in batch.weighted_targets
    ]
    return mixed


def batch_transforms(options):
    """Return the batch transforms selected by the training options.

    Parameters
    ----------
    options : TrainingOptions
        Training options.

    Returns
    -------
    transforms : list of BatchTransform
        In the order of application.
    """
    transforms = []
    if options.progressive_resizing < 1.0:
        transforms.append(ProgressiveResizing(options.progressive_resizing))
    mixing = [Mixup(options.mixup)] if options.mixup else []
    mixing += [Cutmix(options.cutmix)] if options.cutmix else []
    transforms += mixing if len(mixing) < 2 else [RandomChoice(mixing)]
    if options.noise:
        transforms.append(Noise(options.noise))
    if options.adversary is not None:  # last: it attacks the images that the network gets
        transforms.append(AdversarialTraining(options.adversary, options.adversary_range))
    return transforms


def resize(images, fraction):
    """Shrink images, with antialiasing.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Pixel values of any dtype.
    fraction : float
        New size as a fraction of the size of the images, from 0 to 1; 1 returns the images.

    Returns
    -------
    images : float32 tensor of shape (n_images, n_channels, new_height, new_width)
        Images of at least 2 x 2 pixels, unless they were smaller.
    """
    if fraction == 1.0:
        return images
    size = [min(axis, max(2, round(fraction * axis))) for axis in images.shape[2:]]
    # Computed in float32, since PyTorch rounds the results for uint8.
    return interpolate(images.float(), size, mode="bilinear", antialias=True)
