"""The pages of an evaluation: its numbers, its pictures page by page, the best of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, jsonify, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from digits.errors import JobNotFound
from digits.inference.operations import DrawMatrix
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.model.figures import figure, figure_kind
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.evaluation.comparing import (
    MOST_OFFERED,
    others_of_same,
)
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.evaluation.pictures import Origin
from digits.model.images.classification.evaluation.reading import (
    OUTCOMES,
    SORTS,
    Choice,
    Evaluation,
    Ranked,
)
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out.asking import GridPicture
from digits.model.images.classification.try_out.results import Row, json_parts, unit
from digits.web.answers import answer, job_summary, scheduler, wants_json

FOLDER = "models/images/classification"
# Percent: what comes of them is shown beside each other.
THRESHOLDS = (0.0, 50.0, 75.0, 90.0, 95.0, 99.0)
ROWS_PER_PAGE = 50
LONGEST_SEARCH = 500
# A page with more pictures than this is of no use.
MOST_GRID_PICTURES = 1000
THUMBNAIL = "classification_models.evaluation_thumbnail"
# A thumbnail of a finished evaluation never changes.
_THUMBNAIL_AGE_S = 24 * 3600


@dataclass(frozen=True)
class RowPage:
    """One page of the rows that were chosen."""

    rows: Sequence[Row]
    choice: Choice
    found: int
    number: int
    pages: int


@blueprint.get("/images/classification/evaluations/<job_id>.json")
@blueprint.get("/images/classification/evaluations/<job_id>")
def evaluation(job_id: str) -> ResponseReturnValue:
    """An evaluation's page, or what it came to as JSON.

    `outcome` (right, wrong, unreadable), `truth` and `predicted` (numbers of classes) and `name`
    choose rows, `sort` (number, confidence, label, predicted) and `order` (down) sort them, `page`
    turns the pages.  Below `threshold` [0], a confidence in percent, the network counts as not
    sure, and `outcome` may be sure or unsure.

    The template (`evaluation/evaluation.html`) gets `job`,
    `model` (None when it is gone), `results` (an Evaluation), `accuracy`, `steps` (what comes of
    some thresholds), `page` (a RowPage), `others` (evaluations of the same pictures), `fitting`
    (models of the same dataset that have not classified them) and `split`, their set.
    """
    job = find_evaluation(job_id)
    job.read_logs()
    threshold = _threshold()
    # The matrix of a thousand classes takes a moment: not for pages, which show parts of it.
    if wants_json():
        numbers = {"type": job.title, "error": job.error, "progress": job.progress}
        return jsonify({**job_summary(job), **numbers, **job.facts(threshold)})
    results = job.results()
    others = others_of_same(job, scheduler().jobs)
    split, fitting = _fitting_models(job, others)
    return render_template(
        f"{FOLDER}/evaluation/evaluation.html",
        job=job,
        model=model_of(job),
        results=results,
        accuracy=results.accuracy(threshold),
        steps=results.steps(THRESHOLDS) if results.is_probability else [],
        page=_chosen_page(job, results),
        others=others,
        fitting=fitting,
        split=split,
    )


@blueprint.get("/images/classification/evaluations/<job_id>/classifications.json")
def evaluation_classifications(job_id: str) -> ResponseReturnValue:
    """Every picture's best classes, as `classify_many.json` answers them."""
    results = find_evaluation(job_id).results()
    results.check_rows()
    rows = results.read(range(len(results)))
    parts = json_parts(rows, results.accuracy, results.is_probability)
    name = f"{job_id}_classifications.json"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(stream_with_context(parts), mimetype="application/json", headers=headers)


@blueprint.get("/images/classification/evaluations/<job_id>/confusion_matrix.<extension>")
def evaluation_matrix(job_id: str, extension: str) -> ResponseReturnValue:
    """The confusion matrix as a figure for papers: png, svg or pdf; 404 without known labels."""
    job = find_evaluation(job_id)
    job.read_logs()
    results = job.results()
    if not results.is_labelled:
        raise NotFound("The true categories of these pictures are not known.")
    kind = figure_kind(extension)
    counts = tuple(map(tuple, results.accuracy().confusion.matrix()))
    return figure(DrawMatrix(job.name, tuple(results.labels), counts, kind), f"{job.id}_matrix")


@blueprint.get("/images/classification/evaluations/<job_id>/thumbnails/<int:number>")
def evaluation_thumbnail(job_id: str, number: int) -> ResponseReturnValue:
    """A picture as the network saw it, small, as a JPEG."""
    job = find_evaluation(job_id)
    data = job.results().thumbnail(number)
    if not data:
        raise NotFound("There is no such picture.")
    response = Response(data, mimetype="image/jpeg")
    response.cache_control.private = True
    response.cache_control.max_age = 0 if job.status.is_active else _THUMBNAIL_AGE_S
    return response


@blueprint.get("/images/classification/evaluations/<job_id>/top_n.json")
@blueprint.get("/images/classification/evaluations/<job_id>/top_n")
def evaluation_top_n(job_id: str) -> ResponseReturnValue:
    """For each class the pictures with the highest confidence; empty until the job is done.

    The template (`evaluation/top_n.html`) gets `job`, `model`, `classes`, [(label,
    [GridPicture, ...]), ...], `left_out`, how many more classes there are, `n`, and
    `is_probability`, whether scores are percentages.  The query's `n` shows fewer than were kept.
    """
    job = find_evaluation(job_id)
    job.read_logs()
    results = job.results()
    classes = results.best_of_each_class() or []
    n = min(_number("n") or job.settings.top_n, job.settings.top_n)
    classes = [(label, best[:n]) for label, best in classes]
    shown = [
        (label, [_grid_picture(job, each) for each in best])
        for label, best in classes[: max(1, MOST_GRID_PICTURES // n)]
    ]
    data = {
        "top_n": {
            label: [[each.name, each.confidence] for each in best] for label, best in classes
        },
        **unit(results.is_probability),
    }
    return answer(
        f"{FOLDER}/evaluation/top_n.html",
        data,
        job=job,
        model=model_of(job),
        classes=shown,
        left_out=len(classes) - len(shown),
        n=n,
        is_probability=results.is_probability,
    )


def find_evaluation(job_id: str) -> ImageClassificationEvaluationJob:
    """The evaluation with this id; JobNotFound when it is something else or nothing."""
    job = scheduler().job(job_id)
    if not isinstance(job, ImageClassificationEvaluationJob):
        raise JobNotFound(job_id)
    return job


def _fitting_models(
    job: ImageClassificationEvaluationJob, others: Sequence[ImageClassificationEvaluationJob]
) -> tuple[str, list[ImageClassificationModelJob]]:
    """The set of the dataset that was classified, and the models that could do so as well."""
    of_set = Origin.of(job, model_of(job)).of_set
    if of_set is None:
        return "", []
    done = {other.settings.model for other in (*others, job)}
    found = [
        other
        for other in scheduler().dependents(of_set.dataset.id)
        if isinstance(other, ImageClassificationModelJob)
        and other.id not in done
        and other.status is Status.DONE
    ]
    return of_set.split, found[:MOST_OFFERED]


def model_of(job: ImageClassificationEvaluationJob) -> ImageClassificationModelJob | None:
    """The model that has classified; None when it is gone."""
    found = next((other for other in scheduler().jobs if other.id == job.belongs_to), None)
    return found if isinstance(found, ImageClassificationModelJob) else None


def _chosen_page(job: Job, results: Evaluation) -> RowPage:
    choice = asked_choice(len(results.labels))
    found = results.find(choice)
    pages = max(1, -(-len(found) // ROWS_PER_PAGE))
    number = page_number(pages)
    shown = found[(number - 1) * ROWS_PER_PAGE : number * ROWS_PER_PAGE]
    rows = [
        replace(
            row, thumbnail=thumbnail_url(job.id, row), page=picture_url(job.id, row.number, choice)
        )
        for row in results.read(shown)
    ]
    return RowPage(rows, choice, len(found), number, pages)


def page_number(pages: int) -> int:
    """Which of so many pages is asked for, from 1."""
    return min(max(1, _number("page") or 1), pages)


def _grid_picture(job: Job, ranked: Ranked) -> GridPicture:
    url = url_for(THUMBNAIL, job_id=job.id, number=ranked.number)
    return GridPicture(ranked.name, ranked.confidence, url, picture_url(job.id, ranked.number))


def thumbnail_url(job_id: str, row: Row) -> str:
    """Where a row's picture is, small; empty where it could not be read."""
    return "" if row.predicted is None else url_for(THUMBNAIL, job_id=job_id, number=row.number)


def picture_url(job_id: str, number: int, choice: Choice | None = None) -> str:
    """The page of a picture; next and previous are those of `choice`."""
    return url_for(
        "classification_models.evaluated_picture",
        job_id=job_id,
        number=number,
        **query_of(choice or Choice()),
    )


def query_of(choice: Choice) -> dict[str, Any]:
    """A choice as addresses have it; what is as usual is left out."""
    values = {
        "outcome": choice.outcome,
        "truth": choice.truth,
        "predicted": choice.predicted,
        "name": choice.name,
        "sort": "" if choice.sort == SORTS[0] else choice.sort,
        "order": "down" if choice.descending else "",
        "threshold": f"{choice.threshold:.12g}" if choice.threshold else "",
    }
    return {name: value for name, value in values.items() if value not in ("", None)}


def asked_choice(classes: int) -> Choice:
    """What the address asks for; what cannot be understood is left out."""
    outcome, sort = request.args.get("outcome", ""), request.args.get("sort", "")
    numbers = [_number(name) for name in ("truth", "predicted")]
    truth, predicted = (n if n is not None and n < classes else None for n in numbers)
    return Choice(
        outcome=outcome if outcome in OUTCOMES else "",
        truth=truth,
        predicted=predicted,
        name=request.args.get("name", "").strip()[:LONGEST_SEARCH],
        sort=sort if sort in SORTS else SORTS[0],
        descending=request.args.get("order") == "down",
        threshold=_threshold(),
    )


def _threshold() -> float:
    """A confidence in percent; what cannot be understood is none."""
    try:
        value = float(request.args.get("threshold", "")[:30])
    except ValueError:
        return 0.0
    return value if 0 <= value <= 100 else 0.0


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text[:12]) if text.isascii() and text.isdigit() else None
