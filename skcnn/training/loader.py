"""Images by the batch: what skorch's loop reads, without handling single images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from sklearn.utils import assert_all_finite
from torch.utils.data import Dataset

from skcnn.images import in_form
from skcnn.lazy import LazyImages
from skcnn.threads import read_ahead

_CHUNK = 2**20  # bytes of images that are gathered at once, unless one batch is more


class ImageDataset(Dataset):
    """Rows of a collection of images, with their targets and weights.

    Parameters
    ----------
    images : array or LazyImages of shape (n_all_images, height, width, n_channels)
        Images, channels last.
    y : array of shape (n_all_images,) or (n_all_images, n_outputs), default=None
        Encoded targets: class indices, indicators or standardised numbers.
    weights : float array of shape (n_all_images,), default=None
        The weight of each image's loss; None weighs all alike.
    rows : int array of shape (n_images,), default=None
        The images that belong to the set; None takes all.
    """

    def __init__(self, images, y=None, weights=None, rows=None):
        self.images = images if images.ndim == 4 else in_form(images, (*images.shape[1:], 1)[:3])
        self.y = None if y is None else torch.as_tensor(y)
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        self.rows = rows

    def __len__(self):
        return len(self.images) if self.rows is None else len(self.rows)

    def __getitem__(self, key):
        """Give one image and its target, as PyTorch's own loader asks for them."""
        images, y = self.batch(np.atleast_1d(key))
        return images[0], y[0]

    def batch(self, rows, epoch=0):
        """Read a batch.

        Parameters
        ----------
        rows : int array of shape (n_images_in_batch,)
            Places in the set.
        epoch : int, default=0
            The realisation of random operations.

        Returns
        -------
        batch : Batch
            Images as a tensor of shape (n_images_in_batch, n_channels, height, width), in
            channels-last memory; targets; weights.
        """
        rows = rows if self.rows is None else self.rows[rows]
        if isinstance(self.images, LazyImages):
            images = self.images.at_epoch(epoch)[rows].read()
            assert_all_finite(images, input_name="X")
        else:
            images = self.images[rows]
        # skorch wants a target, and takes a number where there is none
        y = torch.zeros(len(rows)) if self.y is None else self.y[rows]
        return Batch(as_tensor(images), y, None if self.weights is None else self.weights[rows])

    def clean(self):
        """Leave random operations out.

        Returns
        -------
        dataset : ImageDataset
            The same rows of the clean view.
        """
        images = self.images.clean() if isinstance(self.images, LazyImages) else self.images
        return ImageDataset(images, self.y, self.weights, self.rows)


class Batch(tuple):
    """Images and targets, as skorch's callbacks expect a batch, with weights as an attribute.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Pixel values.
    y : tensor of shape (n_images,) or (n_images, n_outputs)
        Targets.
    weights : tensor of shape (n_images,), default=None
        Weights.
    """

    def __new__(cls, images, y, weights=None):  # noqa: D102
        batch = super().__new__(cls, (images, y))
        batch.weights = weights
        return batch

    def cut(self, start, stop):
        """Take some of the images.

        Parameters
        ----------
        start, stop : int
            The first one, and the first one after them.

        Returns
        -------
        batch : Batch
            A view of them.
        """
        images, y = self
        weights = None if self.weights is None else self.weights[start:stop]
        return Batch(images[start:stop], y[start:stop], weights)


class BatchLoader:
    """An iterable of the batches of a set, shuffled by a function of (seed, epoch) alone.

    Threads read the next batches of a lazy view while one is worked on. A last batch of one image
    joins the batch before it, since nothing can be learned from the statistics of one.

    Parameters
    ----------
    dataset : ImageDataset
        The set.
    batch_size : int
        Images in a batch.
    seed : int, default=None
        Seeds the order; None keeps the order of the set.
    epoch : int, default=0
        The epoch of the first pass; each pass adds 1.
    """

    def __init__(self, dataset, batch_size, *, seed=None, epoch=0):
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch

    def __len__(self):
        return len(_cuts(len(self.dataset), self.batch_size)) - 1

    def __iter__(self):
        n_images = len(self.dataset)
        order = np.arange(n_images)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(n_images)
        cuts = _cuts(n_images, self.batch_size)
        tasks = [(order[start:stop], self.epoch) for start, stop in pairwise(cuts)]
        self.epoch += 1
        if isinstance(self.dataset.images, LazyImages):
            n_jobs = self.dataset.images.n_jobs
            yield from read_ahead(lambda task: self.dataset.batch(*task), tasks, n_jobs)
        else:
            yield from self._read_many(order, cuts)

    def _read_many(self, order, cuts):
        """Gather several small batches at once and cut them apart, which costs less."""
        image = self.dataset.images[:1]
        n_together = max(1, _CHUNK // (image.nbytes * self.batch_size))
        for first in range(0, len(cuts) - 1, n_together):
            bounds = cuts[first : first + n_together + 1]
            chunk = self.dataset.batch(order[bounds[0] : bounds[-1]])
            for start, stop in pairwise(bounds):
                yield chunk.cut(start - bounds[0], stop - bounds[0])


def as_tensor(images):
    """Make a tensor of images without changing their layout in memory.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Pixel values of any real dtype.

    Returns
    -------
    tensor : tensor of shape (n_images, n_channels, height, width)
        uint8 stays uint8, the rest becomes float32.
    """
    images = np.ascontiguousarray(images)
    if images.dtype != np.uint8:
        images = images.astype(np.float32, copy=False)
    if not images.flags.writeable:
        images = images.copy()
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _cuts(n_images, batch_size):
    """Say where one batch ends and the next begins."""
    cuts = list(range(0, n_images, batch_size)) + [n_images]
    if len(cuts) > 2 and cuts[-1] - cuts[-2] == 1:
        del cuts[-2]
    return cuts
