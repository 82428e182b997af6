"""Operations that corrupt images: one kind and severity, or random ones for training."""

from __future__ import annotations

import numpy as np

from skcnn.operations import Operation
from skcnn.robustness.corruptions.kinds import SEVERITIES, corrupt_image, generator


class Corrupt(Operation):
    """Corrupt images; the random numbers of an image depend on its key, not on the epoch.

    Parameters
    ----------
    kind : str
        Kind of the corruption.
    severity : int
        Severity, 1 to 5.
    pixel_range : tuple of (float, float)
        Smallest and largest pixel value.
    seed : int
        Seed of the random numbers.
    """

    needs_finite = True

    def __init__(self, kind: str, severity: int, pixel_range: tuple[float, float], seed: int):
        self.kind = kind
        self.severity = severity
        self.pixel_range = pixel_range
        self.seed = seed

    def __call__(self, batch, keys, epoch):  # noqa: D102
        changed = [self._corrupt(image, key) for image, key in zip(batch, keys, strict=True)]
        return changed if isinstance(batch, list) else np.stack(changed)

    def _corrupt(self, image, key):
        low, high = self.pixel_range
        if image.min() < low or image.max() > high:
            raise ValueError(
                f"an image has pixel values from {image.min():g} to {image.max():g}, outside of "
                f"the pixel range from {low:g} to {high:g}: pass pixel_range=(low, high)"
            )
        rng = generator(self.seed, self.kind, key)
        pixels = image.reshape(*image.shape[:2], -1)
        changed = corrupt_image(pixels, self.kind, self.severity, rng, self.pixel_range)
        return as_dtype(changed.reshape(image.shape), image.dtype)

    def __repr__(self):
        return f"Corrupt({self.kind!r}, severity={self.severity}, seed={self.seed})"


class RandomCorruption:
    """Corrupt each image with a random kind and severity.

    Severities from 0, which changes nothing, to 5 are equally frequent.

    Parameters
    ----------
    kinds : tuple of str
        Kinds of corruptions, which are equally frequent.
    """

    def __init__(self, kinds: tuple[str, ...]):
        self.kinds = kinds

    def __call__(self, images, generators, pixel_range):
        """Corrupt images.

        Parameters
        ----------
        images : float32 array of shape (n_images, height, width, n_channels)
            Images; changed in place.
        generators : list of numpy.random.Generator
            Sources of the random numbers, one for each image.
        pixel_range : tuple of (float, float)
            Smallest and largest pixel value.

        Returns
        -------
        images : float32 array of shape (n_images, height, width, n_channels)
            Corrupted images.
        """
        if pixel_range[0] == pixel_range[1]:  # of constant images
            return images
        for image, rng in zip(images, generators, strict=True):
            kind = self.kinds[rng.integers(len(self.kinds))]
            severity = int(rng.integers(len(SEVERITIES) + 1))
            if severity:
                image[...] = corrupt_image(image, kind, severity, rng, pixel_range)
        return images

    def __repr__(self):
        return f"RandomCorruption({self.kinds})"


def as_dtype(values, dtype):
    """Convert pixel values to a dtype; to the nearest values of bool and integer dtypes.

    Parameters
    ----------
    values : float64 array of any shape
        Values within the range of the dtype.
    dtype : dtype
        Dtype of real numbers.

    Returns
    -------
    values : array of the same shape
        Values of the dtype.
    """
    if dtype.kind == "f":
        return values.astype(dtype)
    values = np.rint(values)
    if dtype.kind == "b":
        return values.astype(bool)
    limits = np.iinfo(dtype)
    high = np.float64(limits.max)
    if int(high) > limits.max:  # float64 has no 2**63 - 1
        high = np.nextafter(high, 0)
    return np.clip(values, np.float64(limits.min), high).astype(dtype)
