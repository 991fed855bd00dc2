"""Pausing, resuming and cloning over HTTP; what the pages say of the queue and of a full disk."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status, wait_until
from tests.disks import Disk
from tests.program_jobs import ProgramJob, program

UNTIL_GO = "trap 'exit 0' INT; echo started; while [ ! -e go ]; do sleep 0.02; done"


@pytest.fixture
def scheduler(app: Flask) -> Scheduler:
    return scheduler_of(app)


def started(scheduler: Scheduler, name: str = "One", **more: Any) -> ProgramJob:
    job = scheduler.add_job(ProgramJob, name, program(UNTIL_GO, **more))
    assert isinstance(job, ProgramJob)
    wait_until(lambda: "started" in job.tasks[0].lines)  # type: ignore[attr-defined]
    return job


@pytest.mark.parametrize("prefix", ["jobs", "datasets", "models"])
def test_a_job_is_paused_and_resumed(
    client: FlaskClient, scheduler: Scheduler, prefix: str
) -> None:
    job = started(scheduler)
    assert client.post(f"/{prefix}/{job.id}/pause").status_code == 200
    wait_for_status(scheduler, job.id, Status.ABORTED)
    assert client.post(f"/{prefix}/{job.id}/pause").status_code == 403
    (job.dir / "go").touch()
    assert client.post(f"/{prefix}/{job.id}/resume").status_code == 200
    wait_for_status(scheduler, job.id, Status.DONE)
    answer = client.post(f"/{prefix}/{job.id}/resume", headers={"Accept": "application/json"})
    assert answer.status_code == 403
    assert "nothing to resume" in answer.json["error"]["message"]


@pytest.mark.parametrize("what", ["pause", "resume"])
def test_an_unknown_job_is_not_found(client: FlaskClient, what: str) -> None:
    assert client.post(f"/models/20150421-140640-d697/{what}").status_code == 404
    assert client.get(f"/models/20150421-140640-d697/{what}").status_code in (404, 405)


def test_cloning_leads_to_the_form_of_the_jobs_kind(client: FlaskClient, tmp_path: Path) -> None:
    form = {"dataset_name": "One", "folder_train": str(tmp_path)}
    made = client.post("/datasets/images/classification.json", data=form).json
    assert made is not None
    answer = client.get(f"/clone/{made['id']}")
    assert answer.status_code == 302
    assert answer.location.endswith(f"/datasets/images/classification/new?clone={made['id']}")
    assert client.get("/clone/20150421-140640-d697").status_code == 404


def test_what_no_form_makes_is_not_cloned(client: FlaskClient, scheduler: Scheduler) -> None:
    job = started(scheduler)
    answer = client.get(f"/clone/{job.id}", headers={"Accept": "application/json"})
    assert answer.status_code == 403
    assert answer.json is not None
    assert "no form makes such a job" in answer.json["error"]["message"]


def test_the_home_page_shows_who_holds_what_and_who_waits(
    client: FlaskClient, scheduler: Scheduler
) -> None:
    assert "in the queue" not in client.get("/").text
    names = ["Anna’s", "Berta’s", "Carla’s"]
    jobs = [started(scheduler, name) for name in names[:2]]
    jobs.append(scheduler.add_job(ProgramJob, names[2], program(UNTIL_GO)))  # type: ignore[arg-type]
    page = client.get("/").text
    queue = page[page.index("queue-title") :]
    assert queue.index("Anna’s") < queue.index("Berta’s") < queue.index("1 in the queue")
    assert queue.index("1 in the queue") < queue.index("Carla’s")
    for job in jobs:
        scheduler.abort_job(job.id)


def test_a_full_disk_is_said_on_every_page_and_new_jobs_are_refused_until_there_is_room(
    small_disk: Disk, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    for name in ("cats", "dogs"):
        (pictures / name).mkdir(parents=True)
    with running_app(small_disk.path / "jobs") as app:
        client = app.test_client()
        job = started(scheduler_of(app))
        small_disk.fill()
        wait_until(lambda: "the disk is full" in client.get("/").text)
        assert "the disk is full" in client.get("/datasets/images/classification/new").text
        form = {"dataset_name": "Pets", "folder_train": str(pictures)}
        address = "/datasets/images/classification.json"
        answer = client.post(address, data=form)
        assert answer.status_code == 507
        assert "the disk is full" in answer.json["error"]["message"]
        assert client.put(f"/jobs/{job.id}", data={"job_name": "Other"}).status_code == 507
        form_page = client.get("/datasets/images/classification/new").text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form_page)
        assert token is not None
        typed = {**form, "csrf_token": token[1], "resize_width": "77"}
        again = client.post("/datasets/images/classification", data=typed)
        assert again.status_code == 507
        for kept in ("the disk is full", 'value="Pets"', 'value="77"', f'value="{pictures}"'):
            assert kept in again.text
        assert client.get(f"/jobs/{job.id}/status").json["name"] == "One"
        small_disk.empty()
        wait_until(lambda: "the disk is full" not in client.get("/").text)
        assert client.post(address, data=form).status_code == 200


def test_an_upload_that_does_not_fit_leaves_nothing_behind(
    small_disk: Disk, tmp_path: Path
) -> None:
    with running_app(small_disk.path / "jobs") as app:
        client = app.test_client()
        form = {
            "dataset_name": "Pets",
            "method": "textfile",
            "textfile_train_images": (io.BytesIO(b"a.png 0\n" * 2_000_000), "train.txt"),
            "textfile_labels_file": (io.BytesIO(b"cat\ndog\n"), "labels.txt"),
        }
        answer = client.post("/datasets/images/classification.json", data=form)
        answer.request.environ["wsgi.input"].close()  # the test client's own temporary file
        assert answer.status_code == 507, answer.text
        assert scheduler_of(app).jobs == []
        left = [path.name for path in (small_disk.path / "jobs").iterdir()]
        assert all(name.startswith(".") for name in left)
        assert not [name for name in left if name.startswith(".deleted")]


def test_a_form_that_comes_back_says_which_files_to_choose_again(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs") as app:
        form = {
            "dataset_name": "",
            "method": "textfile",
            "textfile_train_images": (io.BytesIO(b"a.png 0\n"), "my <train>.txt"),
        }
        answer = app.test_client().post("/datasets/images/classification", data=form)
        assert answer.status_code == 400
        assert "Choose my &lt;train&gt;.txt again" in answer.text
        assert answer.text.count("a browser does not keep files") == 1
