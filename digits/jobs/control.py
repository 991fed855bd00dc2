"""What can be asked of a job's run: abort, pause, stop and keep, resume, go on for longer.

In: ids.  Out: tasks that end or wait, their statuses on disk.  Elsewhere: who runs a task
(`runner.py`), everything else that can be asked (`scheduler.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from digits.errors import JobNotRunning, JobRefused
from digits.jobs.job import Job
from digits.jobs.journal import Journal
from digits.jobs.runner import TaskRunner
from digits.jobs.running import RunningTasks
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.jobs.table import JobTable


class RunControl:
    """Stops the tasks of a table's jobs and puts them back into the queue; `lock` guards it."""

    def __init__(
        self,
        store: JobStore,
        jobs: JobTable,
        running: RunningTasks,
        journal: Journal,
        lock: AbstractContextManager[object],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._running = running
        self._journal = journal
        self._lock = lock
        self._wake = wake

    def abort(self, job_id: str) -> None:
        """Stop a running or waiting job; returns when its processes are gone.

        Raises JobNotFound, or JobNotRunning when it has ended already.
        """
        with self._lock:
            job = self._jobs[job_id]
            if not job.status.is_active:
                raise JobNotRunning(f"The job is not running: it is {job.status}.")
            runners, _ = self._running.stop(job)
            self._wake()
        self._running.join(runners)

    def pause(self, job_id: str) -> None:
        """Let the job's running tasks save their state and end; `resume` goes on from there.

        Returns at once; the job is Aborted when the state is saved.  Raises JobNotFound,
        JobNotRunning, or JobRefused when its tasks cannot go on later.
        """
        with self._lock:
            job = self._jobs[job_id]
            runners = self._saving_runners(job, "paused")
            for runner in runners:
                runner.task.pausing = True
            self._journal.save(job)  # a later server must know why the program ended
            for runner in runners:
                runner.pause()

    def stop_and_keep(self, job_id: str) -> None:
        """Let the job's running tasks save their state and end; they are Done then.

        Returns at once.  Raises JobNotFound, JobNotRunning, or JobRefused when its tasks keep
        nothing of what is half done.
        """
        with self._lock:
            job = self._jobs[job_id]
            runners = self._saving_runners(job, "stopped and kept")
            for runner in runners:
                runner.task.keeping = True
            self._journal.save(job)  # a later server must know why the program ended
            for runner in runners:
                runner.keep()

    def _saving_runners(self, job: Job, done_to: str) -> list[TaskRunner]:
        """The runners of a job's running tasks, all of which save their state when asked to."""
        runners = [found for task in job.tasks if (found := self._running.runner(job, task))]
        if not runners:
            raise JobNotRunning(f"The job is not running: it is {job.status}.")
        for runner in runners:
            if not runner.task.resumable:
                raise JobRefused(f"{runner.task.activity} cannot be {done_to}, only aborted.")
        return runners

    def go_on(self, job_id: str, task_id: str, prepare: Callable[[], None]) -> None:
        """Put a task of a job that is Done back into the queue: there is more to do.

        `prepare` changes what the task does, while nobody else can do anything with the job.
        Raises what `prepare` raises, JobNotFound, StorageError, or JobRefused when it is not Done.
        """
        self._store.require_room()
        with self._lock:
            job = self._jobs[job_id]
            task = job.task(task_id)
            if job.status is not Status.DONE:
                raise JobRefused(f"Only a job that is Done can go on: it is {job.status}.")
            prepare()
            job.place = self._jobs.next_place
            task.message = None
            self._journal.change(job, [(task, Status.WAITING)])
            self._wake()

    def resume(self, job_id: str) -> None:
        """Put the ended tasks of a job that are not Done back into the queue.

        Raises JobNotFound, StorageError, or JobRefused when it runs or has nothing left to do.
        """
        self._store.require_room()
        with self._lock:
            job = self._jobs[job_id]
            if not job.can_resume:
                raise JobRefused(f"There is nothing to resume: the job is {job.status}.")
            unfinished = [task for task in job.tasks if task.status is not Status.DONE]
            job.place = self._jobs.next_place
            for task in unfinished:
                task.error = task.message = None
                task.pausing = False
            self._journal.change(job, [(task, Status.WAITING) for task in unfinished])
            self._wake()
