"""Make a classification dataset: the form, and what happens when it is sent."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from digits.dataset.images.classification.creation import Writer, create_dataset
from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.job import PICTURES_FOLDER
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.errors import StorageError
from digits.jobs.job import Job
from digits.web.answers import (
    created,
    form_errors,
    in_thread,
    scheduler,
    services,
    wants_json,
)
from digits.web.error_pages import code_of
from digits.web.logins import owner_name
from digits.web.uploads import keep

blueprint = Blueprint("classification_datasets", __name__)


@blueprint.get("/images/classification/new")
def new() -> ResponseReturnValue:
    """The form, empty or filled in with the settings of the job `clone`.

    The template (`datasets/images/classification/new.html`) gets `form`.
    """
    form = ImageClassificationDatasetForm(data=_cloned_settings(request.args.get("clone")))
    return render_template("datasets/images/classification/new.html", form=form)


@blueprint.post("/images/classification.json")
@blueprint.post("/images/classification")
def create() -> ResponseReturnValue:
    """Make the job, or answer what is wrong with the form (400) or the disk (507)."""
    form = ImageClassificationDatasetForm.submitted()
    if not form.validate():
        if wants_json():
            return form_errors(form.all_errors)
        return render_template("datasets/images/classification/new.html", form=form), 400
    try:
        job = _create_job(form)
    except StorageError as error:
        if wants_json():
            raise
        form.form_errors.append(str(error))  # nothing that was typed is lost
        return render_template("datasets/images/classification/new.html", form=form), code_of(error)
    return created(job, url_for("datasets.show", job_id=job.id))


def _create_job(form: ImageClassificationDatasetForm) -> Job:
    """The job that a valid form asks for, in the queue."""
    files = {name: _writer(source) for name, source in form.given_files().items()}
    name, paths = form.dataset_name.data, services().paths
    return create_dataset(scheduler(), paths, name, form.settings(), files, owner_name())


def _writer(source: FileStorage | str) -> Writer:
    """What makes a file of an upload, or of a file on the server."""
    if isinstance(source, str):
        return lambda path: in_thread(shutil.copyfile, source, path)
    return partial(keep, source)


def _cloned_settings(job_id: str | None) -> dict[str, Any] | None:
    if job_id is None:
        return None
    job = scheduler().job(job_id)
    settings = job.settings
    if isinstance(settings, ImageClassificationDatasetSettings) and settings.method == "archive":
        # A browser cannot be told to upload a file again, but the pictures are there.
        pictures = str(job.dir / PICTURES_FOLDER)
        settings = replace(settings, method="folder", folder_train=pictures)
    return {**settings.to_json(), "dataset_name": f"{job.name} copy"}
