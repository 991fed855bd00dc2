"""The settings of an uploaded model in words: what is known of how it was trained.

In: a job.  Out: (title, words) pairs under the titles that trained models have, so that the two can
be compared; words are empty where nothing tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from digits.model.images.classification.augmentation_words import augmentation_in_words
from digits.model.images.classification.settings_in_words import (
    images_in_words,
    mean_in_words,
    solver_in_words,
)
from digits.model.training.solver import SOLVER_FILE

if TYPE_CHECKING:
    from digits.model.images.classification.upload.job import UploadedClassificationModelJob

RESIZE_TITLE = "Resize transformation"


def uploaded_in_words(job: UploadedClassificationModelJob) -> list[tuple[str, str]]:
    """What is known of a model and its training."""
    settings = job.settings
    has_solver = SOLVER_FILE in settings.archive_files
    scale = settings.scale
    return [
        ("Dataset", f"{settings.origin_dataset or 'not known'}, not on this server"),
        ("Pictures", images_in_words(job.width, job.height, job.channels)),
        (RESIZE_TITLE, settings.resize_mode),
        ("Network", f"uploaded, {settings.archive_name}" if settings.archive_name else "uploaded"),
        *(solver_in_words(settings) if has_solver else []),
        ("Crop size", f"{settings.crop_size}" if settings.crop_size else "none"),
        ("Mean", mean_in_words(settings)),
        ("Scale", "none" if scale in (None, 1) else f"{scale:.10g}"),
        ("Augmentation", augmentation_in_words(settings.augmentation)),
        ("Trained by", settings.trained_by or "not known"),
    ]
