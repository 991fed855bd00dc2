"""Make a classification dataset: the form, and what happens when it is sent."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from digits.dataset.images.classification.choosing.uploads import find_upload, uploads
from digits.dataset.images.classification.cloning import (
    copy_beside,
    files_of_copy,
    form_of_copy,
    settings_of_copy,
)
from digits.dataset.images.classification.creation import Writer, create_dataset
from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.job import (
    PICTURES_FOLDER,
    ImageClassificationDatasetJob,
)
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.errors import FormError
from digits.jobs.job import Job
from digits.sources.folders import unwrapped
from digits.web.answers import created, in_thread, scheduler, services
from digits.web.cloning import job_to_clone
from digits.web.logins import owner_name
from digits.web.submitting import answer_form
from digits.web.uploads import keep

blueprint = Blueprint("classification_datasets", __name__)

FORM_PAGE = "datasets/images/classification/new.html"


@blueprint.get("/images/classification/new")
def new() -> ResponseReturnValue:
    """The form, empty or filled in with the settings of the job `clone`.

    The template (`datasets/images/classification/new.html`) gets `form`.
    """
    form = ImageClassificationDatasetForm(data=_cloned_settings())
    return render_template(FORM_PAGE, form=form)


@blueprint.post("/images/classification.json")
@blueprint.post("/images/classification")
def create() -> ResponseReturnValue:
    """Make the job, or answer what is wrong with the form (400) or the disk (507).

    With `clone`, a dataset's id, it becomes a copy of that one.
    """
    form = ImageClassificationDatasetForm.submitted()
    if (original := job_to_clone(ImageClassificationDatasetJob)) is not None:
        job = _copied_job(form, original)
        return created(job, url_for("datasets.show", job_id=job.id))
    return answer_form(
        form,
        partial(_create_job, form),
        lambda job: created(job, url_for("datasets.show", job_id=job.id)),
        partial(render_template, FORM_PAGE, form=form),
    )


def _create_job(form: ImageClassificationDatasetForm) -> Job:
    """The job that a valid form asks for, in the queue."""
    if form.method.data == "upload":
        return _job_of_upload(form)
    files = {name: _writer(source) for name, source in form.given_files().items()}
    return _added(form, form.settings(), files)


def _job_of_upload(form: ImageClassificationDatasetForm) -> Job:
    """The same of an uploaded folder, which then is the job's."""
    upload = find_upload(form.upload.data)
    with uploads().taken(upload):
        top = in_thread(unwrapped, upload.files)
        files = {PICTURES_FOLDER: partial(copy_beside, top)}
        return _added(form, form.settings(), files, top)


def _copied_job(
    sent: ImageClassificationDatasetForm, original: ImageClassificationDatasetJob
) -> Job:
    """A copy of `original`, in the queue; FormError when it cannot be made again."""
    form = form_of_copy(sent, original)
    if not form.validate():
        raise FormError(form.all_errors)
    files = files_of_copy(form, original)
    writers = {name: _writer(source) for name, source in files.items()}
    return _added(form, settings_of_copy(original), writers, original.dir / PICTURES_FOLDER)


def _added(
    form: ImageClassificationDatasetForm,
    settings: ImageClassificationDatasetSettings,
    files: Mapping[str, Writer],
    pictures: Path | None = None,
) -> Job:
    name, group = form.dataset_name.data, form.group_name.data or ""
    return create_dataset(
        scheduler(), services().paths, name, settings, files, owner_name(), group, pictures
    )


def _writer(source: FileStorage | str | Writer) -> Writer:
    """What makes a file of an upload, or of a file on the server."""
    if callable(source):
        return source
    if isinstance(source, str):
        return lambda path: in_thread(shutil.copyfile, source, path)
    return partial(keep, source)


def _cloned_settings() -> dict[str, Any] | None:
    """What the form is filled in with, when the address names a dataset to clone."""
    job = job_to_clone(ImageClassificationDatasetJob)
    if job is None:
        return None
    settings = job.settings
    if settings.method in ("archive", "upload"):
        # A browser cannot be told to upload a file again, but the pictures are there.
        pictures = str(job.dir / PICTURES_FOLDER)
        settings = replace(settings, method="folder", folder_train=pictures)
    return {**settings.to_json(), "dataset_name": f"{job.name} copy", "group_name": job.group}
