"""Loaders of image collections."""
