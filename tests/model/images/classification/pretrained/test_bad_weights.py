"""Weights that cannot become a pretrained model: refused at their field, and nothing is left."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app, scheduler_of
from tests.model.images.classification.pretrained.sending import (
    ROUTE,
    fields_of,
    post,
    snapshot_of,
    upload,
)
from tests.model.requests import errors
from tests.tools.web import send as answer_with
from tests.tools.web import serving


@pytest.fixture(autouse=True)
def nothing_left_over(models: Scheduler, trained: ImageClassificationModelJob) -> Iterator[None]:
    """No job and no file comes of what is refused."""
    folder = models.store.jobs_dir
    before = sorted(path.name for path in folder.iterdir())
    yield
    assert sorted(path.name for path in folder.iterdir()) == before


def refused(client: FlaskClient, fields: dict[str, Any]) -> dict[str, str]:
    return errors(post(client, fields))


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"job_name": None}, "job_name", "The name is empty"),
        ({"job_name": "a\nb"}, "job_name", "cannot be displayed"),
        ({"weights_file": None}, "weights_file", "Missing weights file"),
        ({"model_def_file": None}, "model_def_file", "Missing model definition file"),
        ({"weights_path": "/etc/passwd"}, "weights_path", "given twice"),
        ({"framework": "torch"}, "framework", "Weights of Torch cannot be used"),
        ({"framework": "tensorflow"}, "framework", "TensorFlow"),
        ({"framework": "keras"}, "framework", "is not a choice"),
        ({"framework": "pytorch"}, "weights_file", "weights of Caffe, not a file of PyTorch"),
        ({"torchvision_network": "resnet18"}, "torchvision_network", "no state_dict"),
        ({"torchvision_network": "resnet99"}, "torchvision_network", "is not a choice"),
        ({"image_type": "2"}, "image_type", "is not a choice"),
        ({"image_type": "3"}, "weights_file", "Layers that fit"),
        ({"resize_mode": "stretch"}, "resize_mode", "is not a choice"),
        ({"width": "0"}, "width", "too small"),
        ({"width": "2"}, "weights_file", "do not fit"),
        ({"card_limits": "x" * 4001}, "card_limits", "more than 4,000 characters"),
        ({"card_source": "a\x00b"}, "card_source", "NUL character"),
        ({"labels": "no field"}, "labels", "Did you mean labels_file"),
    ],
)
def test_a_wrong_field_is_named(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    change: dict[str, Any],
    field: str,
    words: str,
) -> None:
    found = refused(client, fields_of(trained, **change))
    assert field in found, found
    assert re.search(words, found[field]), found


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('ran', 'w')",))


def saved(content: object) -> bytes:
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


def test_what_is_no_file_of_weights_says_what_it_is(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = snapshot_of(trained).read_bytes()
    for name, content, words in (
        ("a.caffemodel", b"", "is empty: it has 0 bytes"),
        ("a.caffemodel", whole[: len(whole) // 2], "a.caffemodel"),
        ("a.caffemodel", b"hello, I am a text\n" * 9, "a.caffemodel"),
        ("a.caffemodel.h5", b"\x89HDF\r\n\x1a\nand no more", "a.caffemodel.h5"),
        ("a.tar.gz", b"\x1f\x8b\x08rest", "is an archive. Unpack it"),
        ("a.t7", b"\x04\0\0\0", "seems to be a model of Torch"),
        ("a.onnx", b"\x08\x07", "seems to be a model of ONNX"),
        ("a.safetensors", b"\x08\0\0\0", "seems to be a model of PyTorch"),
        ("a.pth", b"text", "is no file of weights of PyTorch"),
        ("a.pth", b"", "it is empty"),
        ("a.pth", pickle.dumps(Runs()), "is no file of weights of PyTorch"),
        ("a.pth", saved({"x": Runs()}), "would run code"),
        # What it is, its first bytes tell, whatever it is called.
        ("a.caffemodel", saved([1]), "is a file of PyTorch, not weights of Caffe"),
    ):
        framework = "caffe" if "caffemodel" in name else None
        given = {"weights_file": upload(content, name), "framework": framework}
        found = refused(client, fields_of(trained, **given))
        assert words in found["weights_file"], (name, found)
        assert "/tmp" not in found["weights_file"]
    assert not (tmp_path / "ran").exists()


def with_layer(trained: ImageClassificationModelJob, **names: str) -> bytes:
    """The weights of a model with layers called otherwise."""
    net = NetParameter.FromString(snapshot_of(trained).read_bytes())
    for layer in net.layer:
        layer.name = names.get(layer.name, layer.name)
    return net.SerializeToString()


def test_weights_of_another_network_say_which_layers_fit(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    other = upload(with_layer(trained, ip="fc8"), "other.caffemodel")
    said = refused(client, fields_of(trained, weights_file=other))["weights_file"]
    assert said.startswith("The weights other.caffemodel do not fit")
    assert "there are none in them for 'ip'. Layers that fit: 'conv'. " in said
    assert said.endswith("Layers of the file that the network does not have: 'fc8'.")
    text = trained.network_text().replace("num_output: 4", "num_output: 5")
    wider = fields_of(trained, model_def_file=upload(text.encode(), "wider.prototxt"))
    said = refused(client, wider)["weights_file"]
    assert "parameter 0 of layer 'conv' has the shape 4x1x4x4 in the weights, 5x1x4x4" in said
    assert "Layers that fit: none." in said


def test_a_broken_network_is_told_with_its_line(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    for text in ("layer {", "", 'layer { name: "a" type: "Nothing" bottom: "data" top: "a" }'):
        fields = fields_of(trained, model_def_file=upload(text.encode(), "net.prototxt"))
        assert "model_def_file" in refused(client, fields), text


def test_addresses_and_paths_that_may_not_be_read_are_refused(
    client: FlaskClient, trained: ImageClassificationModelJob, tmp_path: Path
) -> None:
    def said(place: str) -> str:
        fields = fields_of(trained, weights_file=None, weights_path=place)
        return refused(client, fields)["weights_path"]

    assert "There is no file" in said("/nowhere/a.caffemodel")
    assert "is not a file" in said(str(tmp_path))
    assert "cannot be fetched" in said("http://127.0.0.2:1/a.caffemodel")
    with serving(lambda request: answer_with(request, b"", 404)) as url:
        assert "the server answered 404" in said(f"{url}a.caffemodel")


def test_an_address_of_this_machine_is_fetched_only_where_it_is_allowed(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"url_allow": ()}
    with (
        serving(lambda request: answer_with(request, b"x")) as url,
        running_app(tmp_path / "jobs", **settings) as app,
    ):
        fields = {"job_name": "a", "weights_path": f"{url}a.pth"}
        said = errors(app.test_client().post(ROUTE, data=fields))["weights_path"]
        assert "cannot be fetched" in said
        assert scheduler_of(app).jobs == []


def test_a_full_disk_is_said(
    client: FlaskClient,
    models: Scheduler,
    trained: ImageClassificationModelJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("digits.jobs.disk.PROBE_BYTES", 1 << 60)
    for route in (ROUTE, f"/models/{trained.id}/to_pretrained.json"):
        data = fields_of(trained) if route == ROUTE else {}
        answer = client.post(route, data=data)
        assert answer.status_code == 507, answer.text
    monkeypatch.undo()
    models.store.look()


def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(
    client: FlaskClient, app: Flask, trained: ImageClassificationModelJob
) -> None:
    fields = fields_of(trained, weights_file=None, card_source="a garage")
    page = client.post("/pretrained_models/new", data=fields)
    assert page.status_code == 400
    assert "Missing weights file" in page.text
    assert "a garage" in page.text
