"""Fixtures of the whole suite: real folders, real processes, and no thread left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs.job import Job
from digits.jobs.launcher import Launcher, LocalLauncher
from digits.jobs.process import MARK
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from tests.apps import running_app
from tests.disks import Disk, mounted_disk
from tests.program_jobs import ProgramJob

# What a run leaves out, and what is told of processor time; `pytester` is for their own tests.
pytest_plugins = ["tests.selection", "tests.cpu_time", "pytester"]

# A runner in the background may have SIGINT ignored, and children would inherit that: pausing a
# task by SIGINT could not work.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Ample for a loaded machine: nothing waits this long unless it is broken.
PATIENCE_S = 120.0


def pytest_collection_finish() -> None:
    """Several processes of tests share the cores: each calculates with one thread.

    With more threads than cores each one waits at every operation for one that has no core.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def shared_warm_starts() -> Iterator[None]:
    """Let all servers of these tests, and what they start, begin from one process with PyTorch."""
    with tempfile.TemporaryDirectory(prefix="digits-warm-") as folder:
        os.environ["DIGITS_WARM_START_DIR"] = folder
        yield
        del os.environ["DIGITS_WARM_START_DIR"]


def wait_until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that another thread or process does; fails when it does not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {timeout_s} s")
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail the test that leaves one of our threads behind."""
    before = set(threading.enumerate())
    yield
    ours = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith(("scheduler", "task ", "inference", "prefetch"))
    ]
    for thread in ours:
        # One that is being started by another thread stands in the list before it can be joined.
        wait_until(lambda thread=thread: thread.ident is not None)
        thread.join(PATIENCE_S)
    assert not [thread for thread in ours if thread.is_alive()]


@pytest.fixture(autouse=True)
def no_log_handler_left() -> Iterator[None]:
    """Undo `start_logging` of a test: its stderr is pytest's, which closes it."""
    yield
    logger = logging.getLogger("digits.caffe")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def jobs_dir(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture
def app(jobs_dir: Path) -> Iterator[Flask]:
    """The application; a folder of tests that share one has a fixture of its own."""
    with running_app(jobs_dir) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


SchedulerMaker = Callable[..., Scheduler]


@pytest.fixture
def make_scheduler(jobs_dir: Path) -> Iterator[SchedulerMaker]:
    """Makes started schedulers on the same jobs directory; all are stopped in the end."""
    made: list[Scheduler] = []
    local = LocalLauncher()

    def make(
        resources: Resources | None = None,
        grace_s: float = 2.0,
        job_types: Sequence[type[Job]] = (ProgramJob,),
        launcher: Launcher = local,
        keep_deleted_days: float = 0,
    ) -> Scheduler:
        store = JobStore(jobs_dir, job_types, keep_deleted_days=keep_deleted_days)
        scheduler = Scheduler(
            store, resources or Resources.of(), launcher, environment=dict, grace_s=grace_s
        )
        scheduler.start()
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        for job in scheduler.jobs:
            if job.status.is_active:
                scheduler.stop(keep_tasks=False)
                break
        else:
            scheduler.stop(keep_tasks=True)
    left = task_processes(jobs_dir)
    kill_task_processes(jobs_dir)
    wait_until(lambda: none_runs(local))
    assert not left, "tasks outlived every scheduler that could end them"


def none_runs(launcher: LocalLauncher) -> bool:
    """Whether all that a launcher has started have ended; Popen warns of children before that."""
    launcher.let_go_of_ended()
    return not launcher.running


def task_processes(jobs_dir: Path) -> list[psutil.Process]:
    """The living processes of tasks below a jobs directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mine = MARK in process.environ() and Path(process.cwd()).is_relative_to(jobs_dir)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_task_processes(jobs_dir: Path) -> None:
    """Kill them all, also those that one of them starts while the others are being killed."""

    def none_is_left() -> bool:
        left = task_processes(jobs_dir)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return not left

    wait_until(none_is_left)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of a few megabytes, to be filled or made read-only."""
    with mounted_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def scheduler(make_scheduler: SchedulerMaker) -> Scheduler:
    return make_scheduler()


def wait_for_status(scheduler: Scheduler, job_id: str, *statuses: Status) -> None:
    """Wait until a job has one of these statuses."""
    wait_until(lambda: scheduler.job(job_id).status in statuses)
