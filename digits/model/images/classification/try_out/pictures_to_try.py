"""Pictures of the model's dataset to click, for whoever has no file at hand.

Out: an HTML fragment with a dozen pictures that the network has not learned from, where there are
such; other ones at each turn.
"""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, JobNotFound
from digits.inference import Database
from digits.inference.operations import SpreadRecords
from digits.jobs.status import Status
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.web.answers import scheduler, services
from digits.web.words import shown

COUNT = 12
# What the network has not seen comes first.
PREFERRED = ("val", "test", "train")
MOST_TURNS = 10**9


@blueprint.get("/images/classification/pictures_to_try")
def pictures_to_try() -> ResponseReturnValue:
    """An HTML fragment with some pictures of the dataset of the model `job_id`, as buttons.

    `turn` [0] asks for other ones.  The template (`try_out/pictures_to_try.html`) gets `split`,
    the set that they are of, empty where there is none, `pictures`, Thumbnails, and `labels`.
    """
    job = scheduler().job(request.args.get("job_id", ""))
    if not isinstance(job, ImageClassificationModelJob):
        raise JobNotFound(job.id)
    turn = _turn()
    dataset = job.dataset
    split = set_to_try(dataset)
    pictures = []
    if split and isinstance(dataset, ImageClassificationDatasetJob):
        database = Database(dataset.database_path(split), dataset.backend)
        found = services().pool.ask(SpreadRecords(database, COUNT, turn))
        pictures = [picture for picture in found.pictures if picture.url]
    return render_template(
        "models/images/classification/try_out/pictures_to_try.html",
        split=split,
        pictures=pictures,
        labels=job.pictures.labels() if pictures else [],
    )


def set_to_try(dataset: object) -> str:
    """The set of a dataset whose pictures are offered; empty when it has none."""
    if not isinstance(dataset, ImageClassificationDatasetJob):
        return ""
    made = {task.split for task in dataset.database_tasks() if task.status is Status.DONE}
    return next((split for split in PREFERRED if split in made), "")


def _turn() -> int:
    text = request.args.get("turn", "0").strip() or "0"
    if not (text.isascii() and text.isdigit()):
        raise FormError({"turn": [f"{shown(text)} is not a whole number from 0."]})
    return min(int(text[:12]), MOST_TURNS)
