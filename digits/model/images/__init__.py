"""Models that work on pictures."""
