"""Data quality: damaged files, unusual images, and duplicates."""

from skcnn.quality.check import check_images
from skcnn.quality.duplicates import find_duplicates
from skcnn.quality.report import QualityReport

__all__ = ["QualityReport", "check_images", "find_duplicates"]
