"""Ask for the features of a set of a model's dataset, and see how far they are."""

from __future__ import annotations

import json

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from digits.dataset.titles import set_title
from digits.errors import FormError, JobNotFound
from digits.inference.feature_file import FEATURES_FILE
from digits.inference.operations.messages import to_json
from digits.jobs.job import Job
from digits.model.images.classification.features.blobs import blobs_of
from digits.model.images.classification.features.job import ImageClassificationFeaturesJob
from digits.model.images.classification.features.settings import FeaturesSettings
from digits.model.images.classification.features.tasks import REQUEST_FILE
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out.requests import (
    Chosen,
    chosen_database,
    chosen_snapshot,
    text_of,
)
from digits.web.answers import answer, created, job_summary, scheduler, services
from digits.web.forms import one_line_of
from digits.web.logins import owner_name
from digits.web.words import shown

blueprint = Blueprint("classification_features", __name__)
MOST_NAMED = 20


@blueprint.app_template_global()
def feature_blobs_of(job: ImageClassificationModelJob) -> tuple[tuple[str, ...], str]:
    """The blobs that there are features of, in the network's order, and the usual one."""
    return blobs_of(job)


@blueprint.post("/images/classification/features.json")
@blueprint.post("/images/classification/features")
def create() -> ResponseReturnValue:
    """Have `features.h5` made: a `blob` for each picture of a `database` (train, val, test).

    `job_id` names the model, `snapshot_epoch` its snapshot [the last].  Without `blob`, it is what
    the last layer with weights reads.
    """
    chosen = chosen_snapshot()
    source = chosen_database(chosen)
    blob = _chosen_blob(chosen.job)
    settings = FeaturesSettings(
        model=chosen.job.id,
        model_name=chosen.job.name,
        epoch=chosen.epoch,
        database=source.split,
        blob=blob,
        pictures=source.count,
    )
    request = {
        "network": to_json(chosen.network),
        "database": str(source.path),
        "backend": source.backend,
        "count": source.count,
        "list": str(chosen.job.image_dataset.dir / f"{source.split}.txt"),
        "blob": blob,
        "memory_mb": services().config.inference_memory_mb,
    }

    def fill(job: Job) -> None:
        job.write_text(REQUEST_FILE, json.dumps(request, indent=1))

    job = scheduler().add_job(
        ImageClassificationFeaturesJob,
        _name(chosen, blob, source.split),
        settings,
        fill,
        owner=owner_name(),
        group=one_line_of("group_name"),
    )
    return created(job, url_for("classification_features.show", job_id=job.id))


def _name(chosen: Chosen, blob: str, split: str) -> str:
    return f"{blob} of the {set_title(split).lower()} by {chosen.job.name}"


def _chosen_blob(job: ImageClassificationModelJob) -> str:
    """The blob that the request names; FormError when the network has none of that name."""
    blobs, usual = blobs_of(job)
    blob = text_of("blob") or usual
    if blob not in blobs:
        there = ", ".join(blobs[-MOST_NAMED:]) or "none"
        if len(blobs) > MOST_NAMED:
            there = f"..., {there}"
        message = f"The network has no blob {shown(blob)}. It has: {there}."
        raise FormError({"blob": [message]})
    return blob


@blueprint.get("/images/classification/features/<job_id>.json")
@blueprint.get("/images/classification/features/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """How far the features are, and where they can be downloaded, as a page or JSON.

    `file` of the JSON is the address of `features.h5`, null before it is there.  The template
    (`features.html`) gets `job`, `model` (None when it is gone) and `file`, the same name.
    """
    job = scheduler().job(job_id)
    if not isinstance(job, ImageClassificationFeaturesJob):
        raise JobNotFound(job_id)
    job.read_logs()
    address = url_for("files.serve_file", path=f"{job.id}/{FEATURES_FILE}")
    data = {
        **job_summary(job),
        "type": job.title,
        "error": job.error,
        "progress": job.progress,
        **job.facts(),
        "file": address if job.is_there else None,
    }
    return answer(
        "models/images/classification/features.html",
        data,
        job=job,
        model=_model_of(job),
        file=FEATURES_FILE,
    )


def _model_of(job: ImageClassificationFeaturesJob) -> Job | None:
    try:
        return scheduler().job(job.settings.model)
    except JobNotFound:
        return None
