"""Figures, tables and reports that show what a network learned and predicts."""

from skcnn.inspection.history import HistoryDisplay
from skcnn.inspection.summary import network_summary
from skcnn.networks.summary_table import NetworkSummary

__all__ = [
    "HistoryDisplay",
    "NetworkSummary",
    "network_summary",
]
