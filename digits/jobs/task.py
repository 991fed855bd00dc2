"""A task: one program that a job runs, what it was asked, and what its log has said so far.

A task's class says which command to run and how to read the command's log.  Everything that is
derived from the log (progress, graph points, counts) is rebuilt by reading the log again, so a
restarted server shows what the old one did.

Elsewhere: starting and following the process (`runner.py`), whose turn it is (`scheduler.py`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypedDict

from digits.base.aside import Aside, here
from digits.jobs import log_digest, signals
from digits.jobs.launcher import LaunchedProcess
from digits.jobs.log_digest import Digest
from digits.jobs.log_follower import LogFollower, last_lines, mark_attempt
from digits.jobs.long_logs import LongLogs, LongRead
from digits.jobs.process import describe_exit, what_to_try
from digits.jobs.record import Minimum, require, require_arguments, require_id
from digits.jobs.resources import Need
from digits.jobs.signals import Update
from digits.jobs.status import HasStatus, Status, StatusHistory

log = logging.getLogger(__name__)

# How much of the log's end is put into the message of a failed task.
LINES_IN_ERROR = 6
# How long somebody who looks waits for a long log; then what is known is shown.
LOG_WAIT_S = 2.0


class _AlwaysWritten(TypedDict):
    id: str
    depends_on: list[str]
    history: list[Any]
    error: str | None
    message: str | None
    allocation: list[str]
    attempts: Annotated[int, Minimum(0)]
    pausing: bool
    settings: dict[str, Any]


class TaskRecord(_AlwaysWritten, total=False):
    """What job.json holds of every task; the kind of what it holds from its first start on."""

    slot_kind: str
    keeping: bool


class Task(HasStatus, ABC):
    """One program of a job.

    Subclasses give `type_name` (its name in job.json), `name`, `log_name`, `need`, `arguments` and
    `process_line`, and may check things before (`prepare`) and after (`finish`).
    """

    type_name: ClassVar[str]
    # Whether an attempt goes on where the last one was cut off.  Its log is continued then, else
    # begun anew; and SIGINT makes the program save its state and end with status 0.
    resumable: ClassVar[bool] = False
    # How it could do with less memory, for the message when it was killed for want of it.
    less_memory: ClassVar[str] = "fewer tasks at a time"
    # What its log is summed up as, so that a long one is read only once; None: it is always read.
    digest_kind: ClassVar[type[Digest] | None] = None

    def __init__(self, job_dir: Path, task_id: str, depends_on: Sequence[str] = ()) -> None:
        self.job_dir = job_dir
        self.id = task_id  # unique in its job, fit for file names
        self.depends_on = list(depends_on)  # ids of tasks of the same job that must be Done
        self.history = StatusHistory()
        self.error: str | None = None  # why it failed, in words for the user
        self.message: str | None = None  # what the user should know though it did not fail
        self.progress = 0.0  # 0.0 to 1.0
        self.eta_s: float | None = None  # seconds to go, when that can be told
        # Resource identifiers held while it runs, such as ["0"] for GPU 0, and their kind.
        self.allocation: list[str] = []
        self.slot_kind = ""
        self.attempts = 0  # how often its process was started
        # Whether the user asked this attempt to save its state and end: for now, or for good.
        self.pausing = self.keeping = False
        self.job_id = job_dir.name
        self.process: LaunchedProcess | None = None  # while it runs; its runner's
        self._changed: set[str] = set()
        self._published: tuple[float, float | None] | None = None
        self._log_is_read = False
        self._long_read: LongRead | None = None  # the last one of its log
        # Held while the log of an ended task is read, so that nobody shows it half read.
        self._reading = threading.Lock()

    # What a subclass says about itself ---------------------------------------------------------

    @property
    @abstractmethod
    def name(self) -> str:
        """What logs and scripts call it."""

    @property
    def title(self) -> str:
        """What people call it: on pages, in messages, in notifications."""
        return self.name

    @property
    def activity(self) -> str:
        """The same for a sentence in which it fails: "Writing the training set" failed."""
        return self.title

    @property
    @abstractmethod
    def log_name(self) -> str:
        """The file in the job's folder that its output goes to."""

    @abstractmethod
    def need(self) -> Need:
        """What it must hold to run."""

    @abstractmethod
    def arguments(self) -> list[str]:
        """The command line; called after `prepare`, when `allocation` is known."""

    @abstractmethod
    def process_line(self, line: str) -> None:
        """Take one line of the log, in order; sets `progress`, calls `mark_changed`.

        A restarted server feeds the whole log again to a fresh object, so nothing may depend on
        when a line is read.  Never raises, whatever the line holds.
        """

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        return {**os.environ, "PYTHONUNBUFFERED": "1"}

    def prepare(self) -> None:
        """Write what the command reads; raises TaskFailed when it cannot run."""

    def finish(self) -> None:
        """Check what the command wrote after its exit status 0; raises TaskFailed."""

    def clean_up(self) -> None:
        """Remove what an attempt that has ended badly left half made; its process is gone."""

    def update_data(self, update: str) -> Any:
        """The data of an update that `mark_changed` named, as plain JSON."""
        raise KeyError(update)

    def reset(self) -> None:
        """Forget what the log said; called before it is read from its start."""
        self.progress = 0.0
        self.eta_s = None

    @property
    def digest(self) -> Digest | None:
        """What the log has said so far, of the kind `digest_kind`."""
        return None

    def take_digest(self, digest: Any) -> None:
        """Take what the log says from a digest of the kind `digest_kind`."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments beyond the base class's, as plain JSON."""
        return {}

    # State --------------------------------------------------------------------------------------

    @property
    def has_kept_something(self) -> bool:
        """Whether there is something to be Done with, of a program that was asked to end early."""
        return True

    @property
    def is_paused(self) -> bool:
        """Whether it saved its state and ended, as the user asked."""
        return self.status is Status.ABORTED and self.pausing

    @property
    def log_path(self) -> Path:
        return self.job_dir / self.log_name

    def path(self, name: str) -> Path:
        """A file of the job's folder."""
        return self.job_dir / name

    def mark_changed(self, update: str) -> None:
        """Say that the data of `update`, an `Update`, is new; it is sent at the next `publish`."""
        self._changed.add(update)

    def publish(self) -> None:
        """Announce progress and what has changed since the last call."""
        if self._published != (self.progress, self.eta_s):
            self._published = (self.progress, self.eta_s)
            signals.announce(signals.task_progress, self)
        changed, self._changed = self._changed, set()
        for update in sorted(changed):
            try:
                data = self.update_data(update)
            except Exception:
                log.exception("%s: %s: its %s cannot be shown", self.job_id, self.id, update)
            else:
                signals.announce(signals.task_updated, self, update=update, data=data)

    def read_log(
        self, aside: Aside = here, long_logs: LongLogs | None = None, *, whole: bool = False
    ) -> None:
        """Derive the state of a task that does not run from its log, unless that is remembered.

        A running task is kept up to date by its runner.  Jobs read logs by way of `RecentLogs`,
        which sees to it that not all are remembered for ever.  `aside` runs what takes long,
        `long_logs` reads what takes longer; unless `whole`, what the log's end tells is shown
        meanwhile.
        """
        if whole and (reading := self._begin_reading(aside, long_logs, wait_s=0.0)):
            reading.wait()
        self._begin_reading(aside, long_logs, wait_s=LOG_WAIT_S)

    @property
    def log_is_being_read(self) -> bool:
        """Whether what it shows is of the log's end alone, since it is read as a whole just now."""
        return self._long_read is not None

    def _begin_reading(
        self, aside: Aside, long_logs: LongLogs | None, wait_s: float
    ) -> LongRead | None:
        """Answers the reading that is not over after `wait_s`, if there is one."""
        with self._reading:
            if self.status is Status.RUNNING:
                return None  # its runner reads
            if self._log_is_read:
                self._long_read = None
            elif self._long_read is None:
                self.reset()
                self._read_log(aside, long_logs, wait_s)
            elif self._long_read.is_over:
                self._take_long_read(self._long_read)
            return self._long_read

    def _read_log(self, aside: Aside, long_logs: LongLogs | None, wait_s: float) -> None:
        kind = self.digest_kind
        if kind is None:
            aside(self.take_lines, LogFollower(self.log_path).all_lines())
            self._settle()
            return
        digest = aside(log_digest.quick_digest, self.log_path, kind)
        if digest is None and long_logs is None:
            digest = aside(log_digest.make_digest, self.log_path, kind)
        if digest is not None or long_logs is None:
            self.take_digest(digest)
            self._settle()
            return
        # A table of many jobs does not wait for each of them.
        wait_s = 0.0 if long_logs.is_busy else wait_s
        self._long_read = long_logs.read(self.log_path, kind, self._note_long_read)
        if self._long_read.wait(wait_s):
            self._take_long_read(self._long_read)
        else:
            self.take_digest(aside(log_digest.digest_of_end, self.log_path, kind))

    def _take_long_read(self, reading: LongRead) -> None:
        self._long_read = None
        if reading.digest is not None:
            self.take_digest(reading.digest)
        # One that cannot be read is not tried again at each look.
        self._settle()

    def _note_long_read(self) -> None:
        """The log has been read: tell those who were shown what its end says."""
        with self._reading:
            reading = self._long_read
            if reading is None or not reading.is_over:
                return
            if self._log_is_read or self.status is Status.RUNNING:
                self._long_read = None
            else:
                self._take_long_read(reading)
        signals.announce(signals.task_updated, self, update=Update.LOG, data=None)

    def read_ahead(self, long_logs: LongLogs, follower: LogFollower) -> LongRead | None:
        """Begin to read the long log of a run that goes on; None when it is short.

        Until `go_on_after` is told what was read, what its end tells is shown.
        """
        kind, most = self.digest_kind, log_digest.last_newline(self.log_path)
        if kind is None or most < log_digest.SHORTEST_BYTES:
            return None
        self.take_digest(log_digest.digest_of_end(self.log_path, kind))
        self._long_read = long_logs.read(self.log_path, kind, most=most)
        follower.position = most
        return self._long_read

    def go_on_after(self, reading: LongRead) -> LogFollower | None:
        """Take what was read ahead; the follower of all of the log when that has failed."""
        self._long_read = None
        if reading.digest is None:
            self.reset()
            return LogFollower(self.log_path)
        self.take_digest(reading.digest)
        signals.announce(signals.task_updated, self, update=Update.LOG, data=None)
        return None

    def _settle(self) -> None:
        """Take the log as read."""
        self._changed.clear()
        if self.status is Status.DONE:
            self.progress, self.eta_s = 1.0, 0.0
        # A folder whose disk is away may come back.
        self._log_is_read = self.job_dir.is_dir()

    def keep_digest(self, read_to: int) -> None:
        """Keep what the log says, whose end has been read: byte `read_to`."""
        if self.digest is not None:
            log_digest.keep_digest(self.log_path, self.digest, read_to)

    def forget_log(self) -> None:
        """Let go of what the log said; it is read again when somebody looks."""
        with self._reading:
            if self.status is not Status.RUNNING:
                self.reset()
                self._log_is_read = False

    def take_lines(self, lines: Iterable[str]) -> None:
        """Feed lines of the log to `process_line`; one that cannot be understood harms nothing."""
        for line in lines:
            try:
                self.process_line(line)
            except Exception:
                log.exception("%s: %s: a line of its log: %.200r", self.job_id, self.id, line)

    def begin_log(self) -> None:
        """Make room for the log of a new attempt: the old one is continued, or kept as `.old`."""
        if self.resumable:
            mark_attempt(self.log_path, self.attempts)
        else:
            with contextlib.suppress(FileNotFoundError):
                self.log_path.replace(self.log_path.with_name(f"{self.log_name}.old"))

    def begin_run(self) -> LogFollower:
        """Forget the derived state; answers the follower that the runner reads from the start."""
        self.reset()
        self._published = None
        self._log_is_read = True
        return LogFollower(self.log_path)

    def has_done_enough(self) -> bool:
        """Whether a resumable program should save its state and end now: the task is then Done."""
        return False

    def describe_end(self) -> str | None:
        """What the user should know of how it came to be Done; asked after `finish`."""
        return None

    def explain_failure(self, exit_status: int | None) -> str:
        """Why the process failed, in words: how it ended and the last lines it wrote."""
        lines = last_lines(self.log_path, LINES_IN_ERROR)
        for line in reversed(lines):
            if line.startswith("Error: "):
                return line.removeprefix("Error: ")
        reason = f"{self.activity} failed: {describe_exit(exit_status)}. "
        reason += what_to_try(exit_status, self.less_memory)
        return "\n".join([reason.rstrip(), *lines])

    # job.json -----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "type": self.type_name,
            "id": self.id,
            "depends_on": self.depends_on,
            "history": self.history.to_json(),
            "error": self.error,
            "message": self.message,
            "allocation": self.allocation,
            **({"slot_kind": self.slot_kind} if self.slot_kind else {}),
            "attempts": self.attempts,
            "pausing": self.pausing,
            **({"keeping": True} if self.keeping else {}),
            "settings": self.settings(),
        }

    @classmethod
    def from_json(cls, job_dir: Path, data: dict[str, Any]) -> Task:
        """A task as `to_json` wrote it; `settings` are handed to the constructor.

        Raises JobUnreadable when it is none.
        """
        require(data, TaskRecord, "a task")
        require_id(data["id"], "the id of a task")
        what = f"the task {data['id']}"
        require_arguments(data["settings"], cls.__init__, what)
        task = cls(job_dir, data["id"], depends_on=data["depends_on"], **data["settings"])
        task.history = StatusHistory.from_json(data["history"])
        task.error = data["error"]
        task.message = data["message"]
        task.allocation = data["allocation"]
        task.slot_kind = data.get("slot_kind", "")
        task.attempts = data["attempts"]
        task.pausing = data["pausing"]
        task.keeping = data.get("keeping", False)
        return task
