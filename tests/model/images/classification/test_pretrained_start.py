"""Models that begin with the weights of a standard network."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from digits.model.images.classification.upload.ready_made import imagenet_names
from digits.model.network.pretrained import pretrained_weights
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import NetworkOptions, make_networks
from tests.conftest import wait_for_status, wait_until
from tests.model.cases import facts
from tests.model.requests import create, dataset_form, errors
from tests.pictures import make_class_folders

LITE0 = "efficientnet-lite0"


def color_dataset(
    app: Flask, models: Scheduler, folder: Path, side: int
) -> ImageClassificationDatasetJob:
    pictures = make_class_folders(folder, classes=3, pictures=6, mode="RGB")
    sides = {"resize_width": f"{side}", "resize_height": f"{side}"}
    form = dataset_form(pictures, dataset_name=f"Colors {side}", resize_channels="3", **sides)
    answer = app.test_client().post("/datasets/images/classification.json", data=form)
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


@pytest.fixture(scope="module")
def colors(
    app: Flask, models: Scheduler, tmp_path_factory: pytest.TempPathFactory
) -> ImageClassificationDatasetJob:
    """Colour pictures of 128 x 128."""
    return color_dataset(app, models, tmp_path_factory.mktemp("colors"), 128)


def begun(
    models: Scheduler, answer: Any, would_start: list[list[str]]
) -> tuple[ImageClassificationModelJob, list[str]]:
    """The model, and the command that trains it."""
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    wait_until(lambda: would_start)
    assert job.error is None
    return job, would_start[-1]


def test_a_customized_network_begins_with_the_weights_that_it_names(
    client: FlaskClient,
    models: Scheduler,
    colors: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    answer = create(
        client,
        colors.id,
        method="custom",
        custom_network=standard_network_text(LITE0, 128),
        custom_network_snapshot=LITE0,
    )
    job, command = begun(models, answer, would_start)
    assert "--weights=pretrained.caffemodel" in command
    assert (job.dir / "pretrained.caffemodel").is_file()
    assert job.settings.use_mean is False
    words = dict(job.settings_in_words({}))
    assert words["Starts from"] == "weights of EfficientNet-Lite0, which learned from ImageNet"
    assert words["Mean"] == "that of the network"


def test_its_training_begins_with_the_weights_in_its_own_folder(
    client: FlaskClient,
    models: Scheduler,
    colors: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    answer = create(client, colors.id, standard_networks=LITE0)
    job, command = begun(models, answer, would_start)
    assert "--weights=pretrained.caffemodel" in " ".join(command)
    assert (job.dir / "pretrained.caffemodel").stat().st_size > 18_000_000
    report = job.settings.weights_report
    assert report is not None
    assert len(report["loaded"]) == 147
    assert dict(report["skipped"]).keys() == {"imagenet", "fc"}
    assert "weights that learned from ImageNet" in dict(job.settings_in_words({})).values()


@pytest.mark.parametrize(
    ("side", "seen"), [(300, 224), (224, 224), (200, 128), (128, 128), (64, 64)]
)
def test_it_sees_the_larger_square_that_fits(side: int, seen: int) -> None:
    made = make_networks(
        parse_network(standard_network_text(LITE0, side)),
        facts(labels=3, side=side),
        NetworkOptions(use_mean=False),
    )
    data = made.train_val.layer[0].transform_param
    assert data.crop_size == seen
    assert (list(data.mean_value), data.scale, data.mean_file) == ([127], 1 / 128, "")
    assert list(made.deploy.input_shape[0].dim) == [1, 3, seen, seen]


@pytest.mark.parametrize(
    ("field", "value"), [("use_mean", "image"), ("use_mean", "pixel"), ("mean_value", "104"),
                         ("scale", "0.1")],
)  # fmt: skip
def test_another_mean_or_scale_is_refused_with_the_reason(
    client: FlaskClient, colors: ImageClassificationDatasetJob, field: str, value: str
) -> None:
    answer = create(client, colors.id, standard_networks=LITE0, **{field: value})
    assert "its weights were learned with" in errors(answer)[field]


def test_a_network_with_the_same_weights_keeps_their_mean(
    client: FlaskClient,
    models: Scheduler,
    colors: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    first, _ = begun(models, create(client, colors.id, standard_networks=LITE0), would_start)
    (first.dir / "snapshot_iter_1.caffemodel").hardlink_to(first.dir / "pretrained.caffemodel")
    form = {"method": "previous", "previous_networks": first.id, f"{first.id}-snapshot": "0"}
    models.abort_job(first.id)  # it has the slot
    would_start.clear()
    job, _ = begun(models, create(client, colors.id, **form), would_start)
    transform = prototxt.read_net(job.dir / "train_val.prototxt").layer[0].transform_param
    assert (list(transform.mean_value), transform.mean_file) == ([127], "")
    assert "use_mean" in errors(create(client, colors.id, use_mean="image", **form))


def test_grey_pictures_are_refused(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    answer = create(client, dataset.id, standard_networks=LITE0)
    assert errors(answer)["standard_networks"] == (
        "EfficientNet-Lite0 has weights for pictures in color; the dataset's are in grayscale. "
        "Make a dataset in color, or choose another network."
    )


def test_two_that_ask_for_weights_at_once_get_one_whole_file(tmp_path: Path) -> None:
    found: list[Path | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(pretrained_weights(LITE0, tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / ".pretrained" / f"{LITE0}.caffemodel"] * 2
    assert [path.name for path in (tmp_path / ".pretrained").iterdir()] == [f"{LITE0}.caffemodel"]


def test_weights_that_cannot_be_made_leave_nothing_and_say_why(tmp_path: Path) -> None:
    (tmp_path / ".pretrained").write_text("in the way")
    with pytest.raises(FormError, match="The weights of EfficientNet-Lite0 could not be made"):
        pretrained_weights(LITE0, tmp_path)
    assert pretrained_weights("alexnet", tmp_path) is None


def test_it_classifies_before_any_training(client: FlaskClient, models: Scheduler) -> None:
    route = "/models/images/classification/imagenet.json"
    answer = client.post(route, data={"network": LITE0})
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, UploadedClassificationModelJob)
    assert (job.status, job.name) == (Status.DONE, "EfficientNet-Lite0 (ImageNet)")
    labels = job.labels()
    assert (len(labels), labels[1], labels[998]) == (
        1000, "goldfish, Carassius auratus", "ear, spike, capitulum",
    )  # fmt: skip
    assert client.post(route, data={"network": LITE0}).json["id"] == job.id
    assert "for efficientnet-lite0 alone" in errors(client.post(route))["network"]


def test_names_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "names.js").write_text("exports.IMAGENET_CLASSES = {\n    0: 'tench',\n};\n")
    for name, reason in (("names.js", "names.js has 1 of 1000"), ("none.js", "cannot be read")):
        with pytest.raises(FormError, match=reason):
            imagenet_names(tmp_path / name)
