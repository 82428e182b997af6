"""Convolutional networks as scikit-learn estimators, and the image transformers they need."""

from skcnn.lazy import LazyImages

__version__ = "0.1.0"

__all__ = ["LazyImages", "__version__"]
