"""Starts `tests.jobs.scheduler_server` in a process of its own, talks to it, and kills it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import wait_until


class Refused(Exception):
    """The server answered with an error; `kind` is the name of its class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class SchedulerProcess:
    """A server on `jobs_dir`; flags are those of `tests.jobs.scheduler_server`."""

    def __init__(self, jobs_dir: Path, *flags: str) -> None:
        self.jobs_dir = jobs_dir
        self.flags = flags
        self._process: subprocess.Popen[str] | None = None

    def start(self, *more_flags: str) -> SchedulerProcess:
        """Start it and wait until it answers; RuntimeError with what it said when it does not."""
        command = [sys.executable, "-m", "tests.jobs.scheduler_server", str(self.jobs_dir)]
        log = self.log_path.open("a")
        with log:
            self._process = subprocess.Popen(
                [*command, *self.flags, *more_flags], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not (match := re.match(r"port (\d+)", line)):
            self.kill()
            raise RuntimeError(self.log_path.read_text())
        self._port = int(match[1])
        return self

    @property
    def log_path(self) -> Path:
        return self.jobs_dir.with_name("server.log")

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, method: str, **arguments: Any) -> Any:
        """The server's answer; Refused when it is an error, ConnectionError when it died."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.sendall(json.dumps([method, arguments]).encode() + b"\n")
            line = connection.makefile().readline()
        if not line.endswith("\n"):
            raise ConnectionError("the server died before it had answered")
        error, answer = json.loads(line)
        if error is not None:
            raise Refused(error, answer)
        return answer

    def add(self, name: str, script: str, **more: Any) -> str:
        """Add a job with one task; answers its id."""
        task = {"task_id": "main", "script": script, **more}
        return str(self.ask("add", name=name, settings={"tasks": [task]}))

    def job(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("job", job_id=job_id)
        return answer

    def lines(self, job_id: str) -> list[str]:
        lines: list[str] = self.job(job_id)["tasks"][0]["lines"]
        return lines

    def wait_for_status(self, job_id: str, *statuses: str) -> dict[str, Any]:
        wait_until(lambda: self.job(job_id)["status"] in statuses)
        return self.job(job_id)

    def wait_for_line(self, job_id: str, line: str) -> None:
        wait_until(lambda: line in self.lines(job_id))

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it as an operator would."""
        assert self._end(number) == 0, self.log_path.read_text()

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        assert process.stdout is not None
        process.stdout.close()
        return process.wait(60)
