"""A model that was downloaded comes back: it predicts the same, and others start from it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.data.augmentation import AUGMENTATION_FILE, PRESETS
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from tests.conftest import wait_for_status
from tests.model.images.classification.upload.archives import (
    classified,
    downloaded,
    files_of,
    send,
    tarred,
    zipped,
)
from tests.model.requests import create, errors

IDENTITY = {"job_id", "job id", "name", "group", "username", "creation time"}


@pytest.fixture(scope="module")
def uploaded(
    app: Flask, models: Scheduler, trained: ImageClassificationModelJob
) -> UploadedClassificationModelJob:
    """The trained model, downloaded and uploaded again."""
    client = app.test_client()
    answer = send(client, downloaded(client, trained.id), group_name="Guests")
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, UploadedClassificationModelJob)
    return job


def test_it_is_done_and_called_as_its_archive_says(
    uploaded: UploadedClassificationModelJob, trained: ImageClassificationModelJob
) -> None:
    assert uploaded.status is Status.DONE
    assert (uploaded.name, uploaded.group) == (trained.name, "Guests")
    assert list(uploaded.snapshots()) == [4]
    assert uploaded.labels() == trained.image_dataset.labels()
    assert (uploaded.width, uploaded.height, uploaded.channels) == (16, 16, 1)
    assert uploaded.required_jobs() == []


def test_it_predicts_what_it_did_where_it_came_from(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    trained: ImageClassificationModelJob,
    pictures: Path,
) -> None:
    for number in range(3):
        picture = pictures / f"class_{number}" / "5.png"
        assert classified(client, uploaded.id, picture) == classified(client, trained.id, picture)


@pytest.mark.parametrize(
    ("said", "sent", "group"),
    [
        (None, {}, "Guests"),  # as it was downloaded
        (None, {"group_name": "Others"}, "Others"),
        ("  of two\nlines ", {}, "of two lines"),
        ("g" * 600, {}, "g" * 500),
        (["no", "text"], {}, ""),
        ("", {}, ""),
    ],
)
def test_the_group_of_a_model_comes_back_with_it(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    models: Scheduler,
    said: object,
    sent: dict[str, str],
    group: str,
) -> None:
    """What used to happen: a model came back without its group."""
    files = files_of(downloaded(client, uploaded.id))
    if said is not None:
        files["info.json"] = json.dumps({**json.loads(files["info.json"]), "group": said}).encode()
    answer = send(client, zipped(files), **sent)
    assert answer.status_code == 200, answer.text
    assert models.job(answer.json["id"]).group == group
    models.delete_job(answer.json["id"])


def test_its_page_offers_no_database_where_there_is_none(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    trained: ImageClassificationModelJob,
) -> None:
    """What used to happen: a choice of a database of the dataset, with None alone."""
    pages = [client.get(f"/models/{job.id}").text for job in (uploaded, trained)]
    assert ["or a database of the dataset" in page for page in pages] == [False, True]
    answers = [
        client.post(f"/models/images/classification/classify_many.json?job_id={job.id}")
        for job in (uploaded, trained)
    ]
    assert ["a database of the dataset" in answer.text for answer in answers] == [False, True]


@pytest.mark.parametrize("extension", ["tar", "tar.bz2", "zip"])
def test_its_own_archive_has_the_same_files(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    trained: ImageClassificationModelJob,
    extension: str,
) -> None:
    before = files_of(downloaded(client, trained.id))
    after = files_of(downloaded(client, uploaded.id, extension))
    info, other = (json.loads(files.pop("info.json")) for files in (before, after))
    assert after == before
    assert {k: v for k, v in other.items() if k not in IDENTITY} == {
        k: v for k, v in info.items() if k not in IDENTITY
    }
    assert other["job_id"] == uploaded.id


def test_many_pictures_and_the_best_of_each_category(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    trained: ImageClassificationModelJob,
    pictures: Path,
) -> None:
    text = "".join(f"{pictures}/class_{n}/{i}.png {n}\n" for n in range(3) for i in range(3))
    for view in ("classify_many", "top_n"):
        answers = [
            client.post(
                f"/models/images/classification/{view}.json?job_id={job.id}",
                data={"image_list": (io.BytesIO(text.encode()), "list.txt")},
            )
            for job in (uploaded, trained)
        ]
        assert answers[0].status_code == 200, answers[0].text
        assert answers[0].json == answers[1].json


def test_a_database_of_its_dataset_is_not_here(
    client: FlaskClient, uploaded: UploadedClassificationModelJob
) -> None:
    answer = client.post(
        f"/models/images/classification/classify_many.json?job_id={uploaded.id}",
        data={"database": "val"},
    )
    assert answer.status_code == 400
    assert "not on this server" in answer.text


def test_another_training_starts_from_its_weights(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
    models: Scheduler,
    would_start: list[list[str]],
) -> None:
    weights = {"previous_networks": uploaded.id, f"{uploaded.id}-snapshot": "4"}
    answer = create(client, dataset.id, method="previous", **weights)
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    report = job.settings.weights_report
    assert report is not None
    assert (report["loaded"], report["skipped"]) == (["conv", "ip"], [])
    assert job.settings.previous_labels == tuple(dataset.labels())
    kept = job.weights_of(-1)
    assert kept is not None
    assert kept.read_bytes() == uploaded.snapshot(None)[1].read_bytes()


@pytest.mark.slow
def test_another_training_from_it_runs_to_its_end_and_classifies(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
    models: Scheduler,
    pictures: Path,
) -> None:
    weights = {"previous_networks": uploaded.id, f"{uploaded.id}-snapshot": "4"}
    answer = create(client, dataset.id, method="previous", train_epochs="2", **weights)
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert list(job.snapshots()) == [1, 2]
    picture = pictures / "class_1" / "5.png"
    predictions = classified(client, job.id, picture)
    assert {label for label, _ in predictions} == set(dataset.labels())
    again = send(client, downloaded(client, job.id))
    assert again.status_code == 200, again.text
    assert classified(client, again.json["id"], picture) == predictions


def test_its_network_alone_and_the_fit_of_the_form(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
) -> None:
    answer = client.post("/models/customize", data={"network": uploaded.id})
    assert "InnerProduct" in answer.json["network"]
    assert "source" not in answer.json["network"]
    notes = client.get(f"/models/images/classification/fit?dataset={dataset.id}").json
    assert uploaded.id not in notes["previous_networks"]


def test_a_restarted_server_has_it(
    uploaded: UploadedClassificationModelJob, models: Scheduler
) -> None:
    store = JobStore(models.store.jobs_dir, JOB_TYPES)
    again = next(job for job in store.load_all(()) if job.id == uploaded.id)
    assert isinstance(again, UploadedClassificationModelJob)
    again.link({})
    assert again.settings == uploaded.settings
    assert again.status is Status.DONE
    assert again.snapshots() == uploaded.snapshots()


def test_pages_and_json_show_it(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    trained: ImageClassificationModelJob,
) -> None:
    page = client.get(f"/models/{uploaded.id}").text
    assert "is not on this server" in page
    assert "is gone" not in page
    assert "after the first iterations" not in page
    answer = client.get(f"/models/{uploaded.id}.json").json
    assert answer["dataset_id"] is None
    assert answer["snapshots"] == [4]
    assert answer["image dimensions"] == [16, 16, 1]
    compared = client.get(f"/models/compare.json?ids={uploaded.id},{trained.id}")
    assert compared.status_code == 200, compared.text
    for address in ("/", "/index.json", "/completed_jobs.json", "/models/upload_archive"):
        assert client.get(address).status_code == 200, address


def test_a_copy_of_it_is_refused_and_its_form_is_that_of_a_training(
    client: FlaskClient,
    uploaded: UploadedClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
) -> None:
    answer = client.post("/models/images/classification.json", data={"clone": uploaded.id})
    assert "was uploaded" in errors(answer)["clone"]
    page = client.get(f"/clone/{uploaded.id}", follow_redirects=True)
    assert page.status_code == 200
    assert "InnerProduct" in page.text


def test_the_log_of_an_archive_is_drawn(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    files = files_of(downloaded(client, trained.id))
    files["caffe_output.log"] = trained.train_task.log_path.read_bytes()
    files["original.prototxt"] = trained.network_text().encode()
    job_id = send(client, zipped(files), "model.zip", model_name="With its log").json["id"]
    job, before = models.job(job_id), client.get(f"/models/{trained.id}/history.json").json
    assert isinstance(job, UploadedClassificationModelJob)
    assert client.get(f"/models/{job_id}/history.json").json == before
    assert job.network_text() == trained.network_text()
    assert set(files_of(downloaded(client, job_id))) == set(files)
    assert "Loss and accuracy" in client.get(f"/models/{job_id}").text


def test_it_can_be_deleted_and_its_folder_goes(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    job = models.job(send(client, downloaded(client, trained.id)).json["id"])
    assert client.delete(f"/models/{job.id}").status_code == 200
    assert not job.dir.exists()


def test_a_tar_in_a_folder_and_odd_files_beside_it(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path
) -> None:
    files = files_of(downloaded(client, trained.id))
    wrapped = {f"my model/{name}": content for name, content in files.items()}
    wrapped |= {"__MACOSX/my model/._info.json": b"x", "my model/photo.jpg": b"x"}
    picture = pictures / "class_0" / "5.png"
    for mode in ("w", "w:gz", "w:xz"):
        answer = send(client, tarred(wrapped, mode))
        assert answer.status_code == 200, answer.text
    assert classified(client, answer.json["id"], picture) == classified(client, trained.id, picture)


def test_how_pictures_were_changed_comes_back_with_the_model(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    text = PRESETS["strong"].to_text()
    files = {**files_of(downloaded(client, trained.id)), AUGMENTATION_FILE: text.encode()}
    answer = send(client, tarred(files))
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, UploadedClassificationModelJob)
    assert job.settings.augmentation == PRESETS["strong"]
    assert dict(job.settings_in_words({}))["Augmentation"].startswith("strong: ")
    again = files_of(downloaded(client, job.id))
    assert again[AUGMENTATION_FILE].decode() == text
    assert json.loads(again["info.json"])["augmentation"].startswith("strong: ")
    models.delete_job(job.id)
