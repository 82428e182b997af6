"""Data quality: damaged files, unusual images, duplicates, and wrong labels."""

from skcnn.quality.check import check_images
from skcnn.quality.duplicates import find_duplicates
from skcnn.quality.label_issues import find_label_issues
from skcnn.quality.report import QualityReport

__all__ = ["QualityReport", "check_images", "find_duplicates", "find_label_issues"]
