"""Random variants of images: pure functions of arrays, and the operation that applies them."""

from skcnn.preprocessing.augmentation.operation import Augment
from skcnn.preprocessing.augmentation.variants import Ranges

__all__ = ["Augment", "Ranges"]
