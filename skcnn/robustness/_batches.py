"""Attack images batch by batch, and return them in their original dtype."""

from __future__ import annotations

import warnings
from functools import cache
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray

from skcnn.original_images import original_batches
from skcnn.pixel_scale import ScaleMonitor
from skcnn.pixels import ValueRange
from skcnn.robustness._victim import Victim
from skcnn.robustness.attacks._problem import Problem
from skcnn.training.compute_threads import compute_threads
from skcnn.training.forks import computing
from skcnn.training.loader import as_tensor
from skcnn.training.predicting import prediction_batch_size

_SHRINK = 1 - 1e-7  # of changes that rounding to the original dtype made too long


class Attacker:
    """Attack the images of a victim.

    Parameters
    ----------
    victim : Victim
        Classifier and images.
    attack : Attack
        The attack.
    y : int array of shape (n_images,)
        Class of each image.
    target : int array of shape (n_images,) or None
        Class to predict.
    limits : tuple of (float, float) or None
        Smallest and largest pixel value. None finds them.
    batch_size : int or None
        Number of images in a batch. None chooses it.
    seed : int
        Seed of the random numbers.
    until_fooled : bool
        Whether to stop for an image as soon as it fools the network.
    """

    def __init__(self, victim, attack, y, target, limits, batch_size, seed, until_fooled):
        self.victim, self.attack, self.y, self.target = victim, attack, y, target
        self.seed, self.until_fooled = seed, until_fooled
        self.device = next(victim.network.parameters()).device
        net = victim.pipeline.final.net_
        automatic = prediction_batch_size(self.device, net.predict_batch_size)
        self.batch_size = automatic if batch_size is None else batch_size
        self.multiply_adds = net.multiply_adds
        self.limits = image_range(victim, self.batch_size) if limits is None else limits
        self.model = cache(victim.model)
        self._warnings = set()
        self._check(victim.images[0])

    def run(self) -> NDArray:
        """Attack all images.

        Returns
        -------
        images : array of shape (n_images, ...), or object array of shape (n_images,)
            Adversarial images of the shapes and dtype of the original ones; an object array if they
            differ in size.
        """
        results = _new_array(self.victim.images)
        start, monitor = 0, ScaleMonitor()
        for batch in original_batches(self.victim.images, self.batch_size):
            if start == 0:
                monitor.add(np.asarray(self.victim.pipeline.network_input(batch)))
                monitor.warn(self.victim.pipeline.final.pixel_scale_)
            shapes = [(image.shape, image.dtype) for image in batch]
            for shape, dtype in dict.fromkeys(shapes):
                rows = np.flatnonzero([one == (shape, dtype) for one in shapes])
                same = len(rows) == len(batch) and isinstance(batch, np.ndarray)
                images = batch if same and batch.dtype != object else [batch[row] for row in rows]
                found = self._attack(np.asarray(images), start + rows)
                for row, image in zip(rows, found, strict=True):
                    results[start + row] = image
            start += len(batch)
        return results

    def _attack(self, images, rows):
        """Attack images of one shape."""
        self._check(images[0])
        model = self.model(images.shape[1:], images.dtype)
        channels_last = images.reshape(*images.shape[:3], -1)
        tensor = as_tensor(channels_last).to(self.device, torch.float32).contiguous()
        y, target = (
            None if one is None else torch.from_numpy(one[rows]).to(self.device)
            for one in (self.y, self.target)
        )
        problem = Problem(model, tensor, y, target, self.limits, images.dtype.kind in "bui")
        generator = torch.Generator(self.device).manual_seed(self.seed + int(rows[0]))
        autocast = torch.autocast(self.device.type, enabled=False)
        threads = compute_threads(self.multiply_adds * len(images))
        with autocast, threads, computing(), torch.enable_grad():
            found = self.attack._perturb(problem, generator, until_fooled=self.until_fooled)
        found = found.permute(0, 2, 3, 1).cpu().numpy().reshape(images.shape)
        return restore_dtype(found, images, self.attack._radius, self.attack.norm)

    def _check(self, image):
        """Raise an error, or warn once, if epsilon is in other units than the pixel values."""
        warning = self.attack._check_units(
            self.limits, image.shape, is_integer=image.dtype.kind in "bui"
        )
        if warning is not None and warning not in self._warnings:
            self._warnings.add(warning)
            warnings.warn(warning, UserWarning, stacklevel=2)


def image_range(victim: Victim, batch_size: int) -> tuple[float, float]:
    """Return the range of the pixel values of the images that are attacked.

    Parameters
    ----------
    victim : Victim
        Classifier and images.
    batch_size : int
        Number of images to read at a time, if no step knows the range.

    Returns
    -------
    low, high : float
        Range that the dtype, a step of the pipeline or pretrained weights fix. If they fix none,
        the smallest of the ranges (0, 1), (-1, 1) and (0, 255) that the images are in, if they
        span at least half of it, or else their minimum and maximum.

    Raises
    ------
    ValueError
        If all pixels have the same value.
    """
    first = victim.images[0]
    known = victim.known_range(first.shape, first.dtype)
    if known is not None:
        return known
    values = ValueRange()
    for batch in original_batches(victim.images, batch_size):
        for image in batch:
            values.add(image)
    limits = values.limits()
    if limits[0] == limits[1]:
        raise ValueError(
            f"all pixels of X have the value {limits[0]:g}, so their range is not known: pass "
            "pixel_range=(low, high)"
        )
    return limits


def restore_dtype(found: NDArray, images: NDArray, epsilon: float, norm: str) -> NDArray:
    """Convert adversarial images to the dtype of the original ones, within the distance.

    Parameters
    ----------
    found : float32 array of shape (n_images, ...)
        Adversarial images, of integers if the original ones are.
    images : array of shape (n_images, ...)
        Original images.
    epsilon : float
        Maximum distance; infinity for none.
    norm : {"linf", "l2"}
        Distance.

    Returns
    -------
    found : array of shape (n_images, ...)
        Adversarial images. Their distances, computed in float64, are at most `epsilon`.
    """
    if images.dtype.kind in "bui":
        restored = images.copy()  # integers above 2**24 are not exact in float32
        changed = found != images.astype(np.float32)
        restored[changed] = found[changed].astype(images.dtype)
        return restored
    originals = images.astype(np.float64)
    change = found - originals
    change[found == images.astype(np.float32)] = 0  # of float64 images
    if epsilon == inf:
        return (originals + change).astype(images.dtype)
    if norm == "linf":
        found = (originals + change.clip(-epsilon, epsilon)).astype(images.dtype)
        outside = abs(found.astype(np.float64) - originals) > epsilon
        return np.where(outside, np.nextafter(found, images), found)
    while True:
        found = (originals + change).astype(images.dtype)
        axes = tuple(range(1, images.ndim))
        length = np.sqrt(np.square(found - originals).sum(axis=axes, keepdims=True))
        if not (length > epsilon).any():
            return found
        change *= np.where(length > epsilon, _SHRINK * epsilon / np.maximum(length, epsilon), 1)


def _new_array(images):
    """Return an empty array for images of the shapes of others."""
    shape = tuple(images.shape[1:])
    if images.dtype == object or None in shape:
        return np.empty(len(images), dtype=object)
    return np.empty((len(images), *shape), images.dtype)
