"""A copy of a dataset, made by a script: `clone` with the id of another one."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.status import Status
from tests.apps import scheduler_of
from tests.conftest import wait_for_status
from tests.dataset.making import ROUTE, made, post, records
from tests.program_jobs import ProgramJob, program

# What differs between two datasets that are the same, but for their sizes on the disk.
OWN = ("id", "directory")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def described(client: FlaskClient, job: ImageClassificationDatasetJob) -> dict[str, Any]:
    answer = client.get(f"/datasets/{job.id}.json").json
    assert answer is not None
    for database in answer["databases"].values():
        del database["size_bytes"]
    return {name: value for name, value in answer.items() if name not in OWN}


def pictures_of(job: ImageClassificationDatasetJob) -> list[tuple[int, bytes]]:
    """The category and the pixels of each: equal ones need not be compressed to equal bytes."""
    found = records(job.database_path("train")).values()
    return sorted((datum.label, Image.open(io.BytesIO(datum.data)).tobytes()) for datum in found)


def zipped(folder: Path) -> tuple[io.BytesIO, str]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    file.seek(0)
    return file, "flowers.zip"


def lists_of(pictures: Path) -> dict[str, bytes]:
    classes = sorted(path for path in pictures.iterdir() if path.is_dir())
    lines = [
        f"{path.relative_to(pictures)} {label}\n"
        for label, folder in enumerate(classes)
        for path in sorted(folder.glob("*.*"))
    ]
    names = "".join(f"{folder.name}\n" for folder in classes)
    return {"images": "".join(lines).encode(), "labels": names.encode()}


def fields_of(method: str, pictures: Path, tmp_path: Path) -> dict[str, Any]:
    """What makes a dataset by one of the methods."""
    if method == "folder":
        return {
            "folder_train": str(pictures),
            "resize_mode": "half_crop",
            "encoding": "jpg",
            "resize_channels": "1",
            "folder_pct_val": "12.5",
        }
    if method == "archive":
        return {"method": "archive", "archive_file": zipped(pictures)}
    lists = lists_of(pictures)
    common = {"method": "textfile", "textfile_use_val": "n", "textfile_train_folder": str(pictures)}
    if method == "uploaded lists":
        return {
            **common,
            "textfile_train_images": (io.BytesIO(lists["images"]), "train.txt"),
            "textfile_labels_file": (io.BytesIO(lists["labels"]), "labels.txt"),
        }
    for name, content in lists.items():
        (tmp_path / f"{name}.txt").write_bytes(content)
    return {
        **common,
        "textfile_use_local_files": "True",
        "textfile_local_train_images": str(tmp_path / "images.txt"),
        "textfile_local_labels_file": str(tmp_path / "labels.txt"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["folder", "archive", "uploaded lists", "lists on the server"])
def test_an_id_alone_makes_a_copy_of_every_kind(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path, method: str
) -> None:
    fields = fields_of(method, pictures, tmp_path)
    original = made(app, post(client, group_name="Flowers", **fields))
    assert original.status is Status.DONE, original.error
    copy = made(app, client.post(ROUTE, data={"clone": original.id}))
    assert copy.status is Status.DONE, copy.error
    assert described(client, copy) == described(client, original)
    assert copy.settings == original.settings
    assert pictures_of(copy) == pictures_of(original)
    scheduler = scheduler_of(app)
    # It stands for itself.
    scheduler.delete_job(original.id)
    again = made(app, client.post(f"{ROUTE}?clone={copy.id}", json={"dataset_name": "Again"}))
    assert again.status is Status.DONE, again.error
    assert (again.name, again.group) == ("Again", "Flowers")
    assert pictures_of(again) == pictures_of(copy)


def test_what_is_sent_beside_it_is_replaced(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path
) -> None:
    # The copy of a half_crop dataset came out as squash.
    original = made(app, post(client, **fields_of("folder", pictures, tmp_path)))
    answer = post(
        client,
        clone=original.id,
        dataset_name="Copy",
        resize_mode="squash",
        resize_width="large",
        method="archive",
        folder_train="/no/such/folder",
        has_val_folder="y",
    )
    copy = made(app, answer)
    assert copy.name == "Copy"
    assert copy.settings == original.settings


@pytest.mark.slow
def test_jobs_that_run_failed_or_wait_can_be_cloned(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path
) -> None:
    scheduler = scheduler_of(app)
    fields = fields_of("archive", pictures, tmp_path)
    original = scheduler.job(post(client, **fields).json["id"])
    running = client.post(ROUTE, data={"clone": original.id})
    assert made(app, running).status is Status.DONE
    broken = post(client, method="archive", archive_file=(io.BytesIO(b"no zip"), "flowers.zip"))
    wait_for_status(scheduler, broken.json["id"], Status.ERROR)
    copy = client.post(ROUTE, data={"clone": broken.json["id"]})
    assert made(app, copy).status is Status.ERROR


@pytest.mark.slow
def test_a_copy_cannot_be_made_of_what_is_gone(
    app: Flask, client: FlaskClient, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(pictures, folder)
    original = made(app, post(client, folder_train=str(folder)))
    shutil.rmtree(folder)
    answer = client.post(ROUTE, data={"clone": original.id})
    assert answer.status_code == 400
    assert "There is no folder" in answer.json["errors"]["folder_train"][0]
    lists = made(app, post(client, **fields_of("uploaded lists", pictures, tmp_path)))
    (lists.dir / "labels.txt").unlink()
    answer = client.post(ROUTE, data={"clone": lists.id})
    assert answer.status_code == 400
    assert "labels.txt is not in its folder" in answer.json["errors"]["clone"][0]


@pytest.mark.parametrize("clone", ["20150421-140640-d697aa", "..", "x" * 5000, "%00"])
def test_a_job_that_is_not_there_cannot_be_cloned(client: FlaskClient, clone: str) -> None:
    for request in ({"data": {"clone": clone}}, {"json": {"clone": clone}}):
        assert client.post(ROUTE, **request).status_code == 404
    assert client.get("/datasets/images/classification/new?clone=x").status_code == 404


def test_a_job_of_another_kind_cannot_be_cloned(app: Flask, client: FlaskClient) -> None:
    other = scheduler_of(app).add_job(ProgramJob, "A program", program("true"))
    assert client.post(ROUTE, data={"clone": other.id}).status_code == 404
    # The form was filled in with another kind's settings.
    page = client.get(f"/datasets/images/classification/new?clone={other.id}")
    assert page.status_code == 404
