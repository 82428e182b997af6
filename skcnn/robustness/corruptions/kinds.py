"""The kinds of corruptions by group, and the corruption of one image."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from skcnn.robustness.corruptions import blur, clutter, digital, noise, weather

_GROUPS = {
    "noise": (noise.gaussian_noise, noise.shot_noise, noise.impulse_noise),
    "blur": (blur.defocus_blur, blur.glass_blur, blur.motion_blur, blur.zoom_blur),
    "weather": (weather.snow, weather.frost, weather.fog, weather.brightness),
    "digital": (
        digital.contrast,
        digital.elastic_transform,
        digital.pixelate,
        digital.jpeg_compression,
    ),
    "objects": (clutter.occlusion, clutter.clutter),
}
_FUNCTIONS = {function.__name__: function for group in _GROUPS.values() for function in group}

CORRUPTIONS = {
    group: tuple(function.__name__ for function in functions)
    for group, functions in _GROUPS.items()
}
KINDS = tuple(_FUNCTIONS)
SEVERITIES = (1, 2, 3, 4, 5)


def check_kinds(kinds: Any, name: str) -> tuple[str, ...]:
    """Return kinds of corruptions as a tuple, or raise an error.

    Parameters
    ----------
    kinds : str or iterable of str
        One kind or several.
    name : str
        Name of the argument, for the message.

    Returns
    -------
    kinds : tuple of str
        The kinds.

    Raises
    ------
    TypeError
        If it is no collection.
    ValueError
        If there is none, or one is unknown or given twice.
    """
    try:
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    except TypeError:
        raise TypeError(
            f"{name}={kinds!r} must be the name of a corruption, or a sequence of names: "
            f"{', '.join(KINDS)}"
        ) from None
    unknown = next((kind for kind in kinds if not (isinstance(kind, str) and kind in KINDS)), None)
    if unknown is not None:
        raise ValueError(f"{name} holds {unknown!r}, but the kinds are {', '.join(KINDS)}")
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(f"{name}={kinds!r} must hold at least one kind, and none twice")
    return kinds


def generator(seed: int, kind: str, key: int) -> np.random.Generator:
    """Return the generator of the random numbers of an image.

    Parameters
    ----------
    seed : int
        Seed of all images.
    kind : str
        Kind of the corruption.
    key : int
        Key of the image.

    Returns
    -------
    generator : numpy.random.Generator
        Generator that does not depend on the severity, so that all severities show the same noise.
    """
    return np.random.default_rng((seed, crc32(kind.encode()), int(key) & (1 << 64) - 1))


def corrupt_image(
    image: NDArray,
    kind: str,
    severity: int,
    rng: np.random.Generator,
    pixel_range: tuple[float, float],
) -> NDArray[np.float64]:
    """Corrupt an image.

    Parameters
    ----------
    image : array of shape (height, width, n_channels)
        Image.
    kind : str
        Kind of the corruption.
    severity : int
        Severity, 1 to 5.
    rng : numpy.random.Generator
        Source of the random numbers.
    pixel_range : tuple of (float, float)
        Smallest and largest pixel value; values of the image outside are clipped.

    Returns
    -------
    image : float64 array of shape (height, width, n_channels)
        Corrupted image, with values within the pixel range.
    """
    low, high = map(float, pixel_range)
    unit = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
    changed = _FUNCTIONS[kind](unit, severity, rng)
    return np.clip(low + (high - low) * changed, low, high)
