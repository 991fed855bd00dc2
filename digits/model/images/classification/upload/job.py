"""A classification model that came in an archive: what its dataset would say, it says itself.

The folder holds what the archive had, by the names that a training gives its files, `labels.txt`
and `mean.binaryproto` among them, and `training.json`, the plan as far as it can be told.  Nothing
is trained; the one task is Done from the start, and its log is the archive's where it had one.
Elsewhere: how such a job comes about (`creation.py`), its archive (`archive.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.base.job_files import read_text
from digits.caffe.proto.caffe_pb2 import TransformationParameter
from digits.dataset.images.classification.job import MEAN_FILE, ImageClassificationDatasetJob
from digits.errors import TaskFailed
from digits.model.download.archives import Member
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.upload.archive import (
    known_facts,
    uploaded_info,
    uploaded_members,
)
from digits.model.images.classification.upload.settings import UploadedModelSettings
from digits.model.images.classification.upload.settings_in_words import uploaded_in_words
from digits.sources.picture_list import LABELS_FILE, told_apart
from digits.tools.unpack_model import INFO_FILE
from digits.tools.value_range import WHOLE


class UploadedClassificationModelJob(ImageClassificationModelJob):
    """Names what is on a picture; it learned to do so elsewhere."""

    type_name = "uploaded-image-classification-model"
    title = "Uploaded Image Classification Model"
    settings_type = UploadedModelSettings
    settings: UploadedModelSettings

    def required_jobs(self) -> list[str]:
        return []

    @property
    def pictures(self) -> UploadedClassificationModelJob:
        return self

    @property
    def image_dataset(self) -> ImageClassificationDatasetJob:
        raise TaskFailed(
            f"The model {self.name} was uploaded; the dataset that it learned from is not on this "
            "server."
        )

    # What a dataset says of its pictures ---------------------------------------------------------

    @property
    def width(self) -> int:
        """Pixels, before the network's crop."""
        return self.settings.image_width

    @property
    def height(self) -> int:
        """Pixels, before the network's crop."""
        return self.settings.image_height

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return self.settings.image_channels

    @property
    def resize_mode(self) -> str:
        """squash, crop, fill or half_crop."""
        return self.settings.resize_mode

    @property
    def value_range(self) -> tuple[int, int]:
        """The 16-bit values that become black and white."""
        # Somebody may have changed job.json.
        low, high = self.settings.value_range if len(self.settings.value_range) == 2 else WHOLE
        return low, high

    @property
    def labels_path(self) -> Path:
        """The names of the categories, one a line."""
        return self.dir / LABELS_FILE

    @property
    def mean_path(self) -> Path:
        """The mean picture; it may not exist."""
        return self.dir / MEAN_FILE

    def labels(self) -> list[str]:
        """The names of the categories, by class number; TaskFailed when the file is gone."""
        try:
            return told_apart(read_text(self.labels_path).splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise TaskFailed(f"The labels of {self.name} cannot be read: {error}.") from error

    # What a training says of its pictures --------------------------------------------------------

    def transformation(self) -> TransformationParameter:
        settings = self.settings
        # A network that multiplies by the scale itself gets pictures as they are.
        scale = 1.0 if settings.scale_in_deploy else settings.scale
        result = TransformationParameter(mean_value=settings.mean_value)
        result.scale = 1.0 if scale is None else scale
        if settings.use_mean is True:
            result.mean_file = MEAN_FILE
        if settings.crop_size:
            result.crop_size = settings.crop_size
        return result

    def info(self) -> dict[str, Any]:
        """What the info.json of its archive said; empty when there was none."""
        try:
            said = json.loads(read_text(self.dir / INFO_FILE, "utf-8-sig"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def settings_in_words(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        return uploaded_in_words(self)

    def archive_members(self, epoch: float | int, weights: Path) -> list[Member]:
        return uploaded_members(self, epoch, weights)

    def archive_info(self, epoch: float | int, weights: Path) -> dict[str, Any]:
        return uploaded_info(self, epoch, weights)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), **known_facts(self), "dataset_id": None}

    def table_facts(self) -> dict[str, Any]:
        return {**super().table_facts(), "dataset_id": None}
