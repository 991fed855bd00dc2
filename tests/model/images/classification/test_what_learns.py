"""What of a model learns, from the form to the files; what does not learn runs once."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status, wait_until
from tests.model.images.classification.upload.archives import downloaded, files_of
from tests.model.requests import create, errors


def form_of(model: ImageClassificationModelJob, **fields: str) -> dict[str, str]:
    """A training that begins with the weights of a model."""
    return {
        "method": "previous",
        "previous_networks": model.id,
        f"{model.id}-snapshot": "4",
        "train_epochs": "2",
        "batch_size": "9",
        "random_seed": "1",
        **fields,
    }


@pytest.fixture(scope="module")
def tuned(
    app: Flask,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> ImageClassificationModelJob:
    """A model of which only the last layer has learned, and no features were kept before."""
    app.test_client().delete(f"/datasets/{dataset.id}/features")
    answer = create(app.test_client(), dataset.id, **form_of(trained, fine_tune="head"))
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    return job


def features_of(client: FlaskClient, dataset: ImageClassificationDatasetJob) -> dict[str, int]:
    found: dict[str, int] = client.get(f"/datasets/{dataset.id}.json").json["features"]
    return found


def test_only_the_last_layer_learns_and_what_is_below_runs_once(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    tuned: ImageClassificationModelJob,
) -> None:
    log = (tuned.dir / "caffe_output.log").read_text()
    assert "Computing conv of 27 records for the training" in log
    assert "Computing conv of 9 records for the test net (#0)" in log
    layers = {
        layer.name: layer for layer in prototxt.read_net(tuned.dir / "train_val.prototxt").layer
    }
    assert [spec.lr_mult for spec in layers["conv"].param] == [0, 0]
    assert [spec.lr_mult for spec in layers["ip"].param] == [10, 10]
    assert features_of(client, dataset)["sets"] == 2
    page = client.get(f"/datasets/{dataset.id}").text
    assert "data-delete-features" in page
    assert "2 sets" in page


def test_the_choice_is_on_the_page_in_json_in_clones_and_in_archives(
    client: FlaskClient, models: Scheduler, tuned: ImageClassificationModelJob
) -> None:
    words = dict(tuned.settings_in_words({}))
    assert words["What learns"] == "only the last layer, 10 times as fast"
    assert client.get(f"/models/{tuned.id}.json").json["settings"]["fine_tune"] == "head"
    page = client.get(f"/models/images/classification/new?clone={tuned.id}").text
    assert '<option selected value="head">' in page
    answer = client.post("/models/images/classification.json", data={"clone": tuned.id})
    assert models.job(answer.json["id"]).settings.to_json()["fine_tune"] == "head"
    files = files_of(downloaded(client, tuned.id))
    assert json.loads(files["info.json"])["fine_tune"] == "head"
    assert b"lr_mult: 0" in files["train_val.prototxt"]


@pytest.mark.slow
def test_a_second_model_reads_them_and_they_can_be_deleted(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    tuned: ImageClassificationModelJob,
) -> None:
    answer = create(client, dataset.id, **form_of(trained, fine_tune="head", learning_rate="0.1"))
    wait_for_status(models, answer.json["id"], Status.DONE)
    log = (models.job(answer.json["id"]).dir / "caffe_output.log").read_text()
    assert "Reading conv of 27 records" in log
    assert "Computing" not in log
    before = features_of(client, dataset)
    assert before["size_bytes"] > 0

    def measured() -> int:
        return (dataset.measured and dataset.measured.size_bytes) or 0

    # What they take is a part of the dataset's size, in lists as well.
    wait_until(lambda: measured() >= before["size_bytes"])
    with_features = measured()
    assert client.delete(f"/datasets/{dataset.id}/features").json == before
    assert features_of(client, dataset) == {"sets": 0, "size_bytes": 0}
    wait_until(lambda: measured() == with_features - before["size_bytes"])
    assert client.delete(f"/datasets/{dataset.id}/features").json["sets"] == 0
    assert client.delete(f"/datasets/{trained.id}/features").status_code == 404
    assert "data-delete-features" not in client.get(f"/datasets/{dataset.id}").text


def test_where_everything_learns_nothing_is_kept(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    for fields, flags in (
        ({}, 0),
        ({"fine_tune": "all"}, 0),
        ({"fine_tune": "head", "feature_variants": "7"}, 2),
    ):
        would_start.clear()
        answer = create(client, dataset.id, **form_of(trained, **fields))
        assert answer.status_code == 200, answer.text
        wait_until(lambda: would_start)
        given = [word for word in would_start[-1] if "--feature" in word]
        assert len(" ".join(given).split("--feature")) - 1 == flags
        models.abort_job(answer.json["id"])


@pytest.mark.parametrize("choice", ["head", "last_blocks"])
def test_random_weights_are_not_kept(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, choice: str
) -> None:
    message = errors(create(client, dataset.id, fine_tune=choice))["fine_tune"]
    assert message.startswith("Without weights to begin with, there is nothing worth keeping.")


@pytest.mark.parametrize(
    ("field", "value"),
    [("fine_tune", "tail"), ("head_lr_mult", "0"), ("head_lr_mult", "nan"),
     ("feature_variants", "0"), ("feature_variants", "1001")],
)  # fmt: skip
def test_wrong_values_are_told_at_their_fields(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, field: str, value: str
) -> None:
    assert field in errors(create(client, dataset.id, **{field: value}))


def test_an_older_job_loads_with_what_was_usual(trained: ImageClassificationModelJob) -> None:
    settings = trained.settings.to_json()
    for name in ("fine_tune", "head_lr_mult", "feature_variants"):
        settings.pop(name, None)
    loaded = type(trained.settings).from_json(settings)
    assert (loaded.fine_tune, loaded.head_lr_mult, loaded.feature_variants) == ("", 10, None)
    assert loaded.what_learns == ""
