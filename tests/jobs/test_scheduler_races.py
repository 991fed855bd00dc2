"""Wishes that come at awkward moments: while a task starts or ends, while a job comes or goes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from digits.errors import JobNotFound, TaskFailed
from digits.jobs.job import Job
from digits.jobs.resources import CREATE_DB, PARSE_FOLDER, Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.task import Task
from tests.conftest import SchedulerMaker, task_processes, wait_for_status, wait_until
from tests.program_jobs import ProgramJob, ProgramTask, program

UNTIL_GO = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo finished"


class GatedTask(ProgramTask):
    """Says when it is being prepared or finished, and waits there until it may go on."""

    type_name = "gated"
    reached = threading.Event()
    may_go_on = threading.Event()
    gate = ""  # "prepare" or "finish"
    trouble: Exception | None = None

    def prepare(self) -> None:
        self._pass("prepare")

    def finish(self) -> None:
        self._pass("finish")

    def _pass(self, gate: str) -> None:
        if self.gate == gate:
            self.reached.set()
            assert self.may_go_on.wait(60)
            if self.trouble is not None:
                raise self.trouble


class GatedJob(ProgramJob):
    type_name = "gated"
    task_types = (GatedTask,)

    def create_tasks(self) -> list[Task]:
        return [GatedTask(self.dir, **task) for task in self.settings.tasks]


class NeighbourJob(ProgramJob):
    """Remembers the job that it requires."""

    neighbour: Job | None = None

    def link(self, jobs: Mapping[str, Job]) -> None:
        self.neighbour = jobs.get(self.required_jobs()[0]) if self.required_jobs() else None


@pytest.fixture
def gate() -> Iterator[type[GatedTask]]:
    GatedTask.reached.clear()
    GatedTask.may_go_on.clear()
    yield GatedTask
    GatedTask.gate, GatedTask.trouble = "", None
    GatedTask.may_go_on.set()


def in_thread(function: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


def started(scheduler: Scheduler, script: str = UNTIL_GO, **more: Any) -> Job:
    job = scheduler.add_job(ProgramJob, "one", program(script, **more))
    wait_until(lambda: "started" in job.tasks[0].lines)  # type: ignore[attr-defined]
    return job


def test_an_abort_while_a_task_starts_lets_no_process_come(
    scheduler: Scheduler, gate: type[GatedTask], jobs_dir: Path
) -> None:
    gate.gate = "prepare"
    job = scheduler.add_job(GatedJob, "one", program("touch ran; sleep 600"))
    gate.reached.wait(60)
    abort = in_thread(scheduler.abort_job, job.id)
    wait_until(lambda: scheduler.running.runner(job, job.task("main"))._stop_with is not None)
    gate.may_go_on.set()
    abort.join()
    assert job.status is Status.ABORTED
    assert not (job.dir / "ran").exists()
    assert task_processes(jobs_dir) == []


def test_an_abort_that_comes_when_the_work_is_done_leaves_it_done(
    scheduler: Scheduler, gate: type[GatedTask]
) -> None:
    gate.gate = "finish"
    job = scheduler.add_job(GatedJob, "one", program("true"))
    gate.reached.wait(60)
    abort = in_thread(scheduler.abort_job, job.id)
    wait_until(lambda: scheduler.running.runner(job, job.task("main"))._stop_with is not None)
    gate.may_go_on.set()
    abort.join()
    assert job.status is Status.DONE


def test_a_server_that_stops_while_a_task_starts_leaves_it_to_the_next(
    make_scheduler: SchedulerMaker, gate: type[GatedTask], jobs_dir: Path
) -> None:
    scheduler = make_scheduler()
    gate.gate = "prepare"
    job = scheduler.add_job(GatedJob, "one", program("sleep 600"))
    gate.reached.wait(60)
    stop = in_thread(lambda: scheduler.stop(keep_tasks=True))
    wait_until(lambda: scheduler.running.runner(job, job.task("main"))._detached)
    gate.may_go_on.set()
    stop.join()
    assert job.status is Status.RUNNING  # the next server finds no process, and starts it
    assert task_processes(jobs_dir) == []
    scheduler.store.take_away(job)


@pytest.mark.parametrize("where", ["prepare", "finish"])
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (TaskFailed("the dataset is empty"), "the dataset is empty"),
        (RuntimeError("a bug"), "DIGITS itself failed"),
        (PermissionError(13, "Permission denied", "/data/train.txt"), "denied (train.txt)"),
    ],
)
def test_trouble_of_ours_ends_the_task_with_the_reason(
    scheduler: Scheduler, gate: type[GatedTask], where: str, trouble: Exception, words: str
) -> None:
    gate.gate, gate.trouble = where, trouble
    gate.may_go_on.set()
    job = scheduler.add_job(GatedJob, "one", program("true"))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert words in str(job.error)
    assert not scheduler.running.runners()


def test_a_job_that_is_being_deleted_is_gone_for_everybody(
    scheduler: Scheduler, gate: type[GatedTask], caplog: pytest.LogCaptureFixture
) -> None:
    gate.gate = "prepare"
    job = scheduler.add_job(GatedJob, "one", program("true"))
    gate.reached.wait(60)
    delete = in_thread(scheduler.delete_job, job.id)
    wait_until(lambda: not scheduler.jobs)
    for wish in (scheduler.abort_job, scheduler.resume_job, scheduler.delete_job):
        with pytest.raises(JobNotFound):
            wish(job.id)
    assert scheduler.rescan() == []  # though its folder is still there
    assert job.dir.exists()
    user = scheduler.add_job(ProgramJob, "user", {**program("true"), "requires": [job.id]})
    wait_for_status(scheduler, user.id, Status.ERROR)
    assert "is gone" in str(user.error)
    gate.may_go_on.set()
    delete.join()
    assert not job.dir.exists()
    assert "ignored" not in caplog.text


def test_a_rescan_does_not_take_in_a_job_that_is_being_made(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[str] = []

    def fill(job: Job) -> None:
        found.extend(scheduler.rescan())

    job = scheduler.add_job(ProgramJob, "one", program("echo run >> runs"), fill)
    found.extend(scheduler.rescan())
    wait_for_status(scheduler, job.id, Status.DONE)
    assert found == []
    assert scheduler.jobs == [job]
    assert (job.dir / "runs").read_text() == "run\n"
    assert "ignored" not in caplog.text


def test_a_job_that_is_copied_in_takes_its_place_by_age_and_is_linked(
    make_scheduler: SchedulerMaker, jobs_dir: Path, tmp_path: Path
) -> None:
    old = make_scheduler()
    dataset = old.add_job(ProgramJob, "dataset", program("true"))
    wait_for_status(old, dataset.id, Status.DONE)
    user = old.add_job(NeighbourJob, "user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(old, user.id, Status.DONE)
    old.stop(keep_tasks=True)
    away = dataset.dir.rename(tmp_path / dataset.id)
    new = make_scheduler(job_types=[NeighbourJob])
    model = new.job(user.id)
    assert isinstance(model, NeighbourJob)
    assert model.neighbour is None
    away.rename(dataset.dir)
    assert new.rescan() == [dataset.id]
    assert [job.id for job in new.jobs] == [dataset.id, user.id]
    assert model.neighbour is new.job(dataset.id)


def test_a_job_folder_with_impossible_settings_does_not_keep_the_server_from_starting(
    make_scheduler: SchedulerMaker, caplog: pytest.LogCaptureFixture
) -> None:
    old = make_scheduler()
    good, bad = (old.add_job(ProgramJob, name, program("true")) for name in ("good", "bad"))
    for job in (good, bad):
        wait_for_status(old, job.id, Status.DONE)
    old.stop(keep_tasks=True)
    data = json.loads((bad.dir / "job.json").read_text())
    data["settings"]["requires"] = 7
    (bad.dir / "job.json").write_text(json.dumps(data))
    new = make_scheduler()
    assert [job.id for job in new.jobs] == [good.id]
    assert f"{bad.dir} is ignored" in caplog.text
    with pytest.raises(JobNotFound):
        new.delete_job(bad.id)
    new.delete_job(good.id)
    assert bad.dir.exists()


def test_a_job_between_two_of_its_tasks_waits_in_its_old_place(
    make_scheduler: SchedulerMaker,
) -> None:
    scheduler = make_scheduler(Resources.of(create_db_slots=1))
    settings = {
        "tasks": [
            {"task_id": "parse", "script": UNTIL_GO, "kind": PARSE_FOLDER},
            {"task_id": "db", "script": "true", "kind": CREATE_DB, "depends_on": ["parse"]},
        ]
    }
    early = scheduler.add_job(ProgramJob, "early", settings)
    holder = started(scheduler, kind=CREATE_DB)
    late = scheduler.add_job(ProgramJob, "late", program("true", kind=CREATE_DB))
    assert [task.job_id for _, task in scheduler.waiting()] == [late.id]
    (early.dir / "go").touch()
    wait_for_status(scheduler, early.id, Status.WAITING)
    assert [task.job_id for _, task in scheduler.waiting()] == [early.id, late.id]
    (holder.dir / "go").touch()
    wait_for_status(scheduler, early.id, Status.DONE)
    wait_for_status(scheduler, late.id, Status.DONE)
    statuses = [status for status, _ in early.history.to_json()]
    assert statuses[2:] == ["Running", "Waiting", "Running", "Done"]


def test_who_holds_what_is_told(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(create_db_slots=2, gpus=["0", "1"]))
    job = started(scheduler, kind="gpu", choices=["1"])
    held = [one for one in scheduler.holdings() if one.job is not None]
    assert [(one.kind, one.identifier, one.job, one.task) for one in held] == [
        ("gpu", "1", job, job.tasks[0])
    ]
    (job.dir / "go").touch()
    wait_for_status(scheduler, job.id, Status.DONE)
    assert not [one for one in scheduler.holdings() if one.job is not None]


def test_a_folder_removed_by_hand_can_still_be_deleted(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("true"))
    wait_for_status(scheduler, job.id, Status.DONE)
    job.dir.rename(job.dir.parent / ".elsewhere")
    scheduler.delete_job(job.id)
    assert scheduler.jobs == []
