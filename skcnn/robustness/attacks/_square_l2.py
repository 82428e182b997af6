"""Windows of the Square attack for the Euclidean distance: algorithm 3 of Andriushchenko et al."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_TINY = 1e-12
_TILES = 5  # first windows along an axis, section 4.2


def first_windows(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return changes that consist of a grid of windows with random signs.

    Parameters
    ----------
    like : tensor of shape (n_images, n_channels, height, width)
        Changes, of which the shape and the device are used.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    change : tensor of the same shape
        Changes of any length.
    """
    n_images, n_channels, height, width = like.shape
    side = max(1, min(height, width) // _TILES)
    change = torch.zeros_like(like)
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            window = _window(side, _coin(like, generator)).to(like)
            signs = _random_signs((n_images, n_channels, 1, 1), like, generator)
            change[:, :, top : top + side, left : left + side] = window * signs
    return change


def new_window(change: Tensor, epsilon: float, side: int, generator: torch.Generator) -> Tensor:
    """Move the length of the change in one random window to another, which gets a new pattern.

    Parameters
    ----------
    change : tensor of shape (n_images, n_channels, height, width)
        Present changes.
    epsilon : float
        Maximum length.
    side : int
        Side of the windows in pixels. It is made odd, and at least 3 if the image is as large.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    change : tensor of shape (n_images, n_channels, height, width)
        New changes.
    """
    n_images, n_channels, height, width = change.shape
    side = min(max(side, 3) | 1, height, width)
    (here, there), both = _windows(change, side, generator)
    length = _length(change)
    budget = (epsilon**2 - length**2).clamp(min=0) + _length(change * both) ** 2
    old = change[here]
    pattern = _window(side, _coin(change, generator)).to(change)
    pattern = pattern * _random_signs((n_images, n_channels, 1, 1), change, generator)
    pattern = pattern + old / _length(old).clamp(min=_TINY)
    pattern = pattern / pattern.square().sum(dim=(2, 3), keepdim=True).sqrt().clamp(min=_TINY)
    change = change.clone()
    change[there] = 0
    change[here] = pattern * (budget / n_channels).sqrt()
    return change


def _windows(change, side, generator):
    """Return two random windows as slices, and a mask of both."""
    height, width = change.shape[2:]
    both, found = torch.zeros_like(change[:1, :1]), []
    for _ in range(2):
        top, left = (
            int(torch.randint(size - side + 1, (), device=change.device, generator=generator))
            for size in (height, width)
        )
        window = (..., slice(top, top + side), slice(left, left + side))
        both[window] = 1
        found.append(window)
    return found, both


def _length(change):
    return change.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()


@cache
def _window(side: int, transposed: bool) -> Tensor:
    """Return the pattern of a window: two halves of opposite signs that fall off to the edge."""
    upper = side // 2
    pattern = torch.cat([_pyramid(upper, side), -_pyramid(side - upper, side)])
    pattern = pattern / pattern.norm()
    return pattern.T.contiguous() if transposed else pattern


def _pyramid(height, width):
    """Return the sum of centered rectangles that grow, with weights 1 / k**2, of length 1."""
    pattern = torch.zeros(height, width)
    if not height:
        return pattern
    row, column = height // 2, width // 2
    for k in range(max(row, column) + 1):
        rows = slice(max(0, row - k), row + k + 1)
        columns = slice(max(0, column - k), column + k + 1)
        pattern[rows, columns] += 1 / (k + 1) ** 2
    return pattern / pattern.norm()


def _coin(like, generator):
    return bool(torch.rand((), device=like.device, generator=generator) < 0.5)


def _random_signs(shape, like, generator):
    uniform = torch.rand(shape, device=like.device, generator=generator)
    return torch.where(uniform < 0.5, -1.0, 1.0)
