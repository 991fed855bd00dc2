"""A model as a file for elsewhere: made by a job, or at once; served, listed, deleted."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from digits.inference.exporting.request import FIGURES_FILE
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.export.asked import Asked
from digits.model.images.classification.export.creation import MADE_AT_ONCE_BYTES, is_quick
from digits.model.images.classification.export.job import ImageClassificationExportJob
from digits.model.images.classification.export.settings import ExportSettings
from digits.model.images.classification.export.tasks import ExportTask
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status
from tests.model.requests import errors


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def exported(client: FlaskClient, models: Scheduler, model: str, **form: str) -> dict[str, Any]:
    """What is told of an export that has been made."""
    answer = client.post(f"/models/{model}/exports.json", data=form)
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE)
    found: dict[str, Any] = client.get(f"/models/exports/{answer.json['id']}.json").json
    return found


def downloaded(client: FlaskClient, told: dict[str, Any]) -> bytes:
    return content_of(client, told["download"])


def content_of(client: FlaskClient, address: str) -> bytes:
    with client.get(address) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Disposition"].startswith("attachment")
        return bytes(answer.data)


def predictions(content: bytes, feeds: dict[str, np.ndarray]) -> dict[str, float]:
    """The scores by label that a file gives."""
    session = onnxruntime.InferenceSession(content)
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    (scores,) = session.run(None, feeds)
    return dict(zip(labels, scores.reshape(-1).tolist(), strict=True))


def on_the_page(client: FlaskClient, model: str, picture: bytes) -> dict[str, float]:
    """What the page says of a picture, as shares."""
    route = f"/models/images/classification/classify_one.json?job_id={model}"
    answer = client.post(route, data={"image_file": (io.BytesIO(picture), "picture.png")})
    assert answer.status_code == 200, answer.text
    return {label: percent / 100 for label, percent in answer.json["predictions"]}


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def snapshot_accuracy(model: ImageClassificationModelJob, epoch: float) -> Any:
    """As the training measured it with the same pictures."""
    model.read_logs(whole=True)
    table = model.train_task.snapshot_table()
    (found,) = [row.accuracy for row in table if row.epoch == epoch]
    return pytest.approx(found, abs=1e-6)


PIXELS = np.random.default_rng(5).integers(0, 256, (23, 41, 3), dtype=np.uint8)


@pytest.mark.slow
def test_a_job_makes_a_file_that_sees_what_the_page_sees(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, format="onnx", epoch="best")
    content = downloaded(client, told)
    page = on_the_page(client, trained.id, as_png(PIXELS))
    for label, share in predictions(content, {"image": PIXELS}).items():
        assert share == pytest.approx(page[label], abs=0.005)
    figures = told["figures"]
    assert figures["file_bytes"] == figures["model"]["size_bytes"] == len(content)
    assert figures["inputs"] == {"image": "uint8 (height, width, 3)"}
    assert figures["outputs"] == {"probabilities": "float32 (3)"}
    assert (figures["pictures"], figures["split"], figures["before"]) == (9, "val", None)
    assert figures["model"]["accuracy"] == snapshot_accuracy(trained, told["epoch"])
    assert figures["model"]["ms_a_picture"] > 0


def test_a_file_says_where_its_model_is_from_and_how_it_was_trained(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    content = client.get(f"/models/{trained.id}/download.onnx").data
    model = onnx.load_from_string(content)
    said = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert said["labels"] == trained.pictures.labels()
    assert said["info"]["job_id"] == trained.id
    assert said["training"]["settings"]["Training epochs"] == "4"
    assert said["training"]["accuracy"] == snapshot_accuracy(trained, 4)
    assert said["image"]["width"] == 16
    assert said["about"]["Dataset"] == "Grey levels"
    assert said["numbers"] == "none"


@pytest.mark.slow
def test_int8_says_what_it_costs(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, quantize="int8")
    content = downloaded(client, told)
    figures = told["figures"]
    assert figures["calibration_pictures"] == 9
    assert figures["before"]["accuracy"] == snapshot_accuracy(trained, 4)
    assert 0 <= figures["model"]["accuracy"] <= 1
    page = on_the_page(client, trained.id, as_png(PIXELS))
    bound = figures["largest_difference"] + 0.05  # of a picture that is not like those
    for label, share in predictions(content, {"image": PIXELS}).items():
        assert share == pytest.approx(page[label], abs=bound)
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    said = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    assert json.loads(said["numbers"]) == "int8"
    page_text = client.get(f"/models/exports/{told['id']}").text
    assert "Before and after int8" in page_text


@pytest.mark.slow
def test_without_preprocessing_it_takes_batches_of_what_the_network_takes(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, preprocess="n", quantize="int8")
    assert told["figures"]["inputs"] == {"data": "float32 (batch, 1, 16, 16)"}
    assert told["figures"]["before"]["accuracy"] == snapshot_accuracy(trained, 4)
    learned = client.get(f"/models/{trained.id}/download.onnx?preprocess=n").data
    session = onnxruntime.InferenceSession(learned)
    (scores,) = session.run(None, {"data": np.zeros((5, 1, 16, 16), np.float32)})
    assert scores.shape == (5, 3)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["labels"]) == trained.pictures.labels()
    assert json.loads(said["transform"])["channel_order"] == "grey"


@pytest.mark.slow
def test_a_page_has_all_that_it_needs_in_one_file(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, format="page", quantize="int8")
    text = downloaded(client, told).decode()
    for part in ("wasm", "glue", "model"):
        assert f'data-part="{part}"' in text
    assert "Tiny model" in text
    assert "src=" not in text.split("<script>")[0]
    assert "connect-src 'none'" in text


def test_what_is_small_is_made_at_once_and_not_kept(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    before = sorted(trained.dir.parent.iterdir())
    for answer in (
        client.get(f"/models/{trained.id}/download.onnx?epoch=1"),
        client.post(f"/models/{trained.id}/download.onnx", data={"snapshot_epoch": "1"}),
    ):
        assert answer.status_code == 200
        assert f"{trained.id}_epoch_1.onnx" in answer.headers["Content-Disposition"]
        onnx.checker.check_model(onnx.load_from_string(answer.data))
    assert sorted(trained.dir.parent.iterdir()) == before


@pytest.mark.slow
def test_what_takes_longer_must_be_made_first(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    address = f"/models/{trained.id}/download.onnx?epoch=2&quantize=int8"
    refused = client.get(address, headers={"Accept": "application/json"})
    assert refused.status_code == 409
    assert refused.json["error"]["address"] == f"/models/{trained.id}/exports"
    assert "format=onnx&epoch=2&preprocess=y&quantize=int8" in refused.json["error"]["message"]
    assert "Something else comes first" in client.get(address).text
    told = exported(client, models, trained.id, epoch="2", quantize="int8")
    assert content_of(client, address) == downloaded(client, told)


def test_one_that_is_made_or_on_its_way_is_not_made_again(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    form = {"epoch": "3", "quantize": "int8"}
    first = client.post(f"/models/{trained.id}/exports.json", data=form).json["id"]
    again = client.post(f"/models/{trained.id}/exports.json", data=form).json["id"]
    other = client.post(f"/models/{trained.id}/exports.json", data={"epoch": "3"}).json["id"]
    assert (again == first, other == first) == (True, False)
    refused = client.get(f"/models/{trained.id}/download.onnx?epoch=3&quantize=int8")
    assert refused.status_code == 409
    assert f"/models/exports/{first}" in refused.text
    assert client.get(f"/models/exports/{first}/download").status_code == 404
    page = client.get(f"/models/{trained.id}/exports").text
    assert f"/models/exports/{first}" in page
    models.abort_job(first)
    third = client.post(f"/models/{trained.id}/exports.json", data=form).json["id"]
    assert third != first


def test_those_who_ask_for_the_same_at_the_same_time_get_one_job(
    app: Flask, trained: ImageClassificationModelJob, would_start: list[list[str]]
) -> None:
    def ask(_: int) -> str:
        form = {"epoch": "2", "preprocess": "n"}
        answer = app.test_client().post(f"/models/{trained.id}/exports.json", data=form)
        return str(answer.json["id"])

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_an_export_can_be_put_into_a_group(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    would_start: list[list[str]],
) -> None:
    form = {"epoch": "1", "quantize": "int8", "group_name": "for phones"}
    answer = client.post(f"/models/{trained.id}/exports.json", data=form)
    assert models.job(answer.json["id"]).group == "for phones"
    address, as_script = f"/models/{trained.id}/download.onnx", {"Accept": "application/json"}
    refused = client.get(address, query_string=form, headers=as_script)
    assert refused.status_code == 400  # it makes no job


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"format": "pdf"}, "format", "It is one of onnx, page. Received: 'pdf'."),
        ({"quantize": "int4"}, "quantize", "It is one of none, int8."),
        ({"epoch": "77"}, "epoch", "There is no snapshot of epoch '77'"),
        ({"preprocess": "maybe"}, "preprocess", "neither yes nor no"),
        ({"format": "page", "preprocess": "n"}, "preprocess", "A page takes pictures"),
        ({"quantise": "int8"}, "quantise", "quantize"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    form: dict[str, str],
    field: str,
    words: str,
) -> None:
    refused = client.post(f"/models/{trained.id}/exports.json", data=form)
    assert words in errors(refused)[field]
    as_json = client.post(f"/models/{trained.id}/exports.json", json={**form, "preprocess": [1]})
    assert as_json.status_code == 400


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("quantise=int8", "quantise", "Did you mean quantize?"),
        ("quantize=none&quantize=int8", "quantize", "one value. Received: 'int8', 'none'."),
        ("epoch=1&epoch=2", "epoch", "one value"),
    ],
)
def test_an_address_means_every_word_of_it(
    client: FlaskClient, trained: ImageClassificationModelJob, query: str, field: str, words: str
) -> None:
    address = f"/models/{trained.id}/download.onnx?{query}"
    assert client.get(address).status_code == 400
    assert words in errors(client.get(address, headers={"Accept": "application/json"}))[field]


def test_a_box_in_json_says_no(
    client: FlaskClient, trained: ImageClassificationModelJob, would_start: list[list[str]]
) -> None:
    address = f"/models/{trained.id}/exports.json"
    job = client.post(address, json={"preprocess": False, "epoch": 1}).json
    told = client.get(f"/models/exports/{job['id']}.json").json
    assert told["preprocess"] is False


def test_only_models_are_exported(client: FlaskClient, dataset: Any) -> None:
    for job_id in (dataset.id, "20200101-000000-abcdef"):
        for route in ("exports", "exports.json", "download.onnx"):
            assert client.get(f"/models/{job_id}/{route}").status_code == 404
    assert client.get(f"/models/exports/{dataset.id}.json").status_code == 404


def test_a_large_snapshot_is_not_made_while_somebody_waits(tmp_path: Path) -> None:
    weights = tmp_path / "large.caffemodel"
    settings = ExportSettings(model="m", model_name="m", epoch=1)
    for size, quick in ((MADE_AT_ONCE_BYTES, True), (MADE_AT_ONCE_BYTES + 1, False)):
        with weights.open("wb") as file:
            file.truncate(size)
        assert is_quick(Asked(None, weights, settings)) is quick  # type: ignore[arg-type]


@pytest.mark.slow
def test_damaged_figures_are_left_out(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, epoch="1", preprocess="n")
    figures = models.job(told["id"]).dir / FIGURES_FILE
    for text in ("", "[]", '{"model": {"size_bytes": "many"}}', "[" * 100_000):
        figures.write_text(text)
        page = client.get(f"/models/exports/{told['id']}")
        assert (page.status_code, "Download" in page.text) == (200, True)
        assert client.get(f"/models/exports/{told['id']}.json").json["figures"] is None
        assert client.get(f"/models/{trained.id}/exports").status_code == 200


def test_what_a_killed_program_leaves_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".making-abc").mkdir()
    (tmp_path / ".making-abc" / "model.onnx").write_bytes(b"half")
    (tmp_path / "export.log").write_text("")
    ExportTask(tmp_path, "export").clean_up()
    assert [path.name for path in tmp_path.iterdir()] == ["export.log"]


@pytest.mark.slow
def test_exports_go_with_their_model_and_are_counted_as_its_disk(
    client: FlaskClient, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    told = exported(client, models, trained.id, epoch="4", preprocess="n")
    job = models.job(told["id"])
    assert isinstance(job, ImageClassificationExportJob)
    assert job in models.parts(trained.id)
    assert job.belongs_to == trained.id
    (size,) = [path.stat().st_size for path in job.dir.glob("*.onnx")]
    assert client.get(f"/jobs/{job.id}/contents").json["size_bytes"] > size
    listed = client.get(f"/models/{trained.id}/exports.json").json["exports"]
    assert told["id"] in [each["id"] for each in listed]
    assert client.delete(f"/jobs/{told['id']}").status_code == 200
    assert told["id"] not in client.get(f"/models/{trained.id}/exports").text
