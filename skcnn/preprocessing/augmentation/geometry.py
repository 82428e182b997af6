"""Geometry of augmented images: flips, rotation, zoom and shift as one resampling of a batch."""

from __future__ import annotations

import numpy as np
import torch


def flip(images, horizontal, vertical):
    """Mirror some images.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Images; not changed.
    horizontal : bool array of shape (n_images,)
        Images whose left and right are exchanged.
    vertical : bool array of shape (n_images,)
        Images whose top and bottom are exchanged.

    Returns
    -------
    images : array of shape (n_images, height, width, n_channels)
        Copy of the same dtype.
    """
    flipped = images.copy()
    flipped[horizontal] = flipped[horizontal, :, ::-1]
    flipped[vertical] = flipped[vertical, ::-1]
    return flipped


def move(images, down, right):
    """Shift images by whole pixels, and repeat the pixels at the edges.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Images; not changed.
    down, right : int arrays of shape (n_images,)
        Shifts in pixels.

    Returns
    -------
    images : array of shape (n_images, height, width, n_channels)
        Copy of the same dtype.
    """
    n_images, height, width, _ = images.shape
    rows = np.clip(np.arange(height) - down[:, np.newaxis], 0, height - 1)
    columns = np.clip(np.arange(width) - right[:, np.newaxis], 0, width - 1)
    which = np.arange(n_images)[:, np.newaxis, np.newaxis]
    return images[which, rows[:, :, np.newaxis], columns[:, np.newaxis, :]]


def affine_maps(variants, height, width):
    """Compose flips, rotation, zoom and shift, in this order, about the center of the image.

    Parameters
    ----------
    variants : Variants
        Variant of each image.
    height, width : int
        Size of the images in pixels.

    Returns
    -------
    matrices : float64 array of shape (n_images, 2, 2)
        Linear parts: output pixel ``(x, y)`` shows input pixel ``matrix @ (x, y) + offset``.
    offsets : float64 array of shape (n_images, 2)
        Offsets, in pixels.
    """
    angle = np.deg2rad(variants.rotation)
    cosine, sine = np.cos(angle) / variants.zoom, np.sin(angle) / variants.zoom
    matrices = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    matrices[variants.horizontal_flip, 0] *= -1
    matrices[variants.vertical_flip, 1] *= -1
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = np.stack([variants.shift_x * width, variants.shift_y * height], axis=1)
    offsets = center - (matrices * (center + shift)[:, np.newaxis, :]).sum(axis=2)
    return matrices, offsets


def warp(images, matrices, offsets):
    """Resample images bilinearly, and repeat the pixels at the edges.

    Parameters
    ----------
    images : array of shape (n_images, height, width, n_channels)
        Images; not changed.
    matrices : float64 array of shape (n_images, 2, 2)
        From `affine_maps`.
    offsets : float64 array of shape (n_images, 2)
        From `affine_maps`.

    Returns
    -------
    images : float32 array of shape (n_images, height, width, n_channels)
        Resampled images.
    """
    _, height, width, _ = images.shape
    # Coordinates of grid_sample: -1 and 1 are the outer edges of the first and the last pixel.
    scale = 2 / np.array([width, height])
    matrices = matrices * scale[:, np.newaxis]
    offsets = (offsets + 0.5) * scale - 1
    x, y = np.arange(width), np.arange(height)
    by_x = (matrices[:, :, 0, np.newaxis] * x).astype(np.float32)
    by_y = (matrices[:, :, 1, np.newaxis] * y + offsets[:, :, np.newaxis]).astype(np.float32)
    grid = np.empty((len(images), height, width, 2), dtype=np.float32)
    for axis in range(2):
        np.add(by_x[:, axis, np.newaxis, :], by_y[:, axis, :, np.newaxis], out=grid[..., axis])
    # channels first without a copy, as grid_sample reads any strides
    pixels = torch.from_numpy(images.astype(np.float32, order="C")).permute(0, 3, 1, 2)
    sampled = torch.nn.functional.grid_sample(
        pixels,
        torch.from_numpy(grid),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    # copied by numpy, as starting torch's threads takes longer
    return np.ascontiguousarray(sampled.permute(0, 2, 3, 1).numpy())
