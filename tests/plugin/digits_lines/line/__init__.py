"""Models that lay a straight line through the points of a dataset."""
