"""Networks of several heads and loose ends: what is renamed, resized, deployed, and the result."""

from __future__ import annotations

import pytest

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.model.network import graph
from digits.model.network.deploy import Output, output_of
from digits.model.network.text import parse_network
from digits.model.network.training import NetworkOptions, Networks, make_networks
from tests.model.cases import facts

LABELS = 5


def ip(name: str, bottom: str = "data", count: int = 64, more: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {more} '
        f"inner_product_param {{ num_output: {count} }} }}\n"
    )


def loss(bottom: str, kind: str = "SoftmaxWithLoss", more: str = "") -> str:
    return (
        f'layer {{ name: "loss_{bottom}" type: "{kind}" bottom: "{bottom}" bottom: "label" '
        f'top: "loss_{bottom}" {more} }}\n'
    )


def unary(name: str, kind: str, bottom: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {more} }}\n'


def made(text: str, **options: bool) -> Networks:
    given = parse_network(text)
    return make_networks(given, facts(labels=LABELS, side=16), NetworkOptions(**options))  # type: ignore[arg-type]


def counts(net: NetParameter) -> dict[str, int]:
    return {
        layer.name: layer.inner_product_param.num_output
        for layer in net.layer
        if layer.type == "InnerProduct"
    }


def names(net: NetParameter) -> list[str]:
    return [layer.name for layer in net.layer]


@pytest.mark.parametrize("order", [["ip", "aux"], ["aux", "ip"]])
def test_retraining_renames_every_head_in_any_order(order: list[str]) -> None:
    weights = {"ip": "", "aux": "loss_weight: 0.3"}
    text = "".join(map(ip, order)) + "".join(loss(name, more=weights[name]) for name in order)
    networks = made(text, retrain=True)
    renamed = {f"{name}_retrain": LABELS for name in order}
    assert counts(networks.train_val) == renamed
    assert names(networks.deploy) == ["ip_retrain", "prob"]


def test_retraining_renames_heads_of_the_right_size_as_well() -> None:
    text = ip("hidden", count=9) + ip("ip", "hidden", LABELS) + ip("aux", "hidden", LABELS)
    networks = made(text + loss("ip") + loss("aux"), retrain=True)
    assert list(counts(networks.train_val)) == ["hidden", "ip_retrain", "aux_retrain"]


def test_retraining_renames_what_a_loss_without_classes_reads() -> None:
    text = ip("hidden", count=9) + ip("ip", "hidden", LABELS) + loss("ip", "EuclideanLoss")
    networks = made(text, retrain=True)
    assert list(counts(networks.train_val)) == ["hidden", "ip_retrain"]


# Of two heads the main one is the result, wherever it stands: these end in `main`.
MAIN_HEADS = {
    "the larger weight": loss("main") + loss("aux", more="loss_weight: 0.3"),
    "the larger weight of two kinds": loss("main", "HingeLoss")
    + loss("aux", more="loss_weight: 0.3"),
    "classes before anything else": loss("main", more="loss_weight: 0.1")
    + 'layer { name: "e" type: "EuclideanLoss" bottom: "aux" bottom: "data" top: "e" }',
    "of equal weights, what an accuracy measures": loss("main")
    + loss("aux")
    + 'layer { name: "a" type: "Accuracy" bottom: "main" bottom: "label" top: "a" }',
    "of equals, the last": loss("aux") + loss("main"),
}


@pytest.mark.parametrize("case", MAIN_HEADS)
def test_the_main_head_is_what_is_deployed_and_what_measures_a_snapshot(case: str) -> None:
    networks = made(ip("main") + ip("aux") + MAIN_HEADS[case])
    assert list(counts(networks.deploy)) == ["main"]
    assert graph.main_measures(networks.train_val)[1] == "loss_main"


def test_the_accuracy_of_the_main_head_counts_though_another_comes_later() -> None:
    accuracies = "".join(
        f'layer {{ name: "acc_{name}" type: "Accuracy" bottom: "{name}" bottom: "label" '
        f'top: "acc_{name}" }}'
        for name in ("main", "aux")
    )
    text = ip("main") + ip("aux") + loss("main") + loss("aux", more="loss_weight: 0.3")
    measures = graph.main_measures(made(text + accuracies).train_val)
    assert measures == ("acc_main", "loss_main")


POOL = "pooling_param { kernel_size: 2 stride: 2 }"
# Layers that nobody reads, beside a network that ends in `ip`.
LOOSE_ENDS = {
    "a pooling": unary("side", "Pooling", "data", POOL),
    "a classifier that was cut off": ip("side"),
    "one that comes after the loss": ip("vector", "hidden"),
    "a chain": unary("p", "Pooling", "data", POOL) + ip("q", "p") + unary("r", "ReLU", "q"),
    "one that works in place": ip("side")
    + 'layer { name: "relu" type: "ReLU" bottom: "side" top: "side" }',
    "what is silenced": ip("side") + 'layer { name: "s" type: "Silence" bottom: "side" }',
    "scores once more": unary("best", "ArgMax", "ip"),
    "one of the phase TEST": ip("side", more="include { phase: TEST }"),
    "a layer with two tops": 'layer { name: "side" type: "Slice" bottom: "hidden" top: "x" '
    'top: "y" }',
    "a softmax of something else": ip("side") + unary("z", "Softmax", "side"),
}


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss"])
@pytest.mark.parametrize("case", LOOSE_ENDS)
def test_what_nobody_reads_is_trained_as_it_stands_and_not_deployed(case: str, kind: str) -> None:
    text = ip("hidden", count=10) + ip("ip", "hidden") + loss("ip", kind) + LOOSE_ENDS[case]
    networks = made(text)
    loose = names(parse_network(LOOSE_ENDS[case]))
    trained = counts(networks.train_val)
    assert trained.pop("ip") == LABELS
    assert trained.pop("hidden") == 10
    assert set(trained.values()) <= {64}
    assert set(loose) <= set(names(networks.train_val))
    softmax = kind == "SoftmaxWithLoss"
    assert names(networks.deploy) == ["hidden", "ip", *(["prob"] if softmax else [])]
    assert networks.output == ("prob" if softmax else "ip")
    assert output_of(networks.deploy) == Output(networks.output, softmax)


def test_retraining_leaves_alone_what_nobody_reads() -> None:
    text = ip("ip") + loss("ip") + ip("vector")
    assert counts(made(text, retrain=True).train_val) == {"ip_retrain": LABELS, "vector": 64}


def test_layers_for_deployment_alone_stay_there_beside_the_result() -> None:
    text = ip("ip") + loss("ip")
    text += unary("best", "ArgMax", "ip", 'include { stage: "deploy" }')
    networks = made(text)
    assert names(networks.deploy) == ["ip", "prob", "best"]
    assert networks.output == "prob"
    assert output_of(networks.deploy, networks.output) == Output("prob", True)
    assert "best" not in names(networks.train_val)


def test_layers_that_share_the_weights_of_an_output_get_its_size() -> None:
    shared = 'param { name: "w" } param { name: "b" }'
    text = ip("ip", more=shared) + loss("ip") + ip("twin", more=shared)
    assert counts(made(text).train_val) == {"ip": LABELS, "twin": LABELS}


PROBABILITIES = {
    "a softmax loss": (loss("ip"), "prob", True),
    "a hinge loss": (loss("ip", "HingeLoss"), "ip", False),
    "a euclidean loss": (loss("ip", "EuclideanLoss"), "ip", False),
    "labels before scores": (
        'layer { name: "e" type: "EuclideanLoss" bottom: "label" bottom: "ip" top: "e" }',
        "ip",
        False,
    ),
    "a contrastive loss": (
        ip("twin", count=LABELS)
        + 'layer { name: "c" type: "ContrastiveLoss" bottom: "ip" bottom: "twin" bottom: "label" '
        'top: "c" }',
        "ip",
        False,
    ),
    "a loss of a softmax": (
        unary("share", "Softmax", "ip") + loss("share", "MultinomialLogisticLoss"),
        "share",
        True,
    ),
    "a flattened softmax": (
        unary("s", "Softmax", "ip")
        + unary("flat", "Flatten", "s")
        + loss("flat", "MultinomialLogisticLoss"),
        "flat",
        True,
    ),
    "a sigmoid": (
        unary("s", "Sigmoid", "ip") + loss("s", "EuclideanLoss"),
        "s",
        True,
    ),
    "a scaled softmax": (
        unary("s", "Softmax", "ip")
        + unary("p", "Power", "s", "power_param { scale: 100 }")
        + loss("p", "EuclideanLoss"),
        "p",
        False,
    ),
    "a softmax of its own beside a hinge loss": (
        loss("ip", "HingeLoss") + unary("mine", "Softmax", "ip"),
        "mine",
        True,
    ),
}


@pytest.mark.parametrize("case", PROBABILITIES)
def test_the_result_is_known_and_whether_it_is_a_probability(case: str) -> None:
    text, name, is_probability = PROBABILITIES[case]
    networks = made(ip("ip", count=LABELS) + text)
    assert output_of(networks.deploy, networks.output) == Output(name, is_probability)


def test_of_a_file_with_several_outputs_that_of_a_softmax_is_the_result() -> None:
    text = ip("ip") + unary("a", "Softmax", "ip") + ip("vector")
    assert output_of(parse_network(text)) == Output("a", True)
    assert output_of(parse_network(text), "vector") == Output("vector", False)
    assert output_of(parse_network(ip("a") + ip("b"))) == Output("b", False)
