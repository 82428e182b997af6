"""Attack: base of the attacks, which are parameters without data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, prod, sqrt
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skcnn.robustness.attacks._problem import Problem

EPSILON = [Interval(Real, 0, None, closed="neither")]
_SMALLEST = 1e-3  # of the range of the pixel values; 1 of 255 is 4 times as much


class Attack(BaseEstimator, ABC):
    """Base of the attacks.

    An attack holds parameters only, and is passed to a function or to an estimator. Its parameters
    can be read and set as those of an estimator, also within a grid search.
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilon": EPSILON,
        "norm": [StrOptions({"linf", "l2"})],
    }

    epsilon: Any
    norm: str

    @property
    def _radius(self) -> float:
        """Maximum distance to the original image; infinity if there is none."""
        return inf if self.epsilon is None else float(self.epsilon)

    _takes_target = True  # whether a class to predict can be given

    @abstractmethod
    def _perturb(
        self, problem: Problem, generator: torch.Generator, *, until_fooled: bool = False
    ) -> Tensor:
        """Attack images.

        Parameters
        ----------
        problem : Problem
            Images to attack.
        generator : torch.Generator
            Source of random numbers, on the device of the images.
        until_fooled : bool, default=False
            Whether to stop for an image as soon as it fools the network, which saves time.

        Returns
        -------
        images : tensor of shape (n_images, n_channels, height, width)
            Images within `epsilon` of the original ones and within the limits.
        """

    def _check_units(
        self, limits: tuple[float, float], shape: tuple[int, ...], *, is_integer: bool
    ) -> str | None:
        """Raise an error if `epsilon` cannot be in the units of the pixel values.

        Parameters
        ----------
        limits : tuple of (float, float)
            Smallest and largest pixel value.
        shape : tuple of int
            Shape of an image.
        is_integer : bool
            Whether pixel values are integers.

        Returns
        -------
        warning : str or None
            Sentence for a warning, if `epsilon` is very small.

        Raises
        ------
        ValueError
            If `epsilon` is as large as the largest possible change, or cannot change an integer.
        """
        width = limits[1] - limits[0]
        largest = width * (1 if self.norm == "linf" else sqrt(prod(shape)))
        units = (
            (
                f"{type(self).__name__} has epsilon={self.epsilon:g}, but the pixel values are "
                f"{'integers ' if is_integer else ''}from {limits[0]:g} to {limits[1]:g}"
            )
            if self.epsilon is not None
            else ""
        )
        advice = "epsilon is in the units of the pixel values"
        if self.epsilon is None:
            return None
        if self.epsilon >= largest:
            raise ValueError(f"{units}, so any image is within epsilon: {advice}")
        if is_integer and self.epsilon < 1:
            raise ValueError(
                f"{units}, so no other image is within epsilon: {advice}, such as 8 instead of "
                "8 / 255"
            )
        if self.epsilon < _SMALLEST * width:
            return f"{units}: {advice}, so this is a very small change."
        return None
