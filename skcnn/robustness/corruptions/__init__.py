"""Corruptions of images: pure functions by family, and the operations that apply them."""

from skcnn.robustness.corruptions.kinds import CORRUPTIONS, KINDS, SEVERITIES, check_kinds
from skcnn.robustness.corruptions.operation import Corrupt, RandomCorruption

__all__ = ["CORRUPTIONS", "KINDS", "SEVERITIES", "Corrupt", "RandomCorruption", "check_kinds"]
