"""Transformers between files or arrays and a network."""
