"""What scripts of DIGITS 2 to 6 send to make a model and to try it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.caffe.proto import caffe_pb2
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.forms import ImageClassificationModelForm as Form
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.training_files import make_files, mean_pixel
from digits.model.images.classification.views import offer_choices
from tests.model.requests import ROUTE, TINY, create, errors, token

TRY_OUT = "/models/images/classification"


def sent(app: Flask, path: str = ROUTE, **request: Any) -> Form:
    with app.test_request_context(path, method="POST", **request):
        form = Form.submitted()
        offer_choices(form)
        form.validate()
        return form


# The mean --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (False, ["none", "None", "NONE", "n", "no", "off", "0", "False", "", " "]),
        (True, ["image", "Image", "y", "yes", "on", "True", "1"]),
        ("pixel", ["pixel", "PIXEL"]),
    ],
)
def test_the_mean_is_a_word_or_a_tick(app: Flask, mean: Any, words: list[str]) -> None:
    # `none`, the value of every DIGITS since 2.0, subtracted the mean.
    for word in words:
        form = sent(app, data={"use_mean": word})
        assert (form.use_mean.data, form.use_mean.errors) == (mean, []), word


@pytest.mark.parametrize("word", ["maybe", "mean", "2", "images", "pixels"])
def test_other_words_for_the_mean_are_refused(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, word: str
) -> None:
    assert "none, image, pixel" in errors(create(client, dataset.id, use_mean=word))["use_mean"]


@pytest.mark.parametrize(("flag", "mean"), [(True, True), (False, False), (None, True)])
def test_the_mean_takes_true_and_false_of_json(app: Flask, flag: Any, mean: bool) -> None:
    assert sent(app, json={"use_mean": flag}).use_mean.data == mean


def test_a_script_that_leaves_the_mean_out_gets_the_image(app: Flask) -> None:
    # It was off by curl, and on in the form.
    assert sent(app, data={}).use_mean.data is True
    # What the browser's form leaves out is a box that is not ticked.
    assert sent(app, ROUTE.removesuffix(".json"), data={}).use_mean.data is False


def test_mean_values_stand_in_place_of_a_mean_that_is_left_out(
    app: Flask, client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    assert sent(app, data={"mean_value": "128"}).use_mean.data is False
    answer = create(client, dataset.id, mean_value="128", use_mean="pixel", standard_networks=None)
    assert "cannot both be subtracted" in errors(answer)["mean_value"]
    answer = create(client, dataset.id, mean_value="128", use_mean="image")
    assert "beside the mean file" in errors(answer)["mean_value"]


def test_the_mean_pixel_is_the_mean_of_each_channel(tmp_path: Path) -> None:
    blob = caffe_pb2.BlobProto(num=1, channels=3, height=1, width=2, data=[1, 2, 10, 20, 0, 0.5])
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(blob.SerializeToString())
    assert mean_pixel(path, 3) == (1.5, 15.0, 0.25)


def test_a_network_subtracts_the_pixel_of_its_dataset(
    dataset: ImageClassificationDatasetJob, tmp_path: Path
) -> None:
    given = prototxt.parse_text(TINY, caffe_pb2.NetParameter())
    settings = ImageClassificationModelSettings(
        dataset=dataset.id, method="custom", use_mean="pixel"
    )
    files = make_files(given, dataset, dataset.dir.parent / "new", settings)
    values = mean_pixel(dataset.mean_path, 1)
    assert 0 < values[0] < 255
    for layer in files.networks.train_val.layer[:2]:
        assert layer.type == "Data"
        assert not layer.transform_param.HasField("mean_file")
        assert list(layer.transform_param.mean_value) == pytest.approx(values)


@pytest.mark.parametrize("mean", [True, False, "pixel"])
def test_which_mean_is_kept_with_the_job(mean: Any) -> None:
    settings = ImageClassificationModelSettings.from_json({"dataset": "x", "use_mean": mean})
    assert settings.use_mean == mean
    assert settings.to_json()["use_mean"] == mean
    with pytest.raises(FormError):
        ImageClassificationModelSettings.from_json({"dataset": "x", "use_mean": "median"})


def test_the_form_shows_which_mean_a_clone_has(app: Flask) -> None:
    for mean, word in ((True, "image"), (False, "none"), ("pixel", "pixel")):
        with app.test_request_context():
            form = Form(formdata=None, data={"use_mean": mean}, meta={"csrf": False})
            assert f'selected value="{word}"' in form.use_mean()


def test_a_model_that_subtracts_the_pixel_says_so(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    answer = create(
        client, dataset.id, method="custom", custom_network=TINY, use_mean="pixel", batch_size="9"
    )
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert ("Mean", "pixel subtracted") in job.settings_in_words({})
    models.delete_job(job.id)


@pytest.mark.parametrize(("word", "mirror"), [("on", "on"), ("True", "on"), ("0", "off"), ("", "")])
def test_mirror_takes_the_same_words(app: Flask, word: str, mirror: str) -> None:
    form = sent(app, data={"mirror": word})
    assert (form.mirror.data, form.mirror.errors) == (mirror, [])


# GPUs ------------------------------------------------------------------------------------------


def test_one_gpu_is_what_any_training_takes(
    app: Flask, client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    # Scripts since 2.0 send 1, which was refused on machines without GPUs.
    assert sent(app, data={"select_gpu_count": "1"}).select_gpu_count.errors == []
    answer = create(client, dataset.id, select_gpu_count="2")
    assert "has 0 GPUs" in errors(answer)["select_gpu_count"]


@pytest.mark.parametrize("value", ["0,1", " 0 , 1 ", ["0", "1"], [0, 1]])
def test_gpus_may_come_as_one_text(app: Flask, value: Any) -> None:
    request = {"data": {"select_gpus_list": value}}
    if not isinstance(value, str):
        request = {"json": request["data"]}
    with app.test_request_context(ROUTE, method="POST", **request):
        form = Form.submitted()
        form.offer([], {}, ["0", "1", "2"])
        form.validate()
    assert form.settings().select_gpus == ("0", "1")
    assert not form.select_gpus.errors


def test_gpus_of_a_text_must_be_there(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    answer = create(client, dataset.id, select_gpus_list="0,7")
    assert "There is no GPU '7'" in errors(answer)["select_gpus"]
    assert create(client, dataset.id, select_gpus_list="", model_name="").status_code == 400


# Snapshots -------------------------------------------------------------------------------------


def test_minus_one_is_the_last_snapshot(trained: ImageClassificationModelJob) -> None:
    assert trained.snapshot("-1") == trained.snapshot(None)
    assert trained.snapshot("-1")[0] == 4


@pytest.mark.parametrize("epoch", ["-1", "4", ""])
def test_every_route_takes_minus_one(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path, epoch: str
) -> None:
    picture = next(pictures.rglob("*.png"))
    answer = client.post(
        f"{TRY_OUT}/classify_one.json?job_id={trained.id}",
        data={"snapshot_epoch": epoch, "image_path": str(picture)},
    )
    assert answer.status_code == 200, answer.text
    answer = client.post(f"/models/{trained.id}/download.tar", data={"snapshot_epoch": epoch})
    assert f"{trained.id}_epoch_4.tar" in answer.headers["Content-Disposition"]
    answer = client.post(f"/models/customize?network={trained.id}", data={"snapshot_epoch": epoch})
    assert answer.status_code == 200


def test_minus_one_of_a_previous_network_is_what_that_began_from(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    fields = {"method": "previous", "train_epochs": "1", "batch_size": "9"}
    first = create(
        client, dataset.id, **fields, previous_networks=trained.id, **{f"{trained.id}-snapshot": 2}
    )
    assert first.status_code == 200, first.text
    first_id = first.json["id"]
    second = create(
        client, dataset.id, **fields, previous_networks=first_id, **{f"{first_id}-snapshot": -1}
    )
    assert second.status_code == 200, second.text
    kept = [models.job(each.json["id"]).dir / "pretrained.caffemodel" for each in (first, second)]
    assert kept[0].read_bytes() == kept[1].read_bytes()
    # It began from random weights itself.
    third = create(
        client, dataset.id, **fields, previous_networks=trained.id, **{f"{trained.id}-snapshot": -1}
    )
    assert third.status_code == 200, third.text
    assert not (models.job(third.json["id"]).dir / "pretrained.caffemodel").exists()
    for each in (third, second, first):
        models.delete_job(each.json["id"])


# Trying a model --------------------------------------------------------------------------------


def ask(client: FlaskClient, job: ImageClassificationModelJob, route: str, **fields: Any) -> Any:
    return client.post(f"{TRY_OUT}/{route}.json?job_id={job.id}", data=fields)


def test_a_picture_may_be_named_as_later_versions_do(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path
) -> None:
    picture = str(next(pictures.rglob("*.png")))
    found = [
        ask(client, trained, "classify_one", **{name: picture}).json
        for name in ("image_url", "image_path")
    ]
    assert found[0]["predictions"] == found[1]["predictions"]
    answer = ask(client, trained, "classify_one", image_path="/no/such.png")
    assert "There is no file" in errors(answer)["image_path"]


@pytest.mark.parametrize(
    ("word", "looked"),
    [("True", True), ("y", True), ("all", True), ("False", False), ("0", False), ("", False)],
)
def test_layers_are_shown_unless_the_word_is_no(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    pictures: Path,
    word: str,
    looked: bool,
) -> None:
    picture = str(next(pictures.rglob("*.png")))
    fields = {"image_path": picture, "show_visualizations": word}
    answer = ask(client, trained, "classify_one", **fields)
    assert ("visualizations" in answer.json) is looked


def test_a_job_of_its_own_is_asked_for_in_words(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path
) -> None:
    picture = next(pictures.rglob("*.png"))
    for word, status in (("False", 200), ("maybe", 400)):
        upload = (io.BytesIO(f"{picture} 0\n".encode()), "list.txt")
        answer = ask(client, trained, "classify_many", image_list=upload, as_job=word)
        assert answer.status_code == status, answer.text
        assert ("classifications" in answer.json) is (status == 200)


@pytest.mark.parametrize("route", ["classify_many", "top_n"])
@pytest.mark.parametrize("label", ["3", "4000", "99999999999", "+17"])
def test_a_label_that_is_too_large_counts_as_none(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    pictures: Path,
    route: str,
    label: str,
) -> None:
    # The whole list was refused.
    first, second = sorted(pictures.rglob("*.png"))[:2]
    upload = (io.BytesIO(f"{first} 0\n{second} {label}\n".encode()), "list.txt")
    answer = ask(client, trained, route, image_list=upload)
    assert answer.status_code == 200, answer.text
    if route == "classify_many":
        assert list(answer.json["classifications"]) == [str(first), str(second)]
        assert json.dumps(answer.json).count(str(second)) == 1


@pytest.mark.parametrize("route", ["classify_one", "classify_many", "top_n", "grad_cam"])
def test_unknown_fields_are_told_where_a_model_is_tried(
    client: FlaskClient, trained: ImageClassificationModelJob, route: str
) -> None:
    told = errors(ask(client, trained, route, num_test_image="3", image_fold="/x"))
    assert "Did you mean num_test_images" in told["num_test_image"]
    assert "Did you mean image_folder" in told["image_fold"]


def test_a_list_in_json_is_no_picture(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    body = {"image_path": ["/a.png", "/b.png"]}
    answer = client.post(f"{TRY_OUT}/classify_one.json?job_id={trained.id}", json=body)
    assert "A list was sent" in errors(answer)["image_path"]


# What is answered ------------------------------------------------------------------------------


def test_a_models_facts_stand_under_the_keys_of_later_versions_too(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    found = client.get(f"/models/{trained.id}.json").json
    assert found is not None
    expected = {
        "job id": trained.id,
        "username": "",
        "image dimensions": [16, 16, 1],
        "mean file": "mean.binaryproto",
        "mean subtraction": "image",
        "snapshot file": trained.snapshot(None)[1].name,
        "solver file": "solver.prototxt",
        "train_val file": "train_val.prototxt",
        "deploy file": "deploy.prototxt",
        "model file": "original.prototxt",
        "labels file": "labels.txt",
        "framework": "caffe",
        "image resize mode": "squash",
        "python layer file": None,
    }
    assert {name: found[name] for name in expected} == expected
    for name in ("creation time", "caffe flavor", "caffe version", "digits version"):
        assert found[name]


def test_a_row_of_the_table_has_the_outputs_of_a_model(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    row = client.get(f"/jobs/{trained.id}/table_data.json").json["job"]  # type: ignore[index]
    assert (row["framework"], row["type"]) == ("caffe", "model")
    assert row["dataset_id"] == trained.dataset_id
    values = client.get(f"/models/{trained.id}/history.json").json["val"]["outputs"]["loss"]  # type: ignore[index]
    assert row["loss (val) last"] == values[-1]
    assert row["loss (val) min"] == min(values)
    assert row["loss (val) max"] == max(values)
    assert row["sparkline"]
    table = client.get("/completed_jobs.json").json
    assert table is not None
    assert {"loss (train) last", "accuracy (val) max"} <= set(table["model_output_fields"])


def test_the_page_of_a_refused_form_names_its_fields_where_scripts_look(
    client: FlaskClient,
) -> None:
    """DIGITS' own tests look for div.alert-danger, and for model_name in it."""
    page = client.post(ROUTE.removesuffix(".json"), data={"csrf_token": token(client)})
    assert page.status_code == 400
    found = re.search(r'<div class="[^"]*\balert-danger\b.*?</div>', page.text, re.DOTALL)
    assert found
    assert "model_name" in found[0]
