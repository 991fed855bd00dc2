"""A launcher that starts nothing while a test only asks what would be started."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from digits.jobs.launcher import LaunchedProcess, LocalLauncher


class RecordedProcess:
    """What would be running: it goes on until it is told to end, and writes nothing."""

    def __init__(self) -> None:
        self._ended_by: signal.Signals | None = None
        self._lock = threading.Lock()

    def is_alive(self) -> bool:
        return self._ended_by is None

    def exit_status(self) -> int | None:
        return None if self._ended_by is None else 128 + self._ended_by

    def members(self) -> list[int]:
        return []

    def memory_bytes(self) -> int:
        return 0

    def send_signal(self, number: signal.Signals) -> None:
        with self._lock:
            self._ended_by = self._ended_by or number

    def terminate(self, grace_s: float, *, first: signal.Signals = signal.SIGTERM) -> None:
        self.send_signal(first)

    def leave(self) -> None:
        """A later server does not find it."""

    def forget(self) -> None:
        """Nothing was kept."""


class RecordingLauncher(LocalLauncher):
    """Starts processes of this machine, but within `recording` only notes their commands.

    Forms are tested with it: everything up to the start of a training is as always, and what costs
    time is not done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._commands: list[list[str]] | None = None

    @contextmanager
    def recording(self) -> Iterator[list[list[str]]]:
        """The commands that would be started meanwhile; their jobs are Running until aborted."""
        self._commands = []
        try:
            yield self._commands
        finally:
            self._commands = None

    def start(  # type: ignore[override]
        self,
        command: Sequence[str],
        *,
        job_dir: Path,
        task_id: str,
        attempt: int,
        log_path: Path,
        environment: Mapping[str, str],
    ) -> LaunchedProcess:
        if self._commands is not None:
            self._commands.append(list(command))
            return RecordedProcess()
        return super().start(
            command,
            job_dir=job_dir,
            task_id=task_id,
            attempt=attempt,
            log_path=log_path,
            environment=environment,
        )
