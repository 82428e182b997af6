"""Figures, tables and reports that show what a network learned and predicts."""

from skcnn.inspection.activation_maps import class_activation_map
from skcnn.inspection.classification import (
    classification_summary,
    classification_summary_from_predictions,
)
from skcnn.inspection.history import HistoryDisplay
from skcnn.inspection.multiclass_roc import MulticlassRocDisplay
from skcnn.inspection.summary import network_summary
from skcnn.networks.summary_table import NetworkSummary

__all__ = [
    "HistoryDisplay",
    "MulticlassRocDisplay",
    "NetworkSummary",
    "class_activation_map",
    "classification_summary",
    "classification_summary_from_predictions",
    "network_summary",
]
