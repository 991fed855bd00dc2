"""The jobs directory: one folder a job, `job.json` in each.  No database, nothing to migrate.

In: jobs.  Out: their `job.json`, written whole or not at all, and jobs read back from it.
Folders that are no jobs of ours are named in the log once and otherwise left alone.

One server at a time: `open` locks the directory until `close`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from digits.base import strict_json
from digits.base.aside import Aside, here
from digits.base.atomic import SyncCall
from digits.base.known_folder import KnownFolder
from digits.errors import JobRefused, JobUnreadable, StorageError
from digits.jobs import disk
from digits.jobs.bin import Bin
from digits.jobs.bin_entry import BinEntry
from digits.jobs.bin_keeper import make_room
from digits.jobs.folder_lock import FolderLock
from digits.jobs.job import Job, new_job_id
from digits.jobs.long_logs import LongLogs
from digits.jobs.recent_logs import RecentLogs
from digits.jobs.record import printable, quoted, read_record, require, require_plain_files
from digits.jobs.removal import erase
from digits.jobs.settings import JobSettings
from digits.jobs.uploads import Uploads

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
JOB_FILE = "job.json"
# A folder that is being deleted: renamed first, so that a half-deleted job is never a job.
_DELETED = re.compile(r"\.deleted-\d{8}-\d{6}-[0-9a-f]+-[0-9a-f]{6}")
# What is unpacked or checked before it becomes a job; nothing of it outlives its request.
UPLOAD_PREFIX = ".upload-"
# Stands in the folder of a job from its beginning until it is saved for the first time.
UNSAVED_FILE = ".unsaved"
# How long what was found out about the disk is believed.
PROBE_INTERVAL_S = 2.0


class JobStore:
    """Reads and writes jobs below `jobs_dir`; `job_types` are the classes it knows.

    A server that takes over from another one may wait `lock_wait_s` seconds for it to go.  `sync`
    flushes the files of jobs, `aside` runs what takes long beside the event loop.  Deleted jobs
    stay in its `bin` for `keep_deleted_days`; 0: they are gone at once.
    """

    def __init__(
        self,
        jobs_dir: Path,
        job_types: Sequence[type[Job]],
        *,
        lock_wait_s: float = 0.5,
        sync: SyncCall = os.fsync,
        aside: Aside = here,
        keep_deleted_days: float = 0,
    ) -> None:
        self.jobs_dir = jobs_dir.resolve()
        self.aside = aside
        self.bin = Bin(self.jobs_dir, self._read, keep_deleted_days, is_there=lambda: self.is_there)
        self.uploads = Uploads(self.jobs_dir, aside=aside)
        self.job_types = {job_type.type_name: job_type for job_type in job_types}
        self._lock = FolderLock(self.jobs_dir, wait_s=lock_wait_s)
        # Where nothing needs to run aside nobody waits, and long logs are read at once.
        long_logs = None if aside is here else LongLogs(aside)
        self._recent_logs = RecentLogs(aside=aside, long_logs=long_logs)
        self._sync = sync
        # Known from `open` on.
        self._folder: KnownFolder | None = None
        self._problem: str | None = None
        self._looked_s = -math.inf
        # Folder -> why it is no job; each reason is logged once.
        self._ignored: dict[str, str] = {}
        # The same of folders that hold a job.json: somebody misses these jobs.
        self.left_aside: dict[str, str] = {}
        # How far `load_all` is: folders read, of how many.
        self.folders_read = self.folders_found = 0

    def open(self) -> None:
        """Make and lock the directory, and end deletions, uploads and new jobs that were cut off.

        Raises StorageError when it cannot be made, or another server has it.
        """
        self._lock.make_folder()
        self._lock.take()
        self._folder = KnownFolder(self.jobs_dir)
        for leftover in self.jobs_dir.iterdir():
            # Only what `take_away` named: its deletion was asked for and confirmed.
            if _DELETED.fullmatch(leftover.name):
                log.info("%s: ending its deletion", leftover)
                self.erase(leftover)
            elif leftover.name.startswith(UPLOAD_PREFIX):
                log.info("%s: removing what is left of an upload", leftover)
                self.erase(leftover)
            elif os.path.lexists(leftover / UNSAVED_FILE):
                self._end_making(leftover)
        if self.bin.keeps and (problem := self.bin.problem) is not None:
            log.warning("the bin %s cannot be used: %s", self.bin.folder, problem)

    def _end_making(self, folder: Path) -> None:
        """A server ended while it made this job, of which nobody was told."""
        if os.path.lexists(folder / JOB_FILE):
            with contextlib.suppress(OSError):
                (folder / UNSAVED_FILE).unlink()
        else:
            log.info("%s: removing what is left of a job that was not made", folder)
            self.erase(folder)

    def close(self) -> None:
        """Let another server have the directory."""
        self._lock.release()

    # Room on the disk ---------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether the directory is the one that was opened: a disk may go away, and come back."""
        return self._folder is None or self._folder.is_there

    def require_there(self) -> None:
        """Raise StorageError while another folder, or none, stands in the directory's place."""
        if not self.is_there:
            raise StorageError(self._away)

    @property
    def _away(self) -> str:
        return (
            f"The jobs directory {self.jobs_dir} has gone away: its disk is no longer there. Bring "
            "it back; nothing is written or started until then, and what runs goes on. If it "
            "stays another one, restart the server."
        )

    @property
    def problem(self) -> str | None:
        """Why the directory cannot be written; None when all is well.

        Looked at again every few seconds, when somebody asks.
        """
        if not self.is_there:
            self._note(self._away)
        elif self._problem == self._away:
            self.look()
        elif time.monotonic() - self._looked_s >= PROBE_INTERVAL_S:
            # Asking is cheap; writing is tried only when something speaks against it.
            if self._problem is None and disk.looks_writable(self.jobs_dir):
                self._looked_s = time.monotonic()
            else:
                self.look()
        return self._problem

    def look(self) -> str | None:
        """Try to write, and answer why that fails; None when it does not."""
        self._note(disk.writing_problem(self.jobs_dir) if self.is_there else self._away)
        return self._problem

    def require_room(self) -> None:
        """Raise StorageError when the directory cannot be written, though the bin was emptied."""
        if self.look() is not None:
            make_room(self.bin, lambda: self.is_there and disk.is_full(self.jobs_dir))
        if (problem := self.look()) is not None:
            raise StorageError(problem)

    @property
    def is_short_of_room(self) -> bool:
        """Whether the disk is full, or will be soon: nothing stays in the bin then."""
        if not self.is_there:
            return False
        was_full = self.problem is not None and disk.is_full(self.jobs_dir)
        return was_full or disk.is_short(self.jobs_dir)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an OSError that the disk is to blame for into a StorageError, and remember it."""
        try:
            yield
        except OSError as error:
            if not disk.is_storage_error(error):
                raise
            self._note(disk.explain(self.jobs_dir, error))
            raise StorageError(str(self._problem)) from error

    def _note(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            log.error("%s", problem)
        elif problem is None and self._problem is not None:
            log.info("the jobs directory can be written again")
        self._problem, self._looked_s = problem, time.monotonic()

    # Jobs ---------------------------------------------------------------------------------------

    def create(self, job_type: type[Job], name: str, settings: JobSettings) -> Job:
        """A new job with its folder, not saved yet; StorageError when there is no disk."""
        self.require_room()
        with self._all_errors():
            while True:
                job_id = new_job_id()
                if self.has_folder(job_id):
                    continue
                # Under a name that `open` removes: at no moment a job's folder is without the mark.
                begun = self.jobs_dir / f"{UPLOAD_PREFIX}{job_id}"
                begun.mkdir()
                (begun / UNSAVED_FILE).touch()
                folder = begun.rename(self.jobs_dir / job_id)
                return self._ours(job_type(folder, name, settings))

    def save(self, job: Job) -> None:
        """Write `job.json`; StorageError, and the old file stays, when that fails."""
        self.require_there()
        text = strict_json.dumps(
            {"format": FORMAT_VERSION, **job.to_json()}, indent=1, ensure_ascii=False
        )
        with self._all_errors():
            try:
                job.write_text(JOB_FILE, text + "\n")
            except FileNotFoundError:
                raise StorageError(
                    f"The folder {job.dir} is gone: someone removed it by hand. "
                    "Delete the job here as well."
                ) from None
            (job.dir / UNSAVED_FILE).unlink(missing_ok=True)

    def take_away(self, job: Job) -> Path | None:
        """Make the job's folder no job any more; answers what `erase` is to remove.

        Raises StorageError when that fails; the job is then as it was.
        """
        self.require_there()
        gone = self.jobs_dir / f".deleted-{job.id}-{secrets.token_hex(3)}"
        with self._all_errors():
            try:
                job.dir.rename(gone)
            except FileNotFoundError:
                return None
        return gone

    def erase(self, folder: Path) -> None:
        """Remove a folder that was taken away."""
        erase(folder)

    def bring_back(self, entry: BinEntry) -> Job:
        """Move a claimed job from the bin to its old place, and read it.

        Raises NotInBin, BinUnusable, or JobRefused when it cannot be read; it is then in the bin.
        """
        folder = self.bin.move_back(entry)
        try:
            return self._read(folder)
        except Exception as error:
            log.debug("%s cannot be read", printable(folder), exc_info=True)
            self.bin.undo_move_back(entry)
            reason = _why_unreadable(error)
            raise JobRefused(f"{entry.name} stays in the bin: {reason}.") from error

    def has_folder(self, job_id: str) -> bool:
        """Whether something stands where the job's folder would be."""
        return os.path.lexists(self.jobs_dir / job_id)

    def load_all(self, known: Collection[str]) -> list[Job]:
        """The jobs on disk whose ids are not in `known`, oldest first.

        Those that cannot be read are left aside (`left_aside`), whatever is wrong with them.
        Raises StorageError when the directory itself cannot be read.
        """
        self.require_there()
        names = self._unknown_folders(known)
        found = []
        self.folders_read, self.folders_found = 0, len(names)
        self.left_aside = {}
        for name in names:
            self.folders_read += 1
            job = self._load(self.jobs_dir / name)
            if job is not None:
                found.append(job)
            time.sleep(0)  # lets other greenlets run: there may be thousands
        return found

    def _unknown_folders(self, known: Collection[str]) -> list[str]:
        try:
            with os.scandir(self.jobs_dir) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".")
                    and entry.name not in known
                    and _is_folder(entry)
                )
        except OSError as error:
            raise StorageError(
                f"The jobs directory {self.jobs_dir} cannot be read: {error.strerror}. Check that "
                "its disk is there."
            ) from error

    def has(self, job: Job) -> bool:
        """Whether the job is on disk."""
        return (job.dir / JOB_FILE).is_file()

    def leave_aside(self, folder: Path, reason: str) -> None:
        """Note why a folder's job is none of the server's jobs; pages show it."""
        self.left_aside[printable(Path(folder.name))] = reason
        self._ignore(folder, reason)

    def _load(self, folder: Path) -> Job | None:
        try:
            return self._read(folder)
        except FileNotFoundError as error:
            self._ignore(folder, _why_unreadable(error))
        except Exception as error:
            # Whatever it is: one odd job must not keep the server from starting.
            log.debug("%s cannot be read", printable(folder), exc_info=True)
            self.leave_aside(folder, _why_unreadable(error))
        return None

    def _read(self, folder: Path, place: Path | None = None) -> Job:
        """The job in a folder, as if it stood at `place`."""
        place = place or folder
        data = read_record(folder / JOB_FILE)
        require_plain_files(folder)
        version = data.get("format")
        require(version, int, "the format")
        if data["format"] > FORMAT_VERSION:
            raise JobUnreadable(f"it was written by a newer version (format {version})")
        if data.get("id") != place.name:
            raise JobUnreadable(f"it says that it is the job {quoted(data.get('id'))}")
        type_name = data.get("type")
        if not isinstance(type_name, str) or type_name not in self.job_types:
            raise JobUnreadable(f"no kind of job is called {quoted(type_name)}")
        return self._ours(self.job_types[type_name].from_json(place, data))

    def _ours(self, job: Job) -> Job:
        """Give a job what it shares with the others."""
        job.recent_logs, job.sync = self._recent_logs, self._sync
        return job

    def _ignore(self, folder: Path, reason: str) -> None:
        if self._ignored.get(folder.name) != reason:
            self._ignored[folder.name] = reason
            log.warning("%s is ignored: %s", printable(folder), reason)

    @contextlib.contextmanager
    def _all_errors(self) -> Iterator[None]:
        """Turn any OSError of the block, which writes below the jobs directory, likewise."""
        try:
            yield
        except OSError as error:
            self._note(disk.explain(self.jobs_dir, error))
            raise StorageError(str(self._problem)) from error
        if self._problem is not None:
            self._looked_s = -math.inf  # perhaps it is over: look again when somebody asks


def _why_unreadable(error: Exception) -> str:
    """Why a job.json is of no use, in words for a page."""
    if isinstance(error, FileNotFoundError):
        return f"it has no {JOB_FILE}"
    if isinstance(error, OSError):
        return f"its {JOB_FILE} cannot be read: {error.strerror or error}"
    if isinstance(error, JobUnreadable):
        return f"its {JOB_FILE} cannot be used: {error}"
    return f"its {JOB_FILE} cannot be used: {type(error).__name__} {quoted(str(error))}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or leads to one; a link in a circle leads nowhere."""
    try:
        return entry.is_dir()
    except OSError:
        return False
