"""Changes of status: made in memory, written to job.json, then announced, in this order.

In: a job and the steps that its tasks take.  Out: job.json, signals.  Called under the scheduler's
lock.  What could not be written (a full disk) is kept and tried again later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from digits.errors import StorageError
from digits.jobs import signals
from digits.jobs.job import Job
from digits.jobs.signals import announce
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.jobs.table import JobTable
from digits.jobs.task import Task

log = logging.getLogger(__name__)

Steps = Iterable[tuple[Task, Status]]


class Journal:
    """Writes the statuses of a store's jobs, those of `table`."""

    def __init__(self, store: JobStore, table: JobTable) -> None:
        self.store = store
        self._table = table
        self._unsaved: dict[str, Job] = {}  # jobs whose job.json is older than they are

    @property
    def has_unsaved(self) -> bool:
        return bool(self._unsaved)

    def change(self, job: Job, steps: Steps = (), *, settle: bool = True) -> bool:
        """Take steps of tasks and let the job's status follow; answers whether it is on disk.

        Without `settle` the job keeps its status.
        """
        moved = [task for task, status in steps if task.history.move_to(status)]
        job_moved = settle and job.history.move_to(job.derived_status())
        if not moved and not job_moved:
            return job.id not in self._unsaved
        self._table.note_change()
        saved = self.save(job)
        for task in moved:
            announce(signals.task_status_changed, task)
        if job_moved:
            announce(signals.job_status_changed, job)
        return saved

    def save(self, job: Job) -> bool:
        """Write job.json; False, and it is tried again later, when that fails."""
        try:
            self.store.save(job)
        except StorageError as error:
            log.error("%s: not saved: %s", job.id, error)
            if job.dir.is_dir() or not self.store.is_there:
                self._unsaved[job.id] = job
            return False
        self._unsaved.pop(job.id, None)
        return True

    def save_again(self) -> None:
        """Write what could not be written, when there is room now."""
        if self._unsaved and self.store.look() is None:
            for job in list(self._unsaved.values()):
                self.save(job)

    def forget(self, job: Job) -> None:
        """Write nothing of a job any more: it is deleted."""
        self._unsaved.pop(job.id, None)
