"""Features as a file: a layer of a model's snapshot, for every picture of a set of its dataset.

The folder holds `request.json`, what the program was asked for, and `features.h5` once it is done.
"""

from __future__ import annotations

from typing import Any

from digits.inference.feature_file import FEATURES_FILE
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.model.images.classification.features.settings import FeaturesSettings
from digits.model.images.classification.features.tasks import WriteFeaturesTask


class ImageClassificationFeaturesJob(Job):
    """What a layer makes of many pictures; it belongs to the model and goes with it."""

    type_name = "image-classification-features"
    title = "Image Classification Features"
    category = "evaluation"
    settings_type = FeaturesSettings
    settings: FeaturesSettings
    task_types = (WriteFeaturesTask,)

    @property
    def belongs_to(self) -> str | None:
        return self.settings.model

    def create_tasks(self) -> list[Task]:
        return [WriteFeaturesTask(self.dir, "write_features", pictures=self.settings.pictures)]

    @property
    def is_there(self) -> bool:
        """Whether the file can be downloaded."""
        return self.status is Status.DONE and (self.dir / FEATURES_FILE).is_file()

    def facts(self) -> dict[str, Any]:
        """What it was asked for, as plain JSON."""
        settings = self.settings
        return {
            "model": settings.model,
            "epoch": settings.epoch,
            "database": settings.database,
            "blob": settings.blob,
            "pictures": settings.pictures,
        }
