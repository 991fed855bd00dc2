"""Features as a file: what a layer makes of every picture of a database, made as a job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from flask.testing import FlaskClient

from digits.caffe import Net
from digits.caffe.data import datum, db
from digits.caffe.data.means import load_mean
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.resources import INFERENCE, LIGHT
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.features.job import ImageClassificationFeaturesJob
from digits.model.images.classification.features.tasks import WriteFeaturesTask
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status, wait_until

ROUTE = "/models/images/classification/features.json"


def ask(client: FlaskClient, job_id: str, **fields: str) -> Any:
    return client.post(ROUTE, query_string={"job_id": job_id}, data=fields)


@pytest.fixture(scope="module")
def made(
    app: Any, models: Scheduler, trained: ImageClassificationModelJob
) -> ImageClassificationFeaturesJob:
    """The features of the validation set that the classifier reads."""
    answer = ask(app.test_client(), trained.id, database="val", blob="conv")
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE, Status.ERROR)
    job = models.job(answer.json["id"])
    assert job.error is None
    assert isinstance(job, ImageClassificationFeaturesJob)
    return job


def test_the_file_has_the_blob_of_every_picture_with_labels_and_names(
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    made: ImageClassificationFeaturesJob,
) -> None:
    lines = (dataset.dir / "val.txt").read_text().splitlines()
    with h5py.File(made.dir / "features.h5") as file:
        assert set(file) == {"features", "labels", "names", "categories"}
        features = file["features"][:]
        labels = file["labels"][:].tolist()
        names = file["names"].asstr()[:].tolist()
        assert file["categories"].asstr()[:].tolist() == dataset.labels()
    assert sorted(f"{name} {label}" for name, label in zip(names, labels, strict=True)) == sorted(
        lines
    )
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, by_hand(dataset, trained, "conv"), rtol=1e-4, atol=1e-4)


def by_hand(
    dataset: ImageClassificationDatasetJob, model: ImageClassificationModelJob, blob: str
) -> np.ndarray:
    """The same by pycaffe's interface."""
    net = Net(str(model.dir / "deploy.prototxt"), str(model.snapshot(None)[1]), 1)
    mean = model_mean(dataset)
    with db.Reader(str(dataset.database_path("val"))) as reader:
        values = []
        for _ in range(len(reader)):
            key, value = reader.record()
            sample = datum.sample(datum.parse(value, "x"), key.decode())
            pixels = sample.values.transpose(2, 0, 1) if sample.channels_last else sample.values
            values.append(pixels.astype(np.float32) - mean)
            reader.advance()
    net.blobs["data"].reshape(len(values), *values[0].shape)
    net.blobs["data"].data[...] = np.stack(values)
    net.forward()
    return np.array(net.blobs[blob].data)


def model_mean(dataset: ImageClassificationDatasetJob) -> np.ndarray:
    return np.asarray(load_mean(str(dataset.mean_path)), np.float32).reshape(1, 16, 16)


def test_its_page_and_the_models_lead_to_the_file(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    made: ImageClassificationFeaturesJob,
) -> None:
    assert made.id in client.get(f"/models/{trained.id}").text
    page = client.get(f"/models/images/classification/features/{made.id}")
    address = f"/files/{made.id}/features.h5"
    assert address in page.text
    found = client.get(f"/models/images/classification/features/{made.id}.json").json
    assert found["file"] == address
    assert (found["blob"], found["database"], found["pictures"]) == ("conv", "val", 9)
    with client.get(address) as answer:
        assert answer.data == (made.dir / "features.h5").read_bytes()
    assert made.belongs_to == trained.id


def test_without_a_name_it_is_what_the_last_layer_with_weights_reads(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    answer = ask(client, trained.id, database="train")
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationFeaturesJob)
    assert job.settings.blob in ("conv", "pool", "relu")
    wait_until(lambda: would_start)
    assert would_start[0][1:] == ["-m", "digits.inference.work.features", "request.json"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        (
            {"blob": "nowhere", "database": "val"},
            "blob",
            "The network has no blob 'nowhere'. It has:",
        ),
        ({"database": "test"}, "database", "has no test database"),
        ({"database": "../../etc"}, "database", "The database is one of"),
        ({}, "database", "Choose a set of the dataset"),
        ({"database": "val", "snapshot_epoch": "99"}, "snapshot_epoch", "There is no snapshot"),
        ({"database": "val", "layers": "3"}, "layers", "There is no field"),
    ],
)
def test_what_is_not_there_is_refused_at_its_field(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    fields: dict[str, str],
    field: str,
    words: str,
) -> None:
    answer = ask(client, trained.id, **fields)
    assert answer.status_code == 400
    assert words in answer.json["errors"][field][0]


def test_few_pictures_take_a_light_slot_and_many_do_not_keep_it(tmp_path: Path) -> None:
    assert WriteFeaturesTask(tmp_path, "t", pictures=20_000).need().kind == LIGHT
    many = WriteFeaturesTask(tmp_path, "t", pictures=20_001)
    assert many.need().kind == INFERENCE
    # Also for a server that was started again.
    again = WriteFeaturesTask.from_json(tmp_path, many.to_json())
    assert again.need().kind == INFERENCE


def run_again(made: ImageClassificationFeaturesJob, folder: Path, **changes: Any) -> str:
    """The program with a changed request; answers its log."""
    request = {**json.loads((made.dir / "request.json").read_text()), **changes}
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-m", "digits.inference.work.features", "request.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stderr


def test_where_there_is_no_room_nothing_is_left_and_the_numbers_are_told(
    tmp_path: Path, made: ImageClassificationFeaturesJob
) -> None:
    log = run_again(made, tmp_path, count=10**12)
    assert "Error: The features take" in log
    assert "make room" in log
    assert [path.name for path in tmp_path.iterdir()] == ["request.json"]


def test_a_database_with_fewer_pictures_than_it_should_have_gives_no_file(
    tmp_path: Path, made: ImageClassificationFeaturesJob
) -> None:
    assert "has 9 pictures, not 12" in run_again(made, tmp_path, count=12)
    assert [path.name for path in tmp_path.iterdir()] == ["request.json"]


def test_a_blob_that_is_not_there_is_named(
    tmp_path: Path, made: ImageClassificationFeaturesJob
) -> None:
    assert "has no blob 'x'" in run_again(made, tmp_path, blob="x")


def test_what_a_killed_attempt_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "features.h5.part").write_bytes(b"half")
    WriteFeaturesTask(tmp_path, "t", pictures=1).clean_up()
    assert list(tmp_path.iterdir()) == []
