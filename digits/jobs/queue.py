"""Whose turn it is: first come, first served within each kind of resource, and nobody starves.

In: jobs and resources.  Out: decisions (`Decision`), which the scheduler carries out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from digits.jobs.job import Job
from digits.jobs.resources import Need, Resources
from digits.jobs.status import Status
from digits.jobs.task import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """A waiting task that is to start with these units, or (`error`) never can."""

    job: Job
    task: Task
    kind: str = ""  # of the units
    units: tuple[str, ...] = ()
    error: str | None = None


def next_decisions(
    active: Iterable[Job], jobs: Mapping[str, Job], resources: Resources
) -> Iterator[Decision]:
    """The tasks of `active` jobs that can start now, or never will, in their order.

    Who asks for the next decision has carried out the one before: its units are taken.
    """
    # Units that an earlier task waits for: a later one must not take them again and again.
    kept: dict[str, set[str]] = {}
    for job in in_order(active):
        missing = missing_requirement(job, jobs)
        if missing is None and not requirements_done(job, jobs):
            continue
        for task in job.ready_tasks():
            need = missing or _need(task, resources)
            if isinstance(need, str):
                yield Decision(job, task, error=need)
                break  # it takes the job's other tasks with it
            units = resources.find(need, kept.setdefault(need.kind, set()))
            if units is None:
                kept[need.kind].update(resources.candidates(need))
            else:
                yield Decision(job, task, need.kind, tuple(units))


def _need(task: Task, resources: Resources) -> Need | str:
    """What the task must hold, or why it can never run here."""
    try:
        need = task.need()
    except Exception:
        # Its settings cannot be understood; they may be another version's.
        log.exception("%s: %s: its need cannot be told", task.job_id, task.id)
        return "DIGITS itself failed here; the server's log has the details."
    if not resources.is_possible(need):
        return f"{task.activity} needs {need}, which this server does not have."
    return need


def waiting_tasks(active: Iterable[Job], jobs: Mapping[str, Job]) -> list[tuple[Job, Task]]:
    """The tasks that nothing but a slot or GPU keeps from starting, in their order."""
    return [
        (job, task)
        for job in in_order(active)
        if requirements_done(job, jobs)
        for task in job.ready_tasks()
    ]


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """The jobs that have not ended, by when the user put them into the queue."""
    return sorted(
        (job for job in jobs if job.status.is_active),
        key=lambda job: (job.place, job.history.queued_s),
    )


def requirements_done(job: Job, jobs: Mapping[str, Job]) -> bool:
    """Whether all jobs that it needs are Done."""
    required = [jobs.get(job_id) for job_id in job.required_jobs()]
    return all(other is not None and other.status is Status.DONE for other in required)


def missing_requirement(job: Job, jobs: Mapping[str, Job]) -> str | None:
    """Why a job that it needs will never be Done, in words; None when all are or may be."""
    for job_id in job.required_jobs():
        other = jobs.get(job_id)
        if other is None:
            return f"{job_id}, which it needs, is gone."
        if other.status in (Status.ERROR, Status.ABORTED):
            return f"{other.name}, which it needs, is {other.status}."
    return None
