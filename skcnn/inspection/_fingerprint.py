"""The fingerprint of labeled images: what they are, and a hash of their pixels and labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.lazy import LazyImages
from skcnn.pixels import ValueRange

_BATCH = 8  # images that are read at a time, which may be large photos


@dataclass(frozen=True)
class Fingerprint:
    """Properties of labeled images.

    Parameters
    ----------
    sha256 : str
        Hash of the pixels and the labels, in hexadecimal digits. It depends on nothing else: not on
        the order of the images, the dtype of equal pixel values, an axis of one channel, or whether
        the images are in an array, a list or files.
    n_images : int
        Number of images.
    n_repeated : int
        Number of images that are equal to an earlier one.
    n_conflicting : int
        Number of repeated images whose label differs from that of the first one.
    shapes : dict of {tuple of int: int}
        Number of images of each shape, (height, width, n_channels).
    dtypes : tuple of str
        Dtypes of the images.
    low, high : float
        Smallest and largest pixel value.
    """

    sha256: str
    n_images: int
    n_repeated: int
    n_conflicting: int
    shapes: dict[tuple[int, ...], int]
    dtypes: tuple[str, ...]
    low: float
    high: float

    @classmethod
    def of(cls, images: Any, labels: Any) -> Fingerprint:
        """Compute the fingerprint, with a few images in memory at a time.

        Parameters
        ----------
        images : images of length n_images
            Images, as `original_images` returns them.
        labels : array-like of shape (n_images,)
            Labels.

        Returns
        -------
        fingerprint : Fingerprint
            The fingerprint.
        """
        values, dtypes, digests = ValueRange(), set(), []
        shapes: Counter[tuple[int, ...]] = Counter()
        first_label: dict[bytes, str] = {}
        n_repeated, n_conflicting = 0, 0
        for image, label in zip(_read(images), np.asarray(labels).tolist(), strict=True):
            image = image if image.ndim == 3 else image[..., np.newaxis]
            values.add(image)
            shapes[image.shape] += 1
            dtypes.add(image.dtype.name)
            pixels, text = hash_image(image), label_text(label)
            if pixels in first_label:
                n_repeated += 1
                n_conflicting += first_label[pixels] != text
            first_label.setdefault(pixels, text)
            digests.append(hashlib.sha256(pixels + text.encode("utf-8", "surrogatepass")).digest())
        sha256 = hashlib.sha256(b"".join(sorted(digests))).hexdigest()
        return cls(
            sha256,
            len(digests),
            n_repeated,
            n_conflicting,
            dict(shapes.most_common()),
            tuple(sorted(dtypes)),
            values.low,
            values.high,
        )


def hash_image(image: NDArray) -> bytes:
    """Return the SHA-256 of the shape and the pixel values of an image.

    Parameters
    ----------
    image : array of shape (height, width, n_channels)
        Image.

    Returns
    -------
    digest : bytes
        The hash of the shape as text, the letter B or d, and the values in row-major order: as
        bytes if they are integers from 0 to 255, or else as little-endian float64.
    """
    values = np.ascontiguousarray(image)
    if values.dtype != np.uint8:
        with np.errstate(invalid="ignore"):
            as_bytes = values.astype(np.uint8)
        if np.array_equal(as_bytes, values):
            values = as_bytes
        else:
            values = values.astype("<f8") + 0.0  # -0 becomes 0
    kind = "B" if values.dtype == np.uint8 else "d"
    digest = hashlib.sha256(f"{'x'.join(map(str, image.shape))}{kind}".encode())
    digest.update(values.data)
    return digest.digest()


def label_text(label: Any) -> str:
    """Return a label as text that is the same for equal numbers."""
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return f"{type(label).__name__} {label}"


def _read(images):
    """Yield the images as arrays, with at most a batch in memory."""
    if not isinstance(images, LazyImages):
        yield from map(np.asarray, images)
        return
    for part in images.read_parts(_BATCH):
        yield from map(np.asarray, part)
