from . import datasets, export, imbalance, inspection, networks, quality, robustness, training
from .datasets import load_image_folder
from .estimators import (
    CNNClassifier,
    CNNRegressor,
    ConvAutoencoder,
    ImageEmbedder,
    ImageOutlierDetector,
    TransferClassifier,
    TransferRegressor,
)
from .lazy import LazyImages
from .preprocessing import (
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
)

__version__: str
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
    "datasets",
    "export",
    "imbalance",
    "inspection",
    "load_image_folder",
    "networks",
    "quality",
    "robustness",
    "training",
]
