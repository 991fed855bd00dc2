"""Archives of other servers: every age of ours, DIGITS 1 to 6, and a network with its weights."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.upload.info import read_info
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from tests.model.images.classification.upload.archives import (
    Files,
    classified,
    downloaded,
    files_of,
    send,
    tarred,
    zipped,
)
from tests.model.requests import errors

WEIGHTS = "snapshot_iter_12.caffemodel"
DIGITS_5 = {
    "job id": "20170421-140640-d697",
    "creation time": "2017-04-21 14:06:40",
    "username": "anna",
    "name": "Grey levels by DIGITS 5",
    "image dimensions": [16, 16, 1],
    "image resize mode": "half_crop",
    "mean file": "mean.binaryproto",
    "mean subtraction": "image",
    "snapshot file": WEIGHTS,
    "solver file": "solver.prototxt",
    "train_val file": "train_val.prototxt",
    "deploy file": "deploy.prototxt",
    "model file": "original.prototxt",
    "labels file": "labels.txt",
    "framework": "caffe",
    "caffe flavor": "NVIDIA",
    "caffe version": "0.15.14",
    "digits version": "5.0.0",
}


@pytest.fixture(scope="module")
def files(app: Flask, trained: ImageClassificationModelJob) -> Files:
    """The files of an archive of ours, without our program."""
    found = files_of(downloaded(app.test_client(), trained.id))
    del found["classify.py"]
    return found


@pytest.fixture
def picture(pictures: Path) -> Path:
    return pictures / "class_1" / "5.png"


@pytest.fixture
def upload(client: FlaskClient, models: Scheduler) -> Callable[..., UploadedClassificationModelJob]:
    """Sends an archive that is good; answers its model."""

    def made(archive: bytes, name: str = "model.zip", **form: Any) -> Any:
        answer = send(client, archive, name, **form)
        assert answer.status_code == 200, answer.text
        return models.job(answer.json["id"])

    return made


def said(files: Files, info: dict[str, Any] | None) -> Files:
    """The files with another info.json, or with none."""
    others = {name: data for name, data in files.items() if name != "info.json"}
    return others if info is None else {"info.json": json.dumps(info).encode(), **others}


def test_the_keys_of_digits_2_to_6_are_read(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    trained: ImageClassificationModelJob,
    picture: Path,
) -> None:
    files = {**said(files, DIGITS_5), "original.prototxt": trained.network_text().encode()}
    job = upload(tarred(files), "20170421-140640-d697_epoch_4.0.tar.gz")
    assert job.name == "Grey levels by DIGITS 5"
    assert (job.width, job.height, job.channels) == (16, 16, 1)
    assert job.resize_mode == "half_crop"
    assert list(job.snapshots()) == [4]
    assert classified(client, job.id, picture) == classified(client, trained.id, picture)
    again = files_of(downloaded(client, job.id))
    info = json.loads(again.pop("info.json"))
    assert {name: again[name] for name in files if name != "info.json"} == {
        name: data for name, data in files.items() if name != "info.json"
    }
    for key in ("caffe flavor", "caffe version", "digits version", "framework", "image dimensions"):
        assert info[key] == DIGITS_5[key]
    assert dict(job.settings_in_words({}))["Trained by"] == "Caffe NVIDIA 0.15.14"


@pytest.mark.parametrize("transform", [None, {}, "none", 1.5, {"scale": None}])
def test_a_transform_that_says_nothing_is_as_good_as_none(
    tmp_path: Path, transform: object
) -> None:
    """What used to happen: pictures were no longer made as in the training, without a word."""
    for info in ({**DIGITS_5, "transform": transform}, {"transform": transform}):
        (tmp_path / "info.json").write_text(json.dumps(info))
        assert read_info(tmp_path).mean == info.get("mean subtraction", "")


def test_the_first_archives_of_ours_named_a_framework_in_an_object(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    trained: ImageClassificationModelJob,
    picture: Path,
) -> None:
    now = json.loads(files["info.json"])
    first = {
        "job_id": now["job_id"],
        "name": "Of the first days",
        "epoch": 4,
        "weights": WEIGHTS,
        "image": {key: now["image"][key] for key in ("width", "height", "channels", "type")},
        "transform": {**now["transform"], "scale_in_deploy": None},
        "framework": {"name": "DIGITS", "version": "0.1"},
        "dataset": now["dataset"],
    }
    job = upload(zipped(said(files, first)))
    assert classified(client, job.id, picture) == classified(client, trained.id, picture)


@pytest.mark.parametrize(
    ("word", "mean"),
    [("image", True), ("none", False), (True, True), (False, False), (None, True)],
)
def test_what_is_subtracted_is_what_the_archive_says_and_not_what_lies_in_it(
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    client: FlaskClient,
    word: Any,
    mean: bool,
) -> None:
    info = {**DIGITS_5, "mean subtraction": word}
    job = upload(zipped(said(files, info)))
    assert job.settings.use_mean is mean
    assert ("mean.binaryproto" in files_of(downloaded(client, job.id))) is mean


def test_a_mean_pixel_is_that_of_the_network_or_of_the_mean_picture(
    files: Files, upload: Callable[..., UploadedClassificationModelJob]
) -> None:
    info = {**DIGITS_5, "mean subtraction": "pixel"}
    (of_picture,) = upload(zipped(said(files, info))).settings.mean_value
    assert 0 < of_picture < 255
    old = b'mean_file: "'
    line = next(line for line in files["train_val.prototxt"].splitlines() if old in line)
    net = files["train_val.prototxt"].replace(line, b"mean_value: 17")
    job = upload(zipped({**said(files, info), "train_val.prototxt": net}))
    assert job.settings.mean_value == (17,)


def test_a_scale_that_deploy_does_not_know_is_the_trainings(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
) -> None:
    net = files["train_val.prototxt"].replace(b"mean_file:", b"scale: 0.5\n    mean_file:")
    job = upload(zipped({**said(files, DIGITS_5), "train_val.prototxt": net}))
    assert job.transformation().scale == 0.5
    again = files_of(downloaded(client, job.id))
    assert b"scale: 0.5" in again["deploy.prototxt"]
    # And from there it comes back with the scale once.
    twice = upload(zipped(again))
    assert twice.transformation().scale == 1
    assert json.loads(again["info.json"])["transform"]["scale"] == 0.5
    after = files_of(downloaded(client, twice.id))
    del after["info.json"], again["info.json"]
    assert after == again


def test_a_network_and_its_weights_are_enough(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    picture: Path,
) -> None:
    two = {
        "bvlc/deploy_of_mine.prototxt": files["deploy.prototxt"],
        "bvlc/mine.caffemodel": files[WEIGHTS],
    }
    job = upload(tarred(two), "mine.tgz")
    assert job.name == "mine"
    assert job.labels() == ["0", "1", "2"]
    assert (job.width, job.height) == (16, 16)
    assert list(job.snapshots()) == [1]
    assert {label for label, _ in classified(client, job.id, picture)} == {"0", "1", "2"}
    assert "SoftmaxWithLoss" in job.network_text()
    assert set(files_of(downloaded(client, job.id))) == {
        "info.json",
        "deploy.prototxt",
        "labels.txt",
        "snapshot_iter_1.caffemodel",
        "classify.py",
    }
    page = client.get(f"/models/{job.id}").text
    assert "Loss and accuracy" not in page


def test_the_form_says_what_such_an_archive_does_not(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    picture: Path,
) -> None:
    two = zipped({name: files[name] for name in ("deploy.prototxt", WEIGHTS)})
    job = upload(
        two,
        model_name="With labels",
        labels_file=(io.BytesIO("\ufeffrot\r\ngrün\r\nblau\r\n".encode()), "names.txt"),
        width="20",
        height="24",
        resize_mode="crop",
        mean_value="117",
    )
    assert job.name == "With labels"
    assert job.labels() == ["rot", "grün", "blau"]
    assert (job.width, job.height, job.resize_mode) == (20, 24, "crop")
    assert job.settings.crop_size == 16
    assert job.settings.mean_value == (117,)
    assert {label for label, _ in classified(client, job.id, picture)} == set(job.labels())


def test_a_network_that_was_trained_is_made_to_classify(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    trained: ImageClassificationModelJob,
    picture: Path,
) -> None:
    info = {key: value for key, value in DIGITS_5.items() if key != "deploy file"}
    given = {
        **said(files, info),
        "original.prototxt": trained.network_text().encode(),
    }
    del given["deploy.prototxt"], given["train_val.prototxt"]
    job = upload(zipped(given))
    assert classified(client, job.id, picture) == classified(client, trained.id, picture)
    del given["labels.txt"]
    assert "says what it tells apart" in errors(send(client, zipped(given)))["archive"]


def test_size_is_asked_for_where_nothing_tells_it(
    client: FlaskClient, files: Files, trained: ImageClassificationModelJob
) -> None:
    given = {
        "original.prototxt": trained.network_text().encode(),
        WEIGHTS: files[WEIGHTS],
        "labels.txt": files["labels.txt"],
    }
    assert "Give width and height" in errors(send(client, zipped(given)))["width"]


def test_scripts_of_digits_5_are_answered_as_there(
    client: FlaskClient, files: Files, models: Scheduler
) -> None:
    archive = zipped(said(files, DIGITS_5))
    answer = send(client, archive, route="/pretrained_models/upload_archive")
    assert (answer.status_code, answer.json) == (200, {"status": "success"})
    assert models.jobs[-1].name == DIGITS_5["name"]


def test_a_browser_is_led_to_the_models_page(
    client: FlaskClient, files: Files, models: Scheduler
) -> None:
    page = client.get("/models/upload_archive").text
    found = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    answer = send(client, zipped(files), route="/models/upload_archive", csrf_token=found)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/models/{models.jobs[-1].id}"


def test_the_same_archive_twice_at_once_makes_two_models(app: Flask, files: Files) -> None:
    archive = zipped(files)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: send(app.test_client(), archive), range(2)))
    first, second = (answer.json for answer in answers)
    assert first["id"] != second["id"]
    assert (first["name"], first["status"]) == (second["name"], "Done")


def test_archives_of_digits_1_have_no_info(
    client: FlaskClient,
    files: Files,
    upload: Callable[..., UploadedClassificationModelJob],
    trained: ImageClassificationModelJob,
    picture: Path,
) -> None:
    job = upload(tarred(said(files, None)), "20150421-140640-d697_epoch_4.tar.gz")
    assert job.name == "20150421-140640-d697_epoch_4"
    assert list(job.snapshots()) == [4]
    assert dict(job.settings_in_words({}))["Training epochs"] == "4"
    assert classified(client, job.id, picture) == classified(client, trained.id, picture)
