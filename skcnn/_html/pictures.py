"""Pictures that are part of a page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 240  # pixels of the longer side of a picture


def as_rgb(image: NDArray, limits: tuple[float, float], side: int = SIDE) -> NDArray[np.uint8]:
    """Return an image as bytes with three channels, of a size to look at.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, n_channels)
        Image.
    limits : tuple of (float, float)
        Pixel values that are black and white.
    side : int, default=240
        Number of pixels of the longer side.

    Returns
    -------
    image : uint8 array of shape (new_height, new_width, 3)
        Image whose longer side has about `side` pixels. Small images are magnified by a whole
        number.
    """
    low, high = limits
    values = (image.astype(np.float64) - low) / ((high - low) or 1.0)
    values = values[..., None] if values.ndim == 2 else values
    if values.shape[2] == 4:  # on white
        values = 1 - values[..., 3:] * (1 - values[..., :3])
    if values.shape[2] != 3:
        values = np.repeat(values.mean(axis=2, keepdims=True), 3, axis=2)
    shown = np.round(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    longest = max(shown.shape[:2])
    if longest > side:
        picture = Image.fromarray(shown)
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return np.asarray(picture)
    return shown.repeat(side // longest, axis=0).repeat(side // longest, axis=1)


def data_url(picture: NDArray[np.uint8]) -> str:
    """Return an image as a data URL: the smaller one of a PNG and a JPEG file."""
    files = []
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 88})):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, kind, **options)
        files.append((kind, file.getvalue()))
    kind, contents = min(files, key=lambda one: len(one[1]))
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode('ascii')}"
