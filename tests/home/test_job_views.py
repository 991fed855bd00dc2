"""What deleting removes, the logs, and the notes of jobs, over HTTP."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs import contents, log_reader
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.views import LONGEST_NOTES
from tests.apps import scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def made(scheduler: Scheduler, script: str = "echo one; echo two", **more: Any) -> ProgramJob:
    settings = {**program(script), **more}
    job = scheduler.add_job(ProgramJob, "One", settings)
    assert isinstance(job, ProgramJob)
    wait_for_status(scheduler, job.id, Status.DONE)
    return job


def lines_of(answer: Any) -> list[str]:
    return [text for _, text in answer.json["lines"]]


# What deleting removes ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["jobs", "datasets", "models"])
def test_what_deleting_would_remove_is_counted_when_asked(
    client: FlaskClient, scheduler: Scheduler, prefix: str
) -> None:
    job = made(scheduler)
    wait_until(lambda: not list((job.dir / ".run").iterdir()))  # the run's own files are gone
    wait_until(lambda: '"results"' in (job.dir / "job.json").read_text())
    before = client.get(f"/{prefix}/{job.id}/contents").json
    (job.dir / "train_db").mkdir()
    (job.dir / "train_db" / "data.mdb").write_bytes(os.urandom(200_000))
    (job.dir / "snapshot_iter_10.caffemodel").write_bytes(b"weights")
    found = client.get(f"/{prefix}/{job.id}/contents").json
    assert found["files"] == before["files"] + 2
    assert found["size_bytes"] >= before["size_bytes"] + 200_000
    assert found["snapshots"] == 1
    assert found["complete"] is True
    assert found["running"] is False
    assert found["directory"] == str(job.dir)


def test_jobs_that_need_it_are_named(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    user = made(scheduler, requires=[job.id])
    found = client.get(f"/jobs/{job.id}/contents").json
    assert found["dependents"] == [{"id": user.id, "name": "One"}]


def test_a_file_with_holes_counts_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "data.mdb").open("wb") as file:
        file.truncate(10**9)
    assert contents.count_contents(tmp_path).size_bytes < 10**6


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "up").symlink_to(tmp_path)
    assert contents.count_contents(tmp_path / "job").files == 1


def test_counting_ends_when_it_takes_too_long(tmp_path: Path) -> None:
    assert not contents.count_contents(tmp_path, limit_s=-1).is_complete


def test_an_unknown_job_has_no_contents(client: FlaskClient) -> None:
    assert client.get("/jobs/20150421-140640-d697/contents").status_code == 404


# Logs ---------------------------------------------------------------------------------------------


def test_a_log_is_read_in_parts_and_searched(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler, "for i in 1 2 3 4 5; do echo line $i; done; echo 'Error: no room'")
    address = f"/jobs/{job.id}/logs/main.json"
    last = client.get(f"{address}?lines=2")
    assert lines_of(last) == ["line 5", "Error: no room"]
    assert last.json["growing"] is False
    assert lines_of(client.get(f"{address}?before={last.json['start']}&lines=2")) == [
        "line 3",
        "line 4",
    ]
    found = client.get(f"{address}?search=LINE%203&from=0").json
    assert lines_of(client.get(f"{address}?from={found['found']}&lines=1")) == ["line 3"]
    found = client.get(f"{address}?errors=1&before={last.json['size']}").json
    assert lines_of(client.get(f"{address}?from={found['found']}")) == ["Error: no room"]
    assert client.get(f"{address}?search=nowhere").json["found"] is None


def test_a_log_that_grows_is_followed_from_the_end_of_the_last_answer(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    script = "echo first; while [ ! -e go ]; do sleep 0.02; done; echo second"
    job = scheduler.add_job(ProgramJob, "One", program(script))
    wait_until(lambda: "first" in job.tasks[0].lines)  # type: ignore[attr-defined]
    address = f"/jobs/{job.id}/logs/main.json"
    part = client.get(address)
    assert lines_of(part) == ["first"]
    assert part.json["growing"] is True
    (job.dir / "go").touch()
    wait_for_status(scheduler, job.id, Status.DONE)
    more = client.get(f"{address}?from={part.json['end']}")
    assert lines_of(more) == ["second"]
    assert more.json["growing"] is False


def test_a_task_without_a_log_yet_has_no_lines(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    job.tasks[0].log_path.unlink()
    for query in ("", "?from=10", "?before=10", "?search=a", "?errors=1"):
        answer = client.get(f"/jobs/{job.id}/logs/main.json{query}")
        assert answer.status_code == 200
        assert answer.json["size"] == 0


@pytest.mark.parametrize(
    "query",
    ["from=x", "from=-1", "before=1e9", "lines=many", f"from={'9' * 30}", f"search={'a' * 201}"],
)
def test_a_question_about_a_log_that_makes_no_sense_is_refused(
    client: FlaskClient, scheduler: Scheduler, query: str
) -> None:
    job = made(scheduler)
    assert client.get(f"/jobs/{job.id}/logs/main.json?{query}").status_code == 400


def test_unknown_tasks_and_jobs_have_no_log(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    assert client.get(f"/jobs/{job.id}/logs/../job.json").status_code == 404
    assert client.get(f"/jobs/{job.id}/logs/other").status_code == 404
    assert client.get("/jobs/20150421-140640-d697/logs/main.json").status_code == 404


def test_a_huge_log_is_never_held_in_memory(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    with job.tasks[0].log_path.open("wb") as file:
        file.truncate(500_000_000)  # holes: 500 MB without a newline, and no disk
        file.seek(0, 2)
        file.write(b"\nthe end\n")
    address = f"/jobs/{job.id}/logs/main.json"
    client.get(address)
    tracemalloc.start()
    try:
        assert lines_of(client.get(f"{address}?lines=1")) == ["the end"]
        assert client.get(f"{address}?from=250000000").status_code == 200
        answer = client.get(f"{address}?search=the%20end&from=0").json
        assert answer["looked_to"] == log_reader.SEARCH_BYTES
        assert answer["over"] is False
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16_000_000


def test_the_log_page_names_the_other_logs_of_the_job(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    tasks = [{"task_id": name, "script": "echo"} for name in ("first", "second")]
    job = scheduler.add_job(ProgramJob, "One", {"tasks": tasks})
    page = client.get(f"/jobs/{job.id}/logs/first", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert f"/jobs/{job.id}/logs/second" in page.text


# Notes --------------------------------------------------------------------------------------------


def test_notes_are_kept_and_previewed(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    notes = "# Why\r\n**bold**"
    shown = client.post(f"/jobs/{job.id}/notes/preview", data={"job_notes": notes})
    assert "<strong>bold</strong>" in shown.text
    assert client.put(f"/jobs/{job.id}", data={"job_notes": notes}).status_code == 200
    assert scheduler.job(job.id).notes == "# Why\n**bold**"
    assert '"notes": "# Why\\n**bold**"' in (job.dir / "job.json").read_text()


def test_notes_that_somebody_changed_meanwhile_are_not_lost(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = made(scheduler)
    for notes, were, code in (("mine", "", 200), ("theirs", "", 403), ("both", "mine", 200)):
        answer = client.put(
            f"/jobs/{job.id}",
            data={"job_notes": notes, "job_notes_were": were},
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == code
    assert "Someone else" in client.put(
        f"/jobs/{job.id}", data={"job_notes": "x", "job_notes_were": "mine"}
    ).get_data(as_text=True)
    assert scheduler.job(job.id).notes == "both"


def test_endless_notes_are_refused(client: FlaskClient, scheduler: Scheduler) -> None:
    job = made(scheduler)
    values = {"job_notes": "x" * (LONGEST_NOTES + 1)}
    assert client.put(f"/jobs/{job.id}", data=values).status_code == 400
    assert client.post(f"/jobs/{job.id}/notes/preview", data=values).status_code == 400
    assert scheduler.job(job.id).notes == ""
