"""Attacks on classifiers and corruptions of images, and accuracy under both."""

from skcnn.robustness.corrupted import corrupt
from skcnn.robustness.corruption_errors import corruption_report
from skcnn.robustness.corruptions import CORRUPTIONS

__all__ = ["CORRUPTIONS", "corrupt", "corruption_report"]
