"""Trying a model on pictures: requests, questions to its network, results."""
