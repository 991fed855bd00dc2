"""Lists of jobs: what is searched for, in which order, and the page of it that is shown.

In: jobs, and a `ListQuery` as an address states it (`list_query`).  Out: `listed` jobs, a
`JobPage`. Elsewhere: the home page and /index.json, which both show them (`views.py`), the columns
(`columns.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from digits.errors import FormError
from digits.home.columns import Column, column, column_keys, columns_of
from digits.jobs.job import Job
from digits.jobs.status import PAUSED, Status
from digits.web.words import yes_or_no

PAGE_SIZE = 25


@dataclass(frozen=True)
class ListQuery:
    """What to show of a list: `words`, one status, the jobs of one `owner`, an order.

    Words are looked for in names, ids, statuses, owners and groups, and in a model's network and
    the name of its dataset.  `status` is a word as pages show it; empty: all.  `sort` is a column,
    with a minus for the reverse order; empty: running jobs first, then the newest.
    """

    words: str = ""
    status: str = ""
    sort: str = ""
    owner: str | None = None


def list_query(values: Mapping[str, str], sort: str = "sort", user: str | None = None) -> ListQuery:
    """The query of an address' parameters `search`, `status`, `mine`, and (named by `sort`) order.

    `user` is who asks, for `mine`; None where there are no logins, and all jobs are everybody's.
    Raises FormError for a status or a column that there is not.
    """
    order = values.get(sort, "").strip()
    if order and column(order.removeprefix("-")) is None:
        known = ", ".join(column_keys())
        raise FormError(
            {sort: [f"{order[:60]!r} is not a column. Sort by {known}, or -name and so on."]}
        )
    owner = user if yes_or_no(values.get("mine", "")) else None
    return ListQuery(values.get("search", "").strip(), _status(values), order, owner)


def statuses() -> list[str]:
    """What can be chosen, in the order of a job's life."""
    words = [status.value for status in Status]
    after_aborted = words.index(Status.ABORTED.value) + 1
    return [*words[:after_aborted], PAUSED, *words[after_aborted:]]


def _status(values: Mapping[str, str]) -> str:
    text = values.get("status", "").strip()
    if not text:
        return ""
    for word in statuses():
        if text.casefold() == word.casefold():
            return word
    known = ", ".join(statuses())
    raise FormError({"status": [f"{text[:60]!r} is not a status. Choose one of {known}."]})


def listed(
    jobs: Sequence[Job],
    category: str,
    query: ListQuery | None = None,
    active: Iterable[Job] | None = None,
) -> list[Job]:
    """The jobs of a category (all given oldest first) that `query` asks for, in its order.

    `active` are those of the jobs that have not ended, where that is known already.
    """
    mine = [job for job in reversed(jobs) if job.category == category]
    return _chosen(mine, query or ListQuery(), active)


def _chosen(
    newest_first: list[Job], query: ListQuery, active: Iterable[Job] | None = None
) -> list[Job]:
    """Those that `query` asks for, in its order; looks at each of perhaps ten thousand once."""
    found = newest_first
    if query.owner is not None:
        found = [job for job in found if job.owner == query.owner]
    if query.status:
        found = [job for job in found if has_status(job, query.status)]
    if words := query.words.casefold().split():
        found = [job for job in found if _matches(job, words)]
    if query.sort:
        return _sorted(found, query.sort)
    return _active_first(found, active)


def has_status(job: Job, word: str) -> bool:
    """Whether pages show this word; scripts know a paused job as Aborted, and find it so, too."""
    return job.is_paused if word == PAUSED else job.status.value == word


def _sorted(jobs: list[Job], order: str) -> list[Job]:
    """By a column; what has no value there comes last, in either order."""
    by = column(order.removeprefix("-"))
    if by is None:
        return jobs
    pairs = [(_comparable(by.value(job)), job) for job in jobs]
    known = [pair for pair in pairs if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.startswith("-"))
    return [job for _, job in known] + [job for value, job in pairs if value is None]


def _comparable(value: Any) -> Any:
    return value.casefold() or None if isinstance(value, str) else value


def _active_first(jobs: list[Job], active: Iterable[Job] | None) -> list[Job]:
    if active is None:
        active = [job for job in jobs if job.status.is_active]
    ids = {job.id for job in active}
    if not ids:
        return jobs
    first = [job for job in jobs if job.id in ids]
    return first + [job for job in jobs if job.id not in ids]


def _matches(job: Job, words: Sequence[str]) -> bool:
    text = job.searched_text().casefold()
    return all(word in text for word in words)


@dataclass(frozen=True)
class JobGroup:
    """Jobs of a page that stand together: those of one group, or of none (an empty name).

    `size` counts the group's jobs on all pages that the query found.
    """

    name: str
    jobs: Sequence[Job]
    size: int


class JobPage:
    """One page of the jobs of a category that a query asks for; those of a group together."""

    def __init__(
        self,
        jobs: Sequence[Job],
        category: str,
        query: ListQuery,
        number: int = 1,
        active: Iterable[Job] | None = None,
    ) -> None:
        mine = [job for job in reversed(jobs) if job.category == category]
        found = _together(_chosen(mine, query, active))
        self.category = category
        self.query = query
        self.total = len(mine)
        self.found = len(found)
        self.pages = max(1, -(-len(found) // PAGE_SIZE))
        self.number = min(max(1, number), self.pages)
        self.jobs = found[(self.number - 1) * PAGE_SIZE : self.number * PAGE_SIZE]
        self.groups = list(_groups(self.jobs, found))

    @property
    def columns(self) -> Sequence[Column]:
        """Those of the list."""
        return columns_of(self.category)

    def next_sort(self, key: str) -> str:
        """The order that a click on a column's head asks for: each click turns it round."""
        if self.query.sort.removeprefix("-") != key:
            by = column(key)
            return f"-{key}" if by and by.falls_first else key
        return key if self.query.sort.startswith("-") else f"-{key}"

    def aria_sort(self, key: str) -> str:
        """The column's `aria-sort`: ascending, descending or none."""
        if self.query.sort.removeprefix("-") != key:
            return "none"
        return "descending" if self.query.sort.startswith("-") else "ascending"


def _together(jobs: list[Job]) -> list[Job]:
    """The jobs with those of a group behind the group's first; the others keep their places."""
    members: dict[str, list[Job]] = {}
    for job in jobs:
        if job.group:
            members.setdefault(job.group, []).append(job)
    if not members:
        return jobs
    together: list[Job] = []
    for job in jobs:
        if not job.group:
            together.append(job)
        elif job is members[job.group][0]:
            together += members[job.group]
    return together


def _groups(jobs: Sequence[Job], found: Sequence[Job]) -> Iterator[JobGroup]:
    """Those of a page; `found` are the jobs of all pages."""
    shown = {job.group for job in jobs}
    sizes = Counter(job.group for job in found if job.group in shown)
    for name, members in groupby(jobs, key=lambda job: job.group):
        yield JobGroup(name, list(members), sizes[name])
