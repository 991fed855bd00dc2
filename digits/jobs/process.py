"""A task's process: it outlives the server, and how it ended is on disk.

The command runs under a small shell in a process group of its own, or under a keeper where it has
a warm start (`base/warm/`).  Either writes two files in the job's folder: `.run/TASK.ATTEMPT.pid`
before the command starts and `.run/TASK.ATTEMPT.exit` when it has ended.  So a server that is
killed and started again finds the process (or its exit status) from the folder alone.  Output goes
to the task's log file, never to a pipe of the server.

Elsewhere: what the command is (`task.py`), reading the log (`log_follower.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from digits.base.job_files import open_to_append, read_beginning
from digits.base.warm.client import WarmProcess, WarmStarts

RUN_FOLDER = ".run"
# In the environment of every process of a run, so that a recycled process id is never taken for it:
# JOB/TASK.ATTEMPT@DEVICE:INODE, the last two of the job's folder.  A copy of the folder has others,
# so that nobody who works on the copy takes the process for its own.
MARK = "DIGITS_TASK_RUN"
LARGEST_PID = 2**22  # Linux gives no larger ones
POLL_S = 0.05

# $0 is the run's path, relative to the job's folder: the folder may be moved meanwhile.
# The traps keep the shell alive through an abort of its group, so that it can still write down how
# the command ended; the command itself starts with the signals' default actions.
# Room for the exit status is taken before the command may fill the disk, and written over (1<>).
_SHELL = """\
trap : INT TERM HUP
{
printf '%s' $$ > "$0.pid.new" && mv "$0.pid.new" "$0.pid"
printf '%8s' > "$0.exit.new"
} 2> /dev/null
"$@"
code=$?
{
printf '%-8s' $code 1<> "$0.exit.new" && mv "$0.exit.new" "$0.exit"
} 2> /dev/null
exit $code
"""


class TaskProcess:
    """One run of a task's command, started by this server or by an earlier one."""

    def __init__(
        self,
        job_dir: Path,
        run: str,
        pid: int,
        child: subprocess.Popen[bytes] | WarmProcess | None,
    ) -> None:
        self.job_dir = job_dir
        self.run = run
        # The shell's (or the keeper's of a warm start), and the number of its process group.
        self.pid = pid
        # As the folder is now: it may be moved while the process runs.
        self._mark = _mark(job_dir, run)
        # None when an earlier server started it: it is not our child and cannot be waited for.
        self._child = child

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        job_dir: Path,
        task_id: str,
        attempt: int,
        log_path: Path,
        environment: Mapping[str, str],
        warm: WarmStarts | None = None,
    ) -> TaskProcess:
        """Start `command` in `job_dir`, its output appended to `log_path`; `python -m MODULE` by a
        warm start, where there is one.

        Raises OSError when the folder cannot be written or the shell cannot be started.
        """
        run = f"{task_id}.{attempt}"
        (job_dir / RUN_FOLDER).mkdir(exist_ok=True)
        for leftover in (job_dir / RUN_FOLDER).glob(f"{task_id}.*"):
            leftover.unlink(missing_ok=True)
        whole = {**environment, MARK: _mark(job_dir, run)}
        with open_to_append(log_path) as log:
            if warm is not None and _is_module(command):
                program = warm.start(
                    command[2],
                    command[3:],
                    folder=job_dir,
                    environment=whole,
                    descriptors={1: log.fileno(), 2: log.fileno()},
                    mark=MARK,
                    record=f"{RUN_FOLDER}/{run}",
                )
                if program is not None:
                    return cls(job_dir, run, program.keeper, program)
            child = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL, f"{RUN_FOLDER}/{run}", *command],
                cwd=job_dir,
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(job_dir, run, child.pid, child)

    @classmethod
    def find(cls, job_dir: Path, task_id: str, attempt: int) -> TaskProcess | None:
        """The run that an earlier server started, alive or ended; None when there was none."""
        run = f"{task_id}.{attempt}"
        pid = _read_number(_file(job_dir, run, "pid"), LARGEST_PID)
        if pid is None:
            # Perhaps its shell has not come to write the file, or could not.
            groups = _marked(_mark(job_dir, run), job_dir).values()
            pid = next((pid for pid in groups if _is_in(pid, job_dir)), None)
        return None if pid is None else cls(job_dir, run, pid, None)

    def exit_status(self) -> int | None:
        """How the command ended, as a shell says it (128 + n for signal n); None when unknown."""
        status = _read_number(_file(self.job_dir, self.run, "exit"), 255)
        code = self._child.poll() if status is None and self._child is not None else None
        if code is not None:
            # The shell was killed as well, or could not write.
            return 128 - code if code < 0 else code
        return status

    def is_alive(self) -> bool:
        """Whether the command may still be running."""
        if self._child is not None:
            return self._child.poll() is None
        marked = _marked(self._mark, self.job_dir, [self.pid])
        return self.pid in marked and _is_in(self.pid, self.job_dir)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the run; nothing happens when all have ended."""
        members = self.members()
        with contextlib.suppress(ProcessLookupError):
            if self.pid in members.values():
                os.killpg(self.pid, number)
        for pid, group in members.items():
            if group != self.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def terminate(self, grace_s: float, *, first: signal.Signals = signal.SIGTERM) -> None:
        """End the whole run: by `first`, by SIGTERM, by SIGKILL, each after `grace_s` seconds."""
        for number in dict.fromkeys((first, signal.SIGTERM, signal.SIGKILL)):
            self.send_signal(number)
            if self._wait_until_gone(grace_s):
                break
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(POLL_S)  # it has ended: reap it

    def members(self) -> dict[int, int]:
        """The processes of the run that are alive, the shell included: process id -> group.

        The group's, and those that left the group but still carry the run's mark.
        """
        if self._child is not None:
            self._child.poll()  # reaps it, else a zombie would count
        marked = _marked(self._mark, self.job_dir)
        if self.pid not in marked.values():
            return marked  # no process of the group is ours: it has ended
        return marked | dict.fromkeys(_group(self.pid), self.pid)

    def memory_bytes(self) -> int:
        """The memory that the processes of the run hold, in bytes."""
        total = 0
        # The shell holds next to nothing; a keeper only shares what the program holds.
        for pid in self.members().keys() - {self.pid}:
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
        return total

    def leave(self) -> None:
        """Let the process go on without this server; a later one finds it.

        It does so by itself: it has a session and a log of its own.
        """

    def forget(self) -> None:
        """Remove the run's files, once its ending is on disk."""
        for suffix in ("pid", "exit"):
            with contextlib.suppress(OSError):
                _file(self.job_dir, self.run, suffix).unlink()

    def _wait_until_gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while members := self.members():
            # Asking for the known ones is cheap; then again for all: they may have forked.
            while any(_lives(pid) for pid in members):
                if time.monotonic() > deadline:
                    return False
                time.sleep(POLL_S)
        return True


def describe_exit(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "its process vanished without an exit status (killed, or the machine went down)"
    if status > 128:
        number = status - 128
        with contextlib.suppress(ValueError):
            name = signal.Signals(number).name
            if number == signal.SIGKILL:
                return f"its process was killed ({name}): often the machine was out of memory"
            return f"its process was ended by the signal {name}"
    if status == 127:
        return "its program was not found (exit status 127)"
    return f"its process ended with exit status {status}"


def what_to_try(status: int | None, less_memory: str = "fewer tasks at a time") -> str:
    """What may help after such an end, in a sentence; empty when the program's words must tell.

    `less_memory` is how this kind of task could do with less.
    """
    if status == 128 + signal.SIGKILL:
        return f"Use less memory ({less_memory}), then resume the job."
    if status == 128 + signal.SIGBUS:
        return (
            "A file that it read was cut off, such as a database on a disk that was full. Make the "
            "dataset again, or copy it again."
        )
    if status is None or status > 128:
        return "Resume the job; if that happens again, the end of the log may tell why."
    return "Check that it is installed." if status == 127 else ""


def _is_module(command: Sequence[str]) -> bool:
    """Whether it is `python -m MODULE`, by the Python that runs this."""
    return list(command[:2]) == [sys.executable, "-m"] and len(command) > 2


def _mark(job_dir: Path, run: str) -> str:
    try:
        state = job_dir.stat()
    except OSError:
        return f"{job_dir.name}/{run}@gone"  # which no process carries
    return f"{job_dir.name}/{run}@{state.st_dev:x}:{state.st_ino:x}"


def _file(job_dir: Path, run: str, suffix: str) -> Path:
    return job_dir / RUN_FOLDER / f"{run}.{suffix}"


def _marked(mark: str, job_dir: Path, pids: Sequence[int] | None = None) -> dict[int, int]:
    """The living processes (of `pids`, or all) that carry the mark, with their groups."""
    # Earlier versions marked without the folder's identity: where such a process works tells then.
    short = mark.partition("@")[0]
    found = {}
    for pid in psutil.pids() if pids is None else pids:
        # Gone meanwhile, or another user's: none of ours.
        with contextlib.suppress(psutil.Error, OSError):
            carried = psutil.Process(pid).environ().get(MARK)
            is_ours = carried == mark or (carried == short and _is_in(pid, job_dir))
            if is_ours and _lives(pid):
                found[pid] = os.getpgid(pid)
    return found


def _group(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == group and _lives(pid):
                found.append(pid)
    return found


def _lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_in(pid: int, folder: Path) -> bool:
    """Whether a process works in `folder`, and not in a copy of it elsewhere."""
    with contextlib.suppress(psutil.Error, OSError):
        return os.path.samefile(psutil.Process(pid).cwd(), folder)
    return False


def _read_number(path: Path, largest: int) -> int | None:
    """The number in a file, from 0 to `largest`; None when it holds no such number."""
    try:
        number = int(read_beginning(path, 20))
    except (OSError, ValueError):
        return None
    return number if 0 <= number <= largest else None
