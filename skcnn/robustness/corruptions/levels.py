"""Levels: a parameter of a corruption by severity and size of the image."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

SMALL, LARGE = 32, 224  # sides of the images of CIFAR-10-C and ImageNet-C in pixels


@dataclass(frozen=True)
class Levels:
    """The published values of a parameter, and those between for other sizes of images.

    The shorter side of an image decides. A value is interpolated linearly in the logarithm of the
    side between 32 and 224 pixels, and constant outside. Of a length, the fraction of the side is
    interpolated.

    Parameters
    ----------
    small : tuple of 5 float
        Values of severities 1 to 5 at 32 x 32 pixels.
    large : tuple of 5 float
        Values at 224 x 224 pixels.
    """

    small: tuple[float, ...]
    large: tuple[float, ...]

    def number(self, severity: int, shape: tuple[int, ...]) -> float:
        """Return the value of a parameter without unit.

        Parameters
        ----------
        severity : int
            Severity, 1 to 5.
        shape : tuple of int
            Shape of the image, which starts with height and width.

        Returns
        -------
        value : float
            Value.
        """
        small, large = self.small[severity - 1], self.large[severity - 1]
        weight = _weight(min(shape[:2]))
        return (1 - weight) * small + weight * large

    def length(self, severity: int, shape: tuple[int, ...]) -> float:
        """Return the value of a parameter that is a length.

        Parameters
        ----------
        severity : int
            Severity, 1 to 5.
        shape : tuple of int
            Shape of the image, which starts with height and width.

        Returns
        -------
        value : float
            Value in pixels.
        """
        side = min(shape[:2])
        small, large = self.small[severity - 1] / SMALL, self.large[severity - 1] / LARGE
        weight = _weight(side)
        return side * ((1 - weight) * small + weight * large)


def _weight(side):
    """Return the weight of the values for large images."""
    return min(max(log(side / SMALL) / log(LARGE / SMALL), 0.0), 1.0)
