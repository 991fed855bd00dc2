"""A model that came in an archive leaves as one that was trained here, but for int8."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
from flask import Flask

from digits.jobs.scheduler import Scheduler
from digits.model.card import INFO_KEY, Card
from digits.model.images.classification.export.facts import licence_of
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.model.images.classification.upload.archives import downloaded, files_of, send, tarred
from tests.model.requests import errors


@pytest.fixture(scope="module")
def uploaded(app: Flask, models: Scheduler, trained: ImageClassificationModelJob) -> str:
    """The trained model, uploaded with a licence."""
    client = app.test_client()
    files = files_of(downloaded(client, trained.id))
    info = json.loads(files["info.json"])
    files["info.json"] = json.dumps({**info, "licence": "CC BY 4.0"}).encode()
    answer = send(client, tarred(files))
    assert answer.status_code == 200, answer.text
    return str(answer.json["id"])


def test_its_file_answers_as_that_of_the_model_it_was(
    app: Flask, uploaded: str, trained: ImageClassificationModelJob
) -> None:
    client = app.test_client()
    pixels = np.random.default_rng(1).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    found = []
    for job_id in (uploaded, trained.id):
        session = onnxruntime.InferenceSession(client.get(f"/models/{job_id}/download.onnx").data)
        found.append(session.run(None, {"image": pixels})[0])
        said = session.get_modelmeta().custom_metadata_map
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert "licence" not in said


def test_its_licence_stands_in_the_file(app: Flask, uploaded: str) -> None:
    content = app.test_client().get(f"/models/{uploaded}/download.onnx").data
    said = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert json.loads(said["licence"]) == "CC BY 4.0"
    assert json.loads(said["about"])["Licence"] == "CC BY 4.0"


def test_it_has_no_pictures_for_int8(app: Flask, uploaded: str) -> None:
    client = app.test_client()
    refused = client.post(f"/models/{uploaded}/exports.json", data={"quantize": "int8"})
    assert "int8 needs pictures to calibrate with" in errors(refused)["quantize"]
    assert "It needs the pictures of the dataset" in client.get(f"/models/{uploaded}/exports").text


CARD = Card("LeNet", "a paper", "BSD-3-Clause", "MNIST", "digits\nonly")


def test_the_card_of_the_weights_that_it_began_from_stands_in_the_file(
    app: Flask, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    """What used to happen: a file said nothing of the licence of a pretrained model."""
    client = app.test_client()
    files = files_of(downloaded(client, trained.id))
    info = json.loads(files["info.json"])
    files["info.json"] = json.dumps({**info, INFO_KEY: CARD.to_json()}).encode()
    job_id = send(client, tarred(files)).json["id"]
    content = client.get(f"/models/{job_id}/download.onnx").data
    said = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    models.delete_job(job_id)
    assert json.loads(said["licence"]) == "BSD-3-Clause"
    about = json.loads(said["about"])
    assert about["Licence"] == "BSD-3-Clause"
    assert about["Pretrained model"].startswith("Name: LeNet; Source: a paper; Licence: BSD-3-")
    assert about["Pretrained model"].endswith("Limits: digits only")
    assert json.loads(said["info"])[INFO_KEY] == CARD.to_json()


@pytest.mark.parametrize(
    ("info", "licence"),
    [
        ({INFO_KEY: CARD.to_json()}, "BSD-3-Clause"),
        ({INFO_KEY: CARD.to_json(), "licence": "MIT"}, "MIT"),  # its own
        ({INFO_KEY: Card(source="a paper").to_json()}, None),
        ({INFO_KEY: {"licence": 7}}, None),
        ({INFO_KEY: ["MIT"]}, None),
    ],
)
def test_the_licence_of_a_card_counts_where_the_model_says_nothing(
    info: dict[str, object], licence: str | None
) -> None:
    assert licence_of(info) == licence


def test_half_characters_of_an_archive_are_no_hindrance(
    app: Flask, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    """What used to happen: no file could be made (500), since none can hold them."""
    client = app.test_client()
    files = files_of(downloaded(client, trained.id))
    odd = {"licence": "of \ud800", "caffe version": "\udfff", "trained_by": {"name": "\ud800"}}
    files["info.json"] = json.dumps({**json.loads(files["info.json"]), **odd}).encode()
    job_id = send(client, tarred(files)).json["id"]
    content = client.get(f"/models/{job_id}/download.onnx").data
    models.delete_job(job_id)
    said = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert json.loads(said["licence"]) == "of ?"


def test_a_licence_is_found_however_it_is_spelled() -> None:
    card = {"source": "somebody", "licence": "MIT"}
    for info in ({"licence": "MIT"}, {"license": "MIT"}, {"card": card}):
        assert licence_of(info) == next(iter(info.values()))
    assert licence_of({"licence": None, "name": "x"}) is None
