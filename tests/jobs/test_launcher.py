"""Who starts the commands of tasks is handed to the scheduler; a second launcher proves it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.jobs.launcher import LocalLauncher
from digits.jobs.process import MARK, RUN_FOLDER
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.conftest import SchedulerMaker, none_runs, task_processes, wait_for_status, wait_until
from tests.jobs.spool import SpoolLauncher
from tests.program_jobs import ProgramJob, ProgramTask, program

UNTIL_GO = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo finished"


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[SpoolLauncher]:
    launcher = SpoolLauncher(tmp_path / "spool")
    yield launcher
    for process in launcher.started:
        if process.place.exists():
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def scheduler(make_scheduler: SchedulerMaker, launcher: SpoolLauncher) -> Scheduler:
    return make_scheduler(launcher=launcher)


def only_task(job: ProgramJob) -> ProgramTask:
    (task,) = job.tasks
    assert isinstance(task, ProgramTask)
    return task


def add(scheduler: Scheduler, script: str) -> ProgramJob:
    job = scheduler.add_job(ProgramJob, "one", program(script))
    assert isinstance(job, ProgramJob)
    return job


def add_running(scheduler: Scheduler, script: str = UNTIL_GO) -> ProgramJob:
    job = add(scheduler, script)
    wait_until(lambda: "started" in only_task(job).lines)
    return job


def test_a_job_is_done_by_the_launcher_that_the_scheduler_was_handed(
    scheduler: Scheduler, launcher: SpoolLauncher, jobs_dir: Path
) -> None:
    job = add_running(scheduler, f'pwd; echo "mark: ${MARK}"; {UNTIL_GO}')
    assert task_processes(jobs_dir) == []
    assert os.getpgid(launcher.started[0].members()[0]) != os.getpgid(0)
    (job.dir / "go").touch()
    wait_for_status(scheduler, job.id, Status.DONE)
    assert only_task(job).lines == [str(job.dir), "mark: ", "started", "finished"]
    assert not (job.dir / RUN_FOLDER).exists()
    wait_until(lambda: not launcher.started[0].place.exists())  # its ending is in job.json


def test_its_exit_status_decides_how_the_task_ended(scheduler: Scheduler) -> None:
    job = add(scheduler, "echo sorry; exit 7")
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert "exit status 7" in str(job.error)


def test_an_abort_ends_what_it_has_started(scheduler: Scheduler, launcher: SpoolLauncher) -> None:
    job = add_running(scheduler)
    scheduler.abort_job(job.id)
    assert job.status is Status.ABORTED
    assert not launcher.started[0].place.exists()


def test_a_pause_is_passed_on_as_sigint(scheduler: Scheduler) -> None:
    job = add_running(scheduler, f"trap 'echo saved; exit 0' INT; {UNTIL_GO}")
    scheduler.pause_job(job.id)
    wait_for_status(scheduler, job.id, Status.ABORTED)
    assert "Paused" in str(only_task(job).message)
    assert "saved" in only_task(job).lines


def test_a_later_server_finds_the_run_through_its_launcher(
    make_scheduler: SchedulerMaker, launcher: SpoolLauncher, jobs_dir: Path
) -> None:
    first = make_scheduler(launcher=launcher)
    job = add_running(first)
    first.stop(keep_tasks=True)
    assert launcher.started[0].was_left
    second = make_scheduler(launcher=SpoolLauncher(launcher.spool))
    again = second.job(job.id)
    assert again.status is Status.RUNNING
    (job.dir / "go").touch()
    wait_for_status(second, job.id, Status.DONE)
    assert again.tasks[0].attempts == 1


def test_a_running_task_knows_its_process_and_an_ended_one_has_none(
    scheduler: Scheduler, launcher: SpoolLauncher
) -> None:
    job = add_running(scheduler)
    task = only_task(job)
    assert task.process is launcher.started[0]
    assert task.process.memory_bytes() > 0
    (job.dir / "go").touch()
    wait_for_status(scheduler, job.id, Status.DONE)
    assert task.process is None


def test_the_local_launcher_keeps_those_alone_that_run(tmp_path: Path) -> None:
    launcher = LocalLauncher()
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        process = launcher.start(
            ["sh", "-c", "while [ ! -e go ]; do sleep 0.01; done"],
            job_dir=folder,
            task_id="main",
            attempt=1,
            log_path=folder / "main.log",
            environment=os.environ,
        )
        process.leave()
        assert launcher.running == {process}
        (folder / "go").touch()
        wait_until(lambda process=process: not process.is_alive())  # type: ignore[misc]
    assert none_runs(launcher)
