"""Making models: from standard, earlier and custom networks; what a check finds before training."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.caffe.formats import prototxt
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference import NetSource, check_network
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.network.text import network_to_text, parse_network, standard_network_text
from digits.model.network.training import NetworkOptions, make_networks
from tests.conftest import wait_for_status, wait_until
from tests.model.cases import facts
from tests.model.requests import ROUTE, TINY, create, dataset_form, errors, token
from tests.model.workers import stray_workers


def made(models: Scheduler, answer: Any) -> ImageClassificationModelJob:
    """The model that an answer names, whatever its status."""
    assert answer.status_code == 200, answer.text
    assert set(answer.json) == {"id", "name", "status", "directory"}
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    return job


def finished(models: Scheduler, answer: Any) -> ImageClassificationModelJob:
    job = made(models, answer)
    wait_for_status(models, job.id, Status.DONE, Status.ERROR)
    assert job.error is None
    return job


def begun(
    models: Scheduler, answer: Any, would_start: list[list[str]]
) -> ImageClassificationModelJob:
    """A model whose training would be running now: all its files are there."""
    job = made(models, answer)
    wait_until(lambda: would_start)
    assert job.error is None
    return job


def custom(network: str = TINY, **fields: str) -> dict[str, str]:
    return {"method": "custom", "custom_network": network, "train_epochs": "1", **fields}


@pytest.mark.slow
def test_a_standard_network_is_trained(
    client: FlaskClient, models: Scheduler, pictures: Path
) -> None:
    form = dataset_form(pictures, resize_width="28", resize_height="28")
    answer = client.post("/datasets/images/classification.json", data=form)
    # The dataset is still being made: the model waits for it.
    job = finished(models, create(client, answer.json["id"], train_epochs="2", use_mean="y"))
    files = {path.name for path in job.dir.iterdir()}
    assert files >= {
        "original.prototxt",
        "train_val.prototxt",
        "deploy.prototxt",
        "solver.prototxt",
        "caffe_output.log",
        "snapshot_iter_2.caffemodel",
        "job.json",
    }
    train_val = prototxt.read_net(job.dir / "train_val.prototxt")
    assert train_val.layer[0].data_param.source == f"../{answer.json['id']}/train_db"
    assert (
        train_val.layer[0].transform_param.mean_file == f"../{answer.json['id']}/mean.binaryproto"
    )
    assert list(job.snapshots()) == [1, 2]


def test_the_graphs_of_a_training_are_there(trained: ImageClassificationModelJob) -> None:
    task = trained.train_task
    chart = task.update_data("combined_graph")
    ids = [column[0] for column in chart["columns"]]
    assert ids == ["train_epochs", "loss-train", "val_epochs", "accuracy-val", "loss-val"]
    assert chart["columns"][2][1:] == [0, 1, 2, 3, 4]
    assert chart["columns"][0][-1] >= 3.6
    rates = task.update_data("lr_graph")["columns"][1]
    assert rates[1] == pytest.approx(0.01)


@pytest.mark.slow
def test_the_rates_in_the_log_are_the_drawn_ones(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    # 27 iterations an epoch, 4 epochs less 8 iterations: 100 would be a matter of luck.
    form = {"lr_policy": "sigmoid", "lr_sigmoid_step": "40", "learning_rate": "0.02"}
    job = finished(models, create(client, dataset.id, **custom(batch_size="1"), **form))
    drawn = client.post("/models/visualize-lr", data=form).json["data"]["columns"][0][1:]
    plan = job.train_task.plan
    assert plan is not None
    table = job.train_task.curves.rate
    assert len(table.iterations) > 5
    for iteration, rate in zip(table.iterations, table.columns["lr"], strict=True):
        percent = 100 * iteration / plan.max_iter
        low, high = drawn[int(percent) + 1], drawn[int(percent)]
        assert rate is not None
        # Half an iteration is 1.9 percent of this training: the step is at a whole one.
        assert 0.8 * low < rate < 1.25 * high


@pytest.mark.slow
def test_a_previous_model_gives_network_and_weights(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    answer = create(
        client,
        dataset.id,
        method="previous",
        previous_networks=trained.id,
        train_epochs="1",
        **{f"{trained.id}-snapshot": "3"},
    )
    job = finished(models, answer)
    assert (job.dir / "pretrained.caffemodel").read_bytes() == (trained.snapshots()[3].read_bytes())
    assert "ip" in [layer.name for layer in deployed(job).layer]
    assert "Finetuning from pretrained.caffemodel" in (job.dir / "caffe_output.log").read_text()
    assert job.network_text() == trained.network_text()


def test_a_previous_model_gives_its_network_alone(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    answer = create(
        client,
        dataset.id,
        method="previous",
        previous_networks=trained.id,
        train_epochs="1",
        **{f"{trained.id}-snapshot": "0"},
    )
    job = begun(models, answer, would_start)
    assert not (job.dir / "pretrained.caffemodel").exists()
    assert "ip" in [layer.name for layer in deployed(job).layer]


@pytest.mark.parametrize("epoch", ["9", "x", "nan", "-2"])
def test_an_epoch_that_the_previous_model_lacks_is_an_error(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    epoch: str,
) -> None:
    answer = create(
        client,
        dataset.id,
        method="previous",
        previous_networks=trained.id,
        **{f"{trained.id}-snapshot": epoch},
    )
    assert "one of 1, 2, 3, 4" in errors(answer)["previous_networks"]


def test_an_unknown_previous_model_is_an_error(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    answer = create(client, dataset.id, method="previous", previous_networks=dataset.id)
    assert "no model" in errors(answer)["previous_networks"]
    answer = create(client, dataset.id, method="previous")
    assert "Choose a model" in errors(answer)["previous_networks"]


def test_a_custom_network_starts_from_weights_on_the_server(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    weights = str(trained.snapshots()[4])
    form = custom(custom_network_snapshot=weights)
    job = begun(models, create(client, dataset.id, **form), would_start)
    assert f"--weights={weights}" in would_start[0]
    assert not (job.dir / "pretrained.caffemodel").exists()


def test_weights_of_another_size_are_refused_with_their_layer(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    wider = TINY.replace("num_output: 4", "num_output: 5")
    form = custom(wider, custom_network_snapshot=str(trained.snapshots()[4]))
    message = errors(create(client, dataset.id, **form))["custom_network_snapshot"]
    assert "'conv'" in message
    assert "Line 2" in message


def test_what_fits_and_what_does_not_is_said_with_the_misfit_and_kept_with_the_model(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    weights = str(trained.snapshots()[4])
    wider = TINY.replace("num_output: 4", "num_output: 5").replace('"ip"', '"scores"')
    form = custom(wider, custom_network_snapshot=weights)
    message = errors(create(client, dataset.id, **form))["custom_network_snapshot"]
    assert "Layers that fit: none." in message
    assert "ip (the network has no layer of this name)" in message
    assert "scores (the file has no weights for it" in message

    renamed = TINY.replace('name: "ip"', 'name: "scores"')
    job = begun(
        models,
        create(client, dataset.id, **custom(renamed, custom_network_snapshot=weights)),
        would_start,
    )
    report = job.settings.weights_report
    assert report["loaded"] == ["conv"]
    assert [layer for layer, _ in report["skipped"]] == ["ip", "scores"]
    page = client.get(f"/models/{job.id}").text
    assert "2 not loaded" in page


def uploaded(path: Path, name: str = "mine.caffemodel") -> dict[str, Any]:
    return {"custom_network_weights": (io.BytesIO(path.read_bytes()), name)}


def test_a_custom_network_starts_from_uploaded_weights(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    weights = trained.snapshots()[4]
    job = begun(models, create(client, dataset.id, **custom(), **uploaded(weights)), would_start)
    assert (job.dir / "pretrained.caffemodel").read_bytes() == weights.read_bytes()
    assert "--weights=pretrained.caffemodel" in would_start[0]
    assert (job.settings.weights_report or {})["loaded"] == ["conv", "ip"]
    page = client.get(f"/models/images/classification/new?clone={job.id}").text
    assert str(job.dir / "pretrained.caffemodel") in page


def test_uploads_that_are_no_weights_are_refused_and_nothing_is_left(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    tmp_path: Path,
) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 50)
    before = set(models.store.jobs_dir.iterdir())
    cases: list[tuple[dict[str, Any], str]] = [
        (uploaded(junk), "mine.caffemodel"),
        (uploaded(junk, "picture.png"), "not a .caffemodel"),
        ({"custom_network_weights": "some text"}, "not a file"),
        (
            uploaded(junk) | {"custom_network_snapshot": str(trained.snapshots()[4])},
            "given twice",
        ),
    ]
    for fields, message in cases:
        found = errors(create(client, dataset.id, **custom(), **fields))
        assert message in found["custom_network_weights"], found
    assert set(models.store.jobs_dir.iterdir()) == before


def test_weights_without_a_common_layer_are_refused(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    renamed = TINY.replace('name: "', 'name: "my_')
    form = custom(renamed, custom_network_snapshot=str(trained.snapshots()[4]))
    message = errors(create(client, dataset.id, **form))["custom_network_snapshot"]
    assert "No layer of the network is in snapshot_iter_12.caffemodel" in message


BAD_NETWORKS = {
    "no text": ("", "Paste a network"),
    "no prototxt": ("layer {", "Line 1"),
    "a misspelt field": (TINY.replace("num_output: 4", "num_outputs: 4"), "Line 7.*num_output"),
    "an unknown type": (TINY.replace('"ReLU"', '"Relu"'), "Line 9: .*'relu'.*Relu"),
    "a bottom that nobody makes": (
        TINY.replace('bottom: "conv"\n', 'bottom: "cnov"\n'),
        "Line 10: .*cnov",
    ),
    "a kernel larger than the picture": (
        TINY.replace("kernel_size: 4", "kernel_size: 20"),
        "Line 2: .*conv",
    ),
    "no loss": (TINY.split('layer { name: "loss"')[0], "no loss layer"),
    "another data layer": (
        'layer { name: "d" type: "HDF5Data" top: "data" top: "label" }\n' + TINY,
        "Line 1: .*HDF5Data",
    ),
    "a layer that runs code": (
        TINY.replace('type: "ReLU"', 'type: "Python" python_param { module: "os" layer: "x" }'),
        "Line 9",
    ),
    "scores that are no numbers of labels": (
        TINY.replace('bottom: "ip" bottom: "label"', 'bottom: "conv" bottom: "label"').replace(
            'bottom: "ip"\n  bottom: "label"', 'bottom: "conv"\n  bottom: "label"'
        ),
        "labels",
    ),
    "sizes beyond any memory": (
        TINY.replace("num_output: 4", "num_output: 2000000000"),
        "conv|memory|too",
    ),
    "ten thousand layers": ("layer { }\n" * 10_000, "10000 layers"),
    "a megabyte of layers": ("layer { }\n" * 100_000, "100000 layers"),
    "a layer with too many bottoms": (
        TINY.replace('bottom: "data"', 'bottom: "data" ' * 60_000),
        "60,0.. bottoms, tops and params",
    ),
    "a layer with too many tops": (
        'layer { name: "s" type: "Split" bottom: "data" ' + 'top: "s" ' * 60_000 + "}" + TINY,
        "60,0.. bottoms, tops and params",
    ),
    "too many params": (
        TINY.replace('name: "relu"', 'name: "relu" ' + "param { lr_mult: 1 } " * 40_000),
        "40,0.. bottoms, tops and params",
    ),
    "nested text": ("layer { include { " * 50_000, "Line 1"),
    "nested old layers": ("layers { layer { " * 50_000, "Line 1"),
    "an error in the last line of a long text": (
        "# a comment\n" * 50_000 + TINY.replace("num_output: 4", "num_outputs: 4"),
        "Line 50007.*num_output",
    ),
    "a megabyte and more": ("#" * 1_100_000, "1,100,000 bytes"),
    "zeros": ("\0" * 100, "."),
}


@pytest.mark.parametrize("case", BAD_NETWORKS)
def test_a_network_that_cannot_be_trained_is_refused_with_line_and_cure(
    app: Flask,
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    others: set[int],
    case: str,
) -> None:
    network, expected = BAD_NETWORKS[case]
    before = set(models.store.jobs_dir.iterdir())
    found = errors(create(client, dataset.id, **custom(network)))
    assert list(found) == ["custom_network"]

    assert re.search(expected, found["custom_network"]), found
    assert set(models.store.jobs_dir.iterdir()) == before
    assert stray_workers(app, others) == []


def test_a_network_too_small_for_the_dataset_is_refused_at_its_tab(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    found = errors(create(client, dataset.id, standard_networks="alexnet"))
    assert list(found) == ["standard_networks"]
    assert "Line" not in found["standard_networks"]


# Counted with the labels of their papers: ImageNet's 1,000, and ten digits.
PARAMETERS = {
    "lenet": (10, 1, 28, 431_080),
    "alexnet": (1000, 3, 256, 60_965_224),
    "googlenet": (1000, 3, 256, 6_998_552),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_standard_networks_have_their_published_number_of_parameters(app: Flask, name: str) -> None:
    labels, channels, side, expected = PARAMETERS[name]
    given = parse_network(standard_network_text(name))
    networks = make_networks(
        given, facts(labels=labels, channels=channels, side=side), NetworkOptions()
    )
    net = NetSource(network_to_text(networks.deploy), "deploy")
    result = check_network(app.extensions["digits"].pool, [net])
    assert not result.problems
    assert result.nets["deploy"].param_count == expected
    assert result.nets["deploy"].shapes["prob"] == (1, labels)


def test_a_dataset_that_failed_cannot_be_chosen(
    client: FlaskClient, models: Scheduler, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"no picture")
    answer = client.post("/datasets/images/classification.json", data=dataset_form(tmp_path))
    wait_for_status(models, answer.json["id"], Status.ERROR)
    assert "no dataset" in errors(create(client, answer.json["id"]))["dataset"]


def test_a_model_fails_with_the_dataset_that_it_waited_for(
    client: FlaskClient, models: Scheduler, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"no picture")
    answer = client.post("/datasets/images/classification.json", data=dataset_form(tmp_path))
    job = made(models, create(client, answer.json["id"]))
    wait_for_status(models, job.id, Status.ERROR)
    assert "which it needs" in (job.error or "")


@pytest.mark.slow
def test_a_training_that_diverges_says_what_to_do(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    form = custom(learning_rate="1000", lr_policy="fixed") | {"train_epochs": "50"}
    job = made(models, create(client, dataset.id, **form))
    wait_for_status(models, job.id, Status.ERROR, Status.DONE)
    assert "Lower the learning rate" in (job.error or "")


def test_a_model_is_made_by_a_json_body(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    body = {
        "model_name": "By JSON",
        "dataset": dataset.id,
        **custom(),
        "train_epochs": 1,
        "lr_policy": "multistep",
        "lr_multistep_values": [20, 40],
        "use_mean": False,
    }
    job = begun(models, client.post(ROUTE, json=body), would_start)
    assert job.settings.lr_multistep_values == (20, 40)
    assert job.settings.use_mean is False
    net = prototxt.read_net(job.dir / "train_val.prototxt")
    assert not net.layer[0].transform_param.HasField("mean_file")


@pytest.mark.slow
def test_scale_and_mean_values_are_the_same_in_training_and_classification(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    pictures: Path,
) -> None:
    form = custom(mean_value="100", scale="0.01", mirror="on", train_epochs="2", random_seed="3")
    job = finished(models, create(client, dataset.id, **form))
    train, val = prototxt.read_net(job.dir / "train_val.prototxt").layer[:2]
    for data in (train, val):
        assert list(data.transform_param.mean_value) == [100]
        assert data.transform_param.scale == pytest.approx(0.01)
    assert (train.transform_param.mirror, val.transform_param.mirror) == (True, False)

    picture = pictures / "class_1" / "3.png"
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BILINEAR))
    net = Net(job.dir / "deploy.prototxt", Phase.TEST)
    net.copy_from(job.snapshots()[2])
    net.blobs["data"].data[...] = (pixels.astype(np.float32) - 100) * 0.01
    expected = dict(zip(dataset.labels(), 100 * net.forward()["prob"].ravel(), strict=True))
    route = f"/models/images/classification/classify_one.json?job_id={job.id}"
    answer: Any = client.post(route, data={"image_url": str(picture)}).json
    assert dict(answer["predictions"]) == pytest.approx(expected, abs=0.1)


def deployed(job: ImageClassificationModelJob) -> Any:
    return prototxt.read_net(job.dir / "deploy.prototxt")


@pytest.mark.usefixtures("would_start")
def test_a_browser_is_sent_to_the_new_model(
    app: Flask, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    client = app.test_client()
    form = {"model_name": "By form", "dataset": dataset.id, **custom(), "csrf_token": token(client)}
    answer = client.post("/models/images/classification", data=form)
    assert answer.status_code == 303
    job_id = answer.headers["Location"].rpartition("/")[2]
    wait_for_status(models, job_id, Status.RUNNING)
    assert models.job(job_id).name == "By form"
