"""Convolutional networks as scikit-learn estimators, and the image transformers they need."""

import lazy_loader

# The names in __init__.pyi are imported when they are first used, so that `python -m skcnn --help`
# does not wait for PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
