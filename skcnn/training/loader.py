"""Read batches of images for training and prediction."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import Dataset

from skcnn.images import reshape_images
from skcnn.lazy import LazyImages
from skcnn.pixel_scale import ScaleMonitor
from skcnn.threads import read_ahead
from skcnn.training.class_balance import balanced_rows

_CHUNK = 2**20  # bytes of images to read at once; at least one batch


class ImageDataset(Dataset):
    """A selection of rows from a collection of images, with their targets and weights.

    Parameters
    ----------
    images : array or LazyImages of shape (n_all_images, height, width, n_channels)
        Images, channels last.
    y : array of shape (n_all_images,) or (n_all_images, n_outputs), default=None
        Encoded targets: class indices, label indicators or standardized numbers.
    weights : float array of shape (n_all_images,), default=None
        Weights of the losses of the images. None gives all images the same weight.
    rows : int array of shape (n_images,), default=None
        Rows of the images in the dataset. None selects all.
    """

    def __init__(self, images, y=None, weights=None, rows=None):
        self.images = (
            images if images.ndim == 4 else reshape_images(images, (*images.shape[1:], 1)[:3])
        )
        self.y = None if y is None else torch.as_tensor(y)
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        self.rows = rows
        self.monitor = None  # of the scale of the pixel values that are read

    def __len__(self):
        return len(self.images) if self.rows is None else len(self.rows)

    def __getitem__(self, key):
        """Return one image and its target, as the data loader of PyTorch expects."""
        images, y = self.batch(np.atleast_1d(key))
        return images[0], y[0]

    def batch(self, rows, epoch=0, part=slice(None)):
        """Read a batch.

        Parameters
        ----------
        rows : int array of shape (n_images_in_batch,)
            Positions in the dataset.
        epoch : int, default=0
            Epoch, which determines the random operations.
        part : slice, default=slice(None)
            Images of the batch to read, if they are read one by one.

        Returns
        -------
        batch : Batch
            Images as a tensor of shape (n_images_in_batch, n_channels, height, width) in
            channels-last memory format, targets and weights.
        """
        rows = rows if self.rows is None else self.rows[rows]
        if isinstance(self.images, LazyImages):
            images = self.images.at_epoch(epoch)[rows[part]].read()
        else:
            images = self.images[rows]
        if self.monitor is not None:
            self.monitor.add(images)
        # skorch needs a target, also for prediction.
        y = torch.zeros(len(rows)) if self.y is None else self.y[rows]
        return Batch(as_tensor(images), y, None if self.weights is None else self.weights[rows])

    def targets(self):
        """Return the encoded targets of the images.

        Returns
        -------
        y : array of shape (n_images,) or (n_images, n_outputs)
            Targets.
        """
        return (self.y if self.rows is None else self.y[self.rows]).numpy()

    def resample(self, rows):
        """Select images, some of them several times.

        Parameters
        ----------
        rows : int array of shape (n_images,)
            Positions in the dataset.

        Returns
        -------
        dataset : ImageDataset
            Dataset of the images, which are not copied. Random operations give repeated images
            variants of their own.
        """
        rows = rows if self.rows is None else self.rows[rows]
        if isinstance(self.images, LazyImages):
            weights = None if self.weights is None else self.weights[rows]
            dataset = ImageDataset(self.images.resample(rows), self.y[rows], weights)
        else:
            dataset = ImageDataset(self.images, self.y, self.weights, rows)
        dataset.monitor = self.monitor
        return dataset

    def clean(self):
        """Remove random operations.

        Returns
        -------
        dataset : ImageDataset
            Dataset of the same images without random operations, with the same monitor.
        """
        images = self.images.clean() if isinstance(self.images, LazyImages) else self.images
        dataset = ImageDataset(images, self.y, self.weights, self.rows)
        dataset.monitor = self.monitor
        return dataset


@contextmanager
def warn_of_other_scale(fitted, **datasets):
    """Warn at the end if the images that were read have a very different scale than those of fit.

    Parameters
    ----------
    fitted : PixelScale
        Scale of the images of fit.
    **datasets : ImageDataset or None
        Datasets that are read in the context, by the names of the arguments that hold the images.

    Yields
    ------
    None
    """
    given = {name: dataset for name, dataset in datasets.items() if dataset is not None}
    for dataset in given.values():
        dataset.monitor = ScaleMonitor()
    yield
    for name, dataset in given.items():
        dataset.monitor.warn(fitted, name)


class Batch(tuple):
    """A batch: a pair (images, targets), as skorch's callbacks expect, with attributes.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Pixel values.
    y : tensor of shape (n_images,) or (n_images, n_outputs)
        Targets.
    weights : tensor of shape (n_images,), default=None
        Weights of the losses of the images.
    weighted_targets : sequence of (float, tensor, tensor or None), default=None
        The loss is the sum of ``factor * loss(outputs, y, weights)`` over these triples. None
        stands for ``[(1.0, y, weights)]``.
    """

    def __new__(cls, images, y, weights=None, weighted_targets=None):  # noqa: D102
        batch = super().__new__(cls, (images, y))
        batch.weights = weights
        batch.weighted_targets = weighted_targets or ((1.0, y, weights),)
        return batch

    images = property(lambda self: self[0], doc="Pixel values.")
    y = property(lambda self: self[1], doc="Targets.")

    def replace(self, *, images=None, weighted_targets=None):
        """Return a copy of the batch with new images or new weighted targets.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width), default=None
            New images. None keeps them.
        weighted_targets : sequence of (float, tensor, tensor or None), default=None
            New targets of the loss. None keeps them.

        Returns
        -------
        batch : Batch
            New batch.
        """
        return Batch(
            self.images if images is None else images,
            self.y,
            self.weights,
            self.weighted_targets if weighted_targets is None else weighted_targets,
        )

    def to(self, device):
        """Move the tensors to a device.

        Parameters
        ----------
        device : torch.device
            Device.

        Returns
        -------
        batch : Batch
            The batch itself if it is on the device already.
        """
        if self.images.device == device and self.y.device == device:
            return self
        weights = None if self.weights is None else self.weights.to(device)
        return Batch(self.images.to(device), self.y.to(device), weights)

    def slice(self, start, stop):
        """Select consecutive images.

        Parameters
        ----------
        start, stop : int
            Position of the first image, and of the first image after the selection.

        Returns
        -------
        batch : Batch
            Batch of views of the tensors.
        """
        weights = None if self.weights is None else self.weights[start:stop]
        return Batch(self.images[start:stop], self.y[start:stop], weights)


class BatchLoader:
    """An iterable over the batches of a dataset, in an order that depends on seed and epoch only.

    Threads read the next batches of a lazy view ahead of time. A last batch of one image joins the
    batch before it, since batch normalization needs more than one image.

    Parameters
    ----------
    dataset : ImageDataset
        Dataset.
    batch_size : int
        Number of images in a batch.
    seed : int, default=None
        Seed of the order. None keeps the order of the dataset.
    epoch : int, default=0
        Epoch of the first iteration. Every iteration adds 1.
    sampling : {"balanced"} or None, default=None
        "balanced" draws as many images of each class, see `balanced_rows`. It needs a seed. None
        reads every image once.
    part : callable, default=None
        ``part(n_images)`` returns the slice of the images of a batch that are read from a lazy
        view, see `SharedSteps.part_to_read`. None reads all.
    """

    def __init__(self, dataset, batch_size, *, seed=None, epoch=0, sampling=None, part=None):
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch
        self.sampling = sampling
        self.part = part or (lambda n_images: slice(None))

    def __len__(self):
        return len(_bounds(len(self.dataset), self.batch_size)) - 1

    def __iter__(self):
        dataset, n_images = self.dataset, len(self.dataset)
        order = np.arange(n_images)
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, self.epoch))
            if self.sampling == "balanced":
                dataset = dataset.resample(balanced_rows(dataset.targets(), rng))
            else:
                order = rng.permutation(n_images)
        bounds = _bounds(n_images, self.batch_size)
        tasks = [
            (order[start:stop], self.epoch, self.part(stop - start))
            for start, stop in pairwise(bounds)
        ]
        self.epoch += 1
        if isinstance(dataset.images, LazyImages):
            yield from read_ahead(lambda task: dataset.batch(*task), tasks, dataset.images.n_jobs)
        else:
            yield from self._read_chunks(dataset, order, bounds)

    def _read_chunks(self, dataset, order, bounds):
        """Read several small batches with one indexing operation, which is faster."""
        image = dataset.images[:1]
        batches_per_chunk = max(1, _CHUNK // (image.nbytes * self.batch_size))
        for first in range(0, len(bounds) - 1, batches_per_chunk):
            part = bounds[first : first + batches_per_chunk + 1]
            chunk = dataset.batch(order[part[0] : part[-1]])
            for start, stop in pairwise(part):
                yield chunk.slice(start - part[0], stop - part[0])


def as_tensor(images):
    """Convert images to a tensor without changing their layout in memory.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Pixel values of any real dtype.

    Returns
    -------
    tensor : tensor of shape (n_images, n_channels, height, width)
        uint8 for uint8, float32 for every other dtype.
    """
    images = np.ascontiguousarray(images)
    if images.dtype != np.uint8:
        images = images.astype(np.float32, copy=False)
    if not images.flags.writeable:
        images = images.copy()
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _bounds(n_images, batch_size):
    """Return the positions where batches start, and the number of images."""
    bounds = list(range(0, n_images, batch_size)) + [n_images]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]
    return bounds
