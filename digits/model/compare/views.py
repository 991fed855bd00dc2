"""The page on which several models are compared, and the same as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from digits.model.compare import tables
from digits.model.job import ModelJob
from digits.web.answers import answer, job_summary, scheduler

blueprint = Blueprint("compare", __name__)


@blueprint.get("/compare.json")
@blueprint.get("/compare")
def compare_models() -> ResponseReturnValue:
    """Two to ten models (`ids`, commas between them) side by side.

    The template (`models/compare/compare.html`) gets `models`, their `names`, `results`,
    `differing` and `shared`, each a list of Rows, the `chart` with its `measures` and those `shown`
    at first, and `epochs`, the length of the longest training.
    """
    jobs = scheduler().jobs
    models = tables.chosen_models(",".join(request.args.getlist("ids")), jobs)
    for model in models:
        model.read_logs(whole=True)
    job_names = {job.id: job.name for job in jobs}
    descriptions = [model.settings_in_words(job_names) for model in models]
    differing, shared = tables.differing(descriptions)
    results = tables.result_rows(models)
    chart = tables.compared_chart(models)
    measures = tables.measures(chart)
    data = {
        "models": [
            _as_json(model, dict(description))
            for model, description in zip(models, descriptions, strict=True)
        ],
        "differing": [row.title for row in differing],
        "chart": chart,
    }
    return answer(
        "models/compare/compare.html",
        data,
        models=models,
        names=tables.short_names(models),
        results=results,
        differing=differing,
        shared=shared,
        chart=chart,
        measures=measures,
        shown=tables.shown_at_first(measures),
        epochs=max(model.settings.train_epochs for model in models),
    )


def _as_json(model: ModelJob, settings: dict[str, str]) -> dict[str, Any]:
    outcome = model.train_task.outcome()
    table = model.train_task.snapshot_table()
    return {
        **job_summary(model),
        "settings": settings,
        "results": None
        if outcome is None
        else {
            **asdict(outcome),
            "iterations_per_s": outcome.iterations_per_s,
            "weights_bytes": table[-1].size_bytes if table else None,
        },
    }
