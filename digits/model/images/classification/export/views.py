"""The pages of exports: what was made of a model, a form for more, and each of them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from digits.errors import JobNotFound, MustBeMade
from digits.inference.exporting.page import RUNTIME, missing_runtime
from digits.jobs.job import Job
from digits.model.images.classification.export.asked import (
    Asked,
    asked_export,
    find_exportable,
    pictures_of,
    require_possible,
)
from digits.model.images.classification.export.creation import (
    create_export,
    is_quick,
    made_at_once,
    memory_of,
    same_export,
)
from digits.model.images.classification.export.job import ImageClassificationExportJob
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.training.snapshot_choices import snapshot_choices
from digits.web.answers import answer, created, job_summary, scheduler, services, wants_json
from digits.web.forms import one_line_of
from digits.web.logins import owner_name

FOLDER = "models/images/classification/export"
_ONNX_TYPE = "application/octet-stream"

blueprint = Blueprint("exports", __name__)


@blueprint.get("/<job_id>/exports.json")
@blueprint.get("/<job_id>/exports")
def exports(job_id: str) -> ResponseReturnValue:
    """What was made of a model, the newest first, and a form to make more.

    The template (`export/exports.html`) gets `job`, the model, `exports`, its export jobs,
    `snapshot_choices`, `pictures` (those that int8 is calibrated with, None: there are none),
    `page_problem` (why no page can be made), and `memory` and `memory_int8`, bytes that the largest
    snapshot takes.
    """
    job = find_exportable(job_id)
    job.read_logs()
    made = exports_of(job)
    if wants_json():
        return jsonify({"model": job.id, "exports": [_facts(each) for each in made]})
    table = job.train_task.snapshot_table()
    largest = max((row.size_bytes for row in table), default=0)
    return render_template(
        f"{FOLDER}/exports.html",
        job=job,
        exports=made,
        snapshot_choices=snapshot_choices(table),
        pictures=pictures_of(job),
        page_problem=missing_runtime(RUNTIME),
        memory=memory_of(largest, "none"),
        memory_int8=memory_of(largest, "int8"),
    )


@blueprint.post("/<job_id>/exports.json")
@blueprint.post("/<job_id>/exports")
def create(job_id: str) -> ResponseReturnValue:
    """Make a file of a snapshot, as a job; the one that is the same, if there is one.

    `format` [onnx] or page; `epoch` [the last one], a number, "best" or -1; `preprocess` [y]: the
    file takes pictures of any size, or n: what the network itself takes; `quantize` [none] or int8;
    `group_name`: the group that a new job belongs to.
    """
    asked = asked_export(job_id, "group_name")
    require_possible(asked)
    job = create_export(scheduler(), asked, owner_name(), one_line_of("group_name"))
    return created(job, url_for("exports.show", job_id=job.id))


@blueprint.route("/<job_id>/download.onnx", methods=["GET", "POST"])
def download_onnx(job_id: str) -> ResponseReturnValue:
    """A snapshot as an ONNX file: one that was made, or made at once where it is small.

    Fields as for `exports`; 409 where it must be made first.
    """
    asked = asked_export(job_id)
    require_possible(asked)
    made = same_export(scheduler().parts(asked.job.id), asked.settings)
    if made is not None and made.is_made:
        return _sent(made)
    if not is_quick(asked):
        raise _must_be_made(asked, made)
    content = made_at_once(services().pool, scheduler(), asked)
    name = f"{asked.job.id}_epoch_{asked.settings.epoch:g}.onnx"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(content, mimetype=_ONNX_TYPE, headers=headers)


@blueprint.get("/exports/<job_id>.json")
@blueprint.get("/exports/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """An export: how far it is, and what came of it.

    The template (`export/export.html`) gets `job`, `model` (None when it is gone) and `figures`, an
    ExportFigures (None until it is made).
    """
    job = find_export(job_id)
    job.read_logs()
    model = next((each for each in scheduler().jobs if each.id == job.belongs_to), None)
    return answer(f"{FOLDER}/export.html", _facts(job), job=job, model=model, figures=job.figures())


@blueprint.get("/exports/<job_id>/download")
def download(job_id: str) -> ResponseReturnValue:
    """The file that an export has made; 404 until then."""
    return _sent(find_export(job_id))


def exports_of(job: ImageClassificationModelJob) -> list[ImageClassificationExportJob]:
    """The exports of a model, the newest first."""
    parts = scheduler().parts(job.id)[::-1]
    return [each for each in parts if isinstance(each, ImageClassificationExportJob)]


def find_export(job_id: str) -> ImageClassificationExportJob:
    """The export with this id; JobNotFound when it is something else or nothing."""
    job: Job = scheduler().job(job_id)
    if not isinstance(job, ImageClassificationExportJob):
        raise JobNotFound(job_id)
    return job


def _sent(job: ImageClassificationExportJob) -> Response:
    if not job.is_made:
        raise NotFound(f"{job.name} is {job.status.value}: there is no file to download yet.")
    # Never shown in place: a page of a model would be one of this server.
    return send_file(
        job.file,
        mimetype=_ONNX_TYPE,
        as_attachment=True,
        download_name=job.download_name,
        conditional=True,
        etag=True,
    )


def _facts(job: ImageClassificationExportJob) -> dict[str, Any]:
    return {
        **job_summary(job),
        "type": job.title,
        "error": job.error,
        "progress": job.progress,
        **job.facts(),
        "download": url_for("exports.download", job_id=job.id) if job.is_made else None,
    }


def _must_be_made(asked: Asked, made: ImageClassificationExportJob | None) -> MustBeMade:
    if made is not None:
        address = url_for("exports.show", job_id=made.id)
        return MustBeMade(
            f"This file is being made; look at {address} for when it is done.", address
        )
    settings = asked.settings
    address = url_for("exports.create", job_id=asked.job.id)
    values = f"format={settings.format}&epoch={settings.epoch:g}"
    values += f"&preprocess={'y' if settings.preprocess else 'n'}&quantize={settings.quantize}"
    return MustBeMade(
        f"This file takes longer to make: send {values} by POST to {address}, or use the form on "
        "that page, then download it.",
        address,
    )
