"""What scripts of DIGITS 4 to 6 ask of many jobs: a table, deleting, stopping, grouping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program
from tests.security.people import add_people, bearer

GONE = "20150421-140640-d697aa"


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def add(scheduler: Scheduler, name: str, script: str = "true", owner: str = "") -> Job:
    job = scheduler.add_job(ProgramJob, name, program(script), owner=owner)
    wanted = Status.RUNNING if "sleep" in script else Status.DONE
    wait_for_status(scheduler, job.id, wanted)
    return job


def ids_of(scheduler: Scheduler) -> set[str]:
    return {job.id for job in scheduler.jobs}


def test_the_table_tells_running_jobs_from_ended_ones(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    running, done = add(scheduler, "Running", "sleep 600"), add(scheduler, "Done")
    scheduler.set_group(done.id, "Flowers")
    table = client.get("/completed_jobs.json").json
    assert table is not None
    assert [row["id"] for row in table["running"]] == [running.id]
    assert (table["models"], table["pretrained_models"]) == ([], [])
    assert table["model_output_fields"] == []
    [row] = table["datasets"]
    assert row["submitted"] == done.history.created_s
    assert row["elapsed"] == pytest.approx(done.history.running_s())
    expected = {"id": done.id, "name": "Done", "group": "Flowers", "status": "Done"}
    expected |= {"progress": 100, "type": "dataset"}
    assert {name: row[name] for name in expected} == expected
    assert row["status_css"] == Status.DONE.css
    one = client.get(f"/jobs/{done.id}/table_data.json").json
    assert one is not None
    assert one["job"] == row
    assert client.get(f"/jobs/{GONE}/table_data.json").status_code == 404
    assert client.get("/completed_jobs.json?search=nothing").json["datasets"] == []  # type: ignore[index]


@pytest.mark.parametrize("field", ["job_ids[]", "job_ids"])
@pytest.mark.parametrize("how", ["form", "json", "query"])
def test_jobs_are_deleted_at_a_time(
    client: FlaskClient, scheduler: Scheduler, field: str, how: str
) -> None:
    jobs = [add(scheduler, name) for name in ("One", "Two", "Three")]
    wanted = [job.id for job in jobs[:2]]
    match how:
        case "form":
            answer = client.delete("/jobs", data={field: wanted})
        case "json":
            answer = client.delete("/jobs", json={field: wanted})
        case _:
            answer = client.delete("/jobs", query_string={field: wanted})
    assert (answer.status_code, answer.text) == (200, "Jobs deleted.")
    assert ids_of(scheduler) == {jobs[2].id}


def test_jobs_that_cannot_be_deleted_are_named(client: FlaskClient, scheduler: Scheduler) -> None:
    dataset, other = add(scheduler, "Dataset"), add(scheduler, "Other")
    user = scheduler.add_job(ProgramJob, "The user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, user.id, Status.DONE)
    data = {"job_ids[]": [dataset.id, other.id, GONE]}
    answer = client.delete("/jobs", data=data, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["deleted"] == [other.id]
    assert {kept["id"] for kept in answer.json["kept"]} == {dataset.id, GONE}
    assert "The user" in answer.json["error"]["message"]
    assert client.delete("/jobs", data={"job_ids[]": dataset.id}).status_code == 403
    assert client.delete("/jobs", data={"job_ids[]": GONE}).status_code == 404


@pytest.mark.parametrize(
    ("method", "route"),
    [("DELETE", "/jobs"), ("POST", "/abort_jobs"), ("POST", "/group"), ("GET", "/group")],
)
def test_without_a_job_there_is_nothing_to_do(client: FlaskClient, method: str, route: str) -> None:
    for body in ({}, {"data": {"job_ids[]": " , "}}, {"json": {"job_ids": []}}):
        assert client.open(route, method=method, **body).status_code == 400  # type: ignore[arg-type]


def test_running_jobs_are_stopped_at_a_time(client: FlaskClient, scheduler: Scheduler) -> None:
    done = add(scheduler, "Done")
    running = [add(scheduler, name, "sleep 600") for name in ("One", "Two")]
    answer = client.post("/abort_jobs", data={"job_ids[]": [job.id for job in running]})
    assert (answer.status_code, answer.text) == (200, "Jobs aborted.")
    assert {scheduler.job(job.id).status for job in running} == {Status.ABORTED}
    answer = client.post("/abort_jobs", data={"job_ids[]": done.id})
    assert answer.status_code == 403
    assert "not running" in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_jobs_are_put_into_a_group_and_out_of_it(
    client: FlaskClient, scheduler: Scheduler, method: str
) -> None:
    jobs = [add(scheduler, name) for name in ("One", "Two")]

    def group(name: str) -> Any:
        values = {"group_name": name, "job_ids[]": [job.id for job in jobs]}
        if method == "GET":
            return client.get("/group", query_string=values)
        return client.post("/group", data=values)

    assert group(" Flowers ").text == "Jobs regrouped."
    index = client.get("/index.json").json
    assert index is not None
    assert [row["group"] for row in index["datasets"]] == ["Flowers", "Flowers"]
    wait_until(lambda: json.loads((jobs[0].dir / "job.json").read_text())["group"] == "Flowers")
    assert group("").status_code == 200
    assert {scheduler.job(job.id).group for job in jobs} == {""}
    assert group("x" * 501).status_code == 400
    assert group("two\nlines").status_code == 400


def test_a_group_is_there_after_a_restart(jobs_dir: Path) -> None:
    with running_app(jobs_dir) as app:
        job = add(scheduler_of(app), "One")
        scheduler_of(app).set_group(job.id, "Flowers")
    with running_app(jobs_dir) as app:
        assert scheduler_of(app).job(job.id).group == "Flowers"


def test_another_sites_page_cannot_group_jobs(client: FlaskClient, scheduler: Scheduler) -> None:
    job = add(scheduler, "One")
    query = {"group_name": "x", "job_ids[]": job.id}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://elsewhere"},
        {"Referer": "http://elsewhere/page"},
        {"Referer": "http://[/"},
    ):
        assert client.get("/group", query_string=query, headers=headers).status_code == 403
    assert job.group == ""
    own = {"Referer": "http://localhost/", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/group", query_string=query, headers=own).status_code == 200


@pytest.fixture
def people(jobs_dir: Path) -> Iterator[tuple[Flask, dict[str, str]]]:
    tokens = add_people(jobs_dir)
    with running_app(jobs_dir) as app:
        yield app, tokens


def test_nobody_changes_what_is_somebody_elses(people: tuple[Flask, dict[str, str]]) -> None:
    app, tokens = people
    scheduler, client = scheduler_of(app), app.test_client()
    job = add(scheduler, "Otto's", "sleep 600", owner="otto")
    asked = [("DELETE", "/jobs"), ("POST", "/abort_jobs"), ("POST", "/group"), ("GET", "/group")]
    for name, status in (("olga", 403), ("rudi", 403), ("", 401)):
        headers = bearer(tokens[name]) if name else {}
        for method, route in asked:
            values = {"job_ids[]": job.id, **({"group_name": "x"} if route == "/group" else {})}
            body = {"query_string": values} if method == "GET" else {"data": values}
            answer = client.open(route, method=method, headers=headers, **body)  # type: ignore[arg-type]
            assert answer.status_code == status, (name, route)
    assert (scheduler.job(job.id).status, job.group) == (Status.RUNNING, "")
    for headers in (bearer(tokens["olga"]), bearer(tokens["rudi"])):
        assert client.get("/completed_jobs.json", headers=headers).status_code == 200
    assert client.get("/completed_jobs.json").status_code == 401
    otto = bearer(tokens["otto"])
    data = {"job_ids[]": job.id}
    assert client.post("/abort_jobs", data=data, headers=otto).status_code == 200
    assert client.delete("/jobs", data=data, headers=otto).status_code == 200
