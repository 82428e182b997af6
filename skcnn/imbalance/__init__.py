"""Class imbalance: samplers of imbalanced-learn for images, and adjusted probabilities."""

from skcnn.imbalance.image_sampler import ImageSampler
from skcnn.imbalance.logit_adjusted import LogitAdjustedClassifier

__all__ = ["ImageSampler", "LogitAdjustedClassifier"]
