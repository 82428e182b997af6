"""Loaders of image collections."""

from skcnn.datasets.image_folder import load_image_folder

__all__ = ["load_image_folder"]
