"""Archives as programs elsewhere read them: the pages' result, whatever stands before the network.

The networks are not trained: random weights tell any difference just as well.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from flask import Flask
from google.protobuf import text_format
from PIL import Image

from digits import caffe
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference import ClassifyOne
from digits.model.download import classify_script
from digits.model.download.portable import mean_of_values, with_scale
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.try_out.asking import network_of
from digits.model.job import ORIGINAL_FILE
from digits.model.network.text import parse_network, standard_network_text
from tests.model.requests import TINY

RECORDING = Path(__file__).parent / "data" / "opencv.json"
DATA = """
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { scale: 0.0078125 } }
"""
# A network and the settings of its form; what scales the pixels stands in another place each time.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": (TINY, {"use_mean": False}),
    "the mean picture": (TINY, {}),
    "mean values": (TINY, {"use_mean": False, "mean_value": (100.0,)}),
    "the scale of LeNet": (
        standard_network_text("lenet"),
        {"method": "standard", "standard_networks": "lenet"},
    ),
    "the scale of a Data layer": (DATA + TINY, {"use_mean": False}),
    "the scale of the form": (TINY, {"scale": 0.02}),
    "a scale and mean values": (TINY, {"scale": 0.02, "use_mean": False, "mean_value": (90.0,)}),
    "a Power layer of its own": (
        'layer { name: "p" type: "Power" bottom: "data" top: "scaled" '
        "power_param { scale: 0.01 } }" + TINY.replace('"data"', '"scaled"'),
        {"use_mean": False, "scale": 2.0},
    ),
    "a Scale layer in place": (
        'layer { name: "s" type: "Scale" bottom: "data" top: "data" '
        "scale_param { filler { value: 0.01 } } }" + TINY,
        {"scale": 0.5},
    ),
    "scores of a hinge loss": (
        TINY.replace("SoftmaxWithLoss", "HingeLoss"),
        {"scale": 0.01},
    ),
    "a loose end": (
        TINY + 'layer { name: "vector" type: "InnerProduct" bottom: "conv" top: "vector" '
        "inner_product_param { num_output: 64 } }",
        {"scale": 0.01},
    ),
}


class Archive:
    """What `download` sends of a model with random weights, unpacked."""

    def __init__(
        self, folder: Path, dataset: ImageClassificationDatasetJob, text: str, **settings: Any
    ) -> None:
        self.job = ImageClassificationModelJob(
            folder / "job",
            "A model",
            Settings(dataset=dataset.id, **{"method": "custom", **settings}),
        )
        self.job.dir.mkdir()
        (self.job.dir / ORIGINAL_FILE).write_text(text)
        self.job.tasks = self.job.create_tasks()
        self.job.link({dataset.id: dataset})
        self.job.write_training_files()
        caffe.set_random_seed(3)
        self.weights = self.job.dir / "snapshot_iter_1.caffemodel"
        Net(self.job.dir / "deploy.prototxt", Phase.TEST).save(self.weights)
        self.folder = folder / "archive"
        self.folder.mkdir()
        for member in self.job.archive_members(1, self.weights):
            (self.folder / member.name).write_bytes(b"".join(member.pieces(member.size)))

    @property
    def deploy(self) -> Path:
        return self.folder / "deploy.prototxt"

    @property
    def caffemodel(self) -> Path:
        return self.folder / self.weights.name

    def mean(self) -> npt.NDArray[np.float64] | None:
        """The mean picture (c, h, w); None when the archive has none."""
        path = self.folder / "mean.binaryproto"
        if not path.exists():
            return None
        blob = caffe_pb2.BlobProto.FromString(path.read_bytes())
        return np.reshape(blob.data, (blob.channels, blob.height, blob.width))

    def on_page(self, app: Flask, picture: Path) -> npt.NDArray[np.float64]:
        """The scores that the page shows, by the number of the class."""
        pool = app.extensions["digits"].pool
        answer = pool.ask(ClassifyOne(picture), network=network_of(self.job, self.weights))
        best = sorted(answer.predictions, key=lambda each: each.index)
        return np.array([each.confidence for each in best])


@pytest.fixture(params=CASES)
def archive(
    request: pytest.FixtureRequest, tmp_path: Path, dataset: ImageClassificationDatasetJob
) -> Archive:
    text, settings = CASES[request.param]
    return Archive(tmp_path, dataset, text, **settings)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture of the dataset's size, so that nobody's way to resize makes a difference."""
    pixels = np.random.default_rng(5).integers(0, 256, (16, 16), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


def test_pycaffes_classifier_predicts_what_the_page_does(
    app: Flask, archive: Archive, picture: Path
) -> None:
    classifier = caffe.Classifier(
        str(archive.deploy), str(archive.caffemodel), mean=archive.mean(), raw_scale=255
    )
    image = caffe.io.load_image(str(picture), color=False)
    [found] = classifier.predict([image], oversample=False)
    assert found == pytest.approx(archive.on_page(app, picture), rel=1e-4, abs=1e-4)


def test_the_originals_example_predicts_what_the_page_does(
    app: Flask, archive: Archive, picture: Path
) -> None:
    """As the example of the original DIGITS does: the last output, a mean a channel."""
    net = caffe.Net(str(archive.deploy), str(archive.caffemodel), caffe.TEST)
    fields = text_format.Parse(archive.deploy.read_text(), caffe_pb2.NetParameter())
    transformer = caffe.io.Transformer({"data": fields.input_shape[0].dim})
    transformer.set_transpose("data", (2, 0, 1))
    mean = archive.mean()
    is_flat = mean is None or bool((mean == mean.mean(axis=(1, 2), keepdims=True)).all())
    if mean is not None:
        transformer.set_mean("data", mean.mean(1).mean(1))
    pixels = np.asarray(Image.open(picture))[:, :, np.newaxis]
    net.blobs["data"].data[0] = transformer.preprocess("data", pixels)
    [found] = net.forward()[net.outputs[-1]]
    expected = archive.on_page(app, picture)
    assert found.shape == expected.shape
    if is_flat:
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    # A second run of the same input must not scale it again.
    assert net.forward()[net.outputs[-1]][0] == pytest.approx(found)


def test_opencv_predicts_what_the_page_does(
    app: Flask, archive: Archive, picture: Path, request: pytest.FixtureRequest
) -> None:
    """By OpenCV 4, which reads Caffe's networks; where another is installed, as it was recorded."""
    case = request.node.callspec.params["archive"]
    deploy = hashlib.sha256(archive.deploy.read_bytes()).hexdigest()
    if hasattr(cv2.dnn, "readNetFromCaffe"):
        scores = opencv_scores(archive, picture)
        if "RECORD_OPENCV" in os.environ:
            record(case, {"deploy": deploy, "scores": [float(f"{each:.6g}") for each in scores]})
    else:
        recorded = json.loads(RECORDING.read_text())[case]
        assert recorded["deploy"] == deploy, "the file is another now: scripts/record_opencv.py"
        scores = np.array(recorded["scores"])
    assert scores == pytest.approx(archive.on_page(app, picture), rel=1e-3, abs=1e-3)


def opencv_scores(archive: Archive, picture: Path) -> npt.NDArray[np.float64]:
    net = cv2.dnn.readNetFromCaffe(str(archive.deploy), str(archive.caffemodel))
    pixels = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    mean = archive.mean()
    if mean is not None:
        pixels -= mean[0].astype(np.float32)
    net.setInput(cv2.dnn.blobFromImage(pixels))
    scores: npt.NDArray[np.float64] = net.forward().ravel()
    return scores


def record(case: str, found: dict[str, Any]) -> None:
    recordings = json.loads(RECORDING.read_text()) if RECORDING.exists() else {}
    recordings[case] = found
    RECORDING.parent.mkdir(exist_ok=True)
    RECORDING.write_text(json.dumps(recordings, indent=1, sort_keys=True) + "\n")


def test_the_archives_own_program_predicts_what_the_page_does(
    app: Flask, archive: Archive, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = archive.job.archive_members(1, archive.weights)[0]
    monkeypatch.setattr(classify_script, "FOLDER", archive.folder)
    monkeypatch.setenv("GLOG_minloglevel", "2")  # as the program does, for its own process
    facts = json.loads(b"".join(info.pieces(info.size)))
    net = classify_script.load_net(facts)
    found = dict(classify_script.classify(net, facts, picture, 5))
    labels = archive.job.image_dataset.labels()
    expected = dict(zip(labels, archive.on_page(app, picture), strict=True))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert facts["output"]["name"] == net.outputs[-1]


def test_a_mean_file_is_named_where_the_archive_has_one(archive: Archive) -> None:
    members = archive.job.archive_members(1, archive.weights)
    facts = json.loads(b"".join(members[0].pieces(members[0].size)))
    named = {facts["mean file"], facts["transform"]["mean_file"]}
    has_one = "mean.binaryproto" in [member.name for member in members]
    assert named == ({"mean.binaryproto"} if has_one else {None})


def test_no_mean_file_where_nothing_is_subtracted(
    tmp_path: Path, dataset: ImageClassificationDatasetJob
) -> None:
    archive = Archive(tmp_path, dataset, TINY, use_mean=False)
    names = {path.name for path in archive.folder.iterdir()}
    assert names == {
        "info.json",
        "deploy.prototxt",
        "train_val.prototxt",
        "solver.prototxt",
        "labels.txt",
        "classify.py",
        "snapshot_iter_1.caffemodel",
    }


def test_the_scale_stands_before_all_other_layers_and_takes_no_name() -> None:
    net = parse_network(
        'input: "data" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 } '
        'layer { name: "scaled" type: "ReLU" bottom: "data" top: "data" } '
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" }'
    )
    assert with_scale(net, 1.0) is net
    scaled = with_scale(net, 0.5)
    assert (list(scaled.input), list(scaled.input_shape[0].dim)) == (["data"], [1, 1, 4, 4])
    power, relu, ip = scaled.layer
    assert (power.type, power.power_param.scale) == ("Power", 0.5)
    assert (list(power.bottom), list(power.top)) == (["data"], ["scaled_"])
    assert (list(relu.bottom), list(relu.top), list(ip.bottom)) == (
        ["scaled_"],
        ["scaled_"],
        ["scaled_"],
    )


@pytest.mark.parametrize(("values", "expected"), [([7.0], [7, 7, 7]), ([1, 2, 3], [1, 2, 3])])
def test_mean_values_make_a_mean_file(values: list[float], expected: list[float]) -> None:
    blob = caffe_pb2.BlobProto.FromString(mean_of_values(values, 3, 2, 5))
    found = np.reshape(blob.data, (blob.num, blob.channels, blob.height, blob.width))
    assert found.shape == (1, 3, 2, 5)
    assert (found == np.reshape(expected, (1, 3, 1, 1))).all()
