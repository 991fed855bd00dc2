"""A jobs directory that goes away under a running server, and comes back: nothing is lost.

Renaming it, with another folder in its place, is what an unmounted disk looks like from above.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from digits.accounts.sessions import SESSIONS_FILE
from digits.base.known_folder import KnownFolder
from digits.errors import StorageError
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from tests.apps import running_app
from tests.conftest import SchedulerMaker, wait_for_status, wait_until
from tests.jobs.test_scheduler import UNTIL_GO, wait_for_line
from tests.program_jobs import ProgramJob, program
from tests.security.people import add_people, bearer, logged_in


@contextmanager
def away(jobs_dir: Path, *, hole: bool = True) -> Iterator[Path]:
    """The directory is elsewhere meanwhile; with a `hole`, an empty one stands in its place."""
    elsewhere = jobs_dir.rename(jobs_dir.with_name("elsewhere"))
    if hole:
        jobs_dir.mkdir()
    try:
        yield elsewhere
    finally:
        if hole:
            jobs_dir.rmdir()  # nothing was written into it
        elsewhere.rename(jobs_dir)


def status_on_disk(jobs_dir: Path, job_id: str) -> Status:
    [job] = [job for job in JobStore(jobs_dir, [ProgramJob]).load_all(()) if job.id == job_id]
    return job.status


def test_a_folder_is_known_by_more_than_its_name(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.mkdir()
    known = KnownFolder(path)
    assert known.is_there
    with away(path):
        assert not known.is_there
    assert known.is_there
    with away(path, hole=False):
        assert not known.is_there
    assert KnownFolder(tmp_path / "nothing").is_there


@pytest.mark.parametrize("hole", [True, False])
def test_nothing_is_made_changed_or_deleted_while_it_is_away(
    scheduler: Scheduler, jobs_dir: Path, hole: bool
) -> None:
    """What used to happen: a dataset was made into the empty mount point."""
    job = scheduler.add_job(ProgramJob, "one", program("exit 1"))
    wait_for_status(scheduler, job.id, Status.ERROR)
    with away(jobs_dir, hole=hole):
        for change in (
            lambda: scheduler.add_job(ProgramJob, "two", program("true")),
            lambda: scheduler.rename_job(job.id, "other"),
            lambda: scheduler.resume_job(job.id),
            lambda: scheduler.delete_job(job.id),
            scheduler.rescan,
        ):
            with pytest.raises(StorageError, match="has gone away"):
                change()
        assert "has gone away" in str(scheduler.store.problem)
    assert scheduler.store.problem is None
    assert [(one.id, one.name, one.status) for one in scheduler.jobs] == [
        (job.id, "one", Status.ERROR)
    ]
    scheduler.rename_job(job.id, "other")
    scheduler.delete_job(job.id)


@pytest.mark.parametrize("hole", [True, False])
def test_what_ends_while_it_is_away_is_settled_when_it_is_back(
    scheduler: Scheduler, jobs_dir: Path, hole: bool
) -> None:
    """What used to happen: the task became an Error, and job.json stayed at Running."""
    job = scheduler.add_job(ProgramJob, "one", program(f"{UNTIL_GO}; echo progress 0.5"))
    wait_for_line(scheduler, job.id, "started")
    runner = scheduler.running.runner(job, job.tasks[0])
    assert runner is not None
    process = runner._process
    assert process is not None
    with away(jobs_dir, hole=hole) as elsewhere:
        (elsewhere / job.id / "go").touch()
        wait_until(lambda: process._child is not None and process._child.poll() is not None)
        runner.join(1.0)  # which does not settle it
        assert job.status is Status.RUNNING
    wait_for_status(scheduler, job.id, Status.DONE)
    wait_until(lambda: status_on_disk(jobs_dir, job.id) is Status.DONE)
    assert job.tasks[0].lines[-2:] == ["finished", "progress 0.5"]  # type: ignore[attr-defined]


def test_a_task_that_an_earlier_server_started_is_not_given_up(
    make_scheduler: SchedulerMaker, jobs_dir: Path
) -> None:
    old = make_scheduler()
    job_id = old.add_job(ProgramJob, "one", program(UNTIL_GO)).id
    wait_for_line(old, job_id, "started")
    old.stop(keep_tasks=True)
    new = make_scheduler()
    job = new.job(job_id)
    runner = new.running.runner(job, job.tasks[0])
    assert runner is not None
    with away(jobs_dir):
        runner.join(1.0)
        assert job.status is Status.RUNNING
    (job.dir / "go").touch()
    wait_for_status(new, job_id, Status.DONE)


def test_the_queue_waits_and_goes_on_by_itself(scheduler: Scheduler, jobs_dir: Path) -> None:
    first = scheduler.add_job(ProgramJob, "first", program(UNTIL_GO))
    wait_for_line(scheduler, first.id, "started")
    second = scheduler.add_job(ProgramJob, "second", program("true"))
    with away(jobs_dir):
        scheduler.abort_job(first.id)
        assert first.status is Status.ABORTED
        assert scheduler.step() == 0
        assert second.status is Status.WAITING
    wait_for_status(scheduler, second.id, Status.DONE)
    wait_until(lambda: status_on_disk(jobs_dir, first.id) is Status.ABORTED)


def test_a_supervisor_is_told_and_pages_say_so(app: Flask, jobs_dir: Path) -> None:
    client = app.test_client()
    with away(jobs_dir):
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json is not None
        assert not answer.json["checks"]["jobs_directory"]["ok"]
        assert "has gone away" in client.get("/").text
        made = client.post(
            "/datasets/images/classification.json",
            data={"dataset_name": "x", "folder_train": str(jobs_dir.parent)},
        )
        assert made.status_code == 507
    assert client.get("/healthz").status_code == 200
    assert "has gone away" not in client.get("/").text


@pytest.mark.parametrize("hole", [True, False])
def test_logins_stay_on_while_the_users_file_is_away(jobs_dir: Path, hole: bool) -> None:
    """What used to happen: without the file there were no users, and anybody was let in."""
    tokens = add_people(jobs_dir)
    with running_app(jobs_dir) as app:
        browser = logged_in(app, "ada")
        with away(jobs_dir, hole=hole):
            assert app.test_client().get("/index.json").status_code == 401
            headers = bearer(tokens["ada"])
            assert app.test_client().get("/index.json", headers=headers).status_code == 200
            assert browser.get("/index.json").status_code == 200
            assert logged_in(app, "otto").get("/index.json").status_code == 200
        assert (jobs_dir / SESSIONS_FILE).exists()
