"""Run one task in a thread: start its process (or find it again), follow its log, settle its end.

In: a task and what it may hold.  Out: the task's derived state, kept up to date, and one call of
`on_end` with how it ended; by then no process of it is left.  The thread never holds the
scheduler's lock while it waits.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from digits.errors import DigitsError
from digits.jobs import disk
from digits.jobs.launcher import LaunchedProcess, Launcher
from digits.jobs.log_follower import LogFollower
from digits.jobs.long_logs import LongLogs
from digits.jobs.status import Status
from digits.jobs.task import Task

log = logging.getLogger(__name__)

# How often the log is looked at: often enough to look live, seldom enough to cost nothing.  More
# often at first, since many a task ends at once.
FIRST_INTERVAL_S = 0.02
FOLLOW_INTERVAL_S = 0.25
# What a shell answers for a program that SIGINT ended.
ENDED_BY_SIGINT = 128 + signal.SIGINT
# The name and password of a URL.
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]*@", re.IGNORECASE)


@dataclass(frozen=True)
class Ending:
    """How a run ended: the status to take, and why when it failed."""

    status: Status
    error: str | None = None
    message: str | None = None
    is_pause: bool = False  # it saved its state, as it was asked to


# Takes the ending; answers whether it is on disk now.
OnEnd = Callable[[Task, Ending], bool]


def without_passwords(text: str) -> str:
    """A text for the log, its URLs without the names and passwords that some carry."""
    return _PASSWORD.sub(r"\1***@", text)


class TaskRunner:
    """The thread of a running task."""

    def __init__(
        self,
        task: Task,
        launcher: Launcher,
        *,
        grace_s: float,
        on_end: OnEnd,
        environment: Callable[[], Mapping[str, str]],
        process: LaunchedProcess | None = None,
        is_there: Callable[[], bool] = lambda: True,
    ) -> None:
        self.task = task
        self._launcher = launcher
        self._environment = environment
        # Whether the jobs directory is; while it is away nothing is known of the process.
        self._is_there = is_there
        self.grace_s = grace_s
        self._on_end = on_end
        # Given when an earlier server started the process.
        self._process = process
        # Set when one of the three requests below has come; each is written once, by another
        # thread than the one that waits.
        self._wake = threading.Event()
        self._stop_with: Status | None = None
        self._detached = False
        # An earlier server may have been asked, and have ended before it told the process.
        self._pause, self._keep = task.pausing, task.keeping
        self._thread = threading.Thread(
            target=self._run, name=f"task {task.job_id}/{task.id}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self, status: Status) -> None:
        """End the process; the task then takes `status` (Aborted, or Waiting to go on later)."""
        if self._stop_with is None:
            self._stop_with = status
        self._wake.set()

    def detach(self) -> None:
        """Leave the process running and end the thread; a later server finds the process again."""
        self._detached = True
        self._wake.set()

    def pause(self) -> None:
        """Ask the process to save its state and end (SIGINT); the task is then Aborted."""
        self._pause = True
        self._wake.set()

    def keep(self) -> None:
        """Ask the process to save its state and end (SIGINT); the task is then Done."""
        self._keep = True
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            ending = self._ending()
        except DigitsError as error:
            ending = self._failed(str(error))
        except OSError as error:
            if self._process is None and not self._is_there():
                ending = Ending(Status.WAITING)  # it was not started; that is tried again
            else:
                ending = self._failed(self._explain(error))
        except Exception:
            # The thread's last line of defence: a bug must not leave the task Running.
            log.exception("%s: %s: its runner failed", self.task.job_id, self.task.id)
            ending = self._failed("DIGITS itself failed here; the server's log has the details.")
        self.task.process = None  # before the end is told: somebody may start the task anew then
        if ending is not None and ending.status is not Status.DONE:
            self._clean_up()
        # A file of the run that is left when the server dies here belongs to no live attempt.
        if ending is not None and self._on_end(self.task, ending) and self._process is not None:
            self._process.forget()

    def _clean_up(self) -> None:
        try:
            self.task.clean_up()
        except Exception:
            log.exception("%s: %s: cannot clean up", self.task.job_id, self.task.id)

    def _failed(self, error: str) -> Ending:
        if self._process is not None:
            self._process.terminate(self.grace_s)
        return Ending(Status.ERROR, error)

    def _ending(self) -> Ending | None:
        if self._process is None:
            self._process = self._start_process()
        if self._process is None:
            # Without an ending the next server finds no process, and starts the task.
            return None if self._stop_with is None else Ending(self._stop_with)
        self.task.process = self._process
        follower = self._read_ahead(self.task.begin_run())
        self._follow(self._process, follower)
        if self._detached and self._stop_with is None:
            self._process.leave()
            return None
        # Asked before the stop: what a program answers to being stopped is not how it ended.
        status = self._process.exit_status()
        if self._stop_with is not None or self._process.members():
            # Stopped, or the shell was killed and left the command behind.
            self._process.terminate(self.grace_s, first=self._first_signal())
        self._read_rest(follower)
        return self._judge(status)

    def _read_ahead(self, follower: LogFollower) -> LogFollower:
        """Have what a long log has said so far read by another program; follow from there."""
        reading = self.task.read_ahead(LongLogs(), follower)
        if reading is None:
            return follower
        while not reading.wait(FOLLOW_INTERVAL_S):
            if self._stop_with is not None or self._detached:
                break
        return self.task.go_on_after(reading) or follower

    def _start_process(self) -> LaunchedProcess | None:
        """Start the task's command; None when it is to stop before that."""
        task = self.task
        task.begin_log()
        task.reset()
        task.prepare()
        if self._stop_with is not None or self._detached:
            return None
        command = task.arguments()
        log.info("%s: %s starts: %s", task.job_id, task.id, without_passwords(" ".join(command)))
        return self._launcher.start(
            command,
            job_dir=task.job_dir,
            task_id=task.id,
            attempt=task.attempts,
            log_path=task.log_path,
            environment={**task.environment(), **self._environment()},
        )

    def _follow(self, process: LaunchedProcess, follower: LogFollower) -> None:
        """Read the log until the process has ended, or somebody wants it to."""
        asked = False
        interval_s = FIRST_INTERVAL_S
        while True:
            if self._is_away():
                self._wake.wait(FOLLOW_INTERVAL_S)
                self._wake.clear()
                continue
            alive = process.is_alive()  # asked before reading, so that no last line is missed
            if not alive and self._is_away():
                continue  # or it only looked so
            self._read(follower)
            if not alive or self._stop_with is not None or self._detached:
                return
            self._keep = self._keep or self.task.has_done_enough()
            if (self._pause or self._keep) and not asked:
                asked = True
                process.send_signal(signal.SIGINT)
            self._wake.wait(interval_s)
            self._wake.clear()
            interval_s = min(1.5 * interval_s, FOLLOW_INTERVAL_S)

    def _is_away(self) -> bool:
        """Whether to wait for the jobs directory; who wants the task to end does not wait."""
        return self._stop_with is None and not self._detached and not self._is_there()

    def _read(self, follower: LogFollower) -> None:
        self.task.take_lines(follower.new_lines())
        self.task.publish()

    def _read_rest(self, follower: LogFollower) -> None:
        self.task.take_lines(follower.new_lines())
        self.task.take_lines(follower.last_line())
        self.task.publish()
        self.task.keep_digest(follower.position)

    def _first_signal(self) -> signal.Signals:
        """What ends the process: a task that will be gone on with may save its state first."""
        saves = self.task.resumable and self._stop_with is Status.WAITING
        return signal.SIGINT if saves else signal.SIGTERM

    def _judge(self, exit_status: int | None) -> Ending:
        task = self.task
        paused = task.pausing and (
            exit_status == ENDED_BY_SIGINT or (exit_status == 0 and task.progress < 1.0)
        )
        if paused:
            message = "Paused. Resume continues from the last snapshot."
            return Ending(Status.ABORTED, message=message, is_pause=True)
        ended_by_keep = self._keep and exit_status == ENDED_BY_SIGINT
        if ended_by_keep and not task.has_kept_something:
            message = "Stopped before there was anything to keep. Resume begins it again."
            return Ending(Status.ABORTED, message=message)
        if exit_status == 0 or ended_by_keep:
            # Also when an abort came too late: the work is there.
            task.finish()
            return Ending(Status.DONE, message=task.describe_end())
        if self._stop_with is not None:
            return Ending(self._stop_with)
        return Ending(Status.ERROR, self._explain_exit(exit_status))

    def _explain_exit(self, exit_status: int | None) -> str:
        """Why the process failed; a disk that cannot be written comes first."""
        reason = self.task.explain_failure(exit_status)
        problem = disk.writing_problem(self.task.job_dir)
        return reason if problem is None else f"{problem}\n{reason}"

    def _explain(self, error: OSError) -> str:
        if disk.is_storage_error(error):
            return disk.explain(self.task.job_dir, error)
        where = f" ({Path(error.filename).name})" if isinstance(error.filename, str) else ""
        return f"{self.task.activity} could not be run: {error.strerror or error}{where}."
