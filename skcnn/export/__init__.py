"""Model files that are safe to load."""

from skcnn.export.trust import trusted_types
from skcnn.export.weights import load_weights, save_weights

__all__ = ["load_weights", "save_weights", "trusted_types"]
