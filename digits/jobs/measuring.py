"""Measures what jobs have come to when they have ended, one after another, beside everything else.

In: jobs that end, whose snapshots are deleted, or that were loaded without results.  Out: their
`Results`, handed to the scheduler, which keeps them in job.json.  Its thread lives while something
is to be measured; jobs of earlier versions, of which there may be thousands, it takes slowly.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable

from digits.base.aside import Aside
from digits.errors import JobNotFound
from digits.jobs import signals
from digits.jobs.job import Job
from digits.jobs.results import Results
from digits.jobs.signals import Update
from digits.jobs.table import JobTable
from digits.jobs.task import Task

log = logging.getLogger(__name__)

# After an old job it rests for so many times as long as that has taken.
REST_SHARE = 4.0
STOP_S = 5.0


class Measuring:
    """Measures the ended jobs of a table, and hands each one's results to `keep`.

    `aside` runs what takes long beside the event loop.
    """

    def __init__(
        self, jobs: JobTable, keep: Callable[[Job, Results], None], *, aside: Aside
    ) -> None:
        self._jobs = jobs
        self._keep = keep
        self._aside = aside
        self._lock = threading.Lock()  # guards what follows
        self._ended: dict[str, Job] = {}
        self._old: dict[str, Job] = {}
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._news = threading.Event()  # a job has ended, or it is to stop
        signals.job_status_changed.connect(self._status_changed)
        signals.task_updated.connect(self._task_updated)

    def catch_up(self, jobs: Iterable[Job]) -> None:
        """Measure those of `jobs` that have ended and have no results."""
        for job in jobs:
            if job.status.is_active:
                job.measured = None
            elif job.measured is None:
                self._add(self._old, job)

    def stop(self) -> None:
        """End the thread; what is left is measured by the next server."""
        self._stopping.set()
        self._news.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(STOP_S)

    def _status_changed(self, job: Job) -> None:
        if job not in self._jobs:
            return
        if job.status.is_active:
            # Should the server die, the next one sees that it is to be measured anew.
            job.measured = None
        else:
            self._add(self._ended, job)
            self._measure_datasets_of(job)

    def again(self, job: Job) -> None:
        """Measure a job whose folder was changed after it had ended."""
        if job in self._jobs and not job.status.is_active:
            self._add(self._ended, job)

    def _measure_datasets_of(self, job: Job) -> None:
        """A training may have kept features beside its dataset."""
        for job_id in job.required_jobs():
            with contextlib.suppress(JobNotFound):
                required = self._jobs[job_id]
                if required.category == "dataset":
                    self.again(required)

    def _task_updated(self, task: Task, update: str, data: object) -> None:
        """Snapshots were deleted: the folder is smaller now."""
        if update != Update.SNAPSHOTS or task.status.is_active:
            return
        try:
            job = self._jobs[task.job_id]
        except JobNotFound:
            return
        if job.dir == task.job_dir:  # several servers may live in one process, in tests
            self._status_changed(job)

    def _add(self, waiting: dict[str, Job], job: Job) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            waiting[job.id] = job
            if waiting is self._ended:
                self._news.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="measuring", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            job, is_old = found
            began_s = time.monotonic()
            self._measure(job)
            if is_old:
                self._rest(REST_SHARE * (time.monotonic() - began_s))

    def _rest(self, seconds: float) -> None:
        """Let others have the machine, until a job ends."""
        self._news.clear()
        if not self._ended and not self._stopping.is_set():
            self._news.wait(seconds)

    def _next(self) -> tuple[Job, bool] | None:
        """The next job, and whether it ended long ago; None, and the thread ends, without one."""
        with self._lock:
            for waiting in (self._ended, self._old):
                if waiting and not self._stopping.is_set():
                    return waiting.pop(next(iter(waiting))), waiting is self._old
            self._thread = None
            return None

    def _measure(self, job: Job) -> None:
        try:
            results = job.measure(self._aside)
        except Exception:
            # One odd job must not keep the others waiting; deleted meanwhile, it is nobody's.
            if job in self._jobs:
                log.exception("%s: its results cannot be measured", job.id)
            return
        self._keep(job, results)
