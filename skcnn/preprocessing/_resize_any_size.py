"""ResizeAnySize: the operation of ImageResizer as a torch module for images of any size.

The weights are computed from the height and width of the images by tensor operations, so that an
exported program computes them for each batch. They are those of `skcnn.preprocessing._resize`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skcnn.operations import round_with_gradient


class ResizeAnySize(nn.Module):
    """Resize channels-first tensors of any height and width by two matrix products.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width of the result in pixels.
    aspect : {"stretch", "pad", "crop"}
        Treatment of the ratio of height to width: see `ImageResizer`.
    rounds : bool
        Whether the results are rounded.

    Examples
    --------
    >>> import torch
    >>> from skcnn.preprocessing._resize_any_size import ResizeAnySize
    >>> resize = ResizeAnySize((1, 2), "stretch", rounds=False)
    >>> resize(torch.tensor([[[[0.0, 0.0, 4.0, 4.0]]]]))
    tensor([[[[0.2145, 3.7855]]]])
    """

    def __init__(self, size: tuple[int, int], aspect: str, *, rounds: bool) -> None:
        super().__init__()
        self.size = size
        self.aspect = aspect
        self.rounds = rounds

    def forward(self, images: Tensor) -> Tensor:
        """Resize images.

        Parameters
        ----------
        images : float32 tensor of shape (n_images, n_channels, height, width)
            Images.

        Returns
        -------
        resized : float32 tensor of shape (n_images, n_channels, new_height, new_width)
            Resized images.
        """
        lengths = images.shape[2:]
        before = [_float64(length, images) for length in lengths]
        scaled = self._scaled(before, images)
        # Bounds of the radius of the Gaussian. A padded axis can have few scaled pixels.
        radii = [2 * (n // size + 1) for n, size in zip(lengths, self.size, strict=True)]
        if self.aspect == "pad":
            radii = [2 * sum(radii)] * 2
        down, across = map(_axis_matrix, lengths, before, scaled, self.size, radii)
        resized = down @ images @ across.T
        return round_with_gradient(resized) if self.rounds else resized

    def _scaled(self, before, images):
        """Return the number of pixels of both axes after scaling, as `scaled_axes` does."""
        after = [_float64(length, images) for length in self.size]
        if self.aspect == "stretch":
            return after
        limit = torch.minimum if self.aspect == "pad" else torch.maximum
        ratio = limit(after[0] / before[0], after[1] / before[1])
        rounded = [(n * ratio).round() for n in before]
        return [limit(n, size).clamp(min=1) for n, size in zip(rounded, after, strict=True)]


def _axis_matrix(length, n_in, n_scaled, n_out, max_radius):
    """Return the float32 matrix that resizes an axis, of shape (n_out, length).

    `n_in` is the length as a float64 tensor. See `_taps` in `_resize.py` for the method.
    """
    factor = n_in / n_scaled
    sigma = ((factor - 1) / 2).clamp(min=0)
    radius = (4 * sigma + 0.5).floor()
    first = ((n_out - n_scaled) / 2).floor()
    outputs = torch.arange(n_out, dtype=torch.float64, device=n_in.device) - first
    centers = ((outputs + 0.5) * factor - 0.5)[:, None]
    left = centers.floor()
    fraction = centers - left
    offsets = torch.arange(-max_radius, max_radius + 2, dtype=torch.float64, device=n_in.device)
    weights = (1 - fraction) * _gauss(offsets, sigma, radius)
    weights = weights + fraction * _gauss(offsets - 1, sigma, radius)
    weights = weights / weights.sum(dim=1, keepdim=True)
    shown = ((outputs >= 0) & (outputs < n_scaled))[:, None]
    weights = torch.where(shown, weights, 0.0)
    matrix = torch.zeros(n_out, length, dtype=torch.float64, device=n_in.device)
    return matrix.scatter_add(1, _mirror(left + offsets, n_in).long(), weights).float()


def _gauss(offsets, sigma, radius):
    """Return the values of a truncated Gaussian, which need not sum to 1."""
    sigma = torch.where(sigma > 0, sigma, 1.0)
    return torch.where(offsets.abs() <= radius, torch.exp(-0.5 * (offsets / sigma) ** 2), 0.0)


def _mirror(pixels, n):
    """Map positions beyond the ends of an axis of n pixels to the pixels that they mirror."""
    period = (2 * (n - 1)).clamp(min=1)
    pixels = pixels.abs()
    pixels = pixels - period * (pixels / period).floor()
    return torch.where(pixels < n, pixels, period - pixels)


def _float64(value, images):
    return torch.full((), value, dtype=torch.float64, device=images.device)
