"""Scale of the pixel values in fit, and a warning about images of a very different scale."""

from __future__ import annotations

import warnings
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Measured on photos (docs/benchmarks/warnings.rst): images at a quarter of their brightness are at
# most 14 times below the usual scale; with values from 0 to 1 instead of 0 to 255, at least 60.
FACTOR = 32
_QUANTILES = (0.05, 0.95)  # of the images of fit, so that unusual ones count little
_MAX_IMAGES = 64  # of a batch, evenly spaced
_MAX_PIXELS = 1024  # of an image, evenly spaced
_MAX_MAGNITUDES = 4096  # of all batches
_MAX_SAMPLES = 8  # images whose different values are counted
_FEW_LEVELS = 4


class PixelScale(NamedTuple):
    """Scale of the pixel values of images.

    Parameters
    ----------
    low, high : float
        Quantiles of 5 % and 95 % of the magnitudes of the images, which are the root mean squares
        of their pixel values. Constant images are left out; if all are constant, both are 0.
    few_levels : bool
        Whether the pixels have at most four different values, all of them integers.
    """

    low: float
    high: float
    few_levels: bool


def image_magnitudes(images: NDArray) -> NDArray[np.float64]:
    """Compute the root mean square of the pixel values of images.

    Parameters
    ----------
    images : array of shape (n_images, ...)
        Images. Of many images, and of large ones, evenly spaced images and pixels are used.

    Returns
    -------
    magnitudes : float64 array of shape (n_used_images,)
        Root mean squares; 0 for constant images, which do not show a scale.
    """
    values = _sample(images).astype(np.float64)
    magnitudes = np.sqrt(np.einsum("np,np->n", values, values) / max(1, values.shape[1]))
    constant = (values == values[:, :1]).all(axis=1)
    return np.where(constant, 0.0, magnitudes)


def scale_ratio(magnitudes: NDArray[np.float64], fitted: PixelScale) -> float:
    """Return how many times larger images are than those of fit, if the difference is large.

    Parameters
    ----------
    magnitudes : float array of shape (n_images,)
        Root mean squares of the pixel values of images, as `image_magnitudes` returns them.
    fitted : PixelScale
        Scale of the images of fit.

    Returns
    -------
    ratio : float
        Ratio of the median magnitude to that of fit, below 1 for smaller values. It is 1 unless all
        images are more than 32 times smaller than usual in fit, or half of them more than 32 times
        larger. Magnitudes of 0 are left out.
    """
    magnitudes = magnitudes[magnitudes > 0]
    if not len(magnitudes) or not fitted.low:
        return 1.0
    largest = magnitudes.max()
    if fitted.low <= largest * FACTOR and largest <= fitted.high * FACTOR:
        return 1.0  # the usual case, without the median, which takes longer than all of this
    median = float(np.median(magnitudes))
    if largest * FACTOR < fitted.low or median > fitted.high * FACTOR:
        return median / float(np.sqrt(fitted.low) * np.sqrt(fitted.high))
    return 1.0


class ScaleMonitor:
    """Collect the magnitudes of the images of batches. Several threads may add batches."""

    def __init__(self):
        self._magnitudes = []
        self._n_magnitudes = 0
        self._samples = []

    def add(self, images: NDArray) -> None:
        """Add the images of a batch.

        Parameters
        ----------
        images : array of shape (n_images, ...)
            Images.
        """
        if self._n_magnitudes < _MAX_MAGNITUDES:
            self._magnitudes.append(image_magnitudes(images))
            self._n_magnitudes += len(self._magnitudes[-1])
            if len(self._samples) < _MAX_SAMPLES:
                self._samples.append(_sample(images[:1]))

    def scale(self) -> PixelScale:
        """Return the scale of all images that were added.

        Returns
        -------
        scale : PixelScale
            Scale of the images.
        """
        magnitudes = np.concatenate([np.empty(0), *self._magnitudes])
        magnitudes = magnitudes[magnitudes > 0]
        low, high = np.quantile(magnitudes, _QUANTILES).tolist() if len(magnitudes) else (0.0, 0.0)
        return PixelScale(low, high, _have_few_levels(self._samples))

    def differs(self, fitted: PixelScale) -> bool:
        """Return whether the images that were added have a very different scale than those of fit.

        Parameters
        ----------
        fitted : PixelScale
            Scale of the images of fit.

        Returns
        -------
        differs : bool
            Whether `warn` warns.
        """
        return self._ratio(fitted) != 1

    def _ratio(self, fitted):
        ratio = scale_ratio(np.concatenate([np.empty(0), *self._magnitudes]), fitted)
        # Black images with some noise have few different values; images of another scale have many.
        if ratio < 1 and not fitted.few_levels and _have_few_levels(self._samples):
            return 1.0
        return ratio

    def warn(self, fitted: PixelScale, name: str = "X") -> None:
        """Warn if the images that were added have a very different scale than those of fit.

        Parameters
        ----------
        fitted : PixelScale
            Scale of the images of fit.
        name : str, default="X"
            Name of the argument that holds the images.
        """
        ratio = self._ratio(fitted)
        if ratio == 1:
            return
        times = f"{ratio:.3g} times larger" if ratio > 1 else f"{1 / ratio:.3g} times smaller"
        warnings.warn(
            f"The pixel values of {name} are about {times} than those of the images in fit, so "
            f"results are probably wrong: bring {name} to the scale of the training images, such "
            "as 0 to 255.",
            UserWarning,
            stacklevel=2,
        )


def _sample(images):
    """Return evenly spaced pixels of evenly spaced images, of shape (n_images, n_pixels)."""
    rows = images[:: max(1, -(-len(images) // _MAX_IMAGES))]
    rows = rows.reshape(len(rows), prod(images.shape[1:]))
    # With an odd step, not all pixels are in the same column or channel.
    return rows[:, :: rows.shape[1] // _MAX_PIXELS | 1]


def _have_few_levels(samples: list[NDArray]) -> bool:
    """Return whether pixels have few different values, all of them integers."""
    values = np.concatenate([np.empty(0), *(sample.ravel() for sample in samples)])
    return bool(len(np.unique(values)) <= _FEW_LEVELS and (values == np.rint(values)).all())
