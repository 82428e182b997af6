"""Figures, tables and reports that show what a network learned and predicts."""

__all__: list[str] = []
