"""Jobs on a disk that fills up or becomes read-only: nothing is lost, and the reason is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digits.errors import StorageError
from digits.jobs.job import Job
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from tests.conftest import task_processes, wait_for_status, wait_until
from tests.disks import Disk
from tests.program_jobs import ProgramJob, ProgramTask, program

WRITE_ALL = "echo started; while [ ! -e go ]; do sleep 0.02; done; head -c 20000000 /dev/zero > db"
UNTIL_GO = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo finished"


@pytest.fixture
def jobs_dir(small_disk: Disk) -> Path:
    return small_disk.path


@pytest.fixture
def start_scheduler(jobs_dir: Path) -> Iterator[Callable[[], Scheduler]]:
    made: list[Scheduler] = []

    def start() -> Scheduler:
        store = JobStore(jobs_dir, [ProgramJob])
        scheduler = Scheduler(
            store, Resources.of(create_db_slots=2), LocalLauncher(), environment=dict, grace_s=2
        )
        scheduler.start()
        made.append(scheduler)
        return scheduler

    yield start
    for scheduler in made:
        scheduler.stop(keep_tasks=False)
    assert task_processes(jobs_dir) == []


@pytest.fixture
def scheduler(start_scheduler: Callable[[], Scheduler]) -> Scheduler:
    return start_scheduler()


def lines(job: Job) -> list[str]:
    task = job.tasks[0]
    assert isinstance(task, ProgramTask)
    return task.lines


def started(scheduler: Scheduler, script: str = UNTIL_GO) -> Job:
    job = scheduler.add_job(ProgramJob, "one", program(script))
    wait_until(lambda: "started" in lines(job))
    return job


def status_on_disk(jobs_dir: Path, job: Job) -> Status:
    [read] = [one for one in JobStore(jobs_dir, [ProgramJob]).load_all(()) if one.id == job.id]
    return read.status


def test_a_task_that_fills_the_disk_fails_with_that_reason_and_can_be_resumed(
    scheduler: Scheduler, small_disk: Disk
) -> None:
    job = started(scheduler, WRITE_ALL)
    (job.dir / "go").touch()
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert "the disk is full" in str(job.error)
    assert "the disk is full" in str(scheduler.store.problem)
    with pytest.raises(StorageError, match="the disk is full"):
        scheduler.add_job(ProgramJob, "two", program("true"))
    with pytest.raises(StorageError, match="the disk is full"):
        scheduler.resume_job(job.id)
    (job.dir / "db").unlink()
    job.tasks[0].script = "true"  # type: ignore[attr-defined]
    scheduler.resume_job(job.id)
    wait_for_status(scheduler, job.id, Status.DONE)
    wait_until(lambda: scheduler.store.problem is None)


def test_what_ends_on_a_full_disk_is_saved_when_there_is_room(
    scheduler: Scheduler, small_disk: Disk
) -> None:
    (small_disk.path / "marker").mkdir()
    job = started(scheduler, UNTIL_GO.replace("-e go", "-e ../marker/go"))
    (small_disk.path / "marker/go.later").touch()
    small_disk.fill()
    (small_disk.path / "marker/go.later").rename(small_disk.path / "marker/go")
    wait_for_status(scheduler, job.id, Status.DONE)
    assert status_on_disk(small_disk.path, job) is Status.RUNNING
    small_disk.empty()
    wait_until(lambda: status_on_disk(small_disk.path, job) is Status.DONE)


def test_a_server_that_dies_on_a_full_disk_loses_no_ending(
    start_scheduler: Callable[[], Scheduler], small_disk: Disk
) -> None:
    old = start_scheduler()
    (small_disk.path / "later").touch()
    scripts = {"good": UNTIL_GO, "bad": f"{UNTIL_GO}; exit 7"}
    jobs = {
        name: started(old, script.replace("-e go", "-e ../go")) for name, script in scripts.items()
    }
    old.stop(keep_tasks=True)
    small_disk.fill()
    (small_disk.path / "later").rename(small_disk.path / "go")
    wait_until(lambda: not task_processes(small_disk.path))
    new = start_scheduler()
    wait_for_status(new, jobs["good"].id, Status.DONE)
    wait_for_status(new, jobs["bad"].id, Status.ERROR)
    assert "exit status 7" in str(new.job(jobs["bad"].id).error)


def test_a_task_whose_start_cannot_be_written_down_is_not_started(
    scheduler: Scheduler, small_disk: Disk
) -> None:
    first = started(scheduler)
    second = started(scheduler)
    waiting = scheduler.add_job(ProgramJob, "waiting", program("touch ran"))
    small_disk.fill()
    scheduler.abort_job(first.id)
    wait_for_status(scheduler, waiting.id, Status.ERROR)
    assert "the disk is full" in str(waiting.error)
    assert not (waiting.dir / "ran").exists()
    small_disk.empty()
    scheduler.resume_job(waiting.id)
    wait_for_status(scheduler, waiting.id, Status.DONE)
    scheduler.abort_job(second.id)


def test_abort_and_delete_work_on_a_full_disk(scheduler: Scheduler, small_disk: Disk) -> None:
    aborted, deleted = started(scheduler), started(scheduler)
    small_disk.fill()
    scheduler.abort_job(aborted.id)
    assert aborted.status is Status.ABORTED
    scheduler.delete_job(deleted.id)
    assert not deleted.dir.exists()
    assert task_processes(small_disk.path) == []


def test_a_read_only_disk_refuses_changes_and_keeps_every_job(
    start_scheduler: Callable[[], Scheduler], small_disk: Disk
) -> None:
    scheduler = start_scheduler()
    job = scheduler.add_job(ProgramJob, "one", program("true"))
    wait_for_status(scheduler, job.id, Status.DONE)
    scheduler.stop(keep_tasks=True)  # a file open for writing would keep the disk writable
    small_disk.make_read_only()
    scheduler = start_scheduler()
    for change in (
        lambda: scheduler.add_job(ProgramJob, "two", program("true")),
        lambda: scheduler.rename_job(job.id, "other"),
        lambda: scheduler.delete_job(job.id),
    ):
        with pytest.raises(StorageError, match="read-only"):
            change()
    assert "read-only" in str(scheduler.store.problem)
    assert [(one.id, one.name) for one in scheduler.jobs] == [(job.id, "one")]
    small_disk.make_writable()
    scheduler.rename_job(job.id, "other")
    assert scheduler.store.problem is None
    scheduler.delete_job(job.id)
    assert scheduler.jobs == []
