"""Lists of jobs: what is searched for, in which order, and the page of it that is shown.

In: jobs, and a `ListQuery` as an address states it (`list_query`).  Out: `listed` jobs, a
`JobPage`. Elsewhere: the home page and /index.json, which both show them (`views.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digits.errors import FormError
from digits.jobs.job import Job
from digits.jobs.status import Status

PAGE_SIZE = 25

# What needs attention first.
_STATUS_ORDER = [
    Status.RUNNING,
    Status.WAITING,
    Status.INITIALIZED,
    Status.ERROR,
    Status.ABORTED,
    Status.DONE,
]
# The columns that a list can be sorted by: what is compared.
SORT_KEYS: dict[str, Callable[[Job], Any]] = {
    "name": lambda job: job.name.casefold(),
    "status": lambda job: _STATUS_ORDER.index(job.status),
    "made": lambda job: job.history.created_s,
    "took": lambda job: job.history.running_s(),
}
# What a first click on a column's head shows: the newest and the longest, but names from A.
DESCENDING_FIRST = ("made", "took")


@dataclass(frozen=True)
class ListQuery:
    """What to show of a list: `words` of names, ids and statuses, one status, an order.

    `sort` is a column of SORT_KEYS, with a minus for the reverse order; empty: running jobs first,
    then the newest.
    """

    words: str = ""
    status: Status | None = None
    sort: str = ""


def list_query(values: Mapping[str, str], sort: str = "sort") -> ListQuery:
    """The query of an address' parameters `search`, `status` and (named by `sort`) the order.

    Raises FormError for a status or a column that there is not.
    """
    order = values.get(sort, "").strip()
    if order and order.removeprefix("-") not in SORT_KEYS:
        known = ", ".join(SORT_KEYS)
        raise FormError(
            {sort: [f"{order[:60]!r} is no column. Sort by {known}, or -name and so on."]}
        )
    return ListQuery(values.get("search", "").strip(), _status(values.get("status", "")), order)


def _status(text: str) -> Status | None:
    if not text.strip():
        return None
    for status in Status:
        if text.strip().casefold() == status.value.casefold():
            return status
    known = ", ".join(status.value for status in Status)
    raise FormError({"status": [f"{text[:60]!r} is no status. Choose one of {known}."]})


def listed(jobs: Sequence[Job], category: str, query: ListQuery | None = None) -> list[Job]:
    """The jobs of a category (all given oldest first) that `query` asks for, in its order."""
    mine = [job for job in reversed(jobs) if job.category == category]
    return _chosen(mine, query or ListQuery())


def _chosen(newest_first: list[Job], query: ListQuery) -> list[Job]:
    """Those that `query` asks for, in its order; looks at each of perhaps ten thousand once."""
    found = newest_first
    if query.status is not None:
        found = [job for job in found if job.status is query.status]
    if words := query.words.casefold().split():
        found = [job for job in found if _matches(job, words)]
    if query.sort:
        key = SORT_KEYS[query.sort.removeprefix("-")]
        return sorted(found, key=key, reverse=query.sort.startswith("-"))
    active, ended = _by_activity(found)
    return active + ended


def _by_activity(jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
    active: list[Job] = []
    ended: list[Job] = []
    for job in jobs:
        (active if job.status.is_active else ended).append(job)
    return active, ended


def _matches(job: Job, words: Sequence[str]) -> bool:
    text = f"{job.name} {job.id} {job.status}".casefold()
    return all(word in text for word in words)


class JobPage:
    """One page of the jobs of a category that a query asks for."""

    def __init__(
        self, jobs: Sequence[Job], category: str, query: ListQuery, number: int = 1
    ) -> None:
        mine = [job for job in reversed(jobs) if job.category == category]
        found = _chosen(mine, query)
        self.category = category
        self.query = query
        self.total = len(mine)
        self.found = len(found)
        self.pages = max(1, -(-len(found) // PAGE_SIZE))
        self.number = min(max(1, number), self.pages)
        self.jobs = found[(self.number - 1) * PAGE_SIZE : self.number * PAGE_SIZE]

    def next_sort(self, column: str) -> str:
        """The order that a click on a column's head asks for: each click turns it round."""
        if self.query.sort.removeprefix("-") != column:
            return f"-{column}" if column in DESCENDING_FIRST else column
        return column if self.query.sort.startswith("-") else f"-{column}"

    def aria_sort(self, column: str) -> str:
        """The column's `aria-sort`: ascending, descending or none."""
        if self.query.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.query.sort.startswith("-") else "ascending"
