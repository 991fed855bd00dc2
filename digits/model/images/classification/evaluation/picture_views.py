"""The page of one picture of an evaluation: what the network said of it, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flask import Response, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from digits.inference import BadPicture
from digits.inference.operations import ShowPicture
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.evaluation.pictures import Origin
from digits.model.images.classification.evaluation.reading import Choice, Evaluation, Numbers
from digits.model.images.classification.evaluation.views import (
    FOLDER,
    asked_choice,
    find_evaluation,
    model_of,
    picture_url,
    query_of,
    thumbnail_url,
)
from digits.model.images.classification.try_out.results import Row
from digits.sources.picture_list import is_url
from digits.sources.record_index import entry_of
from digits.web.answers import answer, services

# Of a photograph on a page; the file itself may be larger.
LARGEST_SIDE = 1024


@dataclass(frozen=True)
class EvaluatedPicture:
    """A picture of an evaluation, its place (from 0) among those that were chosen, and these.

    `picture` is the address of the picture as it was, empty where it cannot be shown any more;
    `fields` ask its model about it once more; `dataset_page` is its page among its dataset's;
    `path` is that of its file, or what the evaluation calls it.
    """

    row: Row
    place: int
    found: Numbers
    picture: str
    fields: Mapping[str, str]
    dataset_page: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """What it is called: its file."""
        return self.path.rpartition("/")[2] or self.path

    def neighbour(self, step: int) -> int | None:
        """The number of the picture so many places on; None where there is none."""
        place = self.place + step
        return int(self.found[place]) if 0 <= place < len(self.found) else None


@blueprint.get("/images/classification/evaluations/<job_id>/pictures/<int:number>.json")
@blueprint.get("/images/classification/evaluations/<job_id>/pictures/<int:number>")
def evaluated_picture(job_id: str, number: int) -> ResponseReturnValue:
    """What the network said of a picture, by its number from 0.

    The query chooses and sorts as that of the evaluation; next and previous are of these.  The
    template (`evaluation/picture.html`) gets `job`, `model` (None when it is gone), `shown` (an
    EvaluatedPicture), `labels`, `is_probability`, `back`, the way back to the chosen pictures, and
    the addresses `previous` and `following`.
    """
    job = find_evaluation(job_id)
    results = job.results()
    choice = asked_choice(len(results.labels))
    shown = _shown(job, results, number, choice)
    back = url_for(
        "classification_models.evaluation",
        job_id=job.id,
        **query_of(choice),
        _anchor="classifications",
    )
    row = shown.row
    data = {
        "number": row.number,
        "name": row.name,
        "path": shown.path,
        "label": row.truth,
        "predictions": [list(pair) for pair in row.predictions],
        "error": row.reason or None,
        "previous": shown.neighbour(-1),
        "next": shown.neighbour(1),
    }
    return answer(
        f"{FOLDER}/evaluation/picture.html",
        data,
        job=job,
        model=model_of(job),
        shown=shown,
        labels=results.labels,
        is_probability=results.is_probability,
        back=back,
        previous=_page(job, shown.neighbour(-1), choice),
        following=_page(job, shown.neighbour(1), choice),
    )


@blueprint.get("/images/classification/evaluations/<job_id>/pictures/<int:number>/original")
def evaluated_original(job_id: str, number: int) -> ResponseReturnValue:
    """A picture of a list or folder as it is now, with at most 1024 pixels a side."""
    job = find_evaluation(job_id)
    row = _row(job.results(), number)
    origin = Origin.of(job, None)
    if not origin.path(row.name):
        raise NotFound("Only a small picture was kept.")
    source, reason = origin.open(row.name, services().paths, services().policies.downloader())
    if reason:
        raise NotFound(f"{row.name}: {reason}")
    try:
        found = services().pool.ask(ShowPicture(source, LARGEST_SIDE))
    except BadPicture as error:
        raise NotFound(f"{row.name} cannot be read: {error}") from error
    return Response(found.data, mimetype=f"image/{found.kind}")


def _shown(
    job: ImageClassificationEvaluationJob, results: Evaluation, number: int, choice: Choice
) -> EvaluatedPicture:
    row = _row(results, number)
    found = results.find(choice)
    places = np.flatnonzero(found == number)
    if not len(places):  # the address was changed by hand: it is one of all
        found = results.find(Choice())
        places = np.flatnonzero(found == number)
    origin = Origin.of(job, model_of(job))
    address, page = _addresses(job, origin, row)
    asks = origin.fields(number, row.name) if model_of(job) and address else {}
    return EvaluatedPicture(
        row,
        int(places[0]),
        found,
        address or thumbnail_url(job.id, row),
        asks,
        page,
        _file_name(origin, row) or row.name,
    )


def _file_name(origin: Origin, row: Row) -> str:
    """Which file a picture of a dataset was made of; empty where that is not known."""
    if origin.of_set is None:
        return ""
    dataset, split = origin.of_set.dataset, origin.of_set.split
    entry = entry_of(dataset.database_path(split), dataset.dir / f"{split}.txt", row.number)
    return entry.path if entry else ""


def _addresses(job: ImageClassificationEvaluationJob, origin: Origin, row: Row) -> tuple[str, str]:
    """Where the picture as it was is, empty where it is gone, and its page in its dataset."""
    if origin.of_set is not None:
        dataset, split = origin.of_set.dataset, origin.of_set.split
        file = url_for("explore_datasets.picture", job_id=dataset.id, db=split, number=row.number)
        page = url_for(
            "explore_datasets.show_picture", job_id=dataset.id, split=split, number=row.number
        )
        return file, page
    path = origin.path(row.name)
    if not path or row.predicted is None or not _is_there(path):
        return "", ""
    name = "classification_models.evaluated_original"
    return url_for(name, job_id=job.id, number=row.number), ""


def _is_there(path: str) -> bool:
    """Whether a picture may be read and is there; what lies at an address shows when it is read."""
    if is_url(path):
        return True
    paths = services().paths
    return os.path.isabs(path) and paths.allows_path(path) and Path(path).is_file()


def _row(results: Evaluation, number: int) -> Row:
    if not 0 <= number < len(results):
        raise NotFound(f"There is no picture {number}; there are {len(results):,}, from 0.")
    return next(results.read([number]))


def _page(job: ImageClassificationEvaluationJob, number: int | None, choice: Choice) -> str | None:
    return None if number is None else picture_url(job.id, number, choice)
