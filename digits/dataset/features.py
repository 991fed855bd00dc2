"""Features that trainings have kept beside a dataset: what layers that do not learn make of it.

In: the dataset's folder.  Out: where they lie, how many sets there are and how large they are.
They can be made again, so they go with the dataset, or by hand, at any time.
Elsewhere: what they are (the engine's `solving/features.py`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from digits.errors import StorageError
from digits.jobs.contents import count_contents

FEATURES_FOLDER = "features"


@dataclass(frozen=True)
class KeptFeatures:
    """How many sets of features there are, and what they take on the disk."""

    sets: int
    size_bytes: int


def kept_features(job_dir: Path) -> KeptFeatures:
    """What is kept beside a dataset."""
    folder = job_dir / FEATURES_FOLDER
    try:
        sets = sum(not path.name.startswith(".") for path in folder.iterdir())
    except OSError:
        return KeptFeatures(0, 0)
    return KeptFeatures(sets, count_contents(folder).size_bytes)


def delete_features(job_dir: Path) -> KeptFeatures:
    """Remove them, and tell what they were; a training that reads them goes on all the same.

    Raises StorageError when they cannot be removed.
    """
    found = kept_features(job_dir)
    try:
        shutil.rmtree(job_dir / FEATURES_FOLDER)
    except FileNotFoundError:
        return found
    except OSError as error:
        raise StorageError(
            f"The features cannot be deleted: {error.strerror}. Check the dataset's folder."
        ) from error
    return found
