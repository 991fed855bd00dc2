"""Augmentation in the form, the job's files, the archive, a clone, and its example pictures."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.caffe.data.augmentation import PRESETS, RANGES, Augmentation, read_augmentation
from digits.caffe.formats import prototxt, upgrade
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.augmentation_fit import check_augmentation
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.network.whitening import WHITENING_LAYER
from tests.conftest import wait_for_status
from tests.model.images.classification.test_creation import begun, custom, finished
from tests.model.requests import ROUTE, TINY, create, dataset_form, errors, token
from tests.pictures import make_class_folders

EXAMPLE = "/models/augment-example"
OWN = {"aug_flip": "flipud", "aug_rot": "12.5", "aug_noise": "0.03", "aug_erase": "0.5"}


def command_of(commands: list[list[str]]) -> list[str]:
    (command,) = (each for each in commands if "train" in each)
    return command


@pytest.fixture(scope="module")
def wide(
    app: Flask, models: Scheduler, tmp_path_factory: pytest.TempPathFactory
) -> ImageClassificationDatasetJob:
    """A dataset of colour pictures that are no squares."""
    folder = make_class_folders(tmp_path_factory.mktemp("wide"), classes=2, pictures=8)
    form = dataset_form(folder, resize_channels="3", resize_width="20", resize_height="16")
    answer = app.test_client().post("/datasets/images/classification.json", data=form)
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationDatasetJob)
    return job


def test_the_files_the_page_the_archive_and_a_clone_have_what_was_asked_for(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    job = begun(models, create(client, dataset.id, **custom(**OWN)), would_start)
    written = read_augmentation(str(job.dir / "augmentation.json"))
    expected = Augmentation(aug_flip="flipud", aug_rot=12.5, aug_noise=0.03, aug_erase=0.5)
    assert written == expected
    assert "--augmentation=augmentation.json" in command_of(would_start)
    words = dict(job.settings_in_words({}))
    assert words["Augmentation"] == (
        "flipped up and down, turned by up to 12.5°, noise of 0.03, 0.5 of them erased in part"
    )
    # The networks are Caffe's, as ever.
    prototxt.read_solver(job.dir / "solver.prototxt")
    assert "aug" not in (job.dir / "train_val.prototxt").read_text()
    page = client.get(f"/models/images/classification/new?clone={job.id}").text
    for value in ("12.5", "0.03", "0.5"):
        assert f'value="{value}"' in page, value
    assert '<option selected value="own">' in page
    copy = client.post(ROUTE, data={"clone": job.id})
    assert copy.status_code == 200, copy.text
    assert models.job(copy.json["id"]).settings.to_json()["aug_rot"] == 12.5
    assert client.get(f"/models/{job.id}.json").json["settings"]["aug_flip"] == "flipud"
    with client.get(f"/files/{job.id}/augmentation.json") as file:
        assert json.loads(file.data)["format"] == 1


def test_without_augmentation_nothing_is_told_or_written(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    job = begun(models, create(client, dataset.id, **custom()), would_start)
    assert not (job.dir / "augmentation.json").exists()
    assert not any(word.startswith("--aug") for word in command_of(would_start))
    words = dict(job.settings_in_words({}))
    assert (words["Augmentation"], words["Whitening"]) == ("none", "none")


@pytest.mark.parametrize("preset", ["light", "medium", "strong"])
def test_a_preset_of_a_script_fills_in_what_it_leaves_out(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
    preset: str,
) -> None:
    form = custom(aug_preset=preset, aug_flip="none")
    job = begun(models, create(client, dataset.id, **form), would_start)
    written = read_augmentation(str(job.dir / "augmentation.json"))
    assert written.aug_flip == "none"
    assert written.aug_rot == PRESETS[preset].aug_rot
    assert written.aug_contrast == PRESETS[preset].aug_contrast


def test_a_preset_of_a_browser_stands_for_fields_that_nobody_touched(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    # Without the page's scripts the fields hold their defaults, and are sent.
    usual = {name: "0" for name in RANGES if not name.startswith("aug_hsv")}
    fields = {
        **custom(),
        **usual,
        "aug_crop_scale": "1",
        "aug_flip": "none",
        "aug_quad_rot": "none",
        "model_name": "By a browser",
        "dataset": dataset.id,
        "aug_preset": "strong",
        "train_epochs": "1",
        "csrf_token": token(client),
    }
    answer = client.post("/models/images/classification", data=fields)
    assert answer.status_code == 303, answer.text
    job = next(job for job in models.jobs if job.name == "By a browser")
    assert isinstance(job, ImageClassificationModelJob)
    assert job.settings.augmentation == PRESETS["strong"]
    assert dict(job.settings_in_words({}))["Augmentation"].startswith("strong: flipped left")


@pytest.mark.parametrize("name", RANGES)
def test_a_number_out_of_its_range_is_refused_with_the_range(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, name: str
) -> None:
    low, high = RANGES[name]
    for value in (low - 0.01, high + 0.01):
        form = custom(aug_hsv_use="on", **{name: f"{value:g}"})
        said = errors(create(client, dataset.id, **form))[name]
        assert f"{low:g} to {high:g}" in said
    for text in ("much", "nan", "inf"):
        form = custom(aug_hsv_use="on", **{name: text})
        assert "number" in errors(create(client, dataset.id, **form))[name]


@pytest.mark.parametrize("name", ["aug_flip", "aug_quad_rot", "aug_preset"])
def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, name: str
) -> None:
    said = errors(create(client, dataset.id, **custom(**{name: "sideways"})))[name]
    assert "none" in said


def test_colors_that_are_not_shifted_are_not_looked_at(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    # Scripts of DIGITS 6 send them always, and browsers send hidden fields.
    form = custom(aug_hsv_use="off", aug_hsv_h="many", aug_hsv_s="9", aug_rot="")
    job = begun(models, create(client, dataset.id, **form), would_start)
    assert job.settings.augmentation == Augmentation()


OFF = {
    "aug_flip": ["none", ""],
    "aug_quad_rot": ["none", ""],
    "aug_rot": ["0", "0.0", ""],
    "aug_scale": ["0.00"],
    "aug_noise": ["0"],
    "aug_contrast": ["0.0"],
    "aug_whitening": ["False", "n"],
    "aug_hsv_use": ["false", ""],
    "aug_hsv_v": ["0.06", ""],
    "aug_preset": ["none", ""],
}


@pytest.mark.parametrize("name", OFF)
def test_what_scripts_of_digits_6_send_for_off_is_off(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, name: str
) -> None:
    for value in OFF[name]:
        # A mistake elsewhere, so that no model is made.
        answer = create(client, dataset.id, train_epochs="0", **{name: value})
        assert set(errors(answer)) == {"train_epochs"}


def test_what_excludes_each_other_is_refused(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    form = custom(aug_whitening="on", aug_contrast="0.3")
    assert "Whitening" in errors(create(client, dataset.id, **form))["aug_contrast"]
    form = {"standard_networks": "efficientnet-lite0", "aug_whitening": "on"}
    answer = create(client, dataset.id, **form)
    if answer.status_code == 400 and "aug_whitening" in answer.json["errors"]:
        assert "its weights" in errors(answer)["aug_whitening"]
    else:
        pytest.fail(answer.text)


def test_pictures_that_are_no_squares_are_not_turned_by_90_degrees(
    client: FlaskClient, wide: ImageClassificationDatasetJob
) -> None:
    said = errors(create(client, wide.id, **custom(aug_quad_rot="rotall")))["aug_quad_rot"]
    assert "20 x 16" in said
    assert "rot180" in said


def test_a_real_caffe_refuses_each_field_that_is_on(
    dataset: ImageClassificationDatasetJob,
) -> None:
    with pytest.raises(FormError) as refused:
        check_augmentation(PRESETS["light"], "/opt/caffe", dataset)
    assert set(refused.value.errors) == {"aug_rot", "aug_scale", "aug_contrast"}
    assert "real Caffe" in refused.value.errors["aug_rot"][0]
    check_augmentation(Augmentation(), "/opt/caffe", dataset)


def test_a_dataset_in_hdf5_is_refused(
    client: FlaskClient, models: Scheduler, pictures: Path
) -> None:
    form = dataset_form(pictures, backend="hdf5", dataset_name="In HDF5")
    made = client.post("/datasets/images/classification.json", data=form)
    wait_for_status(models, made.json["id"], Status.DONE)
    said = errors(create(client, made.json["id"], **custom(aug_flip="fliplr")))["aug_flip"]
    assert "HDF5" in said
    example = client.post(f"{EXAMPLE}.json", data={"dataset": made.json["id"], "aug_rot": "5"})
    assert "HDF5" in errors(example)["aug_rot"]


def test_whitening_is_a_layer_of_both_networks(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    form = custom(aug_whitening="on")
    job = begun(models, create(client, dataset.id, **form), would_start)
    for name in ("train_val.prototxt", "deploy.prototxt"):
        net = upgrade.read_net(job.dir / name)
        (layer,) = (each for each in net.layer if each.name == WHITENING_LAYER)
        assert (layer.type, list(layer.bottom), list(layer.top)) == ("MVN", ["data"], ["data"])
        assert layer.mvn_param.across_channels
        assert next(each.name for each in net.layer if each.type == "Convolution") == "conv"
    assert not any(word.startswith("--aug") for word in command_of(would_start))
    assert dict(job.settings_in_words({}))["Whitening"] != "none"


@pytest.mark.slow
def test_a_training_sees_changed_pictures_and_its_archive_tells(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    form = custom(aug_preset="strong", aug_contrast="0", aug_whitening="on", random_seed="1")
    job = finished(models, create(client, dataset.id, **form))
    log = (job.dir / "caffe_output.log").read_text()
    assert "Pictures are changed as augmentation.json says" in log
    archive = client.get(f"/models/{job.id}/download.tar").data
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        member = files.extractfile("augmentation.json")
        assert member is not None
        assert json.load(member)["aug_rot"] == 20
        info = files.extractfile("info.json")
        assert info is not None
        assert "turned by up to 20°" in json.load(info)["augmentation"]


# The example -------------------------------------------------------------------------------------


def images(answer: Any) -> list[np.ndarray]:
    """The pictures of an answer, decoded."""
    assert answer.status_code == 200, answer.text
    found = []
    for picture in answer.json["pictures"]:
        data = base64.b64decode(picture["image"].partition(",")[2])
        found.append(np.asarray(Image.open(io.BytesIO(data))))
    return found


def example(client: FlaskClient, dataset_id: str, **fields: str) -> list[np.ndarray]:
    return images(client.post(f"{EXAMPLE}.json", data={"dataset": dataset_id, **fields}))


def test_the_example_has_nine_pictures_that_stay_the_same_until_a_turn(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    plain = example(client, dataset.id)
    assert [picture.shape for picture in plain] == [(16, 16)] * 9
    strong = example(client, dataset.id, aug_preset="strong")
    assert not any(np.array_equal(a, b) for a, b in zip(plain, strong, strict=True))
    again = example(client, dataset.id, aug_preset="strong")
    assert all(np.array_equal(a, b) for a, b in zip(strong, again, strict=True))
    others = example(client, dataset.id, aug_preset="strong", turn="1")
    assert not all(np.array_equal(a, b) for a, b in zip(strong, others, strict=True))


def test_the_example_flips_half_of_the_pictures_of_a_color_dataset(
    client: FlaskClient, wide: ImageClassificationDatasetJob
) -> None:
    plain = example(client, wide.id)
    flipped = example(client, wide.id, aug_flip="flipud")
    for one, other in zip(plain, flipped, strict=True):
        assert np.array_equal(one, other) or np.array_equal(one, other[::-1])
    assert plain[0].shape == (16, 20, 3)


def test_the_example_is_cropped_as_training_crops_and_whitened(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    cropped = example(client, dataset.id, crop_size="9", mirror="on")
    assert {picture.shape for picture in cropped} == {(9, 9)}
    for picture in example(client, dataset.id, aug_whitening="on", aug_noise="0.1"):
        assert abs(float(picture.mean()) - 128) < 6


def test_the_example_takes_the_whole_form_and_answers_a_browser_with_pictures(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    fields = {"dataset": dataset.id, "model_name": "", "custom_network": TINY, "aug_rot": "30"}
    page = client.post(EXAMPLE, data=fields)
    assert page.status_code == 200
    assert page.text.count("<img") == 9
    assert "changed at random" in page.text


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"aug_rot": "181"}, "aug_rot"),
        ({"turn": "-1"}, "turn"),
        ({"crop_size": "0"}, "crop_size"),
        ({"aug_bend": "1"}, "aug_bend"),
        ({"dataset": ""}, "dataset"),
    ],
)
def test_an_example_that_cannot_be_is_refused(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    fields: dict[str, str],
    name: str,
) -> None:
    answer = client.post(f"{EXAMPLE}.json", data={"dataset": dataset.id, **fields})
    assert name in errors(answer)


def test_a_dataset_in_the_making_has_no_example_yet_and_says_so(
    client: FlaskClient, pictures: Path, would_start: list[list[str]]
) -> None:
    form = dataset_form(pictures, dataset_name="In the making")
    fields = {"dataset": client.post("/datasets/images/classification.json", data=form).json["id"]}
    answer = client.post(f"{EXAMPLE}.json", data=fields)
    assert (answer.status_code, answer.json["pictures"]) == (200, [])
    assert "when the dataset is complete" in answer.json["waiting"]
    assert answer.json["waiting"] in client.post(EXAMPLE, data=fields).text


def test_an_example_of_what_is_no_dataset_is_not_found(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    for job_id in ("20000101-000000-abcd", trained.id):
        answer = client.post(f"{EXAMPLE}.json", data={"dataset": job_id})
        assert answer.status_code == 404
