"""Objects in front: occlusion by patches, and clutter.

Each function takes a float64 image of shape (height, width, n_channels) in [0, 1], a severity from
1 to 5 and a `numpy.random.Generator`, and returns the corrupted image. The patches of a severity
include those of the severities below.
"""

from __future__ import annotations

import numpy as np

_COVERED = (0.1, 0.2, 0.3, 0.4, 0.5)  # fraction of the image
_PATCH = 0.2  # side of a patch as a fraction of the shorter side
_N_PIECES = (2, 4, 7, 11, 16)
_PIECE = 0.25  # diameter of a piece as a fraction of the shorter side


def occlusion(image, severity, rng):
    """Cover a fraction of the image with squares, each of a random color."""
    height, width, n_channels = image.shape
    side = max(1, round(_PATCH * min(height, width)))
    image, free = image.copy(), np.ones((height, width), dtype=bool)
    while free.mean() > 1 - _COVERED[severity - 1]:
        # A patch may reach over the edge, so that all pixels are covered equally often.
        top, left = rng.integers(1 - side, height), rng.integers(1 - side, width)
        patch = slice(max(0, top), top + side), slice(max(0, left), left + side)
        image[patch], free[patch] = rng.random(n_channels), False
    return image


def clutter(image, severity, rng):
    """Paste round pieces of the image itself, turned or mirrored, at random positions."""
    height, width = image.shape[:2]
    side = max(1, round(_PIECE * min(height, width)))
    offsets = np.arange(side) - (side - 1) / 2
    inside = np.hypot(offsets[:, np.newaxis], offsets) <= side / 2
    result = image.copy()
    for _ in range(_N_PIECES[severity - 1]):
        (from_y, to_y), (from_x, to_x) = (
            rng.integers(0, size - side + 1, 2) for size in (height, width)
        )
        piece = image[from_y : from_y + side, from_x : from_x + side]
        piece = np.rot90(piece, rng.integers(4))
        piece = piece[::-1] if rng.integers(2) else piece
        result[to_y : to_y + side, to_x : to_x + side][inside] = piece[inside]
    return result
