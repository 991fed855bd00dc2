"""Several jobs deleted at a time."""

from __future__ import annotations

from digits.home.bulk import delete_all
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.conftest import wait_for_status
from tests.program_jobs import ProgramJob, program


def done(scheduler: Scheduler, name: str, *requires: Job) -> Job:
    settings = {**program("true"), "requires": [job.id for job in requires]}
    job = scheduler.add_job(ProgramJob, name, settings)
    wait_for_status(scheduler, job.id, Status.DONE)
    return job


def test_a_dataset_goes_after_the_models_that_need_it(scheduler: Scheduler) -> None:
    dataset = done(scheduler, "dataset")
    model = done(scheduler, "model", dataset)
    result = delete_all(scheduler, [dataset.id, model.id, dataset.id])
    assert result.done == [(model.id, "model"), (dataset.id, "dataset")]
    assert result.kept == []
    assert scheduler.jobs == []


def test_what_stays_is_told_with_its_reason(scheduler: Scheduler) -> None:
    dataset = done(scheduler, "dataset")
    other = done(scheduler, "other")
    user = done(scheduler, "the user", dataset)
    result = delete_all(scheduler, [dataset.id, other.id, "20200101-000000-nobody"])
    assert result.done == [(other.id, "other")]
    reasons = {kept.id: kept.reason for kept in result.kept}
    assert "the user" in reasons[dataset.id]
    assert reasons["20200101-000000-nobody"] == "Job not found."
    assert scheduler.jobs == [dataset, user]
