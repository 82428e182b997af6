"""Convolutional networks as scikit-learn estimators, and the image transformers they need."""

from skcnn.datasets import load_image_folder
from skcnn.estimators import (
    CNNClassifier,
    CNNRegressor,
    ConvAutoencoder,
    ImageEmbedder,
    ImageOutlierDetector,
    TransferClassifier,
    TransferRegressor,
)
from skcnn.lazy import LazyImages
from skcnn.preprocessing import (
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
)

__version__ = "0.1.0"

__all__ = [
    "CNNClassifier",
    "CNNRegressor",
    "ColorHistogramExtractor",
    "ConvAutoencoder",
    "HOGExtractor",
    "ImageAugmenter",
    "ImageEmbedder",
    "ImageFlattener",
    "ImageNormalizer",
    "ImageOutlierDetector",
    "ImageReader",
    "ImageResizer",
    "LazyImages",
    "TransferClassifier",
    "TransferRegressor",
    "__version__",
    "load_image_folder",
]
