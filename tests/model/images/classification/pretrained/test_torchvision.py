"""A state_dict of torchvision in the store: its network, its own mean and scale, its categories."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from flask import Flask
from flask.testing import FlaskClient

from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from tests.conftest import wait_for_status
from tests.model.images.classification.pretrained.sending import post, pretrained, upload
from tests.model.requests import create, dataset_form, errors
from tests.pictures import make_class_folders
from tests.tools.test_torchvision_weights import tensors_of


@pytest.fixture(scope="module")
def state_dict() -> bytes:
    """Weights of SqueezeNet 1.1 with five categories."""
    tensors = tensors_of("squeezenet1_1")
    tensors["classifier.1.weight"] = tensors["classifier.1.weight"][:5].clone()
    tensors["classifier.1.bias"] = tensors["classifier.1.bias"][:5].clone()
    data = io.BytesIO()
    torch.save(tensors, data)
    return data.getvalue()


@pytest.fixture(scope="module")
def squeezenet(app: Flask, models: Scheduler, state_dict: bytes) -> PretrainedModelJob:
    fields = {"job_name": "Squeezed", "weights_file": upload(state_dict, "squeezenet.pth")}
    return pretrained(app.test_client(), models, fields)


@pytest.fixture(scope="module")
def colors(app: Flask, models: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset of colour pictures of 64 x 64."""
    folder = tmp_path_factory.mktemp("colors")
    pictures = make_class_folders(folder, classes=3, pictures=4, mode="RGB")
    sides = {"resize_channels": "3", "resize_width": "64", "resize_height": "64"}
    form = dataset_form(pictures, dataset_name="Colors", **sides)
    answer = app.test_client().post("/datasets/images/classification.json", data=form)
    wait_for_status(models, answer.json["id"], Status.DONE)
    return str(answer.json["id"])


def test_it_brings_network_mean_and_scale_along(
    client: FlaskClient, squeezenet: PretrainedModelJob, pictures: Path
) -> None:
    assert squeezenet.network_name == "SqueezeNet 1.1 (torchvision)"
    assert squeezenet.labels() == ["0", "1", "2", "3", "4"]
    assert (squeezenet.width, squeezenet.resize_mode) == (256, "crop")
    transform = squeezenet.transformation()
    assert list(transform.mean_value) == pytest.approx([103.53, 116.28, 123.675])
    assert transform.scale == pytest.approx(1 / (255 * 0.226))
    assert "torchvision.models.squeezenet1_1" in squeezenet.card.source
    answer = client.post(
        f"/models/images/classification/classify_one.json?job_id={squeezenet.id}",
        data={"image_path": str(pictures / "class_0" / "1.png")},
    )
    assert len(answer.json["predictions"]) == 5


def test_a_training_keeps_its_mean_and_scale_and_learns_the_last_layer(
    client: FlaskClient,
    models: Scheduler,
    squeezenet: PretrainedModelJob,
    colors: str,
    would_start: list[list[str]],
) -> None:
    chosen = {"method": "pretrained", "pretrained_networks": squeezenet.id}
    refused = errors(create(client, colors, **chosen, use_mean="image"))
    assert "SqueezeNet 1.1 (torchvision) subtracts a mean of its own" in refused["use_mean"]
    answer = create(client, colors, **chosen)
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert (job.settings.has_own_input, job.settings.what_learns) == (True, "head")
    assert job.settings.use_mean is False
    assert dict(job.settings_in_words({}))["Mean"] == "that of the network"
    report = job.settings.weights_report
    assert report is not None
    assert len(report["loaded"]) == 25
    assert "classifier.1_retrain" in [layer for layer, _ in report["skipped"]]
    copy = client.post("/models/images/classification.json", data={"clone": job.id})
    assert copy.status_code == 200, copy.text


def test_a_wrong_choice_says_which_layers_fit(client: FlaskClient, state_dict: bytes) -> None:
    fields = {"job_name": "a", "torchvision_network": "mobilenet_v2"}
    answer = post(client, {**fields, "weights_file": upload(state_dict, "s.pth")})
    said = errors(answer)["weights_file"]
    assert said.startswith("s.pth does not fit MobileNetV2 (torchvision): 0 of its 157 layers fit")


@pytest.mark.parametrize(
    ("more", "field"),
    [({"image_type": "1"}, "image_type"), ({"model_def_file": "net"}, "model_def_file")],
)
def test_what_a_state_dict_does_not_need_is_refused(
    client: FlaskClient, state_dict: bytes, more: dict[str, str], field: str
) -> None:
    if "model_def_file" in more:
        more = {"model_def_file": upload(b"x", "net.prototxt")}  # type: ignore[dict-item]
    fields = {"job_name": "a", "weights_file": upload(state_dict, "s.pth"), **more}
    assert field in errors(post(client, fields))
