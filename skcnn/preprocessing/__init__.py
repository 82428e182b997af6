"""Image transformers: from files or arrays to the input of a network or a classical model."""

from skcnn.preprocessing.augmenter import ImageAugmenter
from skcnn.preprocessing.color_histogram import ColorHistogramExtractor
from skcnn.preprocessing.flattener import ImageFlattener
from skcnn.preprocessing.hog import HOGExtractor
from skcnn.preprocessing.normalizer import ImageNormalizer
from skcnn.preprocessing.reader import ImageReader
from skcnn.preprocessing.resizer import ImageResizer

__all__ = [
    "ColorHistogramExtractor",
    "HOGExtractor",
    "ImageAugmenter",
    "ImageFlattener",
    "ImageNormalizer",
    "ImageReader",
    "ImageResizer",
]
