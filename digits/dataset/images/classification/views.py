"""Make a classification dataset: the form, and what happens when it is sent."""

from __future__ import annotations

import secrets
import shutil
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from digits.base.progress import printable
from digits.dataset.images.classification.forms import (
    LARGEST_SEED,
    ImageClassificationDatasetForm,
)
from digits.dataset.images.classification.job import (
    PICTURES_FOLDER,
    ImageClassificationDatasetJob,
)
from digits.errors import StorageError
from digits.jobs.job import Job
from digits.web.answers import created, form_errors, scheduler, services, wants_json
from digits.web.error_pages import code_of
from digits.web.logins import owner_name
from digits.web.uploads import keep

LONGEST_FILE_NAME = 200

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
        job = create_job(form)
    except StorageError as error:
        if wants_json():
            raise
        form.form_errors.append(str(error))  # nothing that was typed is lost
        return render_template("datasets/images/classification/new.html", form=form), code_of(error)
    return created(job, url_for("datasets.show", job_id=job.id))


def create_job(form: ImageClassificationDatasetForm) -> Job:
    """The job that a valid form asks for, in the queue."""
    settings = form.settings()
    if settings["seed"] is None:
        # Drawn here and kept, so that the same dataset can be made again.
        settings["seed"] = secrets.randbelow(LARGEST_SEED + 1)
    settings["data_roots"] = [str(root) for root in services().paths.roots]
    if settings["method"] == "archive":
        settings["archive_name"] = _shown_name(form.archive_file.data)

    def save_files(job: Job) -> None:
        for name, source in form.given_files().items():
            if isinstance(source, str):
                shutil.copyfile(source, job.dir / name)
            else:
                keep(source, job.dir / name)

    return scheduler().add_job(
        ImageClassificationDatasetJob,
        form.dataset_name.data,
        settings,
        save_files,
        owner=owner_name(),
    )


def _shown_name(upload: FileStorage) -> str:
    """What an upload is called, fit for a page and a command line."""
    return printable(upload.filename or "")[-LONGEST_FILE_NAME:]


def _cloned_settings(job_id: str | None) -> dict[str, Any] | None:
    if job_id is None:
        return None
    job = scheduler().job(job_id)
    settings = {**job.settings, "dataset_name": f"{job.name} copy"}
    if settings.get("method") == "archive":
        # A browser cannot be told to upload a file again, but the pictures are there.
        settings |= {"method": "folder", "folder_train": str(job.dir / PICTURES_FOLDER)}
    return settings
