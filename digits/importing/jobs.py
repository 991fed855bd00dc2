"""Import a folder of the original DIGITS, whatever it holds: a dataset, a model, or many jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import DigitsError, ToolError
from digits.importing.old_dataset import import_dataset, read_dataset
from digits.importing.old_files import has_dataset, is_model, read_info
from digits.importing.old_model import OldModel, import_model, read_model
from digits.jobs.job import Job
from digits.jobs.store import JobStore
from digits.model.images.classification.job import ImageClassificationModelJob

log = logging.getLogger(__name__)

# The original DIGITS knew no other jobs.
JOB_TYPES = (ImageClassificationDatasetJob, ImageClassificationModelJob)


class Importer:
    """Imports into the jobs directory of `store`, which a server may be using at the same time."""

    def __init__(
        self, store: JobStore, *, use_gpu: bool = False, resize_mode: str | None = None
    ) -> None:
        self.store = store
        self.use_gpu = use_gpu
        self.resize_mode = resize_mode
        # Datasets that were imported before, by the name of the folder that they come from.
        self._datasets = {
            job.settings.imported_from: job
            for job in store.load_all(())
            if isinstance(job, ImageClassificationDatasetJob) and job.settings.imported_from
        }

    def run(self, folder: Path, name: str = "", dataset: Path | None = None) -> Iterator[Job]:
        """Import the job in `folder`, or all jobs in it; each is there when it is given.

        `dataset` is the folder of a model's dataset, where it is not found by itself.  Raises
        ToolError or StorageError; of many jobs those that cannot be imported are logged.
        """
        if not folder.is_dir():
            raise ToolError(f"There is no folder {folder}.")
        if is_model(folder):
            yield from self._model(folder, name, dataset)
        elif has_dataset(folder):
            yield self._dataset(folder, name)
        else:
            yield from self._all(folder)

    def _all(self, top: Path) -> Iterator[Job]:
        folders = sorted(path for path in top.iterdir() if path.is_dir())
        models = [path for path in folders if is_model(path)]
        datasets = [path for path in folders if has_dataset(path) and path not in models]
        if not models and not datasets:
            raise ToolError(
                f"{top} is no job: it has neither labels.txt nor train_val.prototxt with "
                "deploy.prototxt. Nor has any folder in it."
            )
        for folder in [*datasets, *models]:
            try:
                yield from self.run(folder)
            except (ToolError, OSError) as error:
                log.error("%s is left out: %s", folder, error)

    def _dataset(self, folder: Path, name: str = "") -> Job:
        known = self._datasets.get(folder.name)
        if known is not None:
            raise ToolError(f"{folder} has been imported already, as {known.id}.")
        job = import_dataset(
            self.store, read_dataset(folder, self.resize_mode), name or f"Imported {folder.name}"
        )
        self._datasets[folder.name] = job
        return job

    def _model(self, folder: Path, name: str, dataset: Path | None) -> Iterator[Job]:
        old = read_model(folder)
        used = self._find_dataset(old, dataset)
        if isinstance(used, Path):
            yield self._dataset(used)
            used = self._datasets[used.name]
        name = name or str(read_info(folder).get("name") or f"Imported {folder.name}")
        yield import_model(self.store, old, used, name, use_gpu=self.use_gpu)

    def _find_dataset(
        self, old: OldModel, given: Path | None
    ) -> ImageClassificationDatasetJob | Path:
        """The model's dataset: one that was imported before, or the folder to import it from."""
        named = old.old_dataset
        # As the network says, beside the model, or in the model's own folder (an archive).
        places = [given] if given else [named, named and old.folder.parent / named.name, old.folder]
        for place in places:
            if place is None:
                continue
            if place.name in self._datasets:
                return self._datasets[place.name]
            if has_dataset(place):
                return place
        raise ToolError(
            f"The dataset of {old.folder} is not found"
            f"{f' (it was {named})' if named else ''}: give its folder with --dataset."
        )


def describe_problem(error: DigitsError | OSError) -> str:
    """What went wrong, for the command line."""
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
    return str(error)
