"""Trainings from HDF5 files learn what those from an LMDB do, and are used in the same ways."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.caffe.formats.prototxt import parse_text
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status
from tests.model.requests import TINY, create, dataset_form, errors

DATA = """
layer { name: "train" type: "Data" top: "pictures" top: "numbers" include { phase: TRAIN }
  transform_param { scale: 0.01 } data_param { batch_size: 9 } }
layer { name: "test" type: "Data" top: "pictures" top: "numbers" include { phase: TEST }
  transform_param { scale: 0.01 } data_param { batch_size: 4 } }
"""
NETWORK = DATA + TINY.replace('"data"', '"pictures"').replace('"label"', '"numbers"')
TRY_OUT = "/models/images/classification"


@pytest.fixture(scope="module")
def hdf5(app: Any, models: Scheduler, pictures: Path) -> ImageClassificationDatasetJob:
    """The pictures of `dataset` as HDF5."""
    form = dataset_form(pictures, backend="hdf5", dataset_name="In HDF5")
    answer = app.test_client().post("/datasets/images/classification.json", data=form)
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


def trained_on(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob, **fields: Any
) -> ImageClassificationModelJob:
    form = {"method": "custom", "custom_network": NETWORK, "random_seed": "1", "train_epochs": "3"}
    answer = create(client, dataset.id, use_mean="y", learning_rate="0.1", **{**form, **fields})
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE, Status.ERROR)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert job.error is None
    return job


def accuracy_of_evaluation(
    client: FlaskClient, models: Scheduler, job: ImageClassificationModelJob
) -> float:
    """Of the last snapshot, by classifying the validation set."""
    route = f"{TRY_OUT}/classify_many.json?job_id={job.id}"
    answer = client.post(route, data={"database": "val"})
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE, Status.ERROR)
    found = client.get(f"{TRY_OUT}/evaluations/{answer.json['id']}.json").json
    return float(found["top1_accuracy"])


@pytest.mark.slow
def test_both_kinds_of_databases_teach_the_same_and_validation_is_exact(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    hdf5: ImageClassificationDatasetJob,
    pictures: Path,
) -> None:
    by_lmdb = trained_on(client, models, dataset)
    by_hdf5 = trained_on(client, models, hdf5)
    one, other = (
        client.get(f"/models/{job.id}/history.json").json["val"]["outputs"]
        for job in (by_lmdb, by_hdf5)
    )
    assert other["loss"] == pytest.approx(one["loss"], rel=1e-3)
    assert other["accuracy"] == one["accuracy"]
    for job in (by_lmdb, by_hdf5):
        data = client.get(f"/models/{job.id}.json").json
        exact = data["last_outputs"]["val"]["accuracy"]
        # 9 pictures in batches of 4: Caffe's own average counts some twice.
        assert exact * 9 == pytest.approx(round(exact * 9), abs=1e-9)
        assert round(100 * exact, 2) == accuracy_of_evaluation(client, models, job)
        assert data["snapshot_details"][-1]["accuracy"] == exact
    results = []
    for job in (by_lmdb, by_hdf5):
        form = {"image_file": (io.BytesIO((pictures / "class_1/3.png").read_bytes()), "3.png")}
        answer = client.post(f"{TRY_OUT}/classify_one.json?job_id={job.id}", data=form)
        assert answer.status_code == 200, answer.text
        results.append(answer.json["predictions"])
    assert [label for label, _ in results[0]] == [label for label, _ in results[1]]
    for (_, one_percent), (_, other_percent) in zip(*results, strict=True):
        assert other_percent == pytest.approx(one_percent, abs=0.1)
    archive = client.get(f"/models/{by_hdf5.id}/download.tar").data
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile("train_val.prototxt")
        assert file is not None
        net = parse_text(file.read().decode(), NetParameter())
    assert [layer.type for layer in net.layer][:2] == ["HDF5Data", "Power"]
    listed = (by_hdf5.dir / "train_hdf5.txt").read_text().split()
    assert listed == [f"../{hdf5.id}/train_db/00000.h5"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"crop_size": "12"}, "crop_size", "cuts 12 x 12 out of pictures"),
        ({"mirror": "on"}, "mirror", "mirrors half of the pictures"),
        (
            {"custom_network": NETWORK.replace("scale: 0.01", "crop_size: 10")},
            "custom_network",
            "cuts 10 x 10 out of pictures. The dataset is stored as HDF5",
        ),
        (
            {"custom_network": NETWORK.replace("scale: 0.01", "scale: 2", 1)},
            "custom_network",
            "differ in their tops, mean or scale",
        ),
    ],
)
def test_what_hdf5_layers_cannot_do_is_refused(
    client: FlaskClient,
    hdf5: ImageClassificationDatasetJob,
    fields: dict[str, str],
    field: str,
    words: str,
) -> None:
    form = {"method": "custom", "custom_network": NETWORK, **fields}
    assert words in errors(create(client, hdf5.id, **form))[field]


@pytest.mark.usefixtures("would_start")
def test_a_head_on_hdf5_files_says_that_no_features_are_kept(
    client: FlaskClient,
    hdf5: ImageClassificationDatasetJob,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    form = {"method": "previous", "previous_networks": trained.id, f"{trained.id}-snapshot": "4"}
    answer = create(client, hdf5.id, **form, fine_tune="head", batch_size="9")
    [warning] = answer.json["warnings"]
    assert "HDF5 files, of which no features can be kept" in warning
    assert "warnings" not in create(client, dataset.id, **form, fine_tune="head").json
    assert "warnings" not in create(client, hdf5.id, **form, fine_tune="all").json
    refused = create(client, hdf5.id, **form, fine_tune="head", find_settings="y")
    assert "database LMDB" in errors(refused)["find_settings"]
