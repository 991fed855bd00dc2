"""Upload the archive of a model: the form, and what happens when it is sent."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from digits.errors import FormError
from digits.jobs.job import Job
from digits.model.images.classification.upload.creation import Wanted, create_uploaded_model
from digits.model.images.classification.upload.forms import ArchiveUploadForm
from digits.model.images.classification.upload.ready_made import (
    NAMES_FILE,
    imagenet_model,
    require_known,
)
from digits.web.answers import created, scheduler, services, wants_json
from digits.web.logins import owner_name
from digits.web.submitted import require_fields, single_value
from digits.web.submitting import answer_form

blueprint = Blueprint("uploaded_models", __name__)

FORM_PAGE = "models/images/classification/upload.html"


@blueprint.get("/upload_archive")
def new() -> ResponseReturnValue:
    """The form for an archive; of an uploaded model to `clone`, the form of a training.

    The template (`models/images/classification/upload.html`) gets `form`.
    """
    if job_id := request.args.get("clone"):
        # What can be made again is a training of its network.
        return redirect(url_for("classification_models.new", clone=job_id))
    return render_template(FORM_PAGE, form=ArchiveUploadForm())


@blueprint.post("/upload_archive.json")
@blueprint.post("/upload_archive")
def create() -> ResponseReturnValue:
    """Make a model of an `archive`, or answer what is wrong with it (400).

    Besides `model_name` [the archive's] and `group_name`: `labels_file`, `width`, `height`,
    `resize_mode` and `mean_value` stand above what the archive says.
    """
    form = ArchiveUploadForm.submitted()
    return answer_form(
        form,
        partial(_created_job, form),
        lambda job: created(job, url_for("models.show", job_id=job.id)),
        partial(render_template, FORM_PAGE, form=form),
    )


@blueprint.post("/images/classification/imagenet.json")
@blueprint.post("/images/classification/imagenet")
def imagenet() -> ResponseReturnValue:
    """A model that tells ImageNet's 1,000 categories apart, without any training.

    `network` is efficientnet-lite0.  It is made once: who asks again gets the one that is there.
    """
    names = Path(current_app.static_folder or "") / NAMES_FILE
    try:
        require_fields("network")
        require_known(single_value("network"))
        job = imagenet_model(scheduler(), services().pool, names, owner_name())
    except FormError as error:
        if wants_json():
            raise
        form = ArchiveUploadForm()
        form.add_errors(error.errors)
        return render_template(FORM_PAGE, form=form), 400
    return created(job, url_for("models.show", job_id=job.id))


def _created_job(form: ArchiveUploadForm) -> Job:
    """The new job; FormError when it cannot be made."""
    wanted = Wanted(form.model_name.data or "", form.group_name.data or "", owner_name())
    return create_uploaded_model(
        scheduler(),
        services().pool,
        form.archive.data,
        wanted,
        form.given(),
        python_layers=services().config.python_layers,
    )
