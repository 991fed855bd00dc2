"""A model's page and files: JSON, history, downloads, networks to change, drawings, curves."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.network.text import standard_network_text
from digits.model.training.failure import DIVERGED
from digits.model.training.solver import LR_POLICIES
from tests.archives import unpack
from tests.model.requests import TINY, errors


def test_a_model_as_json(client: FlaskClient, trained: ImageClassificationModelJob) -> None:
    answer = client.get(f"/models/{trained.id}.json").json
    assert answer["id"] == trained.id
    assert answer["name"] == "Tiny model"
    assert answer["status"] == "Done"
    assert answer["directory"] == str(trained.dir)
    assert answer["snapshots"] == [1, 2, 3, 4]
    assert answer["progress"] == 1.0
    assert (answer["iteration"], answer["max_iter"]) == (12, 12)
    assert set(answer["last_outputs"]["val"]) == {"accuracy", "loss"}
    assert answer["settings"]["learning_rate"] == 0.01


def test_the_page_links_the_files(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/{trained.id}").text
    for name in ("solver.prototxt", "train_val.prototxt", "deploy.prototxt", "caffe_output.log"):
        assert f"/files/{trained.id}/{name}" in page


def test_a_model_without_its_dataset_still_has_a_page(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    dataset, trained.dataset = trained.dataset, None
    try:
        assert client.get(f"/models/{trained.id}").status_code == 200
        answer = client.get(f"/models/{trained.id}/download")
        assert answer.status_code == 400
        assert "gone" in answer.text
    finally:
        trained.dataset = dataset


@pytest.mark.parametrize(
    "path", ["", ".json", "/history.csv", "/history.json", "/graph.png", "/download"]
)
def test_what_is_no_model_is_not_found(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, path: str
) -> None:
    for job_id in (dataset.id, "20150421-140640-d697aa", "..%2f.."):
        assert client.get(f"/models/{job_id}{path}").status_code == 404


def test_the_large_graph_is_alone(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    route = "/models/images/classification/large_graph"
    assert "combined_graph" in client.get(f"{route}?job_id={trained.id}").text
    assert client.get(route).status_code == 404


def test_the_history_as_csv_and_json(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    answer = client.get(f"/models/{trained.id}/history.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["iteration"] == "0"
    assert rows[-1]["val:accuracy"] != ""
    data = client.get(f"/models/{trained.id}/history.json").json
    assert data["val"]["epoch"] == [0, 1, 2, 3, 4]
    assert len(data["train"]["outputs"]["loss"]) == len(data["train"]["iteration"])


@pytest.mark.parametrize(
    ("extension", "media_type", "start"),
    [
        ("png", "image/png", b"\x89PNG"),
        ("svg", "image/svg+xml", b"<?xml"),
        ("pdf", "application/pdf", b"%PDF"),
    ],
)
def test_the_graph_as_a_figure(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    extension: str,
    media_type: str,
    start: bytes,
) -> None:
    answer = client.get(f"/models/{trained.id}/graph.{extension}")
    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert answer.data.startswith(start)
    assert f"graph.{extension}" in client.get(f"/models/{trained.id}").text


def test_a_figure_of_another_format_is_not_found(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    assert client.get(f"/models/{trained.id}/graph.gif").status_code == 404


# Downloads ----------------------------------------------------------------------------------------

MEMBERS = {
    "info.json",
    "deploy.prototxt",
    "train_val.prototxt",
    "solver.prototxt",
    "labels.txt",
    "mean.binaryproto",
    "classify.py",
}


@pytest.mark.parametrize("extension", ["", ".tar", ".tar.gz", ".tgz", ".tar.bz2"])
def test_tar_archives_hold_the_model(
    client: FlaskClient, trained: ImageClassificationModelJob, extension: str
) -> None:
    answer = client.get(f"/models/{trained.id}/download{extension}")
    name = f"{trained.id}_epoch_4{extension or '.tar.gz'}"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
    with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
        assert set(archive.getnames()) == MEMBERS | {"snapshot_iter_12.caffemodel"}


def test_an_epoch_is_chosen_by_argument_or_form(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    for answer in (
        client.get(f"/models/{trained.id}/download.zip?epoch=2"),
        client.post(f"/models/{trained.id}/download.zip", data={"snapshot_epoch": "2"}),
    ):
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            assert "snapshot_iter_6.caffemodel" in archive.namelist()
            info = json.loads(archive.read("info.json"))
        assert info["job_id"] == trained.id
        assert info["epoch"] == 2
        assert info["image"]["width"] == 16
        assert info["image"]["type"] == "GRAYSCALE"
        assert info["trained_by"]["name"] == "DIGITS"
        assert info["framework"] == "caffe"
        assert info["snapshot file"] == info["weights"]


@pytest.mark.parametrize(
    ("status", "error", "has_state", "may_help"),
    [
        (Status.ABORTED, None, False, True),
        (Status.ERROR, "The disk is full.", True, True),
        (Status.ERROR, "The network cannot be read.", False, False),
        (Status.ERROR, f"The training failed: the loss is nan.\n{DIVERGED}", True, False),
        (Status.DONE, None, True, False),
    ],
)
def test_resuming_is_the_next_step_unless_it_must_fail_again(
    trained: ImageClassificationModelJob,
    tmp_path: Path,
    status: Status,
    error: str | None,
    has_state: bool,
    may_help: bool,
) -> None:
    job = ImageClassificationModelJob(tmp_path, "Like the trained one", trained.settings)
    [task] = job.tasks = job.create_tasks()
    task.history = StatusHistory([StatusChange(status, 1.0)])
    job.history = StatusHistory([StatusChange(status, 1.0)])
    task.error = error
    if has_state:
        for file in trained.dir.glob("snapshot_iter_12.*"):
            shutil.copy(file, tmp_path)
    assert job.resume_may_help is may_help


def test_the_best_snapshot_is_chosen_by_its_name_and_the_last_by_none(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    details = client.get(f"/models/{trained.id}.json").json
    marked = [each for each in details["snapshot_details"] if "best" in each["words"]]
    assert [each["epoch"] for each in marked] == [details["best_accuracy_epoch"]]
    for query, epoch in (("?epoch=best", details["best_accuracy_epoch"]), ("", 4)):
        answer = client.get(f"/models/{trained.id}/download.zip{query}")
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            assert json.loads(archive.read("info.json"))["epoch"] == epoch
    headers = {"Accept": "application/json"}
    refused = client.delete(f"/models/{trained.id}/snapshots/best", headers=headers)
    assert "Name the epoch" in errors(refused)["snapshot_epoch"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (".rar", "extension"),
        (".", "extension"),
        ("?epoch=17", "snapshot_epoch"),
        ("?epoch=nan", "snapshot_epoch"),
        ("?epoch=1e400", "snapshot_epoch"),
    ],
)
def test_unknown_epochs_and_extensions_are_refused(
    client: FlaskClient, trained: ImageClassificationModelJob, path: str, field: str
) -> None:
    headers = {"Accept": "application/json"}
    answer = client.get(f"/models/{trained.id}/download{path}", headers=headers)
    if path == ".":
        assert answer.status_code == 404
    else:
        assert field in errors(answer)


@pytest.mark.slow
def test_the_archives_own_program_predicts_what_the_page_does(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    pictures: Path,
    tmp_path: Path,
) -> None:
    answer = client.get(f"/models/{trained.id}/download.tar")
    unpack(answer.data, tmp_path / "model")
    picture = pictures / "class_2" / "5.png"
    result = subprocess.run(
        [sys.executable, tmp_path / "model" / "classify.py", picture],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()[1:]]
    printed = [[label, float(percent.rstrip("%"))] for percent, label in lines]
    route = f"/models/images/classification/classify_one.json?job_id={trained.id}"
    page = client.post(route, data={"image_url": str(picture)}).json["predictions"]
    assert printed == page


# What the form asks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet", "alexnet", "googlenet"])
def test_a_standard_network_can_be_changed(client: FlaskClient, name: str) -> None:
    answer = client.post(f"/models/customize?network={name}").json
    assert answer == {"network": standard_network_text(name), "snapshot": None}


@pytest.mark.parametrize(("epoch", "iteration"), [("", None), ("0", None), ("2", 6), ("4", 12)])
def test_an_earlier_network_can_be_changed(
    client: FlaskClient, trained: ImageClassificationModelJob, epoch: str, iteration: int | None
) -> None:
    form = {"snapshot_epoch": epoch}
    answer = client.post(f"/models/customize?network={trained.id}", data=form).json
    expected = trained.dir / f"snapshot_iter_{iteration}.caffemodel" if iteration else None
    assert answer == {"network": TINY, "snapshot": str(expected) if expected else None}


def test_what_cannot_be_customized_is_said(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    assert client.post("/models/customize?network=../../etc/passwd").status_code == 404
    assert client.post("/models/customize").status_code == 404
    form = {"snapshot_epoch": "7"}
    answer = client.post(
        f"/models/customize?network={trained.id}",
        data=form,
        headers={"Accept": "application/json"},
    )
    assert "snapshot_epoch" in errors(answer)


@pytest.mark.parametrize("policy", LR_POLICIES)
def test_every_policy_has_a_preview(client: FlaskClient, policy: str) -> None:
    form = {"learning_rate": "0.01", "lr_policy": policy}
    [column] = client.post("/models/visualize-lr", data=form).json["data"]["columns"]
    assert column[0] == "Learning Rate"
    assert len(column[1:]) == 101
    assert column[1] == pytest.approx(0.01, rel=0.01)


def test_a_network_is_drawn(client: FlaskClient) -> None:
    answer = client.post("/models/visualize-network", data={"custom_network": TINY})
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith('<img src="data:image/png;base64,iVBORw0KGgo')


def test_a_network_is_drawn_as_svg_with_the_shapes_of_a_dataset(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    form = {"custom_network": TINY, "format": "svg", "dataset": dataset.id}
    answer = client.post("/models/visualize-network", data=form)
    prefix = '<img src="data:image/svg+xml;base64,'
    assert answer.text.startswith(prefix)
    svg = base64.b64decode(answer.text.removeprefix(prefix).partition('"')[0]).decode()
    assert "</svg>" in svg
    assert ">16×4×4×4<" in svg  # after the convolution; 16 pictures in a batch
    # A dataset that is not there says nothing about shapes, and harms nothing.
    answer = client.post("/models/visualize-network", data=form | {"dataset": "nothing"})
    assert answer.status_code == 200


def test_a_picture_of_another_format_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        "/models/visualize-network",
        data={"custom_network": TINY, "format": "gif"},
        headers={"Accept": "application/json"},
    )
    assert "png or svg" in errors(answer)["format"]


def test_an_error_in_a_drawn_network_names_its_line(client: FlaskClient) -> None:
    text = TINY.replace("num_output: 4", "num_outputs: 4")
    answer = client.post(
        "/models/visualize-network",
        data={"custom_network": text},
        headers={"Accept": "application/json"},
    )
    assert "Line 7" in errors(answer)["custom_network"]


@pytest.mark.parametrize("network", ["", "layer {", "name: 'x'", "#" * 1_100_000])
def test_what_is_no_network_is_not_drawn(client: FlaskClient, network: str) -> None:
    answer: Any = client.post(
        "/models/visualize-network",
        data={"custom_network": network},
        headers={"Accept": "application/json"},
    )
    assert "custom_network" in errors(answer)
