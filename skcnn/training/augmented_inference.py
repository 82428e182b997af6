"""Test-time augmentation: predictions averaged over variants of an image."""

from __future__ import annotations

import torch


def mirrored(images):
    """Yield the images and their mirror images.

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Images.

    Yields
    ------
    weight : float
        Weight of the variant; the weights sum to 1.
    variant : tensor of shape (n_images, n_channels, height, width)
        One variant of every image.
    """
    yield 0.5, images
    yield 0.5, images.flip(3)


def mirrored_and_shifted(images):
    """Yield the images, their mirror images, and both shifted diagonally in each direction.

    The shift is one pixel. Edge pixels are repeated where it leaves a gap (Jordan 2024, arXiv
    2404.00498, section 3.5).

    Parameters
    ----------
    images : tensor of shape (n_images, n_channels, height, width)
        Images.

    Yields
    ------
    weight : float
        Weight of the variant: 1/4 each for the unshifted image and its mirror image, 1/8 each for
        the shifted ones.
    variant : tensor of shape (n_images, n_channels, height, width)
        One variant of every image.
    """
    for shift, shift_weight in ((0, 0.5), (-1, 0.25), (1, 0.25)):
        for weight, variant in mirrored(_shift(images, shift)):
            yield shift_weight * weight, variant


TEST_TIME_AUGMENTATIONS = {"flip": mirrored, "flip_shift": mirrored_and_shifted}


def average_over_variants(function, test_time_augmentation):
    """Average a function of images over variants of them.

    Parameters
    ----------
    function : callable
        Function from images to outputs.
    test_time_augmentation : {"flip", "flip_shift"} or None
        Variants. None returns `function`.

    Returns
    -------
    average : callable
        Function from images to the weighted mean of the outputs of their variants.
    """
    if test_time_augmentation is None:
        return function
    variants = TEST_TIME_AUGMENTATIONS[test_time_augmentation]
    return lambda images: sum(weight * function(variant) for weight, variant in variants(images))


def _shift(images, shift):
    if shift == 0:
        return images
    height, width = (torch.arange(n, device=images.device) for n in images.shape[2:])
    rows, columns = ((axis + shift).clamp(0, len(axis) - 1) for axis in (height, width))
    shifted = images.index_select(2, rows).index_select(3, columns)
    return shifted.contiguous(memory_format=torch.channels_last)
