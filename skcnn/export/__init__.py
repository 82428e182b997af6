"""Model files that are safe to load."""

from skcnn.export.trust import trusted_types

__all__ = ["trusted_types"]
