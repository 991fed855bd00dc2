"""Pretrained models: added as DIGITS 5 does, listed, begun from, with their card all the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe import TEST, Net
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.kinds import JOB_TYPES
from digits.model.card import INFO_KEY
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from digits.model.network.text import network_to_text, parse_network
from tests.conftest import wait_for_status
from tests.model.images.classification.pretrained.sending import (
    CARD,
    ROUTE,
    fields_of,
    listed,
    pretrained,
    snapshot_of,
    upload,
)
from tests.model.images.classification.upload.archives import (
    classified,
    downloaded,
    files_of,
    send,
    zipped,
)
from tests.model.requests import create, errors
from tests.tools.web import send as answer_with
from tests.tools.web import serving


@pytest.fixture(scope="module")
def stored(
    app: Flask, models: Scheduler, trained: ImageClassificationModelJob
) -> PretrainedModelJob:
    """The weights of the trained model, as a pretrained one with a card."""
    return pretrained(app.test_client(), models, fields_of(trained, **CARD))


@pytest.fixture(scope="module")
def begun(
    app: Flask,
    models: Scheduler,
    stored: PretrainedModelJob,
    dataset: ImageClassificationDatasetJob,
) -> ImageClassificationModelJob:
    """A model that was trained for an epoch and began from it."""
    answer = create(
        app.test_client(),
        dataset.id,
        model_name="Begun",
        method="pretrained",
        pretrained_networks=stored.id,
        train_epochs="1",
    )
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    return job


# Making one ---------------------------------------------------------------------------------------


def test_scripts_of_digits_5_are_led_to_the_list(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    answer = client.post("/pretrained_models/new", data=fields_of(trained))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?tab=3")
    job = models.jobs[-1]
    assert (job.type_name, job.name, job.status) == ("pretrained-model", "Tiny weights", "Done")
    table = client.get("/completed_jobs.json").json
    [row] = [each for each in table["pretrained_models"] if each["id"] == job.id]
    assert (row["type"], row["framework"], row["has_labels"]) == ("pretrained", "caffe", True)
    assert job.id not in [each["id"] for each in table["models"]]
    page = client.get("/?tab=3").text
    assert page.index("Tiny weights") < page.index("datasets-title")
    assert client.delete(f"/pretrained_models/{job.id}").status_code == 200
    assert job.id not in listed(client)
    assert job.id in client.get("/bin").text


def test_it_stands_in_a_list_of_its_own_with_its_page(
    client: FlaskClient, stored: PretrainedModelJob
) -> None:
    index = client.get("/index.json?details=yes").json
    [row] = [each for each in index["pretrained_models"] if each["id"] == stored.id]
    assert (row["network"], row["licence"]) == ("Tiny", "CC BY 4.0")
    assert stored.id not in [each["id"] for each in index["models"]]
    home = client.get("/").text
    assert home.index("models-title") < home.index("pretrained_models-title")
    page = client.get(f"/pretrained_models/{stored.id}").text
    for text in CARD.values():
        assert text in page
    assert f"pretrained_networks={stored.id}" in page
    said = client.get(f"/pretrained_models/{stored.id}.json").json
    assert said["card"] == {
        "name": "Tiny weights",
        **{name.removeprefix("card_"): text for name, text in CARD.items()},
    }
    assert (
        client.get(f"/jobs/{stored.id}")
        .headers["Location"]
        .endswith(f"/pretrained_models/{stored.id}")
    )
    assert client.get(f"/pretrained_models/{stored.id}/status").json["type"] == "Pretrained Model"


def test_it_is_there_after_a_restart(stored: PretrainedModelJob) -> None:
    again = PretrainedModelJob.from_json(
        stored.dir, json.loads((stored.dir / "job.json").read_text())
    )
    assert isinstance(again, PretrainedModelJob)
    assert (again.card, again.settings) == (stored.card, stored.settings)
    assert PretrainedModelJob in JOB_TYPES


@pytest.mark.parametrize("weights", ["tiny.caffemodel", "tiny.h5"])
def test_its_network_may_be_the_deployed_one_and_its_weights_hdf5(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    tmp_path: Path,
    weights: str,
) -> None:
    deploy = trained.dir / "deploy.prototxt"
    path = tmp_path / weights
    net = Net(deploy, TEST, weights=snapshot_of(trained))
    net.save_hdf5(path) if weights.endswith(".h5") else net.save(path)
    net.close()
    fields = fields_of(
        trained,
        weights_file=upload(path.read_bytes(), weights),
        model_def_file=upload(deploy.read_bytes(), "deploy.prototxt"),
        labels_file=None,
        width=None,
        height=None,
    )
    job = pretrained(client, models, fields)
    assert job.labels() == ["0", "1", "2"]
    assert "SoftmaxWithLoss" in job.network_text()
    ending = ".caffemodel.h5" if weights.endswith(".h5") else ".caffemodel"
    assert job.weights().name == f"snapshot_iter_1{ending}"
    models.delete_job(job.id)


def test_weights_may_lie_on_the_server_or_in_the_web(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob, tmp_path: Path
) -> None:
    path = tmp_path / "there.caffemodel"
    path.write_bytes(snapshot_of(trained).read_bytes())
    with serving(lambda request: answer_with(request, path.read_bytes())) as url:
        for place in (str(path), f"{url}there.caffemodel?x=1"):
            fields = fields_of(trained, weights_file=None, weights_path=place)
            job = pretrained(client, models, fields)
            assert job.settings.archive_name == "there.caffemodel"
            assert job.weights().read_bytes() == path.read_bytes()
            assert not job.weights().samefile(path)
            models.delete_job(job.id)


# From a model, from an archive --------------------------------------------------------------------


def test_a_model_becomes_a_pretrained_one_that_says_the_same(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    pictures: Path,
) -> None:
    route = f"/models/{trained.id}/to_pretrained"
    answer = client.post(route, data={"snapshot_epoch": "3", "card_licence": "MIT"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?tab=3")
    job = models.jobs[-1]
    assert isinstance(job, PretrainedModelJob)
    assert job.name == trained.name
    assert job.weights().read_bytes() == trained.snapshots()[3].read_bytes()
    assert job.card.source == (
        f"Trained by DIGITS: the model {trained.name} ({trained.id}), epoch 3."
    )
    assert (job.card.licence, job.card.data) == ("MIT", "The dataset Grey levels of 3 categories.")
    last = client.post(f"{route}.json", data={"job_name": "Last"}).json
    assert last["name"] == "Last"
    picture = pictures / "class_1" / "5.png"
    assert classified(client, last["id"], picture) == classified(client, trained.id, picture)
    assert "no snapshot of epoch" in errors(client.post(f"{route}.json?epoch=9"))["snapshot_epoch"]
    assert client.post(f"/models/{job.id[:-1]}/to_pretrained.json").status_code == 404
    for job_id in (job.id, last["id"]):
        models.delete_job(job_id)


def test_an_archive_becomes_one_as_in_digits_5(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    archive = downloaded(client, trained.id)
    answer = send(client, archive, route="/pretrained_models/upload_archive")
    assert (answer.status_code, answer.json) == (200, {"status": "success"})
    job = models.jobs[-1]
    assert (job.type_name, job.name) == ("pretrained-model", trained.name)
    models.delete_job(job.id)


# Beginning from one -------------------------------------------------------------------------------


def test_training_begins_with_its_network_and_weights(
    begun: ImageClassificationModelJob, stored: PretrainedModelJob
) -> None:
    assert begun.network_text() == stored.network_text()
    assert (begun.dir / "pretrained.caffemodel").read_bytes() == stored.weights().read_bytes()
    report = begun.settings.weights_report
    # The same categories: its classifier is kept, too.
    assert report is not None
    assert (report["loaded"], report["skipped"]) == (["conv", "ip"], [])
    words = dict(begun.settings_in_words({stored.id: stored.name}))
    assert (words["Network"], words["Starts from"]) == ("that of Tiny weights", "its weights")


def test_other_categories_get_a_classifier_from_scratch(
    client: FlaskClient,
    models: Scheduler,
    stored: PretrainedModelJob,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
    trained: ImageClassificationModelJob,
) -> None:
    other = pretrained(
        client, models, fields_of(trained, labels_file=upload(b"a\nb\nc\n", "l.txt"))
    )
    answer = create(client, dataset.id, method="pretrained", pretrained_networks=other.id)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    report = job.settings.weights_report
    assert report is not None
    assert report["loaded"] == ["conv"]
    assert "ip_retrain" in [layer for layer, _ in report["skipped"]]
    models.delete_job(other.id)


def test_its_card_stands_in_archives_and_comes_back_with_them(
    client: FlaskClient,
    models: Scheduler,
    begun: ImageClassificationModelJob,
    stored: PretrainedModelJob,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    card = stored.card.to_json()
    files = files_of(downloaded(client, begun.id))
    assert json.loads(files["info.json"])[INFO_KEY] == card
    assert client.get(f"/models/{begun.id}.json").json["card"] == card
    assert "Grey levels" in client.get(f"/models/{begun.id}").text
    back = models.job(send(client, zipped(files)).json["id"])
    assert isinstance(back, ImageClassificationModelJob)
    assert back.card == stored.card
    answer = create(
        client,
        dataset.id,
        method="previous",
        previous_networks=back.id,
        **{f"{back.id}-snapshot": "1"},
    )
    last = models.job(answer.json["id"])
    assert isinstance(last, ImageClassificationModelJob)
    assert last.card == stored.card
    # Its own archive has it, and so has a pretrained model that is made of a model.
    own = json.loads(files_of(downloaded(client, stored.id))["info.json"])
    assert own[INFO_KEY] == card
    made = client.post(f"/models/{begun.id}/to_pretrained.json").json["id"]
    said = client.get(f"/pretrained_models/{made}.json").json["card"]
    assert "It began from Tiny weights: https://example.org/tiny" in said["source"]
    assert (said["licence"], said["limits"]) == (card["licence"], card["limits"])
    for job_id in (back.id, last.id, made):
        models.delete_job(job_id)


def test_a_model_that_began_from_it_is_cloned_and_compared(
    client: FlaskClient,
    models: Scheduler,
    begun: ImageClassificationModelJob,
    trained: ImageClassificationModelJob,
    stored: PretrainedModelJob,
    would_start: list[list[str]],
) -> None:
    answer = client.post("/models/images/classification.json", data={"clone": begun.id})
    assert answer.status_code == 200, answer.text
    copy = models.job(answer.json["id"])
    assert isinstance(copy, ImageClassificationModelJob)
    assert copy.settings.pretrained_networks == stored.id
    assert copy.card == stored.card
    page = client.get(f"/models/images/classification/new?clone={begun.id}").text
    assert f'value="{stored.id}"' in page
    compared = client.get(f"/models/compare.json?ids={begun.id},{trained.id}")
    assert "that of Tiny weights" in compared.text
    models.delete_job(copy.id)


def test_a_copy_of_it_needs_no_pretrained_model(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    """Network and weights lie with the model; the store's may be deleted."""
    gone = pretrained(client, models, fields_of(trained, job_name="Soon gone", **CARD))
    answer = create(client, dataset.id, method="pretrained", pretrained_networks=gone.id)
    first = answer.json["id"]
    assert client.delete(f"/pretrained_models/{gone.id}?for_good=yes").status_code == 200
    answer = client.post("/models/images/classification.json", data={"clone": first})
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert dict(job.settings_in_words({}))["Network"] == "that of Soon gone"
    assert (job.dir / "pretrained.caffemodel").is_file()


def test_customize_gives_its_network_and_the_path_of_its_weights(
    client: FlaskClient,
    models: Scheduler,
    stored: PretrainedModelJob,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    answer = client.post("/models/customize", query_string={"network": stored.id}).json
    assert answer == {"network": stored.network_text(), "snapshot": str(stored.weights())}
    made = create(
        client,
        dataset.id,
        method="custom",
        custom_network=answer["network"],
        custom_network_snapshot=answer["snapshot"],
    )
    job = models.job(made.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert job.card == stored.card


def test_an_unknown_one_is_told_at_its_field(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    for job_id, words in (
        ("", "Choose a pretrained model"),
        (trained.id, "There is no pretrained"),
    ):
        answer = create(client, dataset.id, method="pretrained", pretrained_networks=job_id)
        assert words in errors(answer)["pretrained_networks"]


def test_a_pretrained_model_is_no_previous_network(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, stored: PretrainedModelJob
) -> None:
    answer = create(client, dataset.id, method="previous", previous_networks=stored.id)
    assert "There is no model" in errors(answer)["previous_networks"]
    notes = client.get(f"/models/images/classification/fit?dataset={dataset.id}").json
    assert notes["pretrained_networks"] == {}


def network_of(text: str, **changes: Any) -> bytes:
    """A network with fields of its last layer changed."""
    net = parse_network(text)
    for name, value in changes.items():
        setattr(net.layer[2].inner_product_param, name, value)
    return network_to_text(net).encode()


def test_the_categories_of_a_network_are_counted_where_there_are_no_labels(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    text = trained.network_text()
    said = upload(network_of(text, num_output=3), "net.prototxt")
    job = pretrained(client, models, fields_of(trained, labels_file=None, model_def_file=said))
    assert (job.labels(), job.settings.has_labels) == (["0", "1", "2"], False)
    models.delete_job(job.id)
    answer = client.post(ROUTE, data=fields_of(trained, labels_file=None))
    assert "how many categories" in errors(answer)["labels_file"]
