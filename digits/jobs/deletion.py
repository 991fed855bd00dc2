"""Deletes jobs, into the bin or for good, and brings them back.

In: ids.  Out: folders that have moved, a table of jobs without or with them, and signals.
Elsewhere: the bin itself (`bin.py`), the rest of what can be asked of jobs (`scheduler.py`).
"""

from __future__ import annotations

import contextlib
import logging
from contextlib import AbstractContextManager

from digits.errors import JobInUse, JobNotFound, JobRefused, NotInBin, StorageError
from digits.jobs import signals
from digits.jobs.bin_entry import BinEntry
from digits.jobs.job import Job
from digits.jobs.journal import Journal
from digits.jobs.runner import TaskRunner
from digits.jobs.running import RunningTasks
from digits.jobs.signals import announce
from digits.jobs.store import JobStore
from digits.jobs.table import JobTable

log = logging.getLogger(__name__)


class Deletions:
    """Deletes and restores jobs of a table; `lock` is the one that guards it."""

    def __init__(
        self,
        store: JobStore,
        jobs: JobTable,
        running: RunningTasks,
        journal: Journal,
        lock: AbstractContextManager[object],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._running = running
        self._journal = journal
        self._lock = lock

    def delete(self, job_id: str, by: str = "", *, for_good: bool = False) -> None:
        """Stop a job when it runs, and move it into the bin with the jobs that belong to it.

        Where nothing is kept, or `for_good`, its folder is removed.  Raises JobNotFound, JobInUse
        when other jobs need it, or StorageError; BinUnusable before anything is done.
        """
        self._store.require_there()
        keeps = self._store.bin.keeps and not for_good
        if keeps:
            self._store.bin.require_usable()
        self._delete(job_id, by, self._store.bin.next_moment_s(), keeps=keeps)

    def _delete(self, job_id: str, by: str, moment_s: float, *, keeps: bool) -> None:
        job, runners = self._take_out(job_id)
        try:
            self._running.join(runners)
            gone = None if keeps else self._store.take_away(job)
            if keeps:
                self._store.bin.put(job, by, moment_s)
        except StorageError:
            with self._lock:
                self._jobs.insert([job])
            raise
        finally:
            self._jobs.in_between.discard(job_id)
        self._journal.forget(job)
        whose = f" by {by}" if by else ""
        log.info("%s: deleted%s%s", job_id, whose, "" if keeps else ", for good")
        announce(signals.job_deleted, job)
        if gone is not None:
            self._store.erase(gone)
        for part in self._jobs.parts(job_id):
            with contextlib.suppress(JobNotFound):  # somebody else was faster
                self._delete(part.id, by, moment_s, keeps=keeps)

    def _take_out(self, job_id: str) -> tuple[Job, list[TaskRunner]]:
        """The job, which nobody finds from now on, and the runners of its tasks to wait for."""
        with self._lock:
            job = self._jobs[job_id]
            users = self._jobs.dependents(job_id)
            if users:
                names = ", ".join(f"{user.name} ({user.id})" for user in users)
                raise JobInUse(f"{job.name} is in use and cannot be deleted. Delete first: {names}")
            runners = self._running.stop(job)[0] if job.status.is_active else []
            # It cannot be resumed any more, or used by a new job.
            self._jobs.remove(job)
            self._jobs.in_between.add(job_id)
        return job, runners

    def end_cut_off(self) -> None:
        """Let the parts of jobs in the bin follow them there: a server was killed in between."""
        for job in self._jobs.all():
            whole = job.belongs_to
            if whole is None or whole in self._jobs.by_id:
                continue
            with contextlib.suppress(NotInBin, JobNotFound, JobInUse, StorageError):
                entry = self._store.bin.table.find(whole)
                self._delete(job.id, entry.deleted_by, entry.deleted_s, keeps=True)

    # Back ---------------------------------------------------------------------------------------

    def restore(self, text: str) -> Job:
        """Bring a job back with its parts, by its own id or its entry's; it does not run.

        Raises NotInBin, StorageError, or JobRefused when the id is taken, when the job is a part of
        one that is not there, or when its files cannot be used any more: it then stays in the bin.
        """
        self._store.require_there()
        entry = self._store.bin.table.find(text)
        parts = self._store.bin.table.parts(entry)
        self._require_whole(entry)
        job = self._restore(entry)
        for part in parts:
            try:
                self._restore(part)
            except (NotInBin, JobRefused, StorageError) as error:
                log.warning("%s, a part of %s, is not restored: %s", part.id, job.id, error)
        return job

    def _require_whole(self, entry: BinEntry) -> None:
        whole = entry.job.belongs_to if entry.job else None
        if whole is None or whole in self._jobs.by_id:
            return
        where = "in the bin: restore that first" if self._store.bin.table.holds(whole) else "gone"
        raise JobRefused(f"{entry.name} is a part of {whole}, which is {where}.")

    def _restore(self, entry: BinEntry) -> Job:
        with self._store.bin.claimed(entry):
            self._reserve(entry.id)
            try:
                job = self._store.bring_back(entry)
                self._insert(job, entry)
            finally:
                self._jobs.in_between.discard(entry.id)
        log.info("%s: restored", job.id)
        announce(signals.job_added, job)
        return job

    def _reserve(self, job_id: str) -> None:
        """Let nobody else have the id; JobRefused when somebody has it."""
        with self._lock:
            if job_id in self._jobs.taken_ids or self._store.has_folder(job_id):
                raise JobRefused(
                    f"There is a job or folder {job_id} again. Delete that or move it away, then "
                    "restore this one."
                )
            self._jobs.in_between.add(job_id)

    def _insert(self, job: Job, entry: BinEntry) -> None:
        with self._lock:
            refused = self._jobs.insert([job])
            if job.dir in refused:
                self._store.bin.undo_move_back(entry)
                raise JobRefused(f"{entry.name} cannot be used any more: {refused[job.dir]}.")
            # Whoever deleted it while it ran wants it not to run; its status may not have got to
            # the disk then.
            if job.status.is_active:
                self._running.stop(job)
