"""How people call the sets of a dataset; files, logs and scripts call them train, val and test."""

from __future__ import annotations

_SETS = {"train": "Training", "val": "Validation", "test": "Test"}


def set_title(split: str) -> str:
    """The title of a set: `Training set`."""
    return f"{_SETS.get(split, split)} set"


def set_word(split: str) -> str:
    """The same as a word before others: `training`."""
    return _SETS.get(split, split).lower()
