"""A launcher that starts commands in another way than DIGITS does: through a spool folder.

Like a batch system it knows runs by their place in the spool.  A command is no child of the server
and its process carries no mark of DIGITS; nothing but its own work is written to the job's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.conftest import wait_until

_SHELL = """\
trap : INT TERM
echo $$ > "$0/leader.new"; mv "$0/leader.new" "$0/leader"
"$@"
echo $? > "$0/ended.new"; mv "$0/ended.new" "$0/ended"
"""


class SpooledProcess:
    """One command; `place` is its folder in the spool."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.was_left = False

    def members(self) -> list[int]:
        found, leader = [], self._leader()
        for pid in psutil.pids():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getpgid(pid) == leader and _lives(pid):
                    found.append(pid)
        return found

    def is_alive(self) -> bool:
        return self._leader() in self.members()

    def exit_status(self) -> int | None:
        with contextlib.suppress(FileNotFoundError):
            return int((self.place / "ended").read_text())
        return None

    def memory_bytes(self) -> int:
        total = 0
        for pid in self.members():
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
        return total

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leader(), number)

    def terminate(self, grace_s: float, *, first: signal.Signals = signal.SIGTERM) -> None:
        self.send_signal(first)
        with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
            psutil.Process(self._leader()).wait(grace_s)
        self.send_signal(signal.SIGKILL)
        wait_until(lambda: not self.members())

    def leave(self) -> None:
        self.was_left = True

    def forget(self) -> None:
        shutil.rmtree(self.place)

    def _leader(self) -> int:
        return int((self.place / "leader").read_text())


def _lives(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class SpoolLauncher:
    """Keeps what it has started and found, for tests to look at."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.started: list[SpooledProcess] = []
        self.found: list[SpooledProcess] = []

    def start(
        self,
        command: Sequence[str],
        *,
        job_dir: Path,
        task_id: str,
        attempt: int,
        log_path: Path,
        environment: Mapping[str, str],
    ) -> SpooledProcess:
        place = self._place(job_dir, task_id, attempt)
        place.mkdir(parents=True)
        with log_path.open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", _SHELL, str(place), *command],
                check=True,
                cwd=job_dir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until((place / "leader").exists)
        self.started.append(SpooledProcess(place))
        return self.started[-1]

    def find(self, job_dir: Path, task_id: str, attempt: int) -> SpooledProcess | None:
        place = self._place(job_dir, task_id, attempt)
        if not place.exists():
            return None
        self.found.append(SpooledProcess(place))
        return self.found[-1]

    def _place(self, job_dir: Path, task_id: str, attempt: int) -> Path:
        return self.spool / f"{job_dir.name}-{task_id}-{attempt}"
