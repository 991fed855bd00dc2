"""How the command of a task is started, and found again by a later server.

The scheduler is handed a `Launcher`; the tasks' runners use what it starts and finds.  What starts
commands elsewhere than on this machine (a batch system, a cluster) is one more class with these
methods.  It must keep three promises: a started command goes on when the server ends, `find`
answers the same run in a later server, and how it ended is known until `forget` is called.

Elsewhere: the processes of this machine (`process.py`), who asks and when (`runner.py`).
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from digits.base.warm.client import WarmStarts
from digits.jobs.process import TaskProcess


class LaunchedProcess(Protocol):
    """One run of a task's command, with all processes that it has started."""

    def is_alive(self) -> bool:
        """Whether the command may still be running."""

    def exit_status(self) -> int | None:
        """How the command ended, as a shell says it (128 + n for signal n); None when unknown."""

    def members(self) -> Collection[int]:
        """The processes of the run that are alive; none when nothing is left to end."""

    def memory_bytes(self) -> int:
        """The memory that the processes of the run hold, in bytes."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the run; nothing happens when all have ended."""

    def terminate(self, grace_s: float, *, first: signal.Signals = signal.SIGTERM) -> None:
        """End the whole run: by `first`, by SIGTERM, by SIGKILL, each after `grace_s` seconds."""

    def leave(self) -> None:
        """Let the run go on without this server; a later one finds it."""

    def forget(self) -> None:
        """Remove what was kept of the run, once its ending is in job.json."""


class Launcher(Protocol):
    """Starts the commands of tasks.  Used by the threads of many tasks at a time."""

    def start(
        self,
        command: Sequence[str],
        *,
        job_dir: Path,
        task_id: str,
        attempt: int,
        log_path: Path,
        environment: Mapping[str, str],
    ) -> LaunchedProcess:
        """Start `command` in `job_dir`, its output appended to `log_path`.

        Its environment is `environment` and what the launcher itself needs there; nothing of it may
        be left out.  Raises OSError when the command cannot be started.
        """

    def find(self, job_dir: Path, task_id: str, attempt: int) -> LaunchedProcess | None:
        """The run that an earlier server started, alive or ended; None when there was none."""


class LocalLauncher:
    """Starts the commands of tasks as processes of this machine, modules of Python by `warm`."""

    def __init__(self, warm: WarmStarts | None = None) -> None:
        self._warm = warm
        # Kept while they run, also when nobody follows them any more: Popen warns of a child that
        # is forgotten.
        self.running: set[TaskProcess] = set()

    def start(
        self,
        command: Sequence[str],
        *,
        job_dir: Path,
        task_id: str,
        attempt: int,
        log_path: Path,
        environment: Mapping[str, str],
    ) -> TaskProcess:
        process = TaskProcess.start(
            command,
            job_dir=job_dir,
            task_id=task_id,
            attempt=attempt,
            log_path=log_path,
            environment=environment,
            warm=self._warm,
        )
        self.running.add(process)
        self.let_go_of_ended()
        return process

    def find(self, job_dir: Path, task_id: str, attempt: int) -> TaskProcess | None:
        return TaskProcess.find(job_dir, task_id, attempt)

    def let_go_of_ended(self) -> None:
        """Keep those alone that still run."""
        for process in list(self.running):
            if not process.is_alive():
                self.running.discard(process)
