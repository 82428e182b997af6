"""Random variants of images as pure functions of arrays, and the lazy operation over them."""

from skcnn.preprocessing.augmentation.operation import Augment
from skcnn.preprocessing.augmentation.variants import Ranges

__all__ = ["Augment", "Ranges"]
