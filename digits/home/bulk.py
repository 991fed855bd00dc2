"""What is asked of several jobs at a time.

In: a scheduler and ids.  Out: what was done, and for the rest the reason in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from digits.errors import DigitsError, JobInUse
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
class Deletion:
    """What became of the jobs that were to be deleted: (id, name) pairs, and those kept."""

    deleted: list[tuple[str, str]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


@dataclass
class Changes:
    """To which jobs something was done, by id, and to which not."""

    done: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def ids_in(texts: Iterable[str]) -> list[str]:
    """The ids in texts; one text may name several, with commas between them."""
    return [job_id.strip() for text in texts for job_id in text.split(",") if job_id.strip()]


def delete_all(
    scheduler: Scheduler,
    job_ids: Iterable[str],
    may_delete: Callable[[Job], bool] = lambda job: True,
) -> Deletion:
    """Delete every job that can be deleted; those that others of them need come after these.

    `may_delete` says which ones the user may delete.
    """
    result = Deletion()
    jobs = {job.id: job for job in scheduler.jobs}
    names = {job.id: job.name for job in jobs.values()}
    left = []
    for job_id in dict.fromkeys(job_ids):
        if job_id in jobs and not may_delete(jobs[job_id]):
            result.kept.append(Kept(job_id, names[job_id], NOT_YOURS))
        else:
            left.append(job_id)
    while left:
        in_use = []
        for job_id in left:
            name = names.get(job_id, job_id)
            try:
                scheduler.delete_job(job_id)
            except JobInUse as error:
                in_use.append(Kept(job_id, name, str(error)))
            except DigitsError as error:
                result.kept.append(Kept(job_id, name, str(error), code_of(error)))
            else:
                result.deleted.append((job_id, name))
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
    return _each(scheduler, job_ids, may_abort, lambda job: scheduler.abort_job(job.id))


def group_all(
    scheduler: Scheduler, job_ids: Iterable[str], group: str, may_change: Callable[[Job], bool]
) -> Changes:
    """Put every job into a group."""
    return _each(scheduler, job_ids, may_change, lambda job: scheduler.set_group(job.id, group))


def _each(
    scheduler: Scheduler,
    job_ids: Iterable[str],
    may_change: Callable[[Job], bool],
    change: Callable[[Job], object],
) -> Changes:
    result = Changes()
    for job_id in dict.fromkeys(job_ids):
        name = job_id
        try:
            job = scheduler.job(job_id)
            name = job.name
            if not may_change(job):
                result.kept.append(Kept(job_id, name, NOT_YOURS))
                continue
            change(job)
        except DigitsError as error:
            result.kept.append(Kept(job_id, name, str(error), code_of(error)))
        else:
            result.done.append(job_id)
    return result
