"""Look at the pictures of a dataset as they are stored: pages of them, and samples of each class.

The pictures come from a worker process; nothing is read or decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, JobNotFound, JobRefused
from digits.inference.operations import (
    Database,
    Explore,
    Page,
    SampleClasses,
    ShowRecord,
    Thumbnail,
)
from digits.jobs.status import Status
from digits.web.answers import answer, scheduler, services

PAGE_SIZE = 60
LATER_SIZE = 25  # of DIGITS 3 to 6
MOST_ON_A_PAGE = 500
MOST_SAMPLED_CLASSES = 100
MOST_SAMPLES = 200  # pictures, of all classes together
MOST_SAMPLES_EACH = 8
LARGEST_NUMBER = 2**62

blueprint = Blueprint("explore_datasets", __name__)


@dataclass(frozen=True)
class Shown:
    """A page of a database, as the template shows it; `number` counts from 1."""

    job: ImageClassificationDatasetJob
    split: str
    label: int | None
    number: int
    page: Page
    labels: list[str]
    size: int = PAGE_SIZE  # pictures on a page

    @property
    def pages(self) -> int:
        return max(1, -(-self.page.found // self.size))

    @property
    def unusual_size(self) -> int | None:
        """The size, for addresses; None where it is the usual one."""
        return None if self.size == PAGE_SIZE else self.size

    def name(self, label: int) -> str:
        """What a class is called."""
        return self.labels[label] if 0 <= label < len(self.labels) else str(label)

    def classes(self) -> list[tuple[int, str, int]]:
        """(number, name, pictures) of every class that has a name or a picture."""
        numbers = sorted({*range(len(self.labels)), *self.page.counts})
        return [(n, self.name(n), self.page.counts.get(n, 0)) for n in numbers]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.job.id,
            "db": self.split,
            "label": self.label,
            "page": self.number,
            "pages": self.pages,
            "page_size": self.size,
            "pictures_in_db": self.page.records,
            "found": self.page.found,
            "labels": [
                {"label": number, "name": name, "pictures": count}
                for number, name, count in self.classes()
            ],
            "pictures": [self._picture(picture) for picture in self.page.pictures],
        }

    def _picture(self, picture: Thumbnail) -> dict[str, Any]:
        return {
            "number": picture.number,
            "label": picture.label,
            "name": self.name(picture.label),
            "image": picture.url,
            "error": picture.reason or None,
        }


@blueprint.get("/<job_id>/explore.json")
@blueprint.get("/<job_id>/explore")
def show(job_id: str) -> ResponseReturnValue:
    """A page of thumbnails with their labels: `db` [the first], `page` [1], `label` [all].

    `size` [60] says how many a page has.
    """
    return _answer(job_id, _number("page") or 1, PAGE_SIZE, first_page=1)


@blueprint.get("/images/classification/explore.json")
@blueprint.get("/images/classification/explore")
def explore() -> ResponseReturnValue:
    """The same as DIGITS 3 to 6 ask for it: with `job_id`, pages from 0, and a `size` of [25]."""
    return _answer(request.args.get("job_id", ""), (_number("page") or 0) + 1, LATER_SIZE, 0)


def _answer(job_id: str, number: int, usual_size: int, first_page: int) -> ResponseReturnValue:
    """Page `number`, which counts from 1; the JSON's counts from `first_page`."""
    job = find_dataset(job_id)
    split = _split(job)
    label, size = chosen_label(), _size(usual_size)
    labels = job.labels()
    shown = _page(job, split, label, max(1, number), labels, size)
    if shown.number > shown.pages:
        shown = _page(job, split, label, shown.pages, labels, size)
    data = {**shown.to_json(), "page": shown.number - 1 + first_page}
    return answer("datasets/images/classification/explore.html", data, shown=shown)


def chosen_label() -> int | None:
    """The category of the query, None: all; FormError for what is none."""
    label = _number("label")
    if label is not None and label < 0:
        raise FormError({"label": [f"There is no category {label}; the first is number 0."]})
    return label


def _size(usual: int) -> int:
    """How many pictures a page has; FormError for none, and for too many."""
    size = _number("size")
    if size is None:
        return usual
    if not 1 <= size <= MOST_ON_A_PAGE:
        raise FormError({"size": [f"A page has 1 to {MOST_ON_A_PAGE} pictures, not {size}."]})
    return size


@blueprint.get("/<job_id>/explore/picture")
def picture(job_id: str) -> ResponseReturnValue:
    """The picture `number` (from 0) of the database `db`, in its full size."""
    job = find_dataset(job_id)
    number = _number("number")
    if number is None:
        raise FormError({"number": ["Give the number of a picture, counted from 0."]})
    found = services().pool.ask(ShowRecord(database_of(job, _split(job)), number))
    return Response(found.data, mimetype=f"image/{found.kind}")


@blueprint.get("/<job_id>/samples")
def show_samples(job_id: str) -> ResponseReturnValue:
    """An HTML fragment with some pictures of each class, for the dataset's page."""
    job = find_dataset(job_id)
    split = _split(job)
    labels = job.labels()
    sampled = tuple(range(min(len(labels), MOST_SAMPLED_CLASSES)))
    each = max(1, min(MOST_SAMPLES_EACH, MOST_SAMPLES // max(1, len(sampled))))
    request = SampleClasses(database_of(job, split), sampled, each)
    found = services().pool.ask(request).by_label(sampled)
    return render_template(
        "datasets/images/classification/samples.html",
        job=job,
        split=split,
        rows=[(label, labels[label], found[label]) for label in sampled],
        left_out=len(labels) - len(sampled),
    )


def _page(
    job: ImageClassificationDatasetJob,
    split: str,
    label: int | None,
    number: int,
    labels: list[str],
    size: int,
) -> Shown:
    page = services().pool.ask(Explore(database_of(job, split), label, number - 1, size))
    return Shown(job, split, label, number, page, labels, size)


def find_dataset(job_id: str) -> ImageClassificationDatasetJob:
    """The dataset with this id; JobNotFound when it is something else or nothing."""
    job = scheduler().job(job_id)
    if not isinstance(job, ImageClassificationDatasetJob):
        raise JobNotFound(job_id)
    return job


def _split(job: ImageClassificationDatasetJob) -> str:
    """Which database is asked for; FormError or JobRefused when it is not there."""
    splits = job.splits()
    split = request.args.get("db", "").strip() or (splits[0] if splits else "train")
    return require_split(job, split.removesuffix("_db"))


def require_split(job: ImageClassificationDatasetJob, split: str) -> str:
    """The same set; FormError when there is no such one, JobRefused when it is not complete."""
    splits = job.splits()
    if split not in splits:
        there = ", ".join(splits) or "none"
        raise FormError({"db": [f"There is no database {split!r}; there are: {there}."]})
    task = next(task for task in job.database_tasks() if task.split == split)
    if task.status is not Status.DONE:
        raise JobRefused(f"{task.activity} is {task.status.value}: its database is not complete.")
    return split


def database_of(job: ImageClassificationDatasetJob, split: str) -> Database:
    """The database of one of its sets."""
    return Database(job.database_path(split), job.backend)


def _number(name: str) -> int | None:
    """A whole number of the query, None where there is none; FormError for anything else."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        number = int(text[:30])
    except ValueError:
        raise FormError({name: [f"{text[:60]!r} is not a whole number."]}) from None
    return max(-LARGEST_NUMBER, min(number, LARGEST_NUMBER))
