"""Convolutional networks as scikit-learn estimators, and the image transformers they need."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_LAZY = {
    "skcnn.datasets": {"load_image_folder"},
    "skcnn.estimators": {
        "CNNClassifier",
        "CNNRegressor",
        "ConvAutoencoder",
        "ImageEmbedder",
        "ImageOutlierDetector",
        "TransferClassifier",
        "TransferRegressor",
    },
    "skcnn.lazy": {"LazyImages"},
    "skcnn.preprocessing": {
        "ColorHistogramExtractor",
        "HOGExtractor",
        "ImageAugmenter",
        "ImageFlattener",
        "ImageNormalizer",
        "ImageReader",
        "ImageResizer",
    },
}
_SUBPACKAGES = {
    "datasets",
    "export",
    "imbalance",
    "inspection",
    "networks",
    "preprocessing",
    "quality",
    "robustness",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts without torch."""
    if name in _SUBPACKAGES:
        return import_module(f"skcnn.{name}")
    for module, names in _LAZY.items():
        if name in names:
            globals()[name] = getattr(import_module(module), name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
