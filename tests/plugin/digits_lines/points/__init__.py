"""Datasets of points."""
