"""All jobs by id, oldest first, and what they need of each other.

Changes happen under the scheduler's lock.  Looking needs none: single operations on a dict are
atomic, and a page must not wait for a change that waits for the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from digits.errors import JobNotFound
from digits.jobs.job import Job

log = logging.getLogger(__name__)


class JobTable:
    """The jobs of a server."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        # Ids whose folder is being filled or taken away: no jobs now, whatever is on disk.
        self.in_between: set[str] = set()
        # How often something has changed, and which jobs were active after so many changes.
        self._changes = 0
        self._active: tuple[int, Sequence[Job]] = (0, ())

    def __getitem__(self, job_id: str) -> Job:
        """The job with this id; JobNotFound when there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def __contains__(self, job: Job) -> bool:
        return self._jobs.get(job.id) is job

    @property
    def by_id(self) -> dict[str, Job]:
        """A copy that stays as it is."""
        return dict(self._jobs)

    @property
    def taken_ids(self) -> set[str]:
        """The ids that no job from the disk may have."""
        return set(self._jobs) | self.in_between

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        return list(self._jobs.values())

    def active(self) -> list[Job]:
        """The jobs that have not ended, oldest first; looked for once after each change."""
        changes = self._changes
        counted, active = self._active
        if counted != changes:
            active = [job for job in self.all() if job.status.is_active]
            self._active = (changes, active)
        return list(active)

    def note_change(self) -> None:
        """The status of a job has changed."""
        self._changes += 1

    def dependents(self, job_id: str) -> list[Job]:
        """The jobs that need this one, oldest first."""
        return [job for job in self.all() if job_id in job.required_jobs()]

    def parts(self, job_id: str) -> list[Job]:
        """The jobs that belong to this one, oldest first."""
        return [job for job in self.all() if job.belongs_to == job_id]

    @property
    def next_place(self) -> int:
        """The place in the queue behind all others."""
        return 1 + max((job.place for job in self.all()), default=0)

    def append(self, job: Job) -> None:
        """Add the newest job, which has been linked."""
        self._jobs[job.id] = job
        self.note_change()

    def insert(self, jobs: Iterable[Job]) -> dict[Path, str]:
        """Put jobs among the others, by age.

        Those that cannot be used are left out; answers their folders, each with the reason.
        """
        refused = {}
        everything = sorted(
            [*self._jobs.values(), *jobs], key=lambda job: (job.history.created_s, job.id)
        )
        self._jobs = {job.id: job for job in everything}
        new = {job.id for job in jobs}
        for job in everything:
            try:
                # Also a model that was there before its dataset was copied in.
                needs_new = not new.isdisjoint(job.required_jobs())
                if job.id in new or needs_new:
                    job.link(self._jobs)
            except Exception as error:
                log.exception("%s: its settings are none of ours", job.id)
                refused[job.dir] = f"its settings are none of ours: {type(error).__name__}"
                del self._jobs[job.id]
        self.note_change()
        return refused

    def remove(self, job: Job) -> None:
        """Take a job out; nothing happens when it is not there."""
        self._jobs.pop(job.id, None)
        self.note_change()
