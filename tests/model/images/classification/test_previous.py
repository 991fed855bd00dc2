"""Training on a previous model: its classifier is kept for the same categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.training_files import make_files
from digits.model.network.names import as_trained
from digits.model.network.text import parse_network
from tests.conftest import wait_for_status
from tests.model.copies import copied_model
from tests.model.requests import TINY, create, dataset_form, errors
from tests.pictures import make_class_folders

ONE_LAYER = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
Train = Callable[..., ImageClassificationModelJob]


@pytest.fixture(scope="module")
def others_named(
    app: Flask, models: Scheduler, tmp_path_factory: pytest.TempPathFactory
) -> ImageClassificationDatasetJob:
    """A dataset of as many categories, which are other ones."""
    folder = tmp_path_factory.mktemp("others")
    make_class_folders(folder, classes=3, pictures=4, mode="L")
    for path in list(folder.iterdir()):
        path.rename(folder / f"other {path.name}")
    route = "/datasets/images/classification.json"
    answer = app.test_client().post(route, data=dataset_form(folder))
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


@pytest.fixture
def train_on(client: FlaskClient, models: Scheduler) -> Train:
    """Makes a model of a previous one's snapshot, and does not wait for its training."""

    def train(previous: ImageClassificationModelJob, dataset: Any, **fields: str) -> Any:
        last = str(list(previous.snapshots())[-1])
        form = {"method": "previous", "previous_networks": previous.id, "train_epochs": "1"}
        answer = create(client, dataset.id, **form, **{f"{previous.id}-snapshot": last}, **fields)
        assert answer.status_code == 200, answer.text
        job = models.job(answer.json["id"])
        wait_for_status(models, job.id, Status.DONE, Status.ERROR)
        assert job.error is None
        return job

    return train


def layers(job: ImageClassificationModelJob) -> list[str]:
    """The names of the layers that are trained."""
    given = parse_network(job.network_text())
    networks = make_files(given, job.image_dataset, job.dir, job.settings).networks
    return [layer.name for layer in networks.train_val.layer if layer.type != "Data"]


@pytest.mark.slow
def test_the_classifier_is_kept_for_the_same_categories(
    train_on: Train, trained: ImageClassificationModelJob, dataset: ImageClassificationDatasetJob
) -> None:
    job = train_on(trained, dataset)
    assert "ip" in layers(job)
    assert (job.settings.weights_report or {})["loaded"] == ["conv", "ip"]
    assert job.settings.warnings is None
    again = train_on(job, dataset)
    assert (again.settings.weights_report or {})["loaded"] == ["conv", "ip"]


@pytest.mark.slow
def test_the_classifier_begins_afresh_when_that_is_asked_for(
    client: FlaskClient,
    train_on: Train,
    trained: ImageClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
) -> None:
    job = train_on(trained, dataset, restart_outputs="y")
    assert "ip_retrain" in layers(job)
    assert "its classifier from scratch" in client.get(f"/models/{job.id}").text
    # What was trained under the new name is kept under it.
    again = train_on(job, dataset)
    assert "ip_retrain" in layers(again)
    assert (again.settings.weights_report or {})["loaded"] == ["conv", "ip_retrain"]
    form = {"snapshot_epoch": "1"}
    custom: Any = client.post(f"/models/customize?network={job.id}", data=form).json
    assert 'name: "ip_retrain"' in custom["network"]


@pytest.mark.slow
def test_the_classifier_begins_afresh_for_other_categories(
    train_on: Train,
    trained: ImageClassificationModelJob,
    others_named: ImageClassificationDatasetJob,
) -> None:
    job = train_on(trained, others_named)
    assert "ip_retrain" in layers(job)
    assert (job.settings.weights_report or {})["loaded"] == ["conv"]
    assert job.settings.warnings is None


@pytest.mark.slow
def test_a_network_of_nothing_but_its_classifier_is_made_with_a_warning(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    others_named: ImageClassificationDatasetJob,
) -> None:
    single = copied_model(models, trained, "20260101-000000-0e1a7e", ONE_LAYER)
    form = {"method": "previous", "previous_networks": single.id, f"{single.id}-snapshot": "4"}
    answer: Any = create(client, others_named.id, **form, train_epochs="1")
    assert answer.status_code == 200, answer.text
    [warning] = answer.json["warnings"]
    assert "all layers that have some start from scratch (ip, ip_retrain)" in warning
    page = client.get(f"/models/{answer.json['id']}").text
    assert "start from scratch (ip, ip_retrain)" in page
    assert client.get(f"/models/{answer.json['id']}.json").json["warnings"] == [warning]
    wait_for_status(models, answer.json["id"], Status.DONE)


def test_weights_of_a_custom_network_that_fit_nowhere_are_still_refused(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
) -> None:
    form = {"method": "custom", "custom_network": TINY.replace('name: "', 'name: "my_')}
    path = str(trained.snapshots()[4])
    answer = create(client, dataset.id, **form, custom_network_snapshot=path)
    assert "No layer of the network" in errors(answer)["custom_network_snapshot"]


def test_names_are_those_of_the_training() -> None:
    given = parse_network(ONE_LAYER)
    assert as_trained(given, given) is given
    assert as_trained(given, parse_network(ONE_LAYER.replace('"ip"', '"other"'))) is given
    twice = parse_network(ONE_LAYER.replace('name: "ip"', 'name: "ip_retrain_retrain"'))
    assert as_trained(given, twice).layer[0].name == "ip_retrain_retrain"
