"""Loaders of image collections."""

from skcnn.datasets.cifar10 import fetch_cifar10
from skcnn.datasets.fashion_mnist import fetch_fashion_mnist
from skcnn.datasets.image_folder import load_image_folder

__all__ = ["fetch_cifar10", "fetch_fashion_mnist", "load_image_folder"]
