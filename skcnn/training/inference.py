"""Predictions as means over variants of an image."""

from __future__ import annotations

import torch


def mirrored(images):
    """Show images as they are and mirrored.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        The images.

    Yields
    ------
    weight : float
        The weight of a variant; all of them sum to 1.
    variant : tensor of shape (n_images, n_channels, height, width)
        The images, varied.
    """
    yield 0.5, images
    yield 0.5, images.flip(3)


def mirrored_and_shifted(images):
    """Show images mirrored and shifted by a pixel along the diagonal, to both sides.

    What is shifted in repeats the edge (Jordan 2024, arXiv 2404.00498, section 3.5).

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        The images.

    Yields
    ------
    weight : float
        The weight of a variant: 1/4 for images in place, 1/8 for shifted ones.
    variant : tensor of shape (n_images, n_channels, height, width)
        The images, varied.
    """
    for shift, share in ((0, 0.5), (-1, 0.25), (1, 0.25)):
        for weight, variant in mirrored(_shift(images, shift)):
            yield share * weight, variant


AUGMENTATIONS = {"flip": mirrored, "flip_shift": mirrored_and_shifted}


def _shift(images, shift):
    if shift == 0:
        return images
    height, width = (torch.arange(n, device=images.device) for n in images.shape[2:])
    rows, columns = ((axis + shift).clamp(0, len(axis) - 1) for axis in (height, width))
    shifted = images.index_select(2, rows).index_select(3, columns)
    return shifted.contiguous(memory_format=torch.channels_last)
