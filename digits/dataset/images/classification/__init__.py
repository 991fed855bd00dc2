"""Datasets that tell pictures of one category from those of another."""
