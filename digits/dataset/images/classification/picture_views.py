"""The page of one picture of a dataset: large, with its name, its category, and what models see.

The picture comes from a worker process; its name, from the list that the database was made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask.typing import ResponseReturnValue

from digits.dataset.images.classification.explore_views import (
    blueprint,
    chosen_label,
    database_of,
    find_dataset,
    require_split,
)
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.titles import set_title
from digits.inference.operations import FindRecord, Place
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.sources.record_index import entry_of
from digits.web.answers import answer, scheduler, services

# The route is put into the blueprint of the other pages of pictures.
__all__ = ["blueprint", "picture_page", "show_picture"]

MOST_MODELS = 50
MOST_NUMBER = 2**62


@dataclass(frozen=True)
class ShownPicture:
    """A picture of a set: by its number there, its file's name (empty: not known) and its place.

    `label` is the category whose pictures are gone through, None: all.
    """

    job: ImageClassificationDatasetJob
    split: str
    number: int
    path: str
    place: Place
    label: int | None
    labels: list[str]

    @property
    def name(self) -> str:
        """What it is called: its file, or its number."""
        return self.path.rpartition("/")[2] or f"Picture {self.number:,}"

    @property
    def category(self) -> str:
        return self.category_name(self.place.label)

    def category_name(self, label: int) -> str:
        """What a category is called."""
        return self.labels[label] if 0 <= label < len(self.labels) else str(label)

    @property
    def set_title(self) -> str:
        return set_title(self.split)

    @property
    def file(self) -> str:
        """The address of the picture itself."""
        return url_for(
            "explore_datasets.picture", job_id=self.job.id, db=self.split, number=self.number
        )

    def page(self, number: int | None) -> str | None:
        """The address of the page of another picture; None where there is none."""
        return None if number is None else picture_page(self.job, self.split, number, self.label)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.job.id,
            "db": self.split,
            "number": self.number,
            "path": self.path or None,
            "label": self.place.label,
            "name": self.category,
            "picture": self.file,
            "previous": self.place.previous,
            "next": self.place.following,
        }


def picture_page(job: Job, split: str, number: int, label: int | None = None) -> str:
    """The address of a picture's page; its neighbours are those of `label`, None: all."""
    return url_for(
        "explore_datasets.show_picture", job_id=job.id, split=split, number=number, label=label
    )


@blueprint.get("/<job_id>/pictures/<split>/<int:number>.json")
@blueprint.get("/<job_id>/pictures/<split>/<int:number>")
def show_picture(job_id: str, split: str, number: int) -> ResponseReturnValue:
    """A picture of the set `split` (train, val, test), by its number there, from 0.

    With `label`, next and previous are those of that category.  The template
    (`datasets/images/classification/picture.html`) gets `shown`, a ShownPicture, and `models`,
    [(job, address that classifies)], those that can say what they see.
    """
    job = find_dataset(job_id)
    split = require_split(job, split)
    label = chosen_label()
    database = database_of(job, split)
    place = services().pool.ask(FindRecord(database, min(number, MOST_NUMBER), label))
    entry = entry_of(job.database_path(split), job.dir / f"{split}.txt", number)
    path = entry.path if entry else ""
    shown = ShownPicture(job, split, number, path, place, label, job.labels())
    return answer(
        "datasets/images/classification/picture.html",
        shown.to_json(),
        shown=shown,
        models=_models_of(job),
    )


def _models_of(job: ImageClassificationDatasetJob) -> list[tuple[Job, str]]:
    """The models that have learned from a dataset, the newest first, and what asks them."""
    kinds = services().kinds
    found = []
    for model in reversed(scheduler().dependents(job.id)):
        endpoint = kinds.of(model).classify
        if endpoint and model.status not in (Status.INITIALIZED, Status.WAITING):
            found.append((model, url_for(endpoint, job_id=model.id)))
    return found[:MOST_MODELS]
