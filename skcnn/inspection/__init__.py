"""Figures, tables and reports that show what a network learned and predicts."""

from skcnn.inspection.history import HistoryDisplay

__all__ = ["HistoryDisplay"]
