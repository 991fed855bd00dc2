"""The jobs of a jobs directory: what is there, what can be asked of it, and the tasks that run.

In: jobs (new, loaded from disk, to be resumed) and requests (abort, pause, delete).  Out: running
tasks, statuses that are on disk before anybody is told of them, and signals.

The scheduler's thread sleeps until something changes: a job is added, a task ends.  `step` is one
pass, and a test can call it by hand.

Elsewhere: whose turn it is (`queue.py`), the tasks that run (`running.py`), how a status changes
(`journal.py`), the files (`store.py`), deleting and restoring (`deletion.py`), stopping and going
on (`control.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from digits.errors import JobRefused, StorageError
from digits.jobs import queue, signals
from digits.jobs.bin import Bin
from digits.jobs.bin_keeper import BinKeeper
from digits.jobs.control import RunControl
from digits.jobs.deletion import Deletions
from digits.jobs.job import Job
from digits.jobs.journal import Journal
from digits.jobs.launcher import Launcher
from digits.jobs.measuring import Measuring
from digits.jobs.resources import Resources
from digits.jobs.results import Results
from digits.jobs.running import SETTLE_S, RunningTasks
from digits.jobs.settings import JobSettings
from digits.jobs.signals import announce
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.jobs.table import JobTable
from digits.jobs.task import Task
from digits.jobs.uploads import UploadKeeper

log = logging.getLogger(__name__)

# From a new job to one that has nothing left to do.
_ALL_STEPS = (Status.WAITING, Status.RUNNING, Status.DONE)
# How often jobs that could not be saved are tried again.
SAVE_AGAIN_S = 2.0


@dataclass(frozen=True)
class Holding:
    """A slot or GPU, for pages: who holds it, None when it is free."""

    kind: str
    identifier: str
    job: Job | None
    task: Task | None


class Scheduler:
    """All jobs of a jobs directory, and the tasks of theirs that run, started by `launcher`.

    `environment` answers what their programs are told beside their command line, as names and
    values; it is asked at each start.  Whoever makes a scheduler must say it: programs that are not
    told from where they may fetch (`web/policies.py`) fetch from anywhere.
    """

    def __init__(
        self,
        store: JobStore,
        resources: Resources,
        launcher: Launcher,
        *,
        environment: Callable[[], Mapping[str, str]],
        grace_s: float = 5.0,
    ) -> None:
        self.store = store
        self.resources = resources
        # Guards every change of jobs, statuses, resources and runners; looking needs it not
        # (`table.py`).  Re-entrant: listeners may ask back.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._jobs = JobTable()
        self._journal = Journal(store, self._jobs)
        self._measuring = Measuring(self._jobs, self._keep_results, aside=store.aside)
        self.running = RunningTasks(
            self._journal,
            resources,
            launcher,
            environment=environment,
            grace_s=grace_s,
            lock=self._lock,
            wake=self._wake,
        )
        self._deletions = Deletions(store, self._jobs, self.running, self._journal, self._lock)
        self._control = RunControl(
            store, self._jobs, self.running, self._journal, self._lock, self._wake
        )
        self._keeper = BinKeeper(store.bin, lambda: store.is_short_of_room, aside=store.aside)
        self._upload_keeper = UploadKeeper(store.uploads, lambda: store.is_there)
        self._stopping = False
        self._loaded = threading.Event()
        self._dirty = False
        self._held = False  # whether turns wait for the jobs directory to come back
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    # Life of the scheduler ----------------------------------------------------------------------

    def start(self) -> None:
        """Load the jobs, take up what an earlier server left, and begin to hand out turns.

        Raises StorageError when the jobs directory cannot be used, or another server has it.
        """
        self.open()
        self.load()

    def open(self) -> None:
        """The first half of `start`: take the jobs directory, which may fail."""
        self.store.open()

    def load(self) -> None:
        """The second half: it may take seconds, in which jobs are not there yet."""
        self.rescan()
        self._deletions.end_cut_off()
        with self._lock:
            if not self._stopping:
                self._thread.start()
                self._keeper.start()
                self._upload_keeper.start()
        self._loaded.set()

    @property
    def is_loaded(self) -> bool:
        """Whether all jobs are there."""
        return self._loaded.is_set()

    def wait_until_loaded(self, timeout_s: float | None = None) -> bool:
        """Wait for `load` to come to its end; answers whether it has."""
        return self._loaded.wait(timeout_s)

    def rescan(self) -> list[str]:
        """Take in jobs that have appeared on disk; answers their ids."""
        loaded = self.store.load_all(self._jobs.taken_ids)
        self.store.bin.load()
        with self._lock:
            taken = self._jobs.taken_ids
            if self._stopping:
                return []  # nobody would look after what is taken up now
            new = [job for job in loaded if job.id not in taken]
            # A job may have been deleted since it was read; at the start nobody deletes.
            refused = self._jobs.insert(
                [job for job in new if not self._runs or self.store.has(job)]
            )
            for folder, reason in refused.items():
                self.store.leave_aside(folder, reason)
            for job in queue.in_order(job for job in loaded if job in self._jobs):
                self._take_up(job)
            found = [job for job in loaded if job in self._jobs]
            for job in found if self._runs else ():
                announce(signals.job_added, job)
            self._wake()
            self._measuring.catch_up(found)
            return [job.id for job in found]

    def _take_up(self, job: Job) -> None:
        """Go on with a job; one that cannot be gone on with must not keep the others waiting."""
        try:
            self.running.take_up(job)
        except Exception as error:
            log.exception("%s: cannot be taken up", job.id)
            self.running.let_go(job)
            self._jobs.remove(job)
            reason = f"it cannot be taken up: {type(error).__name__}; the server's log says more"
            self.store.leave_aside(job.dir, reason)

    def stop(self, *, keep_tasks: bool) -> None:
        """End the threads; running tasks go on by themselves, or are stopped to be resumed."""
        with self._lock:
            self._stopping = True
            runners = self.running.runners()
            self._changed.notify_all()
        self._measuring.stop()
        for runner in runners:
            if keep_tasks:
                runner.detach()
            else:
                runner.stop(Status.WAITING)
        self.running.join(runners)
        self._keeper.stop()
        self._upload_keeper.stop()
        if self._runs:
            self._thread.join(SETTLE_S)
        with self._lock:
            self._settle_jobs()
        self.store.close()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs, which hands out turns."""
        return self._thread.is_alive()

    @property
    def _runs(self) -> bool:
        """Whether `start` has come to its end."""
        return self._thread.ident is not None

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    # What is there ------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        return self._jobs.all()

    @property
    def active(self) -> list[Job]:
        """The jobs that have not ended, oldest first."""
        return self._jobs.active()

    def job(self, job_id: str) -> Job:
        """The job with this id; JobNotFound when there is none."""
        return self._jobs[job_id]

    def dependents(self, job_id: str) -> list[Job]:
        """The jobs that need this one, oldest first."""
        return self._jobs.dependents(job_id)

    def parts(self, job_id: str) -> list[Job]:
        """The jobs that belong to this one, oldest first."""
        return self._jobs.parts(job_id)

    @property
    def bin(self) -> Bin:
        """The jobs that were deleted, and are kept for some days."""
        return self.store.bin

    def waiting(self) -> list[tuple[Job, Task]]:
        """The tasks that wait for a slot or GPU, each with its job, in the order of their turns."""
        return queue.waiting_tasks(self._jobs.active(), self._jobs.by_id)

    def holdings(self) -> list[Holding]:
        """Every slot and GPU with the task that holds it, kind by kind."""
        return [
            self._holding(kind, unit.identifier, unit.holder)
            for kind, units in self.resources.units.items()
            for unit in units
        ]

    def _holding(self, kind: str, identifier: str, holder: tuple[str, str] | None) -> Holding:
        job = self._jobs.by_id.get(holder[0]) if holder else None
        task = job.task(holder[1]) if job and holder else None
        return Holding(kind, identifier, job, task)

    # What can be asked --------------------------------------------------------------------------

    def add_job(
        self,
        job_type: type[Job],
        name: str,
        settings: JobSettings,
        fill: Callable[[Job], None] | None = None,
        owner: str = "",
        group: str = "",
        *,
        is_done: bool = False,
    ) -> Job:
        """Make a job of the user `owner` and its folder, and put it into the queue.

        `fill` may write files into the folder before the tasks are made; whatever it raises goes
        to the caller, and nothing of the job is left.  With `is_done`, nothing is left to do: all
        that the tasks would make has been put there.  Raises StorageError when there is no room.
        """
        job = self.store.create(job_type, name, settings)
        job.owner, job.group = owner, group
        self._jobs.in_between.add(job.id)
        try:
            with self.store.writing():
                job.link(self._jobs.by_id)
                if fill is not None:
                    fill(job)
                job.tasks = job.create_tasks()
            self._publish(job, _ALL_STEPS if is_done else _ALL_STEPS[:1])
        except BaseException:
            self._remove_folder(job)
            raise
        finally:
            self._jobs.in_between.discard(job.id)
        return job

    def _publish(self, job: Job, steps: Sequence[Status]) -> None:
        with self._lock:
            for status in steps:
                for task in job.tasks:
                    task.history.move_to(status)
                job.history.move_to(status)
            job.place = self._jobs.next_place
            self.store.save(job)
            self._jobs.append(job)
            log.info("%s: added %s %r", job.id, job.title, job.name)
            announce(signals.job_added, job)
            self._wake()

    def _remove_folder(self, job: Job) -> None:
        try:
            if (gone := self.store.take_away(job)) is not None:
                self.store.erase(gone)
        except StorageError as error:
            log.error("%s: what was made of it is left: %s", job.id, error)

    def abort_job(self, job_id: str) -> None:
        """Stop a running or waiting job (`RunControl.abort`)."""
        self._control.abort(job_id)

    def pause_job(self, job_id: str) -> None:
        """Let a job save its state and end, to be resumed (`RunControl.pause`)."""
        self._control.pause(job_id)

    def stop_and_keep_job(self, job_id: str) -> None:
        """Let a job save its state and be Done (`RunControl.stop_and_keep`)."""
        self._control.stop_and_keep(job_id)

    def continue_job(self, job_id: str, task_id: str, prepare: Callable[[], None]) -> None:
        """Let a task of a Done job go on, once `prepare` has changed it (`RunControl.go_on`)."""
        self._control.go_on(job_id, task_id, prepare)

    def resume_job(self, job_id: str) -> None:
        """Put what a job has not done back into the queue (`RunControl.resume`)."""
        self._control.resume(job_id)

    def rename_job(self, job_id: str, name: str) -> str:
        """Give a job another name; answers the old one.  Raises JobNotFound or StorageError."""
        return self._set_attribute(job_id, "name", name)

    def set_group(self, job_id: str, group: str) -> str:
        """Put a job into a group, or with "" into none; answers the one it was in.

        Raises JobNotFound or StorageError.
        """
        return self._set_attribute(job_id, "group", group)

    def set_notes(self, job_id: str, notes: str, were: str | None = None) -> None:
        """Replace a job's notes.  Raises JobNotFound or StorageError.

        JobRefused when they are not what they `were` any more: somebody else has changed them.
        """
        with self._lock:
            if were is not None and self.job(job_id).notes != were:
                raise JobRefused(
                    "Someone else has changed these notes. Copy what you wrote, cancel, and add it "
                    "to the new notes."
                )
            self._set_attribute(job_id, "notes", notes)

    def measure_again(self, job: Job) -> None:
        """Have a job's folder measured anew, beside everything else: something of it has gone."""
        self._measuring.again(job)

    def _keep_results(self, job: Job, results: Results) -> None:
        """Take what a job was measured to have come to, unless it is gone or runs again."""
        with self._lock:
            if self._stopping or job not in self._jobs or job.status.is_active:
                return
            is_new = results != job.measured
            if is_new:
                job.measured = results
                self._journal.save(job)
        if is_new:
            announce(signals.job_measured, job)

    def _set_attribute(self, job_id: str, attribute: str, value: str) -> str:
        with self._lock:
            job = self.job(job_id)
            old: str = getattr(job, attribute)
            setattr(job, attribute, value)
            try:
                self.store.save(job)
            except StorageError:
                setattr(job, attribute, old)
                raise
            announce(signals.job_attribute_changed, job, attribute=attribute)
            return old

    def delete_job(self, job_id: str, by: str = "", *, for_good: bool = False) -> None:
        """Stop a job when it runs, and put it into the bin with the jobs that belong to it.

        `by` is who asks for it.  With `for_good`, or where nothing is kept, it is gone at once.
        Raises JobNotFound, JobInUse when other jobs need it, BinUnusable or StorageError.
        """
        self._deletions.delete(job_id, by, for_good=for_good)
        self._keeper.look_now()

    def restore_job(self, entry_id: str) -> Job:
        """Bring a job back from the bin, by its id there or its own.

        Raises NotInBin, JobRefused or StorageError.
        """
        return self._deletions.restore(entry_id)

    def missing(self, job: Job) -> list[str]:
        """The ids of jobs that this one needs, and that are not there."""
        return [job_id for job_id in job.required_jobs() if job_id not in self._jobs.by_id]

    # Passes -------------------------------------------------------------------------------------

    def step(self) -> int:
        """Start every waiting task whose turn it is; answers how many were started."""
        with self._lock:
            if self._stopping:
                return 0
            if not self.store.is_there:
                self._held = True
                return 0
            started = 0
            for decision in queue.next_decisions(
                self._jobs.active(), self._jobs.by_id, self.resources
            ):
                if decision.error is not None:
                    self.running.fail(decision.job, decision.task, decision.error)
                else:
                    started += self.running.start(decision)
            self._settle_jobs()
            announce(signals.resources_changed, self)
            return started

    def _loop(self) -> None:
        while True:
            with self._lock:
                while not self._dirty and not self._stopping:
                    if not self._changed.wait(SAVE_AGAIN_S if self._waits_for_disk else None):
                        self._look_again()
                if self._stopping:
                    return
                self._dirty = False
            try:
                self.step()
            except Exception:
                # The loop must survive a failing pass; the next change starts another one.
                log.exception("a scheduler pass failed")

    @property
    def _waits_for_disk(self) -> bool:
        return self._held or self._journal.has_unsaved

    def _look_again(self) -> None:
        """Go on with what waits for the disk, if it is there again."""
        self._journal.save_again()
        if self._held and self.store.is_there:
            log.info("the jobs directory is back")
            self._held = False
            self._wake()

    def _wake(self) -> None:
        self._dirty = True
        self._changed.notify_all()

    def _settle_jobs(self) -> None:
        """Let the jobs wait that are between two of their tasks and got no slot."""
        for job in self._jobs.all():
            if job.status is Status.RUNNING:
                self._journal.change(job)
