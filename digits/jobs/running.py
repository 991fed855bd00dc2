"""The tasks that run: started, found again, stopped, and settled when they have ended.

In: decisions of the queue, jobs that an earlier server left, requests to stop.  Out: a runner
(`runner.py`) for each running task, units taken and given back, statuses by way of the journal.

Whoever calls holds the scheduler's lock; the runners' threads come by themselves and take it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

from digits.jobs.job import Job
from digits.jobs.journal import Journal, Steps
from digits.jobs.launcher import LaunchedProcess, Launcher
from digits.jobs.queue import Decision
from digits.jobs.resources import Resources
from digits.jobs.runner import Ending, TaskRunner
from digits.jobs.status import Status
from digits.jobs.task import Task

log = logging.getLogger(__name__)

# How long an abort waits beyond the grace periods for the runner to settle the task.
SETTLE_S = 5.0


class RunningTasks:
    """The running tasks of a scheduler; `wake` tells it that something has changed."""

    def __init__(
        self,
        journal: Journal,
        resources: Resources,
        launcher: Launcher,
        *,
        environment: Callable[[], Mapping[str, str]],
        grace_s: float,
        lock: AbstractContextManager[object],
        wake: Callable[[], None],
    ) -> None:
        self.grace_s = grace_s
        self._environment = environment
        self._journal = journal
        self._resources = resources
        self._launcher = launcher
        self._lock = lock
        self._wake = wake
        self._runners: dict[tuple[str, str], TaskRunner] = {}

    def runners(self) -> list[TaskRunner]:
        """Those of all running tasks."""
        return list(self._runners.values())

    def runner(self, job: Job, task: Task) -> TaskRunner | None:
        """The one of this task; None while it does not run."""
        return self._runners.get((job.id, task.id))

    def start(self, decision: Decision) -> bool:
        """Start the task whose turn it is; False when its job cannot be saved, and it fails."""
        job, task = decision.job, decision.task
        task.slot_kind, task.allocation = decision.kind, list(decision.units)
        task.attempts += 1
        task.pausing = task.keeping = False
        # On disk before the process is there: a later server looks for this attempt's process.
        if not self._journal.change(job, [(task, Status.RUNNING)]):
            if not self._journal.store.is_there:
                task.attempts -= 1
                self._journal.change(job, [(task, Status.WAITING)])
                return False
            self.fail(job, task, self._journal.store.problem or "The job could not be saved.")
            return False
        self._run(job, task, None)
        return True

    def take_up(self, job: Job) -> None:
        """Go on with what an earlier server left: find processes, or let tasks wait again."""
        changes = []
        for task in job.tasks:
            if task.status is Status.INITIALIZED:
                changes.append((task, Status.WAITING))
            if task.status is not Status.RUNNING:
                continue
            process = self._launcher.find(job.dir, task.id, task.attempts)
            if process is None:
                # The server went down between the decision and the start of the process.
                changes.append((task, Status.WAITING))
            else:
                self._run(job, task, process)
        self._journal.change(job, changes)
        if not job.status.is_active:
            self.stop(job)

    def let_go(self, job: Job) -> None:
        """Leave the job's processes alone, and give back what its tasks hold."""
        for task in job.tasks:
            if runner := self._runners.pop((job.id, task.id), None):
                runner.detach()
            self._resources.give_back((job.id, task.id))

    def stop(self, job: Job, steps: Steps = ()) -> tuple[list[TaskRunner], bool]:
        """Tell the job's running tasks to stop, and take its waiting ones out of the queue.

        `steps` of its tasks are taken at the same time.  Answers the runners to wait for, and
        whether the change is on disk.
        """
        all_steps = dict(steps)
        runners = []
        for task in job.tasks:
            runner = self.runner(job, task)
            if runner is not None:
                runner.stop(Status.ABORTED)
                runners.append(runner)
            elif task.status.is_active:
                all_steps.setdefault(task, Status.ABORTED)
        return runners, self._journal.change(job, all_steps.items())

    def fail(self, job: Job, task: Task, error: str) -> None:
        """End a task that does not run with an error, and the rest of its job with it."""
        task.error = error
        self.stop(job, [(task, Status.ERROR)])

    def join(self, runners: Iterable[TaskRunner]) -> None:
        """Wait for runners; without the lock, which they need to settle their task."""
        for runner in runners:
            runner.join(3 * self.grace_s + SETTLE_S)

    def _run(self, job: Job, task: Task, process: LaunchedProcess | None) -> None:
        def on_end(task: Task, ending: Ending) -> bool:
            return self._ended(job, task, ending)

        # Earlier versions did not write down what kind of unit a task holds.
        kind = task.slot_kind or task.need().kind
        self._resources.take(kind, task.allocation, (job.id, task.id))
        runner = TaskRunner(
            task,
            self._launcher,
            grace_s=self.grace_s,
            on_end=on_end,
            process=process,
            environment=self._environment,
            is_there=lambda: self._journal.store.is_there,
        )
        self._runners[job.id, task.id] = runner
        runner.start()

    def _ended(self, job: Job, task: Task, ending: Ending) -> bool:
        """Called by a runner's thread; answers whether the ending is on disk."""
        with self._lock:
            holder = (job.id, task.id)
            self._runners.pop(holder, None)
            self._resources.give_back(holder)
            task.error, task.message = ending.error, ending.message
            task.keeping = False
            if ending.status is Status.ABORTED:
                task.pausing = ending.is_pause  # it may have been aborted while it saved its state
            log.info("%s: %s is %s", job.id, task.id, ending.status)
            self._wake()
            if ending.status is Status.DONE:
                task.progress, task.eta_s = 1.0, 0.0
                # When there is more to do, the next pass starts it, or lets the job wait.
                more = any(other.status is Status.WAITING for other in job.tasks)
                return self._journal.change(job, [(task, Status.DONE)], settle=not more)
            if ending.status is Status.ERROR:
                self._journal.store.look()  # perhaps the disk is to blame; pages say so then
            if ending.status is not Status.WAITING:
                return self.stop(job, [(task, ending.status)])[1]
            return self._journal.change(job, [(task, Status.WAITING)])
