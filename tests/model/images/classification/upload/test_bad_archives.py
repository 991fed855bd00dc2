"""Archives that cannot become a model are refused at their field, and leave nothing over."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.proto.caffe_pb2 import BlobProto, NetParameter
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.upload.creation import stage
from digits.model.images.classification.upload.reading import Given
from tests.model.images.classification.upload.archives import (
    Files,
    downloaded,
    files_of,
    send,
    with_info,
    zipped,
)
from tests.model.requests import errors, token

WEIGHTS = "snapshot_iter_12.caffemodel"
Change = Callable[[Files], Mapping[str, bytes]]


@pytest.fixture(scope="module")
def files(app: Flask, trained: ImageClassificationModelJob) -> Files:
    """The files of a sound archive."""
    return files_of(downloaded(app.test_client(), trained.id))


@pytest.fixture(autouse=True)
def nothing_left_over(models: Scheduler) -> Iterator[None]:
    """No job and no file comes of what is refused."""
    folder = models.store.jobs_dir
    before = sorted(path.name for path in folder.iterdir())
    jobs = len(models.jobs)
    yield
    assert sorted(path.name for path in folder.iterdir()) == before
    assert len(models.jobs) == jobs


def without(*names: str) -> Change:
    return lambda files: {name: data for name, data in files.items() if name not in names}


def replaced(name: str, old: bytes, new: bytes) -> Change:
    def change(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new)}

    return change


def added(name: str, data: bytes) -> Change:
    return lambda files: {**files, name: data}


def other_shape(files: Files) -> Files:
    """The weights of another network: its classifier has one class less."""
    net = NetParameter.FromString(files[WEIGHTS])
    ip = next(layer for layer in net.layer if layer.name == "ip")
    for blob in ip.blobs:
        values = np.reshape(blob.data, tuple(blob.shape.dim))[:-1]
        blob.CopyFrom(BlobProto(data=values.ravel()))
        blob.shape.dim.extend(values.shape)
    return {**files, WEIGHTS: net.SerializeToString()}


def fewer_layers(files: Files) -> Files:
    """The weights without those of a layer."""
    net = NetParameter.FromString(files[WEIGHTS])
    kept = [layer for layer in net.layer if layer.name != "ip"]
    del net.layer[:]
    net.layer.extend(kept)
    return {**files, WEIGHTS: net.SerializeToString()}


PYTHON = b'layer { name: "py" type: "Python" bottom: "data" top: "py" }\nlayer {'
BROKEN: list[tuple[Change, str]] = [
    (without(WEIGHTS), "no weights of Caffe"),
    (without("deploy.prototxt", "train_val.prototxt"), "no deploy.prototxt"),
    (added("snapshot_iter_6.caffemodel", b"x"), "2 files of weights"),
    (added(WEIGHTS, b""), WEIGHTS),
    (added(WEIGHTS, b"\xff" * 200), WEIGHTS),
    (other_shape, "parameter 0 of layer 'ip' has the shape"),
    (fewer_layers, "there are none in them for 'ip'"),
    (added("deploy.prototxt", b"layer { name: "), "deploy.prototxt: Line"),
    (added("deploy.prototxt", b""), "The network is empty"),
    (added("deploy.prototxt", b"\xff\xfe\xff"), "not UTF-8"),
    (added("deploy.prototxt", b"#" * (1 << 21)), "more than 1,048,576 bytes"),
    (replaced("deploy.prototxt", b'type: "ReLU"', b'type: "RuLE"'), "RuLE"),
    (replaced("deploy.prototxt", b"layer {", PYTHON), "has the type Python"),
    (replaced("train_val.prototxt", b"layer {", PYTHON), "has the type Python"),
    (added("labels.txt", b"one\ntwo\n"), "2 labels, but the output 'prob'"),
    (added("labels.txt", b"1\n2\n3\n4\n"), "4 labels, but the output 'prob'"),
    (added("labels.txt", b""), "The labels are empty"),
    (added("labels.txt", b"a\n\nb\n"), "A line of the labels is empty"),
    (added("labels.txt", b"a\nb\n\xff\n"), "not UTF-8"),
    (added("labels.txt", b"a\nb\n\x1b[0m\n"), "cannot be displayed"),
    (added("solver.prototxt", b"learning"), "solver.prototxt is no solver"),
    (added("solver.prototxt", b"base_lr: nan"), "numbers that cannot be used"),
    (added("augmentation.json", b"{"), "augmentation.json cannot be used: it is no JSON"),
    (added("augmentation.json", b'{"format": 2}'), "newer than 1"),
    (added("mean.binaryproto", b"\xff\xff"), "mean.binaryproto cannot be read"),
    (added("mean.binaryproto", b""), "no mean of pictures"),
    (without("mean.binaryproto"), "holds no mean.binaryproto"),
    (added("info.json", b"{"), "info.json is not JSON"),
    (added("info.json", b"[" * 100_000), "info.json is not JSON"),
    (added("info.json", b"[1]"), "not a JSON object"),
    (lambda f: with_info(f, framework="torch"), "a model of Torch"),
    (lambda f: with_info(f, framework="tensorflow"), "a model of TensorFlow"),
    (lambda f: with_info(f, framework="mxnet"), "a model of 'mxnet'"),
    (lambda f: with_info(f, weights="other.caffemodel"), "names the weights 'other.caffemodel'"),
    (lambda f: with_info(f, image={"width": "wide"}), '"width" is a number'),
    (lambda f: with_info(f, image={"width": 1e400}), '"width" is a number'),
    (lambda f: with_info(f, image={"height": 0}), '"height" is a whole number'),
    (lambda f: with_info(f, image={"channels": 2}), "1 (grayscale) or 3 (color)"),
    (lambda f: with_info(f, image={"channels": 3}), "takes 1 channels"),
    (lambda f: with_info(f, image={"resize_mode": "stretch"}), "the resize mode is one of"),
    (lambda f: with_info(f, image={"value_range": [9, 3]}), "two growing numbers"),
    (lambda f: with_info(f, image={"width": 4, "height": 4}), "which is too small"),
    (lambda f: with_info(f, transform={"mean_values": ["a"]}), "a list of up to 3 numbers"),
    (lambda f: with_info(f, transform={"mean_values": [1, 2]}), "2 mean values for 1 channels"),
    (lambda f: with_info(f, epoch=[]), '"epoch" is a number'),
]


@pytest.mark.parametrize(("change", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_what_is_wrong_in_an_archive_is_said_at_its_field(
    app: Flask, files: Files, change: Change, words: str, tmp_path: Path
) -> None:
    pool = app.extensions["digits"].pool
    for name, content in change(dict(files)).items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FormError) as refused:
        stage(pool, tmp_path, "model.zip", Given()).settings()
    assert list(refused.value.errors) == ["archive"]
    assert words in refused.value.words
    assert str(tmp_path) not in refused.value.words


def test_the_answer_names_field_and_reason(client: FlaskClient, files: Files) -> None:
    found = errors(send(client, zipped(without(WEIGHTS)(files)), "model.zip"))
    assert list(found) == ["archive"]
    assert "no weights of Caffe" in found["archive"]


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        archive.addfile(info)
    return data.getvalue()


def bomb() -> bytes:
    """A zip of weights that unpack to 300 MB."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.caffemodel", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    return data.getvalue()


def many_files() -> bytes:
    return zipped({f"{number}.txt": b"" for number in range(1001)})


def twice() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a/deploy.prototxt", b"x")
        archive.writestr("b/deploy.prototxt", b"y")
    return data.getvalue()


HOSTILE: list[tuple[Callable[[], bytes], str]] = [
    (lambda: b"", "is empty: it has 0 bytes"),
    (lambda: b"no archive at all" * 100, "not a zip or tar"),
    (lambda: tar_with("../deploy.prototxt"), "leads out of the archive"),
    (lambda: tar_with("/etc/deploy.prototxt"), "leads out of the archive"),
    (lambda: tar_with("deploy.prototxt", tarfile.SYMTYPE, "/etc/passwd"), "not a regular file"),
    (lambda: tar_with("deploy.prototxt", tarfile.LNKTYPE, "x"), "not a regular file"),
    (lambda: tar_with("deploy.prototxt", tarfile.FIFOTYPE), "not a regular file"),
    (bomb, "times its size. Pack only the files of a model"),
    (many_files, "more than 1,000 files"),
    (twice, "holds deploy.prototxt twice"),
    (lambda: zipped({}), "no weights of Caffe"),
    (lambda: zipped({"net.t7": b"x", "model.lua": b"y"}), "seems to be a model of Torch"),
]


@pytest.mark.parametrize(("make", "words"), HOSTILE, ids=[words for _, words in HOSTILE])
def test_hostile_archives_are_refused(
    client: FlaskClient, make: Callable[[], bytes], words: str
) -> None:
    assert words in errors(send(client, make(), "model.bin"))["archive"]


@pytest.mark.parametrize("extension", ["zip", "tar.gz", "tar"])
def test_truncated_archives_are_refused(
    client: FlaskClient, trained: ImageClassificationModelJob, extension: str
) -> None:
    whole = downloaded(client, trained.id, extension)
    for share in (0.05, 0.5, 0.9):
        found = errors(send(client, whole[: int(len(whole) * share)]))
        assert list(found) == ["archive"]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"width": "0"}, "width"),
        ({"width": "many"}, "width"),
        ({"width": "4", "height": "4"}, "archive"),
        ({"resize_mode": "stretch"}, "resize_mode"),
        ({"mean_value": "1,2"}, "mean_value"),
        ({"mean_value": "dark"}, "mean_value"),
        ({"model_name": "x" * 501}, "model_name"),
        ({"labels_file": "text"}, "labels_file"),
        ({"clone": "x"}, "clone"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_the_form_says_besides_is_checked(
    client: FlaskClient, files: Files, form: dict[str, Any], field: str
) -> None:
    assert field in errors(send(client, zipped(files), **form))


def test_labels_of_the_form_must_be_as_many_as_the_network_tells_apart(
    client: FlaskClient, files: Files
) -> None:
    labels = (io.BytesIO(b"one\ntwo\n"), "labels.txt")
    found = errors(send(client, zipped(files), labels_file=labels))
    assert "2 labels" in found["labels_file"]


def test_an_archive_is_needed(client: FlaskClient) -> None:
    for data in ({}, {"archive": "model.zip"}):
        answer = client.post("/models/upload_archive.json", data=data)
        assert "archive" in errors(answer)
    page = client.post("/models/upload_archive", data={"csrf_token": token(client)})
    assert page.status_code == 400
    assert "Choose an archive" in page.text


def test_a_full_disk_is_said_and_nothing_is_left(
    client: FlaskClient,
    models: Scheduler,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("digits.jobs.disk.PROBE_BYTES", 1 << 60)
    answer = send(client, zipped(files))
    assert answer.status_code == 507, answer.text
    monkeypatch.undo()
    models.store.look()


def test_scripts_of_digits_5_are_told_by_a_status(client: FlaskClient, files: Files) -> None:
    def said(change: Change) -> str:
        answer = send(
            client, zipped(change(dict(files))), route="/pretrained_models/upload_archive"
        )
        assert answer.status_code == 400
        assert list(answer.json) == ["status"]
        return str(answer.json["status"])

    for key in ("snapshot file", "framework", "name"):
        assert said(lambda f, key=key: with_info(f, **{key: None})) == (  # type: ignore[misc]
            f"Missing Key '{key}' in info.json"
        )
    assert "model file" in said(lambda f: with_info(f, **{"model file": None}))
    assert "Missing or Incorrect json file" in said(without("info.json"))
    assert "Torch" in said(lambda f: with_info(f, framework="torch"))
    answer = client.post("/pretrained_models/upload_archive")
    assert (answer.status_code, list(answer.json)) == (400, ["status"])


def test_an_upload_that_was_cut_off_by_the_server_goes_at_its_next_start(tmp_path: Path) -> None:
    left = tmp_path / "jobs" / ".upload-abc" / "model"
    left.mkdir(parents=True)
    (left / "info.json").write_text(json.dumps({}))
    store = JobStore(tmp_path / "jobs", ())
    store.open()
    store.close()
    assert not left.parent.exists()
