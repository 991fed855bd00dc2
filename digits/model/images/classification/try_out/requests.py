"""What a request to try a model out asks for: the snapshot, the picture, the list, the database.

Everything here reads the present request and raises FormError at the field that is wrong.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

from flask import request
from wtforms import ValidationError

from digits.dataset.titles import set_title
from digits.errors import FormError, JobNotFound
from digits.inference import Database, Network, Source
from digits.inference.opening import Opener
from digits.inference.operations import ShowRecord
from digits.jobs.status import Status
from digits.model.images.classification.evaluation.creation import (
    DatabaseSource,
    EvaluationSource,
    FolderSource,
    ListSource,
)
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out.asking import network_of
from digits.sources.downloads import DownloadError
from digits.sources.picture_list import SPLITS, Entry, ListError, is_url, lines_of, parse_lines
from digits.web.answers import in_thread, scheduler, services
from digits.web.forms import server_path
from digits.web.submitted import require_fields, single_value
from digits.web.words import required_yes_or_no, shown, yes_or_no

# How long the one picture of a request may take to come; somebody waits for it.
FETCH_S = 30.0
# Lines of a list are read so many at a time; other requests have their turn in between.
_LINES_BETWEEN_PAUSES = 1000


# What the routes read.  The page's form carries all of them, whichever button was pressed.
FIELDS = (
    "job_id", "snapshot_epoch", "show_visualizations", "image_file", "image_url", "image_path",
    "image_list", "image_folder", "num_test_images", "database", "top_n", "as_job", "group_name",
    "picture", "layer", "tops", "params", "class_index", "check", "blob",
    "picture_set", "picture_number", "image_names", "answers", "source_name",
)  # fmt: skip
# The picture's address or path: ours, and what DIGITS 3 to 6 call it.
PICTURE_FIELDS = ("image_url", "image_path")


@dataclass(frozen=True)
class Chosen:
    """The model and the snapshot that a request is about."""

    job: ImageClassificationModelJob
    epoch: float | int
    network: Network

    @property
    def labels(self) -> list[str]:
        return self.job.pictures.labels()


def chosen_snapshot() -> Chosen:
    """The snapshot that the request names; JobNotFound, FormError also for unknown fields."""
    require_fields(*FIELDS)
    job = scheduler().job(request.args.get("job_id") or text_of("job_id"))
    if not isinstance(job, ImageClassificationModelJob):
        raise JobNotFound(job.id)
    epoch, weights = job.snapshot(single_value("snapshot_epoch"))
    return Chosen(job, epoch, network_of(job, weights))


@dataclass(frozen=True)
class OnePicture:
    """A picture that is to be classified: what it is called, and where it is.

    One of the dataset has its set, its number there and its true category, by number.
    """

    name: str
    source: Source
    split: str = ""
    number: int = 0
    truth: int | None = None


def one_picture(chosen: Chosen) -> OnePicture:
    """The picture that was sent or named."""
    upload = request.files.get("image_file")
    if upload is not None and upload.filename:
        return OnePicture(upload.filename, in_thread(upload.read))
    if split := text_of("picture_set"):
        return _picture_of_dataset(chosen.job, split)
    field = picture_field()
    text = text_of(field)
    if not text:
        raise FormError({"image_file": ["Choose a picture to upload, or give its URL."]})
    try:
        return OnePicture(text, _fetched(text) if is_url(text) else _file(text))
    except (DownloadError, ValidationError) as error:
        raise FormError({field: [f"{shown(text)} cannot be used: {error}"]}) from error


def _picture_of_dataset(job: ImageClassificationModelJob, split: str) -> OnePicture:
    """The picture `picture_number` of a set of the model's dataset."""
    source = _database(job, split, "picture_set")
    text = text_of("picture_number")
    if not (text.isascii() and text.isdigit()):
        message = f"{shown(text)} is not the number of a picture: a whole number from 0."
        raise FormError({"picture_number": [message]})
    database = Database(source.path, source.backend)
    found = services().pool.ask(ShowRecord(database, int(text[:18])))
    name = f"{set_title(split)}, picture {found.number:,}"
    return OnePicture(name, found.data, split, found.number, found.label)


def picture_field() -> str:
    """The field in which the picture is named, or would be."""
    return next(filter(text_of, PICTURE_FIELDS), PICTURE_FIELDS[0])


def _fetched(url: str) -> Source:
    return services().policies.downloader().fetch(url, total_s=FETCH_S, again=False)[0]


def _file(text: str) -> Source:
    return server_path(text, folder=False)


@dataclass
class UploadedList:
    """A list whose lines have all been looked at: how many pictures it names, and the first."""

    name: str
    stream: IO[bytes]
    labels: int
    limit: int | None
    count: int
    opener: Opener

    def entries(self) -> Iterator[Entry]:
        """The pictures, in the list's order."""
        self.stream.seek(0)
        parsed = parse_lines(lines_of(self.stream), self.labels, self.limit)
        return (entry for entry in parsed if entry is not None)

    def kept(self) -> UploadedList:
        """The same in a file of its own, which outlives the request; the caller closes it."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - as said
        self.stream.seek(0)
        in_thread(shutil.copyfileobj, self.stream, copy)
        return replace(self, stream=copy)

    def as_source(self) -> ListSource:
        """The same for a job."""
        self.stream.seek(0)
        return ListSource(self.name, self.stream, self.opener.folder)


def chosen_pictures(chosen: Chosen, limit: int | None) -> UploadedList | EvaluationSource:
    """The list, the folder or the database that the request names."""
    upload = request.files.get("image_list")
    split = text_of("database")
    if upload is not None and upload.filename:
        if split:
            raise FormError({"database": ["Choose an image list or a database, not both."]})
        return _uploaded_list(upload.filename, upload.stream, chosen, limit)
    if split:
        return _database(chosen.job, split, "database")
    folder = _image_folder()
    if not folder:
        ways = "Choose a text file with a path or URL on each line, or a folder on the server"
        ways += ", or a database of the dataset." if chosen.job.dataset else "."
        raise FormError({"image_list": [ways]})
    if is_url(folder):
        raise FormError({"image_folder": ["Without a list, the folder must be on the server."]})
    return FolderSource(folder)


def _uploaded_list(name: str, stream: IO[bytes], chosen: Chosen, limit: int | None) -> UploadedList:
    labels = len(chosen.labels)
    opener = Opener(_image_folder(), services().paths, services().policies.downloader())
    count = 0
    try:
        for number, entry in enumerate(parse_lines(lines_of(stream), labels, limit)):
            count += entry is not None
            if number % _LINES_BETWEEN_PAUSES == 0:
                time.sleep(0)
    except ListError as error:
        raise FormError({"image_list": [str(error)]}) from error
    if not count:
        message = "The list is empty. It needs a path or URL on each line."
        raise FormError({"image_list": [message]})
    return UploadedList(name, stream, labels, limit, count, opener)


def _database(job: ImageClassificationModelJob, split: str, field: str) -> DatabaseSource:
    """A set of the model's dataset, which `field` of the form names."""
    dataset = job.image_dataset
    if split not in SPLITS:
        message = f"The database is one of {', '.join(SPLITS)}. Received: {shown(split)}."
        raise FormError({field: [message]})
    count = dataset.picture_count(split) if dataset.status is Status.DONE else 0
    if not count:
        raise FormError({field: [f"The dataset {dataset.name} has no {split} database."]})
    return DatabaseSource(split, dataset.database_path(split), dataset.backend, count)


def chosen_database(chosen: Chosen) -> DatabaseSource:
    """The set of the model's dataset that the field `database` names."""
    split = text_of("database")
    if not split:
        raise FormError({"database": [f"Choose a set of the dataset: {', '.join(SPLITS)}."]})
    return _database(chosen.job, split, "database")


def _image_folder() -> str:
    text = text_of("image_folder")
    if not text or is_url(text):
        return text
    try:
        return str(server_path(text, folder=True))
    except ValidationError as error:
        raise FormError({"image_folder": [str(error)]}) from error


def text_of(name: str) -> str:
    """A field of the form, without blanks around it."""
    return single_value(name).strip()


def is_wanted(name: str) -> bool:
    """Whether a box of the form is ticked; FormError for a word that is neither yes nor no."""
    return required_yes_or_no(name, text_of(name))


def is_asked_for(name: str) -> bool:
    """Whether a field has any value but a word for no."""
    return yes_or_no(text_of(name)) is not False


def number_of(name: str, high: int | None) -> int | None:
    """A whole number of the form above 0; None when it is empty."""
    text = text_of(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:12]) < 1:
        raise FormError({name: [f"{shown(text)} is not a whole number above 0."]})
    value = int(text[:12])
    if high is not None and value > high:
        raise FormError({name: [f"{value} is too large: at most {high}."]})
    return value
