"""Occlusion: the change of an output when a square of the image is replaced."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from skcnn.inspection._network import mean_pixel
from skcnn.networks.inference import prediction_function


@torch.no_grad()
def occlusion(
    network: nn.Module, images: Tensor, columns: Tensor, *, window: int | None, batch_size: int
) -> Tensor:
    """Replace squares of the images by the mean pixel, and average the changes of the outputs.

    Parameters
    ----------
    network : torch.nn.Module
        Network in evaluation mode.
    images : tensor of shape (n_images, n_channels, height, width)
        Images.
    columns : int tensor of shape (n_images,)
        Output to explain of each image.
    window : int or None
        Side of the squares in pixels. None is a fifth of the shorter side of the image. The
        squares overlap by half.
    batch_size : int
        Number of images that the network gets at a time.

    Returns
    -------
    maps : tensor of shape (n_images, height, width)
        For each pixel, the mean decrease of the output over the squares that contain it.

    References
    ----------
    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014
    (arXiv 1311.2901), section 4.2.
    """
    outputs = prediction_function(network, repeated=True)
    size = images.shape[2:]
    window = max(1, round(min(size) / 5)) if window is None else window
    down, across = (_windows(n_pixels, window, images.device) for n_pixels in size)
    original = outputs(images).gather(1, columns[:, None])
    replacement = mean_pixel(network)
    shape = (len(images), len(down), len(across))
    occluded = []
    for cases in torch.arange(prod(shape), device=images.device).split(batch_size):
        image, row, column = torch.unravel_index(cases, shape)
        is_covered = (down[row, :, None] & across[column, None])[:, None]
        batch = torch.where(is_covered, replacement, images[image])
        occluded.append(outputs(batch).gather(1, columns[image, None]))
    decreases = original[:, :, None] - torch.cat(occluded).reshape(shape)
    counts = down.sum(0).float()[:, None] * across.sum(0).float()
    return down.T.float() @ decreases @ across.float() / counts


def _windows(n_pixels, window, device):
    """Return which pixels each window covers, a bool tensor of shape (n_windows, n_pixels)."""
    window = min(window, n_pixels)
    n_steps = -(-(n_pixels - window) // max(1, window // 2))
    starts = torch.linspace(0, n_pixels - window, n_steps + 1, device=device).round()
    pixels = torch.arange(n_pixels, device=device)
    return (pixels >= starts[:, None]) & (pixels < starts[:, None] + window)
