"""`digits-caffe export_onnx`: a network and its weights, or a model's folder, as an ONNX file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from digits import caffe
from digits.caffe.__main__ import main
from digits.caffe.data.means import write_mean_file
from digits.model.download import classify_script
from tests.caffe.export.running import run_model

NET = """\
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 8 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
INFO = {
    "name": "cats and dogs",
    "weights": "net.caffemodel",
    "image": {
        "width": 10, "height": 9, "channels": 3, "resize_mode": "crop", "value_range": [0, 65535],
    },
    "transform": {
        "mean_file": "mean.binaryproto", "mean_values": [], "scale": 0.5, "scale_in_deploy": True,
    },
    "output": {"name": "prob", "is_probability": True},
}  # fmt: skip
FILES = ["--model=deploy.prototxt", "--weights=net.caffemodel", "--output=out.onnx"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the archive of a model has in it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "deploy.prototxt").write_text(NET)
    caffe.set_random_seed(3)
    caffe.Net(str(folder / "deploy.prototxt"), caffe.TEST).save(str(folder / "net.caffemodel"))
    mean = np.random.default_rng(0).uniform(0, 255, (3, 9, 10)).astype(np.float32)
    write_mean_file(str(folder / "mean.binaryproto"), mean)
    np.save(folder / "mean.npy", mean)
    (folder / "labels.txt").write_text("cat\ndog\nfish\nbird\n")
    (folder / "info.json").write_text(json.dumps(INFO))
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("GLOG_minloglevel", "2")
    return made


def export(*arguments: str) -> onnx.ModelProto:
    Path("out.onnx").unlink(missing_ok=True)
    assert main(["export_onnx", *arguments]) == 0
    return onnx.load("out.onnx")


def test_a_network_takes_batches_of_any_size(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = export(*FILES)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  input data: float32 (batch, 3, 6, 8)",
        "  output prob: float32 (batch, 4)",
    ]
    values = np.random.default_rng(0).uniform(0, 255, (5, 3, 6, 8)).astype(np.float32)
    net = caffe.Net("deploy.prototxt", "net.caffemodel", caffe.TEST)
    net.blobs["data"].reshape(*values.shape)
    expected = net.forward(data=values)["prob"]
    assert run_model(model, {"data": values})["prob"] == pytest.approx(expected, abs=1e-5)


def test_a_number_fixes_the_batch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(*FILES, "--batch=7")
    assert "input data: float32 (7, 3, 6, 8)" in capsys.readouterr().out


def test_a_models_folder_says_how_pictures_are_prepared(folder: Path) -> None:
    """As classify.py of that folder classifies the same pixels."""
    model = export("--folder=.", "--preprocess", "--output=out.onnx")
    pixels = np.random.default_rng(1).integers(0, 256, (31, 17, 3)).astype(np.uint8)
    Image.fromarray(pixels).save("picture.png")
    found = run_model(model, {"image": pixels})["probabilities"]
    assert found == pytest.approx(classified(folder, "picture.png"), abs=0.005)
    said = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert said["labels"] == ["cat", "dog", "fish", "bird"]
    assert said["info"] == INFO


def classified(folder: Path, picture: str) -> np.ndarray:
    net = caffe.Net("deploy.prototxt", "net.caffemodel", caffe.TEST)
    read = classify_script.read_picture(folder / picture, INFO)
    values: Any = read[:, :, ::-1].astype(np.float32).transpose(2, 0, 1)
    values = (values - np.load("mean.npy"))[:, 1:7, 1:9]
    net.blobs["data"].reshape(1, 3, 6, 8)
    return net.forward(data=values[np.newaxis])["prob"][0]


def test_a_models_folder_can_be_exported_without_pictures(folder: Path) -> None:
    model = export("--folder=.", "--output=out.onnx")
    assert [port.name for port in model.graph.input] == ["data"]


def test_options_say_how_pictures_are_prepared(folder: Path) -> None:
    by_folder = export("--folder=.", "--preprocess", "--output=out.onnx")
    same = ["--size=10x9", "--resize_mode=crop", "--mean_file=mean.npy", "--labels=labels.txt"]
    by_options = export(*FILES, "--preprocess", *same, "--scale=1", "--channel_order=bgr")
    pixels = np.random.default_rng(1).integers(0, 256, (31, 17, 3)).astype(np.uint8)
    assert run_model(by_options, {"image": pixels})["probabilities"] == pytest.approx(
        run_model(by_folder, {"image": pixels})["probabilities"]
    )
    changed = export("--folder=.", "--preprocess", "--output=out.onnx", "--mean_value=1,2,3")
    said = {prop.key: json.loads(prop.value) for prop in changed.metadata_props}
    assert said["transform"]["mean"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "give --model and --weights"),
        (["--model=deploy.prototxt"], "give --model and --weights"),
        (["--folder=.", "--model=deploy.prototxt"], "give --model and --weights"),
        (["--folder=.", "--size=4x4"], "--size is of pictures: give --preprocess"),
        (["--folder=.", "--preprocess", "--batch=2"], "leave --batch out"),
        (["--folder=.", "--preprocess", "--mean_file=m", "--mean_value=1"], "not both"),
        (["--folder=.", "--preprocess", "--mean_value=1,2"], "there are 2 mean values"),
        (["--folder=.", "--preprocess", "--mean_value=1,x"], "received '1,x'"),
        (["--folder=.", "--preprocess", "--scale=nan"], "received 'nan'"),
        (["--folder=.", "--preprocess", "--size=4"], "received '4'"),
        (["--folder=.", "--preprocess", "--size=4x4"], "smaller than the net's input, 8x6"),
        (["--folder=.", "--preprocess", "--labels=none"], "none"),
        (["--folder=.", "--batch=0"], "received '0'"),
        (["--folder=nowhere"], "info.json cannot be read"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_no_file(
    arguments: list[str], reason: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert main(["export_onnx", "--output=none.onnx", *arguments]) in (1, 2)
    assert reason in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ("[]", "holds no JSON object"),
        ("{", "is no JSON"),
        ("{}", "not as DIGITS writes it (KeyError: 'weights')"),
        (json.dumps({**INFO, "weights": "../net.caffemodel"}), "which is not beside it"),
        (json.dumps({**INFO, "image": 3}), "not as DIGITS writes it"),
        (json.dumps({**INFO, "image": {**INFO["image"], "resize_mode": "zoom"}}), "mode 'zoom'"),  # type: ignore[dict-item]
    ],
)
def test_an_info_that_digits_did_not_write_is_refused(
    info: str, reason: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "info.json").write_text(info)
    given = ["export_onnx", f"--folder={tmp_path}", "--preprocess", "--output=none.onnx"]
    assert main(given) == 1
    assert reason in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export_onnx", *FILES[:2], "--output=nowhere/out.onnx"]) == 1
    assert "nowhere/out.onnx cannot be written: No such file" in capsys.readouterr().err
