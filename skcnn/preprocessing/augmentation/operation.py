"""Augment: the operation that replaces images by random variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from math import prod

import numpy as np

from skcnn.operations import Operation
from skcnn.preprocessing.augmentation.draws import generators, initial_states
from skcnn.preprocessing.augmentation.geometry import affine_maps, flip, move, warp
from skcnn.preprocessing.augmentation.photometry import change_values
from skcnn.preprocessing.augmentation.variants import (
    CORRUPTION,
    FUNCTION,
    Ranges,
    Variants,
    draw_flips,
    draw_variants,
)
from skcnn.values import native, refuse_masked

_CHUNK = 2**20  # values per step, which limits the memory for large images


class Augment(Operation):
    """Replace every image by a random variant.

    Parameters
    ----------
    ranges : Ranges
        Range of each change.
    function : callable or None
        Custom operation of the user.
    pixel_range : tuple of (float, float)
        Smallest and largest pixel value.
    seed : int
        Seed of all variants.
    corruption : RandomCorruption, default=None
        Corruption, called before the custom operation.
    """

    random = True
    needs_finite = True

    def __init__(
        self,
        ranges: Ranges,
        function: Callable | None,
        pixel_range: tuple,
        seed: int,
        corruption: Callable | None = None,
    ):
        self.ranges = ranges
        self.function = function
        self.pixel_range = pixel_range
        self.seed = seed
        self.corruption = corruption

    def __call__(self, batch, keys, epoch):  # noqa: D102
        batch = np.asarray(batch)
        variants = np.empty(batch.shape, dtype=self.output(batch.shape[1:], batch.dtype)[1])
        states = initial_states(self.seed, epoch, keys)
        first = states if epoch == 0 else initial_states(self.seed, 0, keys)
        drawn = draw_variants(states, self.ranges)
        drawn = drawn._replace(**draw_flips(first, self.ranges, epoch))
        step = max(1, _CHUNK // prod(batch.shape[1:]))
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            part_variants = Variants(*(values[part] for values in drawn))
            changed = self._variants(batch[part], states[part], part_variants)
            if variants.dtype.kind in "iu" and changed.dtype == np.float32:
                changed = round_to_integers(changed, variants.dtype)
            variants[part] = changed
        return variants

    def _variants(self, images, states, drawn):
        ranges, (height, width) = self.ranges, images.shape[1:3]
        if ranges.warps:
            if ranges.counts_pixels:
                fractions = drawn.shift_y / height, drawn.shift_x / width
                drawn = drawn._replace(shift_y=fractions[0], shift_x=fractions[1])
            images = warp(images, *affine_maps(drawn, height, width))
        else:
            if ranges.flips:
                images = flip(images, drawn.horizontal_flip, drawn.vertical_flip)
            if ranges.shift:
                images = move(images, drawn.shift_y, drawn.shift_x)
        functions = self.corruption, self.function
        if ranges.changes_values or functions != (None, None):
            images = images.astype(np.float32, order="C")
            images = change_values(images, states, drawn, ranges, self.pixel_range)
            if self.corruption is not None:
                images = self.corruption(images, generators(states, CORRUPTION), self.pixel_range)
            if self.function is not None:
                images = call_function(self.function, images, states)
            images = np.clip(images, *self.pixel_range)
        return images

    def output(self, shape, dtype):  # noqa: D102
        # bool cannot hold the values between False and True
        return shape, np.dtype(np.float32 if np.dtype(dtype).kind == "b" else dtype)

    def geometry(self, shape):  # noqa: D102
        raise ValueError(f"the operation {self!r} moves pixels at random")

    def __repr__(self):
        enabled = [
            f"{field.name}={getattr(self.ranges, field.name)!r}"
            for field in fields(self.ranges)
            if getattr(self.ranges, field.name)
        ]
        if self.corruption is not None:
            enabled.append(f"corruption={self.corruption!r}")
        if self.function is not None:
            enabled.append(f"function={self.function!r}")
        return f"Augment({', '.join([*enabled, f'seed={self.seed}'])})"


def call_function(function, images, states):
    """Call the custom operation of the user, and validate its result.

    Parameters
    ----------
    function : callable
        Called as ``function(images, generators)``.
    images : float32 array of shape (n_images, height, width, n_channels)
        Copy that the function may change.
    states : uint64 array of shape (n_images,)
        Initial states of the images.

    Returns
    -------
    images : float32 array of shape (n_images, height, width, n_channels)
        Result of the function.

    Raises
    ------
    ValueError
        If the result has another shape, or values that are not finite.
    """
    changed = function(images, generators(states, FUNCTION))
    refuse_masked(changed, "the result of function")
    changed = native(np.asarray(changed))
    if changed.shape != images.shape:
        raise ValueError(
            f"function returned an array of shape {changed.shape} for images of shape "
            f"{images.shape}: it must return as many images of the same shape"
        )
    if changed.dtype.kind not in "buif":
        raise ValueError(
            f"function returned an array of dtype {changed.dtype}, but every pixel must be a real "
            "number"
        )
    if changed.dtype.kind == "f" and not np.isfinite(changed).all():
        position = int(np.argmin(np.isfinite(changed).reshape(len(changed), -1).all(axis=1)))
        raise ValueError(
            "function returned values that are not finite real numbers, for the image at position "
            f"{position} of a batch: every pixel must be one"
        )
    limit = np.finfo(np.float32).max  # the values are clipped to the pixel range afterwards
    return np.clip(changed, -limit, limit).astype(np.float32, copy=False)


def round_to_integers(values, dtype):
    """Round values to an integer dtype.

    Parameters
    ----------
    values : float32 array of any shape
        Values; changed in place.
    dtype : dtype
        Integer dtype.

    Returns
    -------
    integers : array of the same shape
        The nearest integers. Values outside the range of the dtype are clipped to the limits, or
        to the nearest integers within them that float32 can represent.
    """
    limits = np.iinfo(dtype)
    high = np.float32(limits.max)
    if int(high) > limits.max:
        high = np.nextafter(high, np.float32(0))
    np.rint(values, out=values)
    return np.clip(values, np.float32(limits.min), high, out=values).astype(dtype)
