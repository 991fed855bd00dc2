"""A real server around a real scheduler, to be killed: `python -m tests.jobs.scheduler_server`.

Runs under plain threads or under gevent, as the web server does.  Clients send a line of JSON over
TCP, `[method, arguments]`, and get one back; many may do so at the same time.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and "--gevent" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import argparse
import json
import signal
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

from digits.errors import DigitsError
from digits.jobs.job import Job
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from tests.program_jobs import ProgramJob, ProgramTask


class Commands:
    """What a client may ask."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def add(self, name: str, settings: dict[str, Any]) -> str:
        return self.scheduler.add_job(ProgramJob, name, settings).id

    def abort(self, job_id: str) -> None:
        self.scheduler.abort_job(job_id)

    def pause(self, job_id: str) -> None:
        self.scheduler.pause_job(job_id)

    def stop_and_keep(self, job_id: str) -> None:
        self.scheduler.stop_and_keep_job(job_id)

    def resume(self, job_id: str) -> None:
        self.scheduler.resume_job(job_id)

    def delete(self, job_id: str) -> None:
        self.scheduler.delete_job(job_id)

    def rename(self, job_id: str, name: str) -> str:
        return self.scheduler.rename_job(job_id, name)

    def rescan(self) -> list[str]:
        return self.scheduler.rescan()

    def queue(self) -> list[str]:
        return [task.job_id for _, task in self.scheduler.waiting()]

    def problem(self) -> str | None:
        return self.scheduler.store.problem

    def jobs(self) -> dict[str, Any]:
        return {job.id: self._job(job) for job in self.scheduler.jobs}

    def job(self, job_id: str) -> dict[str, Any]:
        return self._job(self.scheduler.job(job_id))

    def _job(self, job: Job) -> dict[str, Any]:
        job.read_logs()
        return {
            "name": job.name,
            "status": job.status.value,
            "history": [status for status, _ in job.history.to_json()],
            "error": job.error,
            "tasks": [self._task(task) for task in job.tasks if isinstance(task, ProgramTask)],
        }

    def _task(self, task: ProgramTask) -> dict[str, Any]:
        return {
            "status": task.status.value,
            "history": [status for status, _ in task.history.to_json()],
            "lines": task.lines,
            "progress": task.progress,
            "attempts": task.attempts,
            "message": task.message,
        }


class Handler(socketserver.StreamRequestHandler):
    """One client."""

    commands: Commands

    def handle(self) -> None:
        for line in self.rfile:
            method, arguments = json.loads(line)
            try:
                answer = [None, getattr(self.commands, method)(**arguments)]
            except DigitsError as error:
                answer = [type(error).__name__, str(error)]
            except Exception as error:
                answer = ["BUG", repr(error)]
                raise
            finally:
                self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs_dir", type=Path)
    parser.add_argument("--gevent", action="store_true")
    parser.add_argument("--keep-tasks", action="store_true")
    parser.add_argument("--create-db-slots", type=int, default=2)
    parser.add_argument("--grace-s", type=float, default=1.0)
    options = parser.parse_args()
    scheduler = Scheduler(
        JobStore(options.jobs_dir, [ProgramJob]),
        Resources.of(create_db_slots=options.create_db_slots),
        LocalLauncher(),
        environment=dict,
        grace_s=options.grace_s,
    )
    try:
        scheduler.start()
    except DigitsError as error:
        sys.exit(str(error))
    Handler.commands = Commands(scheduler)
    with Server(("127.0.0.1", 0), Handler) as server:
        # No Event: set() from a handler would wait for the lock that an interrupted wait() holds.
        came: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: came.append(number))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"port {server.server_address[1]}\n")
        sys.stdout.flush()
        while not came:
            time.sleep(0.05)
        server.shutdown()
    scheduler.stop(keep_tasks=options.keep_tasks)


if __name__ == "__main__":
    main()
