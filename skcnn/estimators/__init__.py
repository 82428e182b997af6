"""Convolutional networks as scikit-learn estimators."""

from skcnn.estimators.autoencoder import ConvAutoencoder
from skcnn.estimators.classifier import CNNClassifier
from skcnn.estimators.embedder import ImageEmbedder
from skcnn.estimators.outlier_detector import ImageOutlierDetector
from skcnn.estimators.regressor import CNNRegressor
from skcnn.estimators.transfer_classifier import TransferClassifier
from skcnn.estimators.transfer_regressor import TransferRegressor

__all__ = [
    "CNNClassifier",
    "CNNRegressor",
    "ConvAutoencoder",
    "ImageEmbedder",
    "ImageOutlierDetector",
    "TransferClassifier",
    "TransferRegressor",
]
