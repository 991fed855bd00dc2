"""The columns of the home page's lists: what stands in them, by what they sort, where they show.

In: a job.  Out: for each column its value, which sorts and goes to scripts, and the same in words.
Values come from what a server holds of its jobs (`digits/jobs/results.py`); no file is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from digits.base.formatting import count, file_size, short_duration
from digits.dataset.results import DatasetResults
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.model.card import Card
from digits.model.job import ModelJob
from digits.model.results import ModelResults

LONGEST_LICENCE = 60  # characters of a table
# What needs attention first.
STATUS_ORDER = [
    Status.RUNNING,
    Status.WAITING,
    Status.INITIALIZED,
    Status.ERROR,
    Status.ABORTED,
    Status.DONE,
]


def _nothing(_job: Job) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; `key` is its name in addresses, `title` stands in its head.

    A `value` of None or "" comes last, whichever way the list is sorted.  `words` say the value in
    the table; `folded`, below the job's name where the list is narrower than `level`, from 1 to 4
    (0: it is always wide enough).
    """

    key: str
    title: str
    value: Callable[[Job], Any]
    words: Callable[[Job], str] = _nothing
    folded: Callable[[Job], str] = _nothing
    level: int = 0
    is_number: bool = False
    # What a first click on the head shows: the newest, largest and longest, but names from A.
    falls_first: bool = False
    # The name under which scripts are told the value; empty: they know it already.
    told_as: str = ""


def columns_of(category: str) -> Sequence[Column]:
    """The columns of the list of datasets or models."""
    return _COLUMNS.get(category, _COLUMNS["dataset"])


def column(key: str) -> Column | None:
    """The column of this name in addresses, of whichever list; None when there is none."""
    return _BY_KEY.get(key)


def column_keys() -> list[str]:
    """The names of all columns."""
    return list(_BY_KEY)


def list_facts(job: Job) -> dict[str, Any]:
    """What the columns say of a job, as plain JSON, under the names that scripts are told."""
    return {each.told_as: each.value(job) for each in columns_of(job.category) if each.told_as}


def live_results(job: Job) -> dict[str, Any]:
    """What has come of a job since its row was shown: `words` and `folded` by column, `curve`."""
    columns = [each for each in columns_of(job.category) if each.told_as and each.key != "made"]
    return {
        "words": {each.key: each.words(job) for each in columns},
        "folded": {each.key: each.folded(job) for each in columns},
        "curve": _of_model(job).curve_points,
    }


# Values ---------------------------------------------------------------------------------------

_NO_MODEL = ModelResults()
_NO_DATASET = DatasetResults()


def _of_model(job: Job) -> ModelResults:
    return job.current_results() if isinstance(job, ModelJob) else _NO_MODEL


def _of_dataset(job: Job) -> DatasetResults:
    results = job.current_results()
    return results if isinstance(results, DatasetResults) else _NO_DATASET


def _network(job: Job) -> str:
    return job.network_name if isinstance(job, ModelJob) else ""


def _dataset_name(job: Job) -> str:
    # Also of kinds of models from elsewhere, which keep it as docs/extend.md shows.
    dataset = getattr(job, "dataset", None)
    return dataset.name if isinstance(dataset, Job) else ""


def _licence(job: Job) -> str:
    """What the card of a pretrained model says, in so many words as fit a table."""
    card = Card.from_json(getattr(job.settings, "card", None)) or Card()
    text = " ".join(card.licence.split())
    return text if len(text) <= LONGEST_LICENCE else f"{text[: LONGEST_LICENCE - 1]}…"


def _size(job: Job) -> int | None:
    return job.current_results().size_bytes


def _size_words(job: Job) -> str:
    size = _size(job)
    return "" if size is None else file_size(size)


def _planned_epochs(job: Job) -> int | None:
    return job.settings.train_epochs if isinstance(job, ModelJob) else None


def _epochs(job: Job) -> float | None:
    """Those that are trained; before that is known, those that were asked for."""
    trained = _of_model(job).epochs
    return trained if trained is not None else _planned_epochs(job)


def _epochs_words(job: Job) -> str:
    planned, trained = _planned_epochs(job), _of_model(job).epochs
    if planned is None:
        return ""
    if job.status is Status.DONE or trained is None:
        return f"{planned}"
    return f"{int(trained)} of {planned}"


def _accuracy_words(job: Job) -> str:
    """The best accuracy in percent, as the model's page has it; without one, the lowest loss."""
    results = _of_model(job)
    if results.accuracy is not None:
        return f"{100 * results.accuracy:.2f}%"
    return "" if results.loss is None else f"loss {results.loss:.4g}"


def _with(words: Callable[[Job], str], one: str, many: str) -> Callable[[Job], str]:
    """The words with their unit, which the column's head says otherwise; nothing for nothing."""

    def with_unit(job: Job) -> str:
        told = words(job)
        return f"{told} {one if told == '1' else many}" if told else ""

    return with_unit


def _count_words(value: Callable[[Job], int | None]) -> Callable[[Job], str]:
    return lambda job: "" if (number := value(job)) is None else count(number)


def _records(job: Job) -> int | None:
    return _of_dataset(job).records


def _categories(job: Job) -> int | None:
    return _of_dataset(job).categories


# Columns --------------------------------------------------------------------------------------

_NAME = Column(key="name", title="Name", value=lambda job: job.name)
_STATUS = Column(key="status", title="Status", value=lambda job: STATUS_ORDER.index(job.status))
_CREATED = Column(
    key="made",
    title="Created",
    value=lambda job: job.history.created_s,
    level=2,
    falls_first=True,
    told_as="created",
)
_DURATION = Column(
    key="took",
    title="Duration",
    value=lambda job: job.history.running_s(),
    words=lambda job: short_duration(job.history.running_s()),
    level=4,
    is_number=True,
    falls_first=True,
    told_as="duration",
)
_SIZE = Column(
    key="disk",
    title="Size",
    value=_size,
    words=_size_words,
    folded=_size_words,
    level=2,
    is_number=True,
    falls_first=True,
    told_as="size_bytes",
)
_COLUMNS: dict[str, Sequence[Column]] = {
    "dataset": (
        _NAME,
        _STATUS,
        Column(
            key="pictures",
            title="Pictures",
            value=_records,
            words=_count_words(_records),
            folded=_with(_count_words(_records), "picture", "pictures"),
            level=1,
            is_number=True,
            falls_first=True,
            told_as="pictures",
        ),
        Column(
            key="categories",
            title="Categories",
            value=_categories,
            words=_count_words(_categories),
            folded=_with(_count_words(_categories), "category", "categories"),
            level=2,
            is_number=True,
            falls_first=True,
            told_as="categories",
        ),
        _SIZE,
        _CREATED,
        _DURATION,
    ),
    "model": (
        _NAME,
        _STATUS,
        Column(
            key="accuracy",
            title="Accuracy",
            value=lambda job: _of_model(job).accuracy,
            words=_accuracy_words,
            folded=_accuracy_words,
            level=1,
            is_number=True,
            falls_first=True,
            told_as="best_accuracy",
        ),
        Column(
            key="network",
            title="Network",
            value=_network,
            words=_network,
            folded=_network,
            level=2,
            told_as="network",
        ),
        Column(
            key="dataset",
            title="Dataset",
            value=_dataset_name,
            words=_dataset_name,
            folded=lambda job: f"on {name}" if (name := _dataset_name(job)) else "",
            level=3,
            told_as="dataset_name",
        ),
        Column(
            key="epochs",
            title="Epochs",
            value=_epochs,
            words=_epochs_words,
            folded=_with(_epochs_words, "epoch", "epochs"),
            level=3,
            is_number=True,
            falls_first=True,
            told_as="epochs",
        ),
        replace(_SIZE, level=4),
        _CREATED,
        _DURATION,
    ),
    "pretrained": (
        _NAME,
        _STATUS,
        Column(
            key="network",
            title="Network",
            value=_network,
            words=_network,
            folded=_network,
            level=1,
            told_as="network",
        ),
        Column(
            key="licence",
            title="Licence",
            value=_licence,
            words=_licence,
            folded=_licence,
            level=2,
            told_as="licence",
        ),
        _SIZE,
        _CREATED,
    ),
}
_BY_KEY = {each.key: each for columns in _COLUMNS.values() for each in columns}
