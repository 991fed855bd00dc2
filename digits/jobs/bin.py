"""The bin: deleted jobs, kept for some days in the folder `.bin` of the jobs directory.

In: jobs that are deleted.  Out: their folders, moved by one rename (a server that is killed leaves
a job here or there), and what is known of them (`table`).  Loading, importing and the paths of
users pass over hidden folders, so nobody finds a job there.

Elsewhere: what else deleting and restoring take (`deletion.py`), when the bin is emptied
(`bin_keeper.py`), what a folder's name says (`bin_entry.py`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from digits.errors import BinUnusable, DigitsError, NotInBin
from digits.jobs import disk
from digits.jobs.bin_entry import BinEntry, entry_name, read_name, to_milliseconds
from digits.jobs.bin_table import BinTable
from digits.jobs.job import Job
from digits.jobs.removal import erase

log = logging.getLogger(__name__)

BIN_FOLDER = ".bin"
# Never to come back: what a killed server has left of these is removed.
GOING = ".going-"

# Answers the job in a folder (the first path) as if it stood at another place (the second).
ReadJob = Callable[[Path, Path], Job]


class Bin:
    """The deleted jobs of `jobs_dir`; they are kept for `keep_days`, 0: not at all.

    `read` reads a job from its folder, `is_there` says whether the jobs directory can be reached.
    """

    def __init__(
        self,
        jobs_dir: Path,
        read: ReadJob,
        keep_days: float = 0,
        *,
        is_there: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.jobs_dir = jobs_dir
        self.folder = jobs_dir / BIN_FOLDER
        self.keep_days = keep_days
        self.is_there = is_there
        self.clock = clock
        self.table = BinTable()
        self._read = read
        self._last_moment_s = 0.0

    @property
    def keeps(self) -> bool:
        """Whether deleted jobs are kept."""
        return self.keep_days > 0

    # What is there ------------------------------------------------------------------------------

    def load(self) -> None:
        """Find what is in the folder; jobs that cannot be read are kept under their ids."""
        found = []
        for folder in folders_in(self.folder):
            named = read_name(folder)
            if named is None or self.table.is_claimed(folder):
                continue
            known = self.table.get(named.key)
            found.append(known or replace(named, job=self._job(named)))
            time.sleep(0)  # lets other greenlets run: there may be thousands
        self.table.replace_all(found)

    def _job(self, entry: BinEntry) -> Job | None:
        # A job's folder that is a link leads out of the jobs directory; nothing is read there.
        if entry.folder.is_symlink():
            return None
        try:
            return self._read(entry.folder, self.jobs_dir / entry.id)
        except (DigitsError, OSError) as error:
            log.info("%s: its job.json cannot be read: %s", entry.folder, error)
        except Exception:
            # Whatever it is: one odd job must not keep the others from being shown.
            log.warning("%s: its job.json cannot be used", entry.folder, exc_info=True)
        return None

    @property
    def problem(self) -> str | None:
        """Why nothing can be moved there; None when all is well.  Makes the folder."""
        if not self.is_there():
            return "the jobs directory has gone away"
        try:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            state = self.folder.lstat()
            is_elsewhere = state.st_dev != self.jobs_dir.stat().st_dev
        except OSError as error:
            return disk.reason(error)
        if not stat.S_ISDIR(state.st_mode):
            return "it is not a folder"
        if is_elsewhere:
            return "it is on another disk than the jobs"
        return disk.forbidden(self.folder)

    def require_usable(self) -> None:
        """Raise BinUnusable when nothing can be moved there."""
        if (problem := self.problem) is not None:
            raise self._kept_out(problem)

    def next_moment_s(self) -> float:
        """When a job is deleted now: a millisecond of its own, so that the last comes first."""
        now_s = to_milliseconds(self.clock())
        # Further back than that the clock was set, and is believed.
        if 0 <= self._last_moment_s - now_s < 1:
            now_s = to_milliseconds(self._last_moment_s + 0.001)
        self._last_moment_s = now_s
        return now_s

    # Moving in and out --------------------------------------------------------------------------

    def put(self, job: Job, by: str, moment_s: float) -> None:
        """Move a job's folder there; nothing happens when somebody has removed it by hand.

        Raises BinUnusable; the job is then where it was.
        """
        self.require_usable()
        entry = self._free_entry(BinEntry(self.folder, job.id, moment_s, by, job))
        try:
            _move(job.dir, entry.folder)
        except OSError as error:
            if not os.path.lexists(job.dir):
                return
            raise self._kept_out(disk.reason(error)) from error
        self.table.add(entry)

    def move_back(self, entry: BinEntry) -> Path:
        """Give a claimed job its old place; answers that.  Raises NotInBin or BinUnusable."""
        place = self.jobs_dir / entry.id
        try:
            _move(entry.folder, place)
        except OSError as error:
            if not os.path.lexists(entry.folder):
                raise NotInBin(entry.key) from error
            raise self._unusable(disk.reason(error)) from error
        return place

    def undo_move_back(self, entry: BinEntry) -> None:
        """What was moved back cannot be used there: it stays in the bin."""
        with contextlib.suppress(OSError):
            _move(self.jobs_dir / entry.id, entry.folder)

    @contextlib.contextmanager
    def claimed(self, entry: BinEntry) -> Iterator[None]:
        """Nobody else finds the entry in the block; afterwards nobody at all, or, when the block
        fails and its folder is still there, everybody again.  Raises NotInBin."""
        self.table.claim(entry)
        try:
            if not os.path.lexists(entry.folder):
                raise NotInBin(entry.key)  # somebody has moved it by hand
            yield
        except BaseException:
            if os.path.lexists(entry.folder):
                self.table.add(entry)
            else:
                self.table.forget(entry)
            raise
        self.table.forget(entry)

    def discard(self, entry: BinEntry) -> None:
        """Remove a job and its parts for good.

        Raises NotInBin, or BinUnusable when something of it is left.
        """
        parts = self.table.parts(entry)
        self._discard(entry)
        for part in parts:
            with contextlib.suppress(NotInBin):  # somebody else was faster
                self._discard(part)

    def _discard(self, entry: BinEntry) -> None:
        with self.claimed(entry):
            # Renamed first, so that nobody restores what is half removed.
            going = self.folder / f"{GOING}{secrets.token_hex(6)}"
            try:
                entry.folder.rename(going)
            except FileNotFoundError:
                raise NotInBin(entry.key) from None
            except OSError as error:
                raise self._unusable(disk.reason(error)) from error
        if not erase(going):
            raise self._unusable(f"what is left of {entry.id} cannot be removed")

    def restamp(self, entry: BinEntry, moment_s: float) -> None:
        """Let an entry have been deleted at another moment.  Raises NotInBin or BinUnusable."""
        later = self._free_entry(replace(entry, deleted_s=moment_s))
        with self.claimed(entry):
            try:
                entry.folder.rename(later.folder)
            except FileNotFoundError:
                raise NotInBin(entry.key) from None
            except OSError as error:
                raise self._unusable(disk.reason(error)) from error
        self.table.add(later)

    def _kept_out(self, reason: str) -> BinUnusable:
        return BinUnusable(
            f"The bin {self.folder} cannot be used: {reason}. Nothing was deleted. Repair the bin, "
            "or delete for good: send for_good=yes."
        )

    def _unusable(self, reason: str) -> BinUnusable:
        return BinUnusable(f"The bin {self.folder} cannot be used: {reason}.")

    def _free_entry(self, entry: BinEntry) -> BinEntry:
        """The entry in a folder whose name nothing in the bin has, perhaps a little later."""
        moment_s = to_milliseconds(entry.deleted_s)
        while True:
            name = entry_name(entry.id, moment_s, entry.deleted_by)
            if not os.path.lexists(self.folder / name):
                return replace(entry, folder=self.folder / name, deleted_s=moment_s)
            moment_s = to_milliseconds(moment_s + 0.001)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, and links; none where it is itself a link, or not there."""
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if _may_be_a_job(entry))
    except OSError:
        return []


def _may_be_a_job(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or entry.is_dir(follow_symlinks=False)


def _move(folder: Path, place: Path) -> None:
    """Rename a folder to a place where nothing is; OSError."""
    try:
        folder.rename(place)
    except PermissionError:
        # Its owner must be allowed to write a folder that gets another parent, and may have taken
        # that away.
        mode = folder.lstat().st_mode
        if not stat.S_ISDIR(mode) or mode & stat.S_IWUSR:
            raise
        folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
        try:
            folder.rename(place)
        except OSError:
            folder.chmod(stat.S_IMODE(mode))
            raise
        place.chmod(stat.S_IMODE(mode))
