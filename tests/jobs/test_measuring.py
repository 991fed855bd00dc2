"""Jobs are measured when they have ended, once, and what was found is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from digits.base.aside import Aside
from digits.jobs import signals
from digits.jobs.job import Job
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import Resources
from digits.jobs.results import Results
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JOB_FILE, JobStore
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program


class OddJob(ProgramJob):
    """One that cannot be measured."""

    type_name = "odd"

    def measure(self, aside: Aside) -> Results:
        raise ZeroDivisionError("odd")


@contextmanager
def serving(jobs_dir: Path) -> Iterator[Scheduler]:
    scheduler = Scheduler(
        JobStore(jobs_dir, [ProgramJob, OddJob]),
        Resources.of(),
        LocalLauncher(),
        environment=dict,
        grace_s=2,
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop(keep_tasks=False)


def written(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.dir / JOB_FILE).read_text())
    return found


def is_measured(job: Job) -> bool:
    return job.measured is not None and "results" in written(job)


def test_a_job_that_has_ended_is_measured_and_keeps_it(jobs_dir: Path) -> None:
    with serving(jobs_dir) as scheduler:
        job = scheduler.add_job(ProgramJob, "One", program("head -c 200000 /dev/zero > big"))
        wait_for_status(scheduler, job.id, Status.DONE)
        wait_until(lambda: is_measured(job))
        size = job.current_results().size_bytes
        assert size is not None
        assert size >= 200_000
        assert written(job)["results"]["size_bytes"] == size
    with serving(jobs_dir) as scheduler:
        again = scheduler.job(job.id)
        assert again.measured == job.measured


def test_a_job_of_an_earlier_version_is_measured_when_it_is_loaded(jobs_dir: Path) -> None:
    with serving(jobs_dir) as scheduler:
        jobs = [scheduler.add_job(ProgramJob, name, program("true")) for name in ("One", "Two")]
        for job in jobs:
            wait_for_status(scheduler, job.id, Status.DONE)
            wait_until(lambda: is_measured(job))  # noqa: B023 - waited for at once
    for job in jobs:
        record = written(job)
        del record["results"]
        (job.dir / JOB_FILE).write_text(json.dumps(record))
    with serving(jobs_dir) as scheduler:
        wait_until(lambda: all(is_measured(scheduler.job(job.id)) for job in jobs))


def test_an_odd_job_does_not_keep_the_others_from_being_measured(jobs_dir: Path) -> None:
    with serving(jobs_dir) as scheduler:
        odd = scheduler.add_job(OddJob, "Odd", program("true"))
        wait_for_status(scheduler, odd.id, Status.DONE)
        job = scheduler.add_job(ProgramJob, "One", program("true"))
        wait_until(lambda: is_measured(job))
        assert odd.measured is None
        assert odd.current_results() == Results()


def test_who_listens_hears_that_a_job_was_measured(jobs_dir: Path) -> None:
    heard = []

    def hear(job: Job) -> None:
        heard.append(job.id)

    with serving(jobs_dir) as scheduler, signals.job_measured.connected_to(hear):
        job = scheduler.add_job(ProgramJob, "One", program("true"))
        wait_until(lambda: heard == [job.id])
