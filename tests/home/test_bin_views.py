"""The bin over HTTP: what is there, for whom, and the ways back and out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.home.bin_list import PAGE_SIZE
from digits.jobs.bin import BIN_FOLDER
from digits.jobs.bin_entry import DAY_S
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program
from tests.security.people import HTML, add_people, bearer, csrf_token

JSON = {"Accept": "application/json"}


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def done(scheduler: Scheduler, name: str = "One", *requires: Job, owner: str = "") -> Job:
    settings: Any = {**program("true"), "requires": [job.id for job in requires]}
    job = scheduler.add_job(ProgramJob, name, settings, owner=owner)
    wait_for_status(scheduler, job.id, Status.DONE)
    with scheduler._lock:
        return job


def in_bin(client: FlaskClient, **headers: Any) -> list[dict[str, Any]]:
    answer = client.get("/bin.json", **headers)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json["jobs"]
    return found


def test_a_deleted_job_is_listed_with_all_that_is_known_of_it(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler, "<b>Cats & dogs")
    assert client.delete(f"/jobs/{job.id}").text == "Job deleted."
    (entry,) = scheduler.bin.table.all()
    wait_until(lambda: scheduler.bin.table.contents(entry))
    (row,) = in_bin(client)
    assert (row["id"], row["name"], row["type"]) == (job.id, job.name, "Program")
    assert (row["status"], row["days_left"], row["missing"]) == ("Done", 7, [])
    assert row["deleted"] < row["until"]
    assert row["size_bytes"] > 0
    page = client.get("/bin").text
    assert "&lt;b&gt;Cats &amp; dogs" in page
    assert "7 days" in page
    home = client.get("/").text
    assert re.search(r"Bin \(1, [\d.]+ KB\)", home)
    assert " in the bin" in home[: home.index("queue-title") + 3000]


def test_a_restored_job_has_its_page_and_its_name_again(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)
    for address in (
        f"/jobs/{job.id}/status",
        f"/jobs/{job.id}/contents",
        f"/files/{job.id}/job.json",
    ):
        with client.get(address) as answer:
            assert answer.status_code == 200
        client.delete(f"/jobs/{job.id}")
        assert client.get(address).status_code == 404
        assert client.post(f"/bin/{job.id}/restore").text == "Job restored."
    assert client.post(f"/bin/{job.id}/restore").status_code == 404
    assert [one["id"] for one in client.get("/index.json").json["datasets"]] == [job.id]


def test_nothing_in_the_bin_can_be_read_as_a_file(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)
    client.delete(f"/jobs/{job.id}")
    (entry,) = scheduler.bin.table.all()
    for path in (f"{BIN_FOLDER}/{entry.folder.name}/job.json", f"x/../{BIN_FOLDER}"):
        assert client.get(f"/files/{path}").status_code == 404
    assert client.get("/autocomplete/path", query_string={"query": f"{entry.folder}/"}).json == []


def test_several_are_deleted_and_restored_at_once(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    dataset = done(scheduler, "Dataset")
    model = done(scheduler, "Model", dataset)
    ids = f"{dataset.id},{model.id}"
    deleted = client.post("/jobs/delete.json", data={"ids": ids}).json
    assert deleted == {"deleted": [model.id, dataset.id], "kept": []}
    answer = client.post("/bin/restore.json", data={"ids": f"{ids},nobody"}).json
    assert answer is not None
    assert answer["restored"] == [dataset.id, model.id]
    (kept,) = answer["kept"]
    assert (kept["id"], kept["name"]) == ("nobody", "nobody")
    assert client.delete("/jobs", data={"job_ids[]": ids}).text == "Jobs deleted."
    assert {row["id"] for row in in_bin(client)} == {dataset.id, model.id}


def test_what_a_restored_job_misses_is_said(client: FlaskClient, scheduler: Scheduler) -> None:
    dataset = done(scheduler, "Dataset")
    model = done(scheduler, "Model", dataset)
    client.post("/jobs/delete.json", data={"ids": [dataset.id, model.id]})
    assert f"It needs {'<b>'}Dataset</b>, which is" in re.sub(r"\s+", " ", client.get("/bin").text)
    answer = client.post(f"/bin/{model.id}/restore", headers=JSON).json
    assert answer is not None
    assert (answer["id"], answer["missing"]) == (model.id, [dataset.id])
    client.delete(f"/jobs/{model.id}")
    assert "It needs" in client.post(f"/bin/{model.id}/restore").text


@pytest.mark.parametrize("how", ["one", "several", "everything", "empty"])
def test_what_is_removed_from_the_bin_is_gone(
    client: FlaskClient, scheduler: Scheduler, how: str
) -> None:
    job = done(scheduler)
    client.delete(f"/jobs/{job.id}")
    (entry,) = scheduler.bin.table.all()
    if how == "one":
        assert client.delete(f"/bin/{entry.key}").text == "Job deleted for good."
    elif how == "empty":
        assert client.delete("/bin").text == "Bin emptied."
    else:
        data = {"everything": "yes"} if how == "everything" else {"ids": entry.key}
        answer = client.post("/bin/delete.json", data=data).json
        assert answer == {"deleted": [job.id], "kept": []}
    assert not entry.folder.exists()
    assert in_bin(client) == []
    assert client.delete(f"/bin/{entry.key}").status_code == 404
    assert "The bin is empty" in client.get("/bin").text


def test_a_job_is_deleted_for_good_where_that_is_asked_for(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    jobs = [done(scheduler) for _ in range(3)]
    assert client.delete(f"/jobs/{jobs[0].id}?for_good=yes").status_code == 200
    data = {"ids": jobs[1].id, "for_good": "yes"}
    assert client.post("/jobs/delete.json", data=data).json["deleted"] == [jobs[1].id]  # type: ignore[index]
    assert client.delete(f"/jobs?job_ids={jobs[2].id}&for_good=1").status_code == 200
    assert in_bin(client) == []
    assert client.delete(f"/jobs/{jobs[0].id}?for_good=perhaps").status_code == 400


def test_before_a_job_is_deleted_it_is_said_until_when_it_can_be_restored(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)
    bin_ = client.get(f"/jobs/{job.id}/contents").json["bin"]
    assert bin_["until"] is not None
    assert (bin_["problem"], bin_["disk_is_short"]) == (None, False)
    assert "can be restored from the bin" in client.get(f"/jobs/delete?ids={job.id}").text


def test_a_bin_that_cannot_be_used_is_said_and_asked_about(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job, other = done(scheduler), done(scheduler)
    scheduler.bin.folder.rmdir()
    scheduler.bin.folder.touch()
    state = client.get(f"/jobs/{job.id}/contents").json["bin"]
    assert (state["until"], state["problem"]) == (None, "it is not a folder")
    answer = client.delete(f"/jobs/{job.id}", headers=JSON)
    assert answer.status_code == 507
    assert "for_good=yes" in answer.json["error"]["message"]
    kept = client.post("/jobs/delete.json", data={"ids": job.id}).json["kept"]  # type: ignore[index]
    assert "cannot be used" in kept[0]["reason"]
    assert "cannot be used" in client.get("/bin").text
    page = client.get(f"/jobs/delete?ids={job.id}&ids={other.id}").text
    assert "The bin cannot be used" in page
    assert '<input type="hidden" name="for_good" value="yes">' in page
    assert client.delete(f"/jobs/{job.id}?for_good=yes").status_code == 200
    assert [one.id for one in scheduler.jobs] == [other.id]


def test_nothing_is_kept_where_the_days_are_none(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs", keep_deleted_days=0) as app:
        client, scheduler = app.test_client(), scheduler_of(app)
        job = done(scheduler)
        assert client.get(f"/jobs/{job.id}/contents").json["bin"]["until"] is None
        assert "This cannot be undone" in client.get(f"/jobs/delete?ids={job.id}").text
        client.delete(f"/jobs/{job.id}")
        assert in_bin(client) == []
        assert "keep_deleted_days" in client.get("/bin").text
        assert not list((tmp_path / "jobs").glob(f"**/*{job.id}*"))


def test_without_scripts_the_bin_asks_before_it_removes(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    first, second = done(scheduler, "First"), done(scheduler, "Second")
    client.delete("/jobs", data={"job_ids": f"{first.id},{second.id}"})
    one = client.get(f"/bin/delete?ids={first.id}", headers=HTML).text
    assert "Delete 1 job for good?" in one
    everything = client.get("/bin/delete", headers=HTML).text
    assert "Delete 2 jobs for good?" in everything
    assert client.post("/bin/delete", data={"ids": first.id}).status_code == 400  # no token
    token = csrf_token(everything)
    data = {"ids": [first.id, "gone"], "csrf_token": token}
    assert "1 deleted for good, 1 kept" in client.post("/bin/delete", data=data).text
    data = {"everything": "yes", "csrf_token": token}
    answer = client.post("/bin/delete", data=data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/bin")
    data = {"ids": first.id, "csrf_token": token}
    assert "0 restored, 1 kept" in client.post("/bin/restore", data=data).text


def test_a_long_bin_is_shown_page_by_page(client: FlaskClient, scheduler: Scheduler) -> None:
    job = done(scheduler, "many")
    client.delete(f"/jobs/{job.id}")
    (entry,) = scheduler.bin.table.all()
    record = json.loads((entry.folder / "job.json").read_text())
    for number in range(PAGE_SIZE):
        folder = entry.folder.with_name(f"copy-{number}~20200101-000000-000~ada")
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps({**record, "id": f"copy-{number}"}))
    scheduler.bin.clock = lambda: entry.deleted_s  # nobody empties it
    scheduler.bin.keep_days = 36500
    client.post("/jobs/rescan")
    first, second = client.get("/bin").text, client.get("/bin?page=2").text
    assert first.count("data-entry=") == PAGE_SIZE
    assert second.count("data-entry=") == 1
    assert "Page 2 of 2" in second
    for page in ("0", "-1", "999", "x", "1e5", ""):
        assert client.get(f"/bin?page={page}").status_code == 200


def test_what_cannot_be_read_is_shown_by_its_id(client: FlaskClient, scheduler: Scheduler) -> None:
    job = done(scheduler)
    client.delete(f"/jobs/{job.id}")
    (entry,) = scheduler.bin.table.all()
    (entry.folder / "job.json").write_text("{")
    scheduler.bin.table.replace_all([])
    client.post("/jobs/rescan")
    (row,) = in_bin(client)
    assert (row["id"], row["name"], row["type"]) == (job.id, job.id, "")
    assert "cannot be read" in client.get("/bin").text
    answer = client.post(f"/bin/{job.id}/restore", headers=JSON)
    assert answer.status_code == 403
    assert "stays in the bin" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "address", "data", "code"),
    [
        ("post", "/bin/restore.json", {}, 400),
        ("post", "/bin/restore.json", {"id": "x"}, 400),
        ("post", "/bin/delete.json", {}, 400),
        ("post", "/bin/delete.json", {"everything": "perhaps"}, 400),
        ("post", "/bin/delete.json", {"everything": "no"}, 400),
        ("post", "/bin/nobody/restore", {}, 404),
        ("delete", "/bin/nobody", {}, 404),
        ("delete", "/bin/%00~%ff", {}, 404),
        ("post", "/bin/..%2f..%2fetc/restore", {}, 404),
        ("post", f"/bin/{'x' * 5000}/restore", {}, 404),
        ("get", "/bin/delete?ids=nobody", {}, 200),
    ],
)
def test_odd_requests_are_answered_in_words(
    client: FlaskClient, method: str, address: str, data: dict[str, str], code: int
) -> None:
    answer = getattr(client, method)(address, data=data, headers=JSON)
    assert answer.status_code == code


# Rights -------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(jobs_dir: Path) -> dict[str, str]:
    return add_people(jobs_dir)


@pytest.fixture
def shared(tokens: dict[str, str], jobs_dir: Path) -> Iterator[Flask]:
    with running_app(jobs_dir) as app:
        yield app


def test_everybody_restores_and_removes_what_they_may_delete(
    shared: Flask, tokens: dict[str, str]
) -> None:
    client, scheduler = shared.test_client(), scheduler_of(shared)
    people = {name: bearer(token) for name, token in tokens.items()}
    jobs = {name: done(scheduler, name, owner=name) for name in ("otto", "olga")}
    for name, job in jobs.items():
        assert client.delete(f"/jobs/{job.id}", headers=people[name]).status_code == 200
    seen = {name: [row["id"] for row in in_bin(client, headers=people[name])] for name in
            ("otto", "olga", "ada")}  # fmt: skip
    assert seen == {
        "otto": [jobs["otto"].id],
        "olga": [jobs["olga"].id],
        "ada": [jobs["olga"].id, jobs["otto"].id],
    }
    assert client.get("/bin", headers=people["rudi"]).status_code == 403
    assert "bin-link" not in client.get("/", headers={**people["rudi"], **HTML}).text
    others = jobs["olga"].id
    assert client.post(f"/bin/{others}/restore", headers=people["otto"]).status_code == 403
    assert client.delete(f"/bin/{others}", headers=people["otto"]).status_code == 403
    for route in ("/bin/restore.json", "/bin/delete.json"):
        kept = client.post(route, data={"ids": others}, headers=people["otto"]).json["kept"]  # type: ignore[index]
        assert "not yours" in kept[0]["reason"]
    assert client.delete("/bin", headers=people["otto"]).status_code == 200
    assert [row["id"] for row in in_bin(client, headers=people["ada"])] == [others]
    (row,) = in_bin(client, headers=people["ada"])
    assert (row["owner"], row["deleted_by"]) == ("olga", "olga")
    assert client.post(f"/bin/{others}/restore", headers=people["ada"]).status_code == 200
    assert scheduler.job(others).owner == "olga"


def test_an_admin_restores_what_he_deleted_of_others(shared: Flask, tokens: dict[str, str]) -> None:
    client, scheduler = shared.test_client(), scheduler_of(shared)
    job = done(scheduler, owner="otto")
    client.delete(f"/jobs/{job.id}", headers=bearer(tokens["ada"]))
    (row,) = in_bin(client, headers=bearer(tokens["otto"]))
    assert row["deleted_by"] == "ada"
    assert client.post(f"/bin/{job.id}/restore", headers=bearer(tokens["otto"])).status_code == 200


def test_what_was_kept_for_long_enough_is_gone_for_pages_too(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)
    client.delete(f"/jobs/{job.id}")
    later_s = scheduler.bin.clock() + 7.1 * DAY_S
    scheduler.bin.clock = lambda: later_s
    scheduler._keeper.look_now()
    wait_until(lambda: in_bin(client) == [])
    assert client.post(f"/bin/{job.id}/restore").status_code == 404
