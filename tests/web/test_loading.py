"""While the jobs are still being read: requests are told so, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from digits.accounts.accounts import Accounts
from digits.config import Config
from digits.inference.pool import Pool, PoolSettings
from digits.jobs.launcher import LocalLauncher
from digits.jobs.process import TaskProcess
from digits.jobs.resources import Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.web.policies import Policies
from digits.webapp import create_app
from tests.apps import KINDS
from tests.conftest import SchedulerMaker, wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program


@pytest.fixture
def starting(jobs_dir: Path) -> Iterator[Flask]:
    """An application whose jobs have not been read yet."""
    config = Config(jobs_dir=jobs_dir)
    policies = Policies(config, Accounts(jobs_dir))
    scheduler = Scheduler(
        JobStore(jobs_dir, [ProgramJob]),
        Resources.of(),
        LocalLauncher(),
        environment=policies.environment,
        grace_s=2,
    )
    scheduler.open()
    pool = Pool(PoolSettings(workers=1))
    yield create_app(config, scheduler, pool, policies, kinds=KINDS)
    pool.close()
    scheduler.stop(keep_tasks=False)


def test_a_page_says_that_the_server_starts_and_looks_again(starting: Flask) -> None:
    answer = starting.test_client().get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "DIGITS is starting" in answer.text
    assert "js/web/loading.js" in answer.text
    assert "DIGITS is reading its jobs. Try again" in answer.text


def test_a_form_that_was_sent_is_not_sent_again_by_itself(starting: Flask) -> None:
    answer = starting.test_client().post("/models/images/classification", data={"a": "b"})
    assert answer.status_code == 503
    assert "js/web/loading.js" not in answer.text
    assert "Back to the form" in answer.text


def test_scripts_are_told_in_the_shape_of_all_errors(starting: Flask) -> None:
    answer = starting.test_client().get("/index.json")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["error"]["code"] == 503
    assert "Try again" in answer.json["error"]["message"]
    health = starting.test_client().get("/healthz")
    assert health.status_code == 503
    assert health.json is not None
    assert health.json["checks"]["scheduler"]["message"] == "it is still reading the jobs"


def test_a_request_that_waits_is_answered_as_soon_as_the_jobs_are_there(starting: Flask) -> None:
    scheduler = starting.extensions["digits"].scheduler
    codes: list[int] = []
    client = starting.test_client()
    asking = threading.Thread(target=lambda: codes.append(client.get("/").status_code))
    asking.start()
    scheduler.load()
    asking.join()
    assert codes == [200]


def test_a_server_that_is_stopped_while_it_reads_leaves_running_tasks_alone(
    jobs_dir: Path, make_scheduler: SchedulerMaker
) -> None:
    first = make_scheduler()
    job = first.add_job(ProgramJob, "One", program("sleep 600"))
    wait_for_status(first, job.id, Status.RUNNING)
    wait_until(lambda: TaskProcess.find(job.dir, "main", 1))
    first.stop(keep_tasks=True)
    second = Scheduler(
        JobStore(jobs_dir, [ProgramJob]),
        Resources.of(),
        LocalLauncher(),
        environment=dict,
        grace_s=2,
    )
    second.open()
    second.stop(keep_tasks=True)
    second.load()  # its thread was in the middle of it
    assert (second.is_alive, second.jobs) == (False, [])
    third = make_scheduler()
    assert third.job(job.id).status is Status.RUNNING
    third.abort_job(job.id)
