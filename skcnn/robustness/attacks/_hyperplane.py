"""Projection of images onto hyperplanes, within the range of the pixel values."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


def project_onto_hyperplane(
    images: Tensor, normal: Tensor, excess: Tensor, low: Tensor, high: Tensor, norm: str
) -> Tensor:
    """Find the smallest changes that bring images onto hyperplanes.

    The change d of an image minimizes ``norm(d)`` such that ``(normal * d).sum() == -excess`` and
    ``low <= image + d <= high``. The size of each value of d is a constant t times its rate (1
    for "linf", the size of the normal for "l2"), up to the room that the range leaves. The sum
    increases with t and is linear between the values of t at which a pixel reaches its limit, so
    that t is found among these values, which are sorted.

    Parameters
    ----------
    images : tensor of shape (n_images, n_values)
        Pixel values, within the range.
    normal : tensor of shape (n_images, n_values)
        Normals of the hyperplanes.
    excess : tensor of shape (n_images,)
        Value of the linear function that is 0 on the hyperplane, at each image.
    low, high : tensor of shape (n_images, n_values)
        Range of the pixel values.
    norm : {"linf", "l2"}
        Norm to minimize.

    Returns
    -------
    change : tensor of shape (n_images, n_values)
        The changes. If no image in the range is on the hyperplane, that to the closest corner.
    """
    direction = -normal.sign() * excess.sign()[:, None]
    room = torch.where(direction > 0, high - images, images - low).clamp(min=0)
    size = normal.abs()
    rate = torch.ones_like(size) if norm == "linf" else size
    gain = size * rate  # of the sum, for each unit of t, until the limit is reached
    limit = torch.where(size > _TINY, room / rate.clamp(min=_TINY), 0)
    limit, order = limit.sort(dim=1)
    gain = gain.gather(1, order)
    reached = (gain * limit).cumsum(dim=1) - gain * limit  # by the pixels that are at their limit
    still = gain.flip(1).cumsum(dim=1).flip(1)  # rate of all the others
    needed = excess.abs()[:, None]
    at_limit = reached + still * limit  # sum when t is this limit
    column = (at_limit < needed).sum(dim=1, keepdim=True).clamp(max=limit.shape[1] - 1)
    t = (needed - reached.gather(1, column)) / still.gather(1, column).clamp(min=_TINY)
    t = t.clamp(min=0)
    return direction * torch.minimum(t * rate, room)
