"""Pages of any dataset: its own page, and the summary that the model form shows."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from digits.dataset.features import delete_features
from digits.dataset.job import DatasetJob
from digits.errors import JobNotFound
from digits.web.answers import answer, in_thread, job_summary, scheduler, services

blueprint = Blueprint("datasets", __name__)


@blueprint.get("/<job_id>.json")
@blueprint.get("/<job_id>")
def show(job_id: str) -> ResponseReturnValue:
    """A dataset's page, or the same as JSON.

    The template of its kind gets `job`, a DatasetJob whose logs have been read, and `models`, the
    models that were made from it.
    """
    job = find_dataset(job_id)
    job.read_logs()
    kind = services().kinds.of(job)
    models = scheduler().dependents(job_id)
    data = {
        **job_summary(job),
        "type": job.title,
        "error": job.error,
        "settings": job.settings.to_json(),
        "progress": job.progress,
        **({"record": asdict(kind.record)} if kind.record else {}),
        **job.facts(),
        "features": asdict(job.features()),
        "models": [{"id": model.id, "name": model.name} for model in models],
    }
    return answer(kind.template, data, job=job, models=models)


@blueprint.delete("/<job_id>/features")
def remove_features(job_id: str) -> ResponseReturnValue:
    """Delete the features that trainings have kept beside a dataset: `{"sets", "size_bytes"}`."""
    job = find_dataset(job_id)
    found = in_thread(delete_features, job.dir)
    scheduler().measure_again(job)
    return jsonify(asdict(found))


@blueprint.get("/summary")
def summary() -> ResponseReturnValue:
    """A short HTML fragment about the dataset `job_id`: name, status, what is in it.

    In the words that scripts of the original look for; with `words=plain` as pages say it.
    """
    job = find_dataset(request.args.get("job_id", ""))
    job.read_logs()
    is_plain = request.args.get("words") == "plain"
    lines = job.in_words() if is_plain else job.in_original_words()
    return render_template("datasets/summary.html", job=job, lines=lines)


def find_dataset(job_id: str) -> DatasetJob:
    """The dataset with this id; JobNotFound when it is a model or nothing."""
    job = scheduler().job(job_id)
    if not isinstance(job, DatasetJob):
        raise JobNotFound(job_id)
    return job
