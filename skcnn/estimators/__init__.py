"""Convolutional networks as scikit-learn estimators."""

from skcnn.estimators.classifier import CNNClassifier
from skcnn.estimators.regressor import CNNRegressor

__all__ = ["CNNClassifier", "CNNRegressor"]
