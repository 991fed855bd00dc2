"""Whose turn it is: decisions alone, with pretend devices and no processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from digits.jobs.job import Job
from digits.jobs.queue import next_decisions, waiting_tasks
from digits.jobs.resources import CREATE_DB, GPU, PARSE_FOLDER, Resources
from digits.jobs.status import Status, StatusChange, StatusHistory
from tests.program_jobs import ProgramJob


class Jobs:
    """Jobs that wait, in the order in which they were made."""

    def __init__(self, *gpus: str, **slots: int) -> None:
        self.resources = Resources.of(gpus=gpus, **slots)
        self.by_id: dict[str, Job] = {}

    def add(self, name: str, *needs: Any, requires: tuple[str, ...] = ()) -> Job:
        tasks = [
            {"task_id": str(number), "script": "", **need} for number, need in enumerate(needs)
        ]
        job = ProgramJob(Path("/jobs") / name, name, {"tasks": tasks, "requires": list(requires)})
        job.tasks = job.create_tasks()
        for task in job.tasks:
            task.history.move_to(Status.WAITING)
        now_s = float(len(self.by_id))
        job.history = StatusHistory(
            [StatusChange(Status.INITIALIZED, now_s), StatusChange(Status.WAITING, now_s)]
        )
        self.by_id[name] = job
        return job

    def pass_(self) -> dict[str, list[str] | str]:
        """Carry out one pass: what starts with which units, or why it never will."""
        made: dict[str, list[str] | str] = {}
        for decision in next_decisions(self.by_id.values(), self.by_id, self.resources):
            key = f"{decision.job.id}/{decision.task.id}"
            if decision.error is not None:
                made[key] = decision.error
                self.end(decision.job, Status.ERROR)
                continue
            made[key] = list(decision.units)
            decision.task.history.move_to(Status.RUNNING)
            self.resources.take(
                decision.task.need().kind, decision.units, (decision.job.id, decision.task.id)
            )
        return made

    def end(self, job: Job, status: Status = Status.DONE) -> None:
        for task in job.tasks:
            task.history = StatusHistory([StatusChange(status, 0.0)])
            self.resources.give_back((job.id, task.id))
        job.history = StatusHistory([StatusChange(status, 0.0)])

    def queue(self) -> list[str]:
        return [job.id for job, _ in waiting_tasks(self.by_id.values(), self.by_id)]


def gpus(count: int = 1, choices: list[str] | None = None) -> dict[str, Any]:
    return {"kind": GPU, "count": count, "choices": choices}


DB = {"kind": CREATE_DB}


def test_who_comes_first_is_served_first() -> None:
    jobs = Jobs(create_db_slots=2)
    a, _, _ = (jobs.add(name, DB) for name in "abc")
    assert jobs.pass_() == {"a/0": ["0"], "b/0": ["1"]}
    assert jobs.queue() == ["c"]
    jobs.end(a)
    assert jobs.pass_() == {"c/0": ["0"]}


def test_a_small_dataset_uses_the_slot_that_a_large_one_leaves_free() -> None:
    jobs = Jobs(create_db_slots=2)
    jobs.add("large", DB)
    jobs.add("small", DB)
    assert jobs.pass_() == {"large/0": ["0"], "small/0": ["1"]}


def test_kinds_of_work_do_not_wait_for_each_other() -> None:
    jobs = Jobs(create_db_slots=1, parse_folder_slots=1)
    jobs.add("a", DB)
    jobs.add("b", DB)
    jobs.add("c", {"kind": PARSE_FOLDER})
    assert jobs.pass_() == {"a/0": ["0"], "c/0": ["0"]}


def test_two_tasks_of_a_job_may_run_side_by_side() -> None:
    jobs = Jobs(create_db_slots=2)
    jobs.add("a", DB, DB, DB)
    assert jobs.pass_() == {"a/0": ["0"], "a/1": ["1"]}


@pytest.mark.parametrize(
    ("need", "units"),
    [
        (gpus(), ["0"]),
        (gpus(1, ["3"]), ["3"]),
        (gpus(2, ["1", "3"]), ["1", "3"]),
        (gpus(3), ["0", "1", "2"]),
    ],
)
def test_chosen_gpus_are_given(need: dict[str, Any], units: list[str]) -> None:
    jobs = Jobs("0", "1", "2", "3")
    jobs.add("a", need)
    assert jobs.pass_() == {"a/0": units}


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (gpus(3), "needs 3 GPUs, which this server does not have"),
        (gpus(1, ["7"]), "needs 1 GPU out of 7, which"),
        (gpus(2, ["0", "7"]), "needs 2 GPUs out of 0, 7, which"),
    ],
)
def test_gpus_that_are_not_there_are_an_error(need: dict[str, Any], words: str) -> None:
    jobs = Jobs("0", "1")
    jobs.add("a", need)
    jobs.add("b", gpus())
    made = jobs.pass_()
    assert words in made["a/0"]
    assert made["b/0"] == ["0"]


def test_a_job_that_waits_for_one_gpu_leaves_the_others_to_those_behind() -> None:
    jobs = Jobs("0", "1")
    jobs.add("a", gpus(1, ["0"]))
    jobs.add("b", gpus(1, ["0"]))
    jobs.add("c", gpus())
    assert jobs.pass_() == {"a/0": ["0"], "c/0": ["1"]}
    assert jobs.queue() == ["b"]


def test_a_job_that_wants_two_gpus_is_not_overtaken() -> None:
    jobs = Jobs("0", "1")
    a = jobs.add("a", gpus())
    jobs.add("both", gpus(2))
    jobs.add("c", gpus())
    assert jobs.pass_() == {"a/0": ["0"]}
    jobs.end(a)
    assert jobs.pass_() == {"both/0": ["0", "1"]}


def test_a_job_waits_for_the_one_it_needs_without_holding_up_others() -> None:
    jobs = Jobs(create_db_slots=1)
    jobs.add("model", DB, requires=("dataset",))
    dataset = jobs.add("dataset", DB)
    assert jobs.pass_() == {"dataset/0": ["0"]}
    assert jobs.queue() == []  # it waits for the dataset, not for a slot
    jobs.end(dataset)
    assert jobs.queue() == ["model"]
    assert jobs.pass_() == {"model/0": ["0"]}


@pytest.mark.parametrize("status", [Status.ERROR, Status.ABORTED])
def test_a_job_whose_requirement_failed_never_gets_a_turn(status: Status) -> None:
    jobs = Jobs()
    dataset = jobs.add("dataset", DB)
    jobs.end(dataset, status)
    jobs.add("model", DB, requires=("dataset",))
    assert jobs.pass_() == {"model/0": f"dataset, which it needs, is {status}."}


def test_a_job_whose_requirement_is_gone_never_gets_a_turn() -> None:
    jobs = Jobs()
    jobs.add("model", DB, requires=("20150421-140640-d697",))
    assert jobs.pass_() == {"model/0": "20150421-140640-d697, which it needs, is gone."}


def test_settings_that_cannot_be_understood_hold_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = Jobs()
    jobs.add("broken", {**DB, "choices": 7})
    jobs.add("fine", DB)
    made = jobs.pass_()
    assert "DIGITS itself failed" in made["broken/0"]
    assert made["fine/0"] == ["0"]
    assert "its need cannot be told" in caplog.text


def test_the_queue_goes_by_places_whatever_the_clock_said() -> None:
    """What used to happen: after a step back of the clock the newest job came first."""
    jobs = Jobs(create_db_slots=1)
    for number, name in enumerate(("late clock", "early clock", "earlier clock"), 1):
        job = jobs.add(name, {})
        job.place = number
        job.history = StatusHistory([StatusChange(Status.WAITING, 100.0 - number)])
    assert jobs.queue() == ["late clock", "early clock", "earlier clock"]
