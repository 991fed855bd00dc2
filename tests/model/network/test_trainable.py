"""Networks that are published for use alone: a loss takes the place of their end."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.caffe.proto import caffe_pb2
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference.operations import CheckNets, NetSource
from digits.inference.work.checking import check_nets
from digits.inference.work.state import State
from digits.jobs.scheduler import Scheduler
from digits.model.network.errors import NetworkError
from digits.model.network.text import network_to_text, parse_network
from digits.model.network.trainable import with_loss
from digits.model.network.training import NetworkOptions, make_networks
from tests.model.cases import facts
from tests.model.requests import TINY, create, errors

LABELS = 7


def fields(side: int, channels: int = 3) -> str:
    return f'input: "data" input_dim: 1 input_dim: {channels} input_dim: {side} input_dim: {side}\n'


def conv(name: str, bottom: str, count: int = 4, kernel: int = 3, more: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
        f"convolution_param {{ num_output: {count} kernel_size: {kernel} {more} }} }}\n"
    )


def ip(name: str, bottom: str) -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" '
        "inner_product_param { num_output: 1000 } }\n"
    )


def unary(kind: str, name: str, bottom: str, more: str = "", top: str = "") -> str:
    top = top or name
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}\n'


GLOBAL = "pooling_param { pool: AVE global_pooling: true }"
# As the well-known ones are published, with fewer layers: text, the side of the input, the scores.
PUBLISHED = {
    "LeNet": (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 64 dim: 3 '
        "dim: 28 dim: 28 } } }" + conv("conv1", "data") + ip("ip2", "conv1")
        + unary("Softmax", "prob", "ip2"),
        28,
        "ip2",
    ),
    "VGG, in the format of its time": (
        fields(24)
        + 'layers { bottom: "data" top: "conv1_1" name: "conv1_1" type: CONVOLUTION '
        "convolution_param { num_output: 4 pad: 1 kernel_size: 3 } }"
        'layers { bottom: "conv1_1" top: "conv1_1" name: "relu1_1" type: RELU }'
        'layers { bottom: "conv1_1" top: "fc8" name: "fc8" type: INNER_PRODUCT '
        "inner_product_param { num_output: 1000 } }"
        'layers { bottom: "fc8" top: "prob" name: "prob" type: SOFTMAX }',
        24,
        "fc8",
    ),
    "ResNet": (
        fields(32) + conv("conv1", "data", more="bias_term: false")
        + unary("BatchNorm", "bn", "conv1", "batch_norm_param { use_global_stats: true }", "conv1")
        + unary("Scale", "scale", "conv1", "scale_param { bias_term: true }", "conv1")
        + unary("ReLU", "relu", "conv1", top="conv1") + unary("Pooling", "pool5", "conv1", GLOBAL)
        + ip("fc1000", "pool5") + unary("Softmax", "prob", "fc1000"),
        32,
        "fc1000",
    ),
    "SqueezeNet": (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 '
        "dim: 27 dim: 27 } } }" + conv("conv10", "data", 1000, 1)
        + unary("ReLU", "relu", "conv10", top="conv10")
        + unary("Pooling", "pool10", "conv10", GLOBAL) + unary("Softmax", "prob", "pool10"),
        27,
        "pool10",
    ),
    "MobileNet": (
        fields(16) + conv("c", "data", 4, 3, "pad: 1") + conv("dw", "c", 4, 3, "pad: 1 group: 4")
        + unary("Pooling", "pool6", "dw", GLOBAL) + conv("fc7", "pool6", 1000, 1)
        + unary("Softmax", "prob", "fc7"),
        16,
        "fc7",
    ),
    "DenseNet, without a Softmax": (
        fields(16) + unary("Pooling", "pool5", "data", GLOBAL) + conv("fc6", "pool5", 1000, 1),
        16,
        "fc6",
    ),
    "an answer after the Softmax": (
        fields(16) + ip("fc", "data") + unary("Softmax", "prob", "fc")
        + unary("ArgMax", "best", "prob"),
        16,
        "fc",
    ),
    "a Softmax that is reshaped": (
        fields(16) + ip("fc", "data") + unary("Softmax", "prob", "fc")
        + unary("Flatten", "flat", "prob"),
        16,
        "fc",
    ),
    "a Softmax within": (
        fields(16) + conv("c", "data") + unary("Softmax", "attention", "c") + ip("fc", "attention")
        + unary("Softmax", "prob", "fc"),
        16,
        "fc",
    ),
    "a Softmax in place": (
        fields(16) + ip("fc", "data") + unary("Softmax", "prob", "fc", top="fc"),
        16,
        "fc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_becomes_one_that_is_trained_and_used(name: str) -> None:
    text, side, scores = PUBLISHED[name]
    net = with_loss(parse_network(text))
    # What is kept as the job's network is read again when the training starts.
    assert parse_network(network_to_text(net)) == net
    networks = make_networks(net, facts(labels=LABELS, side=40), NetworkOptions())
    kinds = [layer.type for layer in networks.train_val.layer]
    assert kinds[:2] == ["Data", "Data"]
    assert kinds[-2:] == ["SoftmaxWithLoss", "Accuracy"]
    loss, accuracy = networks.train_val.layer[-2:]
    assert list(loss.bottom) == list(accuracy.bottom) == [scores, "label"]
    assert [rule.phase for rule in accuracy.include] == [caffe_pb2.TEST]
    assert networks.train_val.layer[0].transform_param.crop_size == side
    assert list(networks.deploy.input_shape[0].dim) == [1, 3, side, side]
    assert networks.accuracies == ("accuracy",)

    shapes = {"data": (16, 3, side, side), "label": (16,)}
    train_val = network_to_text(networks.train_val)
    result = check_nets(
        State(),
        CheckNets(
            (
                NetSource(train_val, "train", "TRAIN", data_shapes=shapes),
                NetSource(train_val, "val", "TEST", data_shapes=shapes),
                NetSource(network_to_text(networks.deploy), "deploy"),
            )
        ),
    )
    assert not result.problems
    assert result.nets["deploy"].outputs == ("prob",)
    count = 1
    for size in result.nets["deploy"].shapes["prob"]:
        count *= size
    assert count == LABELS


def test_what_such_files_leave_out_or_fix_is_put_right_for_training() -> None:
    text, *_ = PUBLISHED["ResNet"]
    by_name = {layer.name: layer for layer in with_loss(parse_network(text)).layer}
    assert by_name["conv1"].convolution_param.weight_filler.type == "msra"
    assert by_name["fc1000"].inner_product_param.weight_filler.type == "msra"
    assert not by_name["bn"].batch_norm_param.HasField("use_global_stats")


def test_a_filler_that_is_there_is_kept() -> None:
    text = PUBLISHED["LeNet"][0].replace("kernel_size: 3", "kernel_size: 3 weight_filler { }")
    [first, *_] = [layer for layer in with_loss(parse_network(text)).layer if layer.name == "conv1"]
    assert first.convolution_param.weight_filler.type == "constant"


def test_beside_published_weights_the_classifier_begins_afresh() -> None:
    text, *_ = PUBLISHED["SqueezeNet"]
    names = [layer.name for layer in with_loss(parse_network(text), afresh=True).layer]
    assert "conv10_retrain" in names
    assert "pool10" in names


def test_a_network_with_a_loss_is_left_alone() -> None:
    net = parse_network(TINY)
    assert with_loss(net) is net


def test_an_accuracy_that_is_there_is_not_put_beside_another() -> None:
    without = TINY.split('layer { name: "loss"', maxsplit=1)[0]
    layers = with_loss(parse_network(without)).layer
    assert [layer.type for layer in layers].count("Accuracy") == 1
    assert (layers[-1].type, list(layers[-1].bottom)) == ("SoftmaxWithLoss", ["ip", "label"])


def test_names_that_are_taken_are_not_used_twice() -> None:
    text = fields(16) + conv("loss", "data") + ip("accuracy", "loss") + ip("label", "accuracy")
    net = with_loss(parse_network(text))
    names = [layer.name for layer in net.layer]
    assert len(set(names)) == len(names)
    assert list(net.layer[-2].bottom) == ["label", "label_"]
    assert list(net.layer[0].top) == ["data", "label_"]


def test_a_network_without_an_end_is_refused() -> None:
    with pytest.raises(NetworkError, match="no end that a loss could be put to"):
        with_loss(parse_network('layer { name: "d" type: "Input" top: "data" }'))


def test_the_form_offers_it_and_does_it(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    text = fields(16, 1) + ip("fc", "data") + unary("Softmax", "prob", "fc")
    form = {"method": "custom", "custom_network": text, "train_epochs": "1", "batch_size": "9"}
    message = errors(create(client, dataset.id, **form))["custom_network"]
    assert "“Add a loss” (add_loss)" in message
    page = client.get("/models/images/classification/new").text
    assert 'name="add_loss"' in page
    answer: Any = create(client, dataset.id, **form, add_loss="y")
    assert answer.status_code == 200, answer.text
    job = models.job(answer.json["id"])
    assert job.settings.to_json()["add_loss"] is True
    kept = (job.dir / "original.prototxt").read_text()
    assert 'type: "SoftmaxWithLoss"' in kept
    models.abort_job(job.id)


def test_what_is_wrong_with_such_a_network_is_told_by_the_line_of_its_text(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    text = fields(16, 1) + conv("c", "data", kernel=17) + ip("fc", "c")
    form = {"method": "custom", "custom_network": text, "add_loss": "y"}
    message = errors(create(client, dataset.id, **form))["custom_network"]
    assert message.startswith("Line 2: ")
