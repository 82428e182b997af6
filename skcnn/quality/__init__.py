"""Data quality: duplicates among images."""

from skcnn.quality.duplicates import find_duplicates

__all__ = ["find_duplicates"]
