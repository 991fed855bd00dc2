"""Make a classification dataset: a job in the queue, from settings and its first files.

In: settings that a form has checked, or a program has made.  Elsewhere: the form (`forms.py`), the
tasks (`job.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import is_url
from digits.sources.split_folders import sets_in

LARGEST_SEED = 2**32 - 1

# Makes the file at a path: from an upload, or from another file.
Writer = Callable[[Path], object]


def create_dataset(
    scheduler: Scheduler,
    paths: PathPolicy,
    name: str,
    settings: ImageClassificationDatasetSettings,
    files: Mapping[str, Writer] | None = None,
    owner: str = "",
    group: str = "",
    pictures: Path | None = None,
) -> Job:
    """The job of the user `owner`, in `group`, that `settings` ask for, in the queue.

    Its tasks may read what `paths` allows now.  `files` are those that its folder begins with, by
    name: an archive, an uploaded folder, which can be seen at `pictures`, or labels and lists.
    Raises StorageError when there is no room.
    """
    settings = replace(
        settings,
        # Drawn here and kept, so that the same dataset can be made again.
        seed=secrets.randbelow(LARGEST_SEED + 1) if settings.seed is None else settings.seed,
        data_roots=tuple(str(root) for root in paths.roots),
        seen_sets=_seen_sets(settings, pictures),
    )

    def write_files(job: Job) -> None:
        for file_name, write in (files or {}).items():
            write(job.dir / file_name)

    return scheduler.add_job(
        ImageClassificationDatasetJob, name, settings, write_files, owner=owner, group=group
    )


def _seen_sets(
    settings: ImageClassificationDatasetSettings, pictures: Path | None
) -> tuple[str, ...]:
    """Which sets the training folder has as folders, as far as the server can see it."""
    if settings.split_folders != "auto":
        return ()
    if settings.method == "upload":
        return tuple(sets_in(pictures)) if pictures else ()
    folder = settings.folder_train or ""
    if settings.method != "folder" or is_url(folder):
        return ()
    return tuple(sets_in(Path(folder)))
