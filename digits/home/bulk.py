"""What is asked of several jobs at a time, there or in the bin.

In: a scheduler and ids.  Out: what was done, and for the rest the reason in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from digits.errors import DigitsError, JobInUse
from digits.jobs.bin_entry import BinEntry
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.web.error_pages import code_of

NOT_YOURS = "It is not yours. Ask its owner or an admin."


@dataclass(frozen=True)
class Kept:
    """A job to which it could not be done, and why; `code` is the HTTP status of that."""

    id: str
    name: str
    reason: str
    code: int = 403

    def to_json(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name, "reason": self.reason}


@dataclass
class Changes:
    """What became of several jobs: (id, name) of those to which it was done, and those kept."""

    done: list[tuple[str, str]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of those to which it was done."""
        return [job_id for job_id, _ in self.done]

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.done]


class Named(Protocol):
    """A job, or an entry of the bin."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def ids_in(texts: Iterable[str]) -> list[str]:
    """The ids in texts; one text may name several, with commas between them."""
    return [job_id.strip() for text in texts for job_id in text.split(",") if job_id.strip()]


def delete_all(
    scheduler: Scheduler,
    job_ids: Iterable[str],
    may_delete: Callable[[Job], bool] = lambda job: True,
    *,
    by: str = "",
    for_good: bool = False,
) -> Changes:
    """Delete every job that can be deleted; those that others of them need come after these.

    `may_delete` says which ones the user `by` may delete.
    """
    delete = partial(_delete, scheduler, by, for_good)
    result, left = Changes(), list(dict.fromkeys(job_ids))
    while left:
        tried = _each(left, scheduler.job, may_delete, delete)
        result.done += tried.done
        in_use = [kept for kept in tried.kept if isinstance(kept, _InUse)]
        result.kept += [kept for kept in tried.kept if not isinstance(kept, _InUse)]
        if len(in_use) == len(left):
            result.kept += in_use
            break
        # Their users may be among those that are gone now.
        left = [kept.id for kept in in_use]
    return result


def abort_all(
    scheduler: Scheduler, job_ids: Iterable[str], may_abort: Callable[[Job], bool]
) -> Changes:
    """Stop every job that runs or waits."""
    return _each(job_ids, scheduler.job, may_abort, lambda job: scheduler.abort_job(job.id))


def group_all(
    scheduler: Scheduler, job_ids: Iterable[str], group: str, may_change: Callable[[Job], bool]
) -> Changes:
    """Put every job into a group."""
    return _each(job_ids, scheduler.job, may_change, lambda job: scheduler.set_group(job.id, group))


def restore_all(
    scheduler: Scheduler, ids: Iterable[str], may_restore: Callable[[BinEntry], bool]
) -> Changes:
    """Bring deleted jobs back, by their own ids or those of the bin."""
    find = scheduler.bin.table.find
    return _each(ids, find, may_restore, lambda entry: scheduler.restore_job(entry.key))


def discard_all(
    scheduler: Scheduler, ids: Iterable[str], may_discard: Callable[[BinEntry], bool]
) -> Changes:
    """Remove deleted jobs for good."""
    return _each(ids, scheduler.bin.table.find, may_discard, scheduler.bin.discard)


class _InUse(Kept):
    """A job that others need."""


def _delete(scheduler: Scheduler, by: str, for_good: bool, job: Job) -> None:
    scheduler.delete_job(job.id, by, for_good=for_good)


def _each(
    ids: Iterable[str],
    find: Callable[[str], T],
    may_change: Callable[[T], bool],
    change: Callable[[T], object],
) -> Changes:
    """Do something to every job; `find` answers it by its id."""
    result = Changes()
    for job_id in dict.fromkeys(ids):
        name = job_id
        try:
            job = find(job_id)
            name = job.name
            if not may_change(job):
                result.kept.append(Kept(job_id, name, NOT_YOURS))
                continue
            change(job)
        except JobInUse as error:
            result.kept.append(_InUse(job_id, name, str(error), code_of(error)))
        except DigitsError as error:
            result.kept.append(Kept(job_id, name, str(error), code_of(error)))
        else:
            result.done.append((job.id, name))
    return result
