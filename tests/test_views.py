"""The home page, what can be done with any job, error answers, files: by Flask's client."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

import digits
from digits.errors import StorageError
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.program_jobs import ProgramJob, program


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def add(scheduler: Scheduler, name: str = "One", script: str = "true") -> ProgramJob:
    job = scheduler.add_job(ProgramJob, name, program(script))
    assert isinstance(job, ProgramJob)
    return job


def done(scheduler: Scheduler, name: str = "One") -> ProgramJob:
    job = add(scheduler, name)
    wait_for_status(scheduler, job.id, Status.DONE)
    return job


def test_the_home_page_has_the_words_that_scripts_look_for(client: FlaskClient) -> None:
    page = client.get("/").text
    for words in ("Home", "Datasets", "Models", "New Dataset", "New Model"):
        assert words in page


def test_the_home_page_stands_without_any_job(client: FlaskClient) -> None:
    assert client.get("/").status_code == 200
    index = client.get("/index.json").json
    assert index is not None
    assert (index["datasets"], index["models"]) == ([], [])


def test_the_index_names_the_version_and_the_jobs_directory(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    index = client.get("/index.json").json
    assert index is not None
    assert index["version"] == digits.__version__
    assert index["jobs_dir"] == str(scheduler.store.jobs_dir)


def test_running_jobs_come_first_then_the_newest(client: FlaskClient, scheduler: Scheduler) -> None:
    first = add(scheduler, "running", "sleep 600")
    others = [done(scheduler, name) for name in ("older", "newer")]
    index = client.get("/index.json").json
    assert index is not None
    assert [job["name"] for job in index["datasets"]] == ["running", "newer", "older"]
    assert index["datasets"][1] == {"id": others[1].id, "name": "newer", "status": "Done"}
    assert first.name in client.get("/").text


def test_the_search_covers_names_ids_and_statuses(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    done(scheduler, "Cats")
    done(scheduler, "Dogs")
    page = client.get("/?search=cat").text
    assert "Cats" in page
    assert "Dogs" not in page


def test_the_index_is_searched_filtered_and_cut_short(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    for name in ("Cats", "Dogs", "More cats"):
        done(scheduler, name)
    running = add(scheduler, "Running cats", "sleep 600")
    wait_for_status(scheduler, running.id, Status.RUNNING)

    def found(query: str) -> list[str]:
        answer = client.get(f"/index.json?{query}").json
        assert answer is not None
        return [job["name"] for job in answer["datasets"]]

    assert found("search=cats&status=done") == ["More cats", "Cats"]
    assert found("status=running") == ["Running cats"]
    assert found("limit=2") == ["Running cats", "More cats"]
    assert found("sort=name&limit=1") == ["Cats"]
    assert found("search=nothing+like+it") == []


@pytest.mark.parametrize("query", ["status=ready", "sort=size", "limit=-1", "limit=many"])
def test_an_index_that_cannot_be_had_is_refused_in_words(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/index.json?{query}")
    assert answer.status_code == 400
    assert answer.json is not None
    field, value = query.split("=")
    assert value in answer.json["errors"][field][0]


@pytest.mark.parametrize("query", ["status=ready", "models_sort=size", "datasets_sort=%00"])
def test_an_address_that_cannot_be_shown_gets_an_error_page(
    client: FlaskClient, query: str
) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert "data-error-message" in answer.text


def test_links_of_the_home_page_keep_what_else_was_chosen(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    done(scheduler, "Cats & dogs")
    text = client.get("/?search=cats+%26&status=Done&datasets_sort=-name&models_page=3").text
    # A click on Name turns the order round; the other things stay, pages that are not there go.
    link = "?search=cats+%26&status=Done&datasets_sort=name"
    assert f'href="/{link}"'.replace("&", "&amp;") in text
    assert 'aria-sort="descending"' in text


def test_ticked_jobs_are_deleted_and_the_others_named(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    dataset, other = done(scheduler, "Dataset"), done(scheduler, "Other")
    user = scheduler.add_job(ProgramJob, "The user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, user.id, Status.DONE)
    answer = client.post("/jobs/delete.json", json={"ids": [dataset.id, other.id]}).json
    assert answer is not None
    assert answer["deleted"] == [other.id]
    (kept,) = answer["kept"]
    assert (kept["id"], kept["name"]) == (dataset.id, "Dataset")
    assert "The user" in kept["reason"]
    everything = client.post("/jobs/delete.json", data={"ids": f"{dataset.id},{user.id}"}).json
    assert everything == {"deleted": [user.id, dataset.id], "kept": []}
    assert client.post("/jobs/delete.json").status_code == 400


def test_without_scripts_a_question_comes_before_the_deletion(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    dataset, other = done(scheduler, "Dataset"), done(scheduler, "Other")
    user = scheduler.add_job(ProgramJob, "The user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, user.id, Status.DONE)
    page = client.get(f"/jobs/delete?ids={dataset.id}&ids={other.id}&ids=gone").text
    assert "Delete 2 jobs?" in page
    ids = {"ids": [dataset.id, other.id]}
    assert client.post("/jobs/delete", data=ids).status_code == 400  # no token
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    told = client.post("/jobs/delete", data={**ids, "csrf_token": token[1]})
    assert told.status_code == 200
    assert "1 deleted, 1 kept" in told.text
    assert "The user" in told.text
    assert "Undo" in told.text
    last = client.post("/jobs/delete", data={"ids": user.id, "csrf_token": token[1]})
    assert (last.status_code, last.headers["Location"]) == (303, "/")
    home = client.get("/").text
    key = re.search(r'name="ids" value="([^"]+)">', home[home.index("undo") :])
    assert key is not None
    assert "Undo" not in client.get("/").text  # it is offered once
    back = client.post("/bin/restore", data={"ids": key[1], "csrf_token": token[1]})
    assert (back.status_code, back.headers["Location"]) == (303, f"/jobs/{user.id}")


@pytest.mark.parametrize("page", ["0", "-3", "999", "x", ""])
def test_a_page_number_that_does_not_exist_shows_a_page_that_does(
    client: FlaskClient, page: str
) -> None:
    assert client.get(f"/?datasets_page={page}").status_code == 200


def test_a_jobs_address_leads_to_its_page(client: FlaskClient, scheduler: Scheduler) -> None:
    job = done(scheduler)
    answer = client.get(f"/jobs/{job.id}")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/datasets/{job.id}"


@pytest.mark.parametrize("prefix", ["jobs", "datasets", "models"])
def test_the_status_of_a_job(client: FlaskClient, scheduler: Scheduler, prefix: str) -> None:
    job = done(scheduler, "One")
    assert client.get(f"/{prefix}/{job.id}/status").json == {
        "error": None,
        "name": "One",
        "status": "Done",
        "type": "Program",
    }
    unknown = client.get(f"/{prefix}/nothing/status")
    assert (unknown.status_code, unknown.json) == (404, {"error": "Job not found."})


def test_a_job_is_renamed_and_the_name_is_on_disk(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler, "Old")
    answer = client.put(f"/jobs/{job.id}", data={"job_name": "New <i>name</i>"})
    assert answer.status_code == 200
    assert "Old" in answer.text
    assert "New <i>name</i>" in answer.text
    assert answer.mimetype == "text/plain"
    assert "New <i>name</i>" in (job.dir / "job.json").read_text()
    assert "<i>name" not in client.get("/").text


@pytest.mark.parametrize("name", ["", "   ", "x" * 501])
def test_a_name_that_is_none_is_refused(
    client: FlaskClient, scheduler: Scheduler, name: str
) -> None:
    job = done(scheduler)
    answer = client.put(
        f"/jobs/{job.id}", data={"job_name": name}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json is not None
    assert "job_name" in answer.json["errors"]
    assert job.name == "One"


@pytest.mark.parametrize("prefix", ["jobs", "datasets", "models"])
def test_abort_and_delete(client: FlaskClient, scheduler: Scheduler, prefix: str) -> None:
    job = add(scheduler, script="sleep 600")
    wait_for_status(scheduler, job.id, Status.RUNNING)
    assert client.post(f"/{prefix}/{job.id}/abort").status_code == 200
    assert job.status is Status.ABORTED
    assert client.post(f"/{prefix}/{job.id}/abort").status_code == 403
    assert client.delete(f"/{prefix}/{job.id}").status_code == 200
    assert not job.dir.exists()
    assert client.delete(f"/{prefix}/{job.id}").status_code == 404
    assert client.post(f"/{prefix}/{job.id}/abort").status_code == 404


def test_a_job_in_use_is_not_deleted(client: FlaskClient, scheduler: Scheduler) -> None:
    dataset = done(scheduler, "Dataset")
    user = scheduler.add_job(ProgramJob, "The user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, user.id, Status.DONE)
    answer = client.delete(f"/datasets/{dataset.id}", headers={"Accept": "application/json"})
    assert answer.status_code == 403
    assert answer.json is not None
    assert "The user" in answer.json["error"]["message"]


def test_errors_have_one_shape_and_a_page_in_the_layout(client: FlaskClient) -> None:
    page = client.get("/no/such/page")
    assert page.status_code == 404
    assert "DIGITS" in page.text
    asked = client.get("/no/such/page", headers={"Accept": "application/json"})
    assert asked.json is not None
    assert asked.json["error"]["code"] == 404
    assert client.get("/datasets/nothing.json").json == {
        "error": {"code": 404, "message": "Job not found."}
    }
    assert client.post("/index.json").status_code == 405


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
def test_pages_of_other_sites_cannot_change_anything(
    client: FlaskClient, scheduler: Scheduler, headers: dict[str, str], allowed: bool
) -> None:
    job = done(scheduler)
    answer = client.delete(f"/jobs/{job.id}", headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    assert job.dir.exists() is not allowed


def test_every_answer_carries_the_security_headers(client: FlaskClient) -> None:
    for path in ("/", "/index.json", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_pages_have_no_inline_scripts_or_styles(client: FlaskClient, scheduler: Scheduler) -> None:
    done(scheduler)
    for path in ("/", "/datasets/images/classification/new", "/models/images/classification/new"):
        text = client.get(path).text
        inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text)
        # Data for scripts is no script.
        assert all('type="application/json"' in tag for tag in inline), path
        assert not re.findall(r"<[^>]*\s(?:style|on[a-z]+)=|<style", text), path


def test_a_full_disk_is_told_on_every_page_and_refuses_new_jobs(
    app: Flask, client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)

    def no_room(_job: object) -> None:
        raise StorageError("The disk is full.")

    with pytest.raises(StorageError):
        scheduler.add_job(ProgramJob, "two", program("true"), no_room)
    assert [known.id for known in scheduler.jobs] == [job.id]


# Files --------------------------------------------------------------------------------------------


def test_files_are_attachments_with_ranges_and_conditions(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    job = done(scheduler)
    (job.dir / "data.bin").write_bytes(bytes(range(100)))
    address = f"/files/{job.id}/data.bin"
    with client.get(address) as whole:
        assert whole.data == bytes(range(100))
        assert whole.headers["Content-Disposition"].startswith("attachment")
        tag = whole.headers["ETag"]
    with client.get(address, headers={"Range": "bytes=10-19"}) as part:
        assert (part.status_code, part.data) == (206, bytes(range(10, 20)))
    with client.get(address, headers={"Range": "bytes=1000-"}) as beyond:
        assert beyond.status_code == 416
    with client.get(address, headers={"If-None-Match": tag}) as again:
        assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "%2e%2e/outside.txt",
        "..%2foutside.txt",
        "JOB/../../outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "JOB/%00",
        "JOB/link",
        "JOB/folder_link/outside.txt",
        ".secret_key",
        "JOB/.run/main.pid",
        "JOB/missing",
        "JOB/" + "x" * 5000,
        "..\\outside.txt",
    ],
)
def test_nothing_outside_the_jobs_directory_is_served(
    client: FlaskClient, scheduler: Scheduler, path: str
) -> None:
    job = done(scheduler)
    outside = scheduler.store.jobs_dir.parent / "outside.txt"
    outside.write_text("secret")
    os.symlink(outside, job.dir / "link")
    os.symlink(outside.parent, job.dir / "folder_link")
    answer = client.get("/files/" + path.replace("JOB", job.id))
    assert answer.status_code in (404, 308)
    assert "secret" not in answer.text


def test_a_folder_is_not_served(client: FlaskClient, scheduler: Scheduler) -> None:
    job = done(scheduler)
    assert client.get(f"/files/{job.id}").status_code == 403


def test_paths_are_completed(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    (tmp_path / "pictures" / "list.txt").touch()
    query = f"{tmp_path}/pictures/"
    found = client.get("/autocomplete/path", query_string={"query": query}).json
    assert found == [f"{query}cats/", f"{query}list.txt"]
    assert client.get("/autocomplete/path?query=/no/such/").json == []
    assert client.get("/autocomplete/path?query=a%00b").json == []


def test_paths_come_as_suggestions_for_whoever_asks_for_json(
    client: FlaskClient, tmp_path: Path
) -> None:
    (tmp_path / "cats").mkdir()
    found = {"suggestions": [f"{tmp_path}/cats/"]}
    # What is relative starts at the root.
    for query in (f"{tmp_path}/ca", f"{tmp_path}/ca".removeprefix("/")):
        address = f"/autocomplete/path?query={query}"
        for headers in ({"Accept": "application/json"}, {"X-Requested-With": "XMLHttpRequest"}):
            assert client.get(address, headers=headers).json == found
        assert client.get(f"/autocomplete/path.json?query={query}").json == found
        assert client.get(address).json == found["suggestions"]


def test_paths_outside_the_data_roots_are_neither_completed_nor_taken(tmp_path: Path) -> None:
    for name in ("inside", "outside"):
        (tmp_path / name / "class").mkdir(parents=True)
    os.symlink(tmp_path / "outside", tmp_path / "inside" / "way_out")
    roots = (str(tmp_path / "inside"),)
    with running_app(tmp_path / "jobs", data_roots=roots) as app:
        client = app.test_client()
        assert client.get(f"/autocomplete/path?query={tmp_path}/").json == []
        inside = client.get(f"/autocomplete/path?query={tmp_path}/inside/").json
        assert inside == [f"{tmp_path}/inside/class/"]
        for folder in ("outside", "inside/way_out", "inside/../outside"):
            answer = client.post(
                "/datasets/images/classification.json",
                data={"dataset_name": "x", "folder_train": f"{tmp_path}/{folder}"},
            )
            assert answer.json is not None
            assert "outside the folders" in answer.json["errors"]["folder_train"][0]


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with running_app(tmp_path / "jobs") as app:
            keys.append(app.config["SECRET_KEY"])
    assert keys[0] == keys[1]
    assert (tmp_path / "jobs" / ".secret_key").stat().st_mode & 0o777 == 0o600


def test_jobs_copied_in_are_found_by_a_rescan(
    client: FlaskClient, scheduler: Scheduler, tmp_path: Path
) -> None:
    job = done(scheduler)
    text = (job.dir / "job.json").read_text().replace(job.id, "20200101-000000-abcdef")
    copy = scheduler.store.jobs_dir / "20200101-000000-abcdef"
    copy.mkdir()
    (copy / "job.json").write_text(text)
    assert client.post("/jobs/rescan").json == {"found": [copy.name]}
    wait_until(lambda: client.get(f"/jobs/{copy.name}/status").status_code == 200)


def test_pages_show_the_name_of_the_server(tmp_path: Path) -> None:
    with running_app(tmp_path / "named", server_name="Lab <3>") as app:
        page = app.test_client().get("/").text
    assert "<title>Home · DIGITS on Lab &lt;3&gt;</title>" in page
