"""Figures, tables and reports that show what a network learned and predicts."""

from skcnn.inspection.activation_map_display import ActivationMapDisplay
from skcnn.inspection.activation_maps import class_activation_map
from skcnn.inspection.augmentation import AugmentationDisplay
from skcnn.inspection.classification import (
    classification_summary,
    classification_summary_from_predictions,
)
from skcnn.inspection.feature_maps import FeatureMapDisplay
from skcnn.inspection.filters import FilterDisplay
from skcnn.inspection.history import HistoryDisplay
from skcnn.inspection.model_report import ModelReport
from skcnn.inspection.multiclass_roc import MulticlassRocDisplay
from skcnn.inspection.prediction_grid import PredictionGridDisplay
from skcnn.inspection.summary import network_summary
from skcnn.networks.summary_table import NetworkSummary

__all__ = [
    "ActivationMapDisplay",
    "AugmentationDisplay",
    "FeatureMapDisplay",
    "FilterDisplay",
    "HistoryDisplay",
    "ModelReport",
    "MulticlassRocDisplay",
    "NetworkSummary",
    "PredictionGridDisplay",
    "class_activation_map",
    "classification_summary",
    "classification_summary_from_predictions",
    "network_summary",
]
