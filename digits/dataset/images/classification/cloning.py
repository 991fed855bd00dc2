"""A copy of a classification dataset: the same settings, and the files that came with it.

In: a dataset, whatever became of it, and the form that was sent.  Out: what makes the copy.
Elsewhere: the form with a dataset's settings, to be changed and sent (`views.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from digits.base.links import link_or_copy
from digits.dataset.images.classification.creation import Writer
from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.job import (
    ARCHIVE_FILE,
    PICTURES_FOLDER,
    ImageClassificationDatasetJob,
)
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.errors import FormError
from digits.sources.picture_list import LABELS_FILE
from digits.web.answers import in_thread
from digits.web.cloning import KeptFile


def form_of_copy(
    sent: ImageClassificationDatasetForm, original: ImageClassificationDatasetJob
) -> ImageClassificationDatasetForm:
    """The form with the original's settings in place of those that were sent.

    A name and a group that were sent are the copy's; without them it has the original's.
    """
    settings = original.settings
    values = {
        **settings.to_json(),
        "dataset_name": sent.dataset_name.data or original.name,
        "group_name": sent.group_name.data or original.group,
    }
    form = sent.with_other_values(values)
    form.archive_file.data = KeptFile(settings.archive_name or f"{ARCHIVE_FILE}.tar")
    form.upload.data = KeptFile(settings.upload_name or PICTURES_FOLDER)
    for field in ("labels_file", *(f"{split}_images" for split in settings.list_splits)):
        form[f"textfile_{field}"].data = KeptFile(field)
    return form


def settings_of_copy(
    original: ImageClassificationDatasetJob,
) -> ImageClassificationDatasetSettings:
    """What the copy is asked for: the same, but that it comes from no other program."""
    return replace(original.settings, imported_from=None)


def files_of_copy(
    form: ImageClassificationDatasetForm, original: ImageClassificationDatasetJob
) -> dict[str, Any]:
    """What makes the files that the copy begins with, by name; paths of the server are as sent.

    Raises FormError when the original's folder lacks one.
    """
    settings = original.settings
    if settings.method == "archive":
        # Once it is unpacked it is gone, and its pictures are there.
        return _kept(original, [ARCHIVE_FILE]) or _needed(original, [PICTURES_FOLDER])
    if settings.method == "upload":
        return _needed(original, [PICTURES_FOLDER])
    if settings.method == "textfile" and not settings.textfile_use_local_files:
        return _needed(original, [LABELS_FILE, *(f"{s}.txt" for s in settings.list_splits)])
    return form.given_files()


def _needed(original: ImageClassificationDatasetJob, names: list[str]) -> dict[str, Writer]:
    found = _kept(original, names)
    if missing := [name for name in names if name not in found]:
        message = (
            f"{original.name} cannot be cloned: {' and '.join(missing)} is not in its folder. "
            "Make a new dataset instead."
        )
        raise FormError({"clone": [message]})
    return found


def _kept(original: ImageClassificationDatasetJob, names: list[str]) -> dict[str, Writer]:
    paths = {name: original.dir / name for name in names}
    return {name: partial(copy_beside, path) for name, path in paths.items() if path.exists()}


def copy_beside(source: Path, target: Path) -> None:
    """Put a file or folder at `target`, beside the event loop."""
    in_thread(link_or_copy, source, target)
