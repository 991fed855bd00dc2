"""The real server in a real process, for tests that speak HTTP or drive a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

START_S = 60.0
TOP = Path(__file__).parent.parent


class ServerProcess:
    """`python -m digits.server` on a free port, with its jobs below `jobs_dir`."""

    ready = re.compile(r"DIGITS is ready at (http://\S+?)/?$")

    def __init__(self, jobs_dir: Path, *flags: str, environment: dict[str, str] | None = None):
        self.jobs_dir = jobs_dir
        self.flags = flags
        self.environment = environment or {}
        self.log: list[str] = []
        self.url = ""
        self.folder: Path | None = None  # where it is started: a digits.cfg may be there
        self.process: subprocess.Popen[str]

    def start(self) -> ServerProcess:
        """Start it and wait until it says that it is ready."""
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()
        if not ready.wait(START_S) or not self.url:
            self.stop()
            raise RuntimeError("the server did not start:\n" + "\n".join(self.log))
        return self

    def command(self) -> list[str]:
        """How it is started."""
        command = [sys.executable, "-m", "digits.server", "--port", "0"]
        return [*command, "--jobs-dir", str(self.jobs_dir), *self.flags]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; answers its exit status."""
        self.process.send_signal(number)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        """End it as a crash would."""
        self.stop(signal.SIGKILL)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=120, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return requests.put(self.url + path, timeout=60, **options)

    def made(self, path: str, form: dict[str, str], timeout_s: float = 180.0) -> str:
        """The id of the job that a POST makes, when it is done."""
        answer = self.post(path, data=form)
        assert answer.status_code == 200, answer.text
        job_id = str(answer.json()["id"])
        self.wait_for_status(job_id, "Done", timeout_s=timeout_s)
        return job_id

    def wait_for_status(
        self, job_id: str, *statuses: str, timeout_s: float = 180.0
    ) -> dict[str, Any]:
        """Ask for a job's status until it is one of these; AssertionError when it never is."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer: dict[str, Any] = self.get(f"/jobs/{job_id}/status").json()
            if answer.get("status") in statuses:
                return answer
            ended = answer.get("status") in ("Done", "Error", "Aborted")
            assert not ended, f"the job ended otherwise: {answer}\n{self._last_lines()}"
            assert time.monotonic() < deadline, f"still {answer}\n{self._last_lines()}"
            time.sleep(0.1)

    def _last_lines(self) -> str:
        return "\n".join(self.log[-60:])

    def _read(self, ready: threading.Event) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            if found := self.ready.search(line.rstrip()):
                self.url = found.group(1)
                ready.set()
        ready.set()


class ProductionServer(ServerProcess):
    """gunicorn with the settings that `./digits-server` gives it."""

    ready = re.compile(r"Listening at: (http://\S+) ")

    def __init__(self, jobs_dir: Path, environment: dict[str, str] | None = None):
        own = {"DIGITS_JOBS_DIR": str(jobs_dir), "DIGITS_PORT": "0"}
        super().__init__(jobs_dir, environment={**own, **(environment or {})})

    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", "digits.production"]

    def worker_pid(self) -> int:
        """The process that serves; waits until a new one does where an old one has gone."""
        (worker,) = wait_for_one_child(self.process.pid)
        return worker


def wait_for_one_child(pid: int) -> list[int]:
    """The ids of the children of a process, once it has a single one."""
    deadline = time.monotonic() + START_S
    while True:
        children = [child.pid for child in psutil.Process(pid).children()]
        if len(children) == 1 or time.monotonic() > deadline:
            return children
        time.sleep(0.05)


@contextmanager
def running_server(kind: str, jobs_dir: Path, settings: dict[str, str]) -> Iterator[ServerProcess]:
    """A server that answers: the `devserver`, or `gunicorn`'s."""
    if kind == "gunicorn":
        running: ServerProcess = ProductionServer(jobs_dir, settings)
    else:
        running = ServerProcess(jobs_dir, environment=settings)
    running.start()
    running.get("/")
    yield running
    running.stop()
