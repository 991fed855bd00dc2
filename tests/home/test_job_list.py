"""Search, filter, order and pages of a list of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.errors import FormError
from digits.home.job_list import PAGE_SIZE, JobPage, ListQuery, list_query, listed
from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from tests.program_jobs import ProgramJob, program

STEPS = (Status.INITIALIZED, Status.WAITING, Status.RUNNING)


def job(number: int, name: str, status: Status = Status.DONE, took_s: float = 1.0) -> Job:
    """A job made `number` seconds after the first one, which ran for `took_s`."""
    made = ProgramJob(Path(f"20260101-0000{number:02d}-00000{number % 10}"), name, program("true"))
    changes = [StatusChange(step, 1000.0 + number) for step in STEPS]
    if status not in STEPS:
        changes.append(StatusChange(status, 1000.0 + number + took_s))
    made.history = StatusHistory(changes[: STEPS.index(status) + 1] if status in STEPS else changes)
    return made


def names(jobs: list[Job]) -> list[str]:
    return [found.name for found in jobs]


JOBS = [
    job(1, "pears", took_s=30),
    job(2, "Apples", Status.ERROR, took_s=10),
    job(3, "cherries", Status.RUNNING),
    job(4, "bananas", took_s=20),
]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["cherries", "bananas", "Apples", "pears"]),  # running ones first, then the newest
        ("name", ["Apples", "bananas", "cherries", "pears"]),
        ("-name", ["pears", "cherries", "bananas", "Apples"]),
        ("made", ["pears", "Apples", "cherries", "bananas"]),
        ("-made", ["bananas", "cherries", "Apples", "pears"]),
        ("status", ["cherries", "Apples", "bananas", "pears"]),
    ],
)
def test_each_column_sorts_both_ways(sort: str, expected: list[str]) -> None:
    assert names(listed(JOBS, "dataset", ListQuery(sort=sort))) == expected


def test_the_time_a_job_took_sorts_too() -> None:
    ended = [found for found in JOBS if found.status is not Status.RUNNING]
    assert names(listed(ended, "dataset", ListQuery(sort="-took"))) == [
        "pears",
        "bananas",
        "Apples",
    ]


def test_search_and_status_go_together() -> None:
    assert names(listed(JOBS, "dataset", ListQuery(words="a", status=Status.DONE))) == [
        "bananas",
        "pears",
    ]
    assert names(listed(JOBS, "dataset", ListQuery(words="PEARS 20260101"))) == ["pears"]
    assert listed(JOBS, "model") == []


def test_a_page_holds_a_part_and_counts_all() -> None:
    many = [job(number, f"job-{number:02d}") for number in range(2 * PAGE_SIZE + 1)]
    last = JobPage(many, "dataset", ListQuery(sort="name"), 3)
    assert (last.pages, last.found, last.total) == (3, 51, 51)
    assert names(last.jobs) == ["job-50"]
    few = JobPage(many, "dataset", ListQuery(words="job-1"), 9)
    assert (few.number, few.pages, few.found, few.total) == (1, 1, 10, 51)


def test_a_click_on_a_head_turns_the_order_round() -> None:
    assert JobPage(JOBS, "dataset", ListQuery()).next_sort("name") == "name"
    assert JobPage(JOBS, "dataset", ListQuery()).next_sort("made") == "-made"
    by_name = JobPage(JOBS, "dataset", ListQuery(sort="name"))
    assert (by_name.next_sort("name"), by_name.aria_sort("name")) == ("-name", "ascending")
    assert by_name.aria_sort("made") == "none"
    assert JobPage(JOBS, "dataset", ListQuery(sort="-took")).next_sort("took") == "took"


def test_an_address_is_read_whatever_its_case() -> None:
    values = {"search": " a b ", "status": "done", "models_sort": "-name"}
    assert list_query(values, "models_sort") == ListQuery("a b", Status.DONE, "-name")
    assert list_query({}) == ListQuery()


@pytest.mark.parametrize(
    ("values", "field"), [({"status": "Finished"}, "status"), ({"sort": "size"}, "sort")]
)
def test_what_cannot_be_asked_for_is_said_with_what_can(values: dict[str, str], field: str) -> None:
    with pytest.raises(FormError) as refused:
        list_query(values)
    message = refused.value.errors[field][0]
    assert next(iter(values.values())) in message
    assert "Done" in message or "took" in message
