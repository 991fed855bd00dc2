"""Find a picture of an evaluation again, as it was before the network saw it.

In: an evaluation and a row's name.  Out: where the picture is now, and how a form asks the model
about it once more.  Pictures of a database are in it; those of lists and folders are on the disk or
at their address, if they still are; of what a browser sent there are thumbnails alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference import Source
from digits.inference.opening import Opener
from digits.model.images.classification.evaluation.comparing import source_of
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.sources.downloads import Downloader
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import SPLITS, Entry, is_url, joined


@dataclass(frozen=True)
class SetOfDataset:
    """A set of a dataset that is on this server."""

    dataset: ImageClassificationDatasetJob
    split: str


@dataclass(frozen=True)
class Origin:
    """Where an evaluation's pictures came from."""

    source: dict[str, Any]
    of_set: SetOfDataset | None = None

    @classmethod
    def of(
        cls, job: ImageClassificationEvaluationJob, model: ImageClassificationModelJob | None
    ) -> Origin:
        """What `job` was told; a database is looked for in the dataset of `model`."""
        source = source_of(job)
        return cls(source, _set_of(source.get("database"), model))

    def path(self, name: str) -> str:
        """The path or the address of a picture; empty where it has none."""
        if "list" not in self.source and "folder" not in self.source:
            return ""
        # What was found in a folder has its whole path.
        folder = self.source.get("folder", "") if "list" in self.source else ""
        return joined(str(folder), name)

    def fields(self, number: int, name: str) -> dict[str, str]:
        """The fields of a form that asks about the picture; none where it cannot be asked for."""
        if self.of_set is not None:
            return {"picture_set": self.of_set.split, "picture_number": str(number)}
        path = self.path(name)
        return {"image_url" if is_url(path) else "image_path": path} if path else {}

    def open(self, name: str, paths: PathPolicy, downloader: Downloader) -> tuple[Source, str]:
        """A picture of a list or folder, and why there is none, in words: its path or its bytes."""
        opener = Opener("", paths, downloader)
        return opener.open(0, Entry(self.path(name))), opener.reasons.get(0, "")


def _set_of(database: Any, model: ImageClassificationModelJob | None) -> SetOfDataset | None:
    dataset = model.dataset if model is not None else None
    if not isinstance(database, str) or not isinstance(dataset, ImageClassificationDatasetJob):
        return None
    split = Path(database).name.removesuffix("_db")
    is_here = split in SPLITS and str(dataset.database_path(split)) == database
    return SetOfDataset(dataset, split) if is_here else None
