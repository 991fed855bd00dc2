"""How people call what files, logs and scripts of a dataset call otherwise.

The sets train, val and test, and how pictures are resized and stored.
"""

from __future__ import annotations

# In the order of the forms' lists.
RESIZE_MODES = {
    "crop": "Crop",
    "squash": "Squash",
    "fill": "Fill",
    "half_crop": "Half crop, half fill",
}
ENCODINGS = {"png": "PNG (lossless)", "jpg": "JPEG (lossy, 90% quality)", "none": "None"}
BACKENDS = {"lmdb": "LMDB", "hdf5": "HDF5"}

_SETS = {"train": "Training", "val": "Validation", "test": "Test"}


def set_title(split: str) -> str:
    """The title of a set: `Training set`."""
    return f"{_SETS.get(split, split)} set"


def set_word(split: str) -> str:
    """The same as a word before others: `training`."""
    return _SETS.get(split, split).lower()
